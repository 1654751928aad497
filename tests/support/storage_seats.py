"""Seats and draws of storage on the real log, market, stake and beacon, in model terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import boa

from offchain.core.bls import Signature, aggregate_signatures
from offchain.core.hashing import keccak
from offchain.staking.tree import Leaf, StakeTree
from offchain.storage.model import Profile, profile_named, submission_id
from offchain.storage.seat_draw import (
    Ask,
    Candidate,
    DrawCall,
    Drawn,
    DrawsId,
    Load,
    Lottery,
    draw_calls,
    draw_group,
    draw_seat,
)
from tests.support.da import raw
from tests.support.native_evm import record_block_hash
from tests.support.staking import (
    COIN,
    DAY,
    EPOCH,
    STORAGE,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    deploy_staking,
    key_bytes,
    staking_deployer,
)
from tests.support.storage_log import (
    MARKET_WINDOWS,
    a_submission,
    storage_deployer,
    submission_tuple,
)

PRICE = 4 * 10**8  # about a coin for a TB-month
CAPACITY = 2**42  # 64 seats
LONGEST = 600  # epochs
STAKE = 100 * COIN
NONE, REQUESTED, OPEN, FULL, DRAINED, FAILED = 0, 1, 2, 4, 8, 16
DRAWN, SERVING, SUSPECT, VACANT, LEAVING = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class SeatSite:
    """All wired; `proofs` is the account of a contract in the place of StorageProofs."""

    staking: StakingSite
    beacon: Any
    log: Any
    market: Any
    seats: Any
    draws: Any
    proofs: str
    operators: tuple[AnOperator, ...]

    @property
    def stake(self) -> Any:
        return self.staking.stake

    @property
    def id(self) -> DrawsId:
        return DrawsId(int(boa.env.evm.patch.chain_id), raw(self.draws.address))

    def operator(self, operator_id: int) -> AnOperator:
        return next(one for one in self.operators if one.operator_id == operator_id)


def deploy_seats(
    stakes: Sequence[int] = (STAKE,) * 8, *, asking: bool = True, court: str | None = None
) -> SeatSite:
    """Operators with these STORAGE stakes (wei), each asking PRICE; they count from epoch 1 on.

    `court=""` leaves the court unwired.
    """
    staking = deploy_staking(court=court)
    registry, stake = staking.registry.address, staking.stake.address
    governance = staking.governance
    beacon = staking_deployer("RandomBeacon").deploy(stake, governance, 7 * DAY)
    # the log asks its entrance about batches alone, and there are none here
    log = storage_deployer("StorageLog").deploy(stake, beacon.address, governance)
    seats = storage_deployer("StorageSeats").deploy(registry, stake, governance)
    around = (log.address, seats.address, stake, beacon.address)
    market = storage_deployer("StorageMarket").deploy(*around, governance, MARKET_WINDOWS)
    draws = storage_deployer("StorageDraws").deploy(registry, stake, beacon.address, seats.address)
    proofs = str(beacon.address)
    log.wire(market.address, proofs, sender=governance)
    seats.wire(draws.address, market.address, proofs, sender=governance)
    market.wire(proofs, sender=governance)
    operators = tuple(
        a_member(staking, number, service=STORAGE, own=own) for number, own in enumerate(stakes)
    )
    site = SeatSite(staking, beacon, log, market, seats, draws, proofs, operators)
    for operator in operators if asking else ():
        ask(site, operator)
    return site


def ask(
    site: SeatSite,
    operator: AnOperator,
    *,
    price: int = PRICE,
    capacity: int = CAPACITY,
    longest: int = LONGEST,
) -> None:
    site.draws.set_ask(price, capacity, longest, endpoint_of(operator), sender=operator.owner)


def endpoint_of(operator: AnOperator) -> str:
    return f"http://127.0.0.1:{5_000 + operator.operator_id}"


def tree_at(site: SeatSite, epoch: int) -> StakeTree:
    """The STORAGE tree of an epoch, from what the ledger says of every operator."""
    leaves = {}
    for operator in site.operators:
        weight = site.stake.weight_at(operator.pool(STORAGE), epoch)
        seat = site.staking.registry.seat_of(operator.pool(STORAGE))
        if weight:
            key = site.stake.key_at(operator.operator_id, epoch)
            leaves[seat - 1] = Leaf(operator.operator_id, weight, keccak(key))
    return StakeTree(leaves)


def candidates(site: SeatSite, group: int, epoch: int) -> dict[int, Candidate]:
    """Every operator as a draw of an epoch sees it."""
    ids = [operator.operator_id for operator in site.operators]
    held = {}
    for first in range(0, len(ids), 32):
        part = ids[first : first + 32]
        held |= dict(zip(part, site.seats.held_by(group, part), strict=True))
    return {
        one: Candidate(
            Ask(*site.draws.ask_at(one, epoch)), Load(*site.draws.load_of(one)), held[one]
        )
        for one in ids
    }


def lottery_of(site: SeatSite, group: int, profile: Profile) -> Lottery:
    """The first draw of a requested group; reverts before its epoch has begun."""
    record = site.seats.group(group)
    epoch = site.draws.seed_epoch(record.requested)
    return Lottery(
        site.id,
        group,
        profile,
        bytes(site.beacon.randomness(epoch)),
        tree_at(site, epoch),
        record.max_price,
        DAY,
    )


def successor_lottery(site: SeatSite, group: int, seat: int, profile: Profile) -> Lottery:
    record = site.seats.group(group)
    epoch = site.draws.seed_epoch(site.seats.seat(group, seat).redraw_epoch)
    return replace(
        lottery_of(site, group, profile),
        randomness=bytes(site.beacon.randomness(epoch)),
        tree=tree_at(site, epoch),
        least_epochs=record.longest_epochs,
        is_successor=True,
    )


def request(site: SeatSite, profile: str = "durable", max_price: int = 2 * PRICE) -> int:
    """Request a group and travel to where it may be drawn."""
    number = profile_named(profile).number
    group = site.seats.request_group(number, max_price, sender=a_wallet("client"))
    boa.env.time_travel(seconds=2 * EPOCH)  # nobody contributes here: the beacon is weak
    return int(group)


def expected(site: SeatSite, group: int, profile: str = "durable") -> list[Drawn]:
    """What the model says of the seats that are left to draw."""
    lottery = lottery_of(site, group, profile_named(profile))
    first = site.seats.group(group).drawn
    epoch = site.draws.seed_epoch(site.seats.group(group).requested)
    return list(draw_group(lottery, first, candidates(site, group, epoch)))


def words_of(site: SeatSite, call: DrawCall) -> tuple[Any, ...]:
    """A call's arguments."""
    keys = []
    for operator in call.operators:
        key = key_bytes(site.operator(operator).key)
        keys.append([key[start : start + 32] for start in range(0, 128, 32)])
    return (
        call.group,
        call.seat,
        list(call.cover.words),
        list(call.cover.hashes),
        keys,
        call.picks,
    )


