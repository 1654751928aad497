"""Whom the beacon draws for the seats of a group, and the calls that show it; pure.

  seed     keccak(abi(TAG_SEAT, chain id, StorageDraws, group, seat, attempt, R_e))
  attempt  0 of a first draw hits stratum `seat` of n on the line of stake, every other one anywhere
  winner   of the first attempt whose operator fits: price, terms, room, collateral, seats held here

The pure twin of seat_draw.vy and asks.vy. Source: docs/protocol/storage.md#seats.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from offchain.core.hashing import TAG_STORAGE_SEAT, keccak
from offchain.core.typed_data import words
from offchain.staking.tree import Cover, StakeTree, draw_point
from offchain.storage.model import MAX_GROUP_BYTES, PRICE_UNIT, Profile

ATTEMPTS: Final = 32
STRICT_ATTEMPTS: Final = 16  # of a successor, before the limit doubles
COLLATERAL_DAYS: Final = 34  # 30 of the full price, and 4 fines of about a day's income
MAX_PRICE: Final = 2**48 - 1  # wei per 2^30 byte-seconds
MAX_CAPACITY_SEATS: Final = 2**16 - 1
MAX_OPENED: Final = 32  # leaves that one call opens
MAX_PICKS: Final = 512  # attempts that one call shows
BARRED: Final = 255  # counts for more seats than any limit


@dataclass(frozen=True, slots=True)
class Ask:
    """What an operator offers from `epoch` on; all zero when it never asked."""

    epoch: int
    price: int
    capacity: int
    longest_epochs: int


NO_ASK: Final = Ask(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Load:
    """What an operator has committed, wei of its stake; `leaving` is part of `collateral`."""

    seats: int
    collateral: int
    leaving: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One operator at a draw; `held`: its seats in this group, as StorageSeats.held_by counts."""

    ask: Ask
    load: Load
    held: int = 0


@dataclass(frozen=True, slots=True)
class DrawsId:
    """Which StorageDraws on which chain: part of every seed."""

    chain_id: int
    address: bytes


@dataclass(frozen=True, slots=True)
class Lottery:
    """Everything that decides a draw but the candidates."""

    draws: DrawsId
    group: int
    profile: Profile
    randomness: bytes
    tree: StakeTree
    max_price: int
    day_seconds: int
    least_epochs: int = 1  # a successor bears the terms that were sold
    is_successor: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """How one seat fell: the tree seats that its attempts hit, the last of them the winner's.

    `operator` 0 and `price` 0: none of all attempts fits.
    """

    seat: int
    hits: tuple[int, ...]
    operator: int
    price: int
    longest_epochs: int = 0


@dataclass(frozen=True, slots=True)
class DrawCall:
    """What one call of `draw` or `draw_successor` carries; `operators` own the cover's leaves."""

    group: int
    seat: int
    cover: Cover
    picks: bytes

    @property
    def operators(self) -> tuple[int, ...]:
        return tuple(leaf.operator_id for leaf in self.cover.opened)


def limit_of(profile: Profile) -> int:
    """Seats of one operator in a group of this profile."""
    return max(1, (profile.seats - profile.enough) // 4)


def collateral_for(price: int, day_seconds: int) -> int:
    """Wei of stake that one seat at this price commits."""
    return price * (MAX_GROUP_BYTES // PRICE_UNIT) * COLLATERAL_DAYS * day_seconds


def seat_seed(draws: DrawsId, group: int, seat: int, attempt: int, randomness: bytes) -> bytes:
    """The seed of one attempt to fill a seat."""
    return keccak(
        words(
            TAG_STORAGE_SEAT, draws.chain_id, draws.address, group, seat, attempt, bytes(randomness)
        )
    )


def hit_of(lottery: Lottery, seat: int, attempt: int) -> int:
    """The tree seat that an attempt hits."""
    seed = seat_seed(lottery.draws, lottery.group, seat, attempt, lottery.randomness)
    strata = lottery.profile.seats if attempt == 0 and not lottery.is_successor else 1
    total = lottery.tree.total_wei
    return lottery.tree.seat_at(draw_point(seed, seat % strata, strata=strata, total_wei=total))


def fits(lottery: Lottery, candidate: Candidate, *, attempt: int, stake_wei: int) -> bool:
    """Whether an operator takes one more seat of this group; `stake_wei` as its leaf shows."""
    ask, load = candidate.ask, candidate.load
    limit = limit_of(lottery.profile)
    if lottery.is_successor and attempt >= STRICT_ATTEMPTS:
        limit *= 2
    wanted = load.collateral + collateral_for(ask.price, lottery.day_seconds)
    return (
        0 < ask.price <= lottery.max_price
        and ask.longest_epochs >= lottery.least_epochs
        and load.seats < ask.capacity // MAX_GROUP_BYTES
        and candidate.held < limit
        and wanted <= stake_wei
    )


def draw_seat(lottery: Lottery, seat: int, candidates: Mapping[int, Candidate]) -> Drawn:
    """Whom a seat falls on, as far as attempts go; an operator not in `candidates` never fits."""
    hits: list[int] = []
    for attempt in range(ATTEMPTS):
        hits.append(hit_of(lottery, seat, attempt))
        leaf = lottery.tree.leaves[hits[-1]]
        one = candidates.get(leaf.operator_id)
        if one is not None and fits(lottery, one, attempt=attempt, stake_wei=leaf.weight_wei):
            ask = one.ask
            return Drawn(seat, tuple(hits), leaf.operator_id, ask.price, ask.longest_epochs)
    return Drawn(seat, tuple(hits), 0, 0)


def draw_group(
    lottery: Lottery, first_seat: int, candidates: Mapping[int, Candidate]
) -> Iterator[Drawn]:
    """The seats from `first_seat` on, until one that nobody fits, which fails the group.

    Nothing when nobody has weight: then a call without attempts fails it.
    """
    if lottery.tree.total_wei == 0:
        return
    state = dict(candidates)
    for seat in range(first_seat, lottery.profile.seats):
        drawn = draw_seat(lottery, seat, state)
        yield drawn
        if drawn.operator == 0:
            return
        one = state[drawn.operator]
        collateral = one.load.collateral + collateral_for(drawn.price, lottery.day_seconds)
        load = replace(one.load, seats=one.load.seats + 1, collateral=collateral)
        state[drawn.operator] = replace(one, load=load, held=one.held + 1)


def draw_calls(lottery: Lottery, first_seat: int, drawn: Sequence[Drawn]) -> Iterator[DrawCall]:
    """Seats drawn one after another as the fewest calls that hold them, in order."""
    if not drawn:
        yield DrawCall(lottery.group, first_seat, lottery.tree.cover(()), b"")
        return
    batch: list[Drawn] = []
    for one in drawn:
        hits = {hit for each in [*batch, one] for hit in each.hits}
        attempts = sum(len(each.hits) for each in [*batch, one])
        if batch and (len(hits) > MAX_OPENED or attempts > MAX_PICKS):
            yield _call(lottery, batch)
            batch = []
        batch.append(one)
    yield _call(lottery, batch)


def _call(lottery: Lottery, batch: Sequence[Drawn]) -> DrawCall:
    opened = sorted({hit for one in batch for hit in one.hits})
    index = {hit: place for place, hit in enumerate(opened)}
    picks = bytes(index[hit] for one in batch for hit in one.hits)
    return DrawCall(lottery.group, batch[0].seat, lottery.tree.cover(opened), picks)