def show(site: SeatSite, group: int, drawn: Sequence[Drawn], profile: str = "durable") -> int:
    """Send the calls that show these seats; the group's state afterwards."""
    lottery = lottery_of(site, group, profile_named(profile))
    state = NONE
    for call in draw_calls(lottery, site.seats.group(group).drawn, drawn):
        state = int(site.draws.draw(*words_of(site, call), sender=a_wallet("drawer")))
    return state


def open_group(site: SeatSite, profile: str = "durable", **changes: int) -> int:
    """Request and draw a group; its id."""
    group = request(site, profile, **changes)
    assert show(site, group, expected(site, group, profile), profile) == OPEN
    return group


def expected_successor(site: SeatSite, group: int, seat: int, profile: str = "durable") -> Drawn:
    lottery = successor_lottery(site, group, seat, profile_named(profile))
    epoch = site.draws.seed_epoch(site.seats.seat(group, seat).redraw_epoch)
    return draw_seat(lottery, seat, candidates(site, group, epoch))


def successor_words(
    site: SeatSite, group: int, drawn: Drawn, profile: str = "durable"
) -> tuple[Any, ...]:
    lottery = successor_lottery(site, group, drawn.seat, profile_named(profile))
    return words_of(site, next(draw_calls(lottery, drawn.seat, [drawn])))


def draw_successor(site: SeatSite, group: int, seat: int, profile: str = "durable") -> int:
    """Travel to the seed and show the successor; its operator id, 0 if nobody fits."""
    boa.env.time_travel(seconds=2 * EPOCH)
    drawn = expected_successor(site, group, seat, profile)
    words = successor_words(site, group, drawn, profile)
    named = site.draws.draw_successor(*words, sender=a_wallet("drawer"))
    assert drawn.operator == named
    return int(named)


def took(site: SeatSite, group: int, seat: int, segments: int = 0) -> bytes:
    """The successor's signature for taking a seat over."""
    successor = site.operator(site.seats.seat(group, seat).successor)
    return successor.key.sign(site.seats.took_digest(group, seat, segments)).eip2537()


def signed(
    site: SeatSite, group: int, digest: bytes, *, absent: Sequence[int] = ()
) -> tuple[int, bytes, bytes]:
    """Absent bitmap, signature of all other seats that are not vacant, keys of the absent."""
    vacant = site.seats.group(group).vacant
    operators = site.seats.operators_of(group)
    signers = [
        site.operator(operator).key
        for seat, operator in enumerate(operators)
        if seat not in absent and not vacant >> seat & 1
    ]
    signatures: list[Signature] = [key.sign(digest) for key in signers]
    keys = b"".join(
        short_key(key_bytes(site.operator(operators[seat]).key)) for seat in sorted(absent)
    )
    bitmap = sum(1 << seat for seat in absent)
    return bitmap, aggregate_signatures(signatures).eip2537(), keys


def short_key(key: bytes) -> bytes:
    """A key as check_quorum takes it: x and y, 48 bytes each."""
    return key[16:64] + key[80:128]


def seats_by_operator(site: SeatSite, group: int) -> Mapping[int, list[int]]:
    held: dict[int, list[int]] = {}
    for seat, operator in enumerate(site.seats.operators_of(group)):
        held.setdefault(operator, []).append(seat)
    return held


def picture(site: SeatSite) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    seats, draws = site.seats, site.draws
    newest = seats.newest_group()
    return (
        newest,
        tuple(seats.group(newest)),
        seats.group_key(newest),
        tuple(tuple(seats.seat(newest, seat)) for seat in range(seats.group(newest).drawn)),
        tuple(seats.requested_count(number) for number in range(6)),
        tuple(seats.open_count(number) for number in range(6)),
        draws.operator_count(),
        tuple(tuple(draws.load_of(one.operator_id)) for one in site.operators),
        tuple(
            tuple(draws.ask_at(one.operator_id, site.stake.current_epoch() + 2))
            for one in site.operators
        ),
        tuple(draws.endpoint(one.operator_id) for one in site.operators),
        tuple(site.market.group(newest)),
        (seats.draws(), seats.market(), seats.proofs()),
    )


def place_file(site: SeatSite, **changes: Any) -> bytes:
    """Submit a file to the log and place it; its id."""
    owner = a_wallet("owner")
    submission = a_submission(owner, **changes)
    site.log.submit(submission_tuple(submission), b"", value=submission.max_cost, sender=owner)
    file_id = submission_id(
        chain_id=site.id.chain_id,
        log=raw(site.log.address),
        owner=submission.owner,
        root=submission.root,
        nonce=submission.nonce,
    )
    after = site.log.submitted(file_id)[1] + 1
    boa.env.evm.patch.block_number = after + 300
    record_block_hash(after, keccak(b"block", after.to_bytes(8, "big")))
    site.market.place(file_id, sender=a_wallet("relayer"))
    return file_id


def confirm(site: SeatSite, file_id: bytes, *, absent: Sequence[int] = ()) -> None:
    """Show the receipts of all seats but the absent."""
    group = site.market.file(file_id).group
    bitmap, signature, keys = signed(
        site, group, bytes(site.market.held_digest(file_id)), absent=absent
    )
    site.market.confirm(file_id, bitmap, signature, keys, sender=a_wallet("relayer"))
