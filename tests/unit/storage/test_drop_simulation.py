"""INV-STO-10: whoever drops any share of what a seat is paid for expects to lose by it.

The draw, the fines and the doubling are those of the contract; only the market is drawn by chance:
files of one segment or of many, seats of one operator or of forty, groups nearly over or full.
"""

import random
from dataclasses import dataclass

import pytest

from offchain.core.hashing import keccak
from offchain.storage.challenge_draw import (
    KeptFile,
    chance_of,
    fall,
    fine_of,
    is_drawn,
    place_of,
    rate_of,
)
from offchain.storage.model import PRICE_UNIT, SEGMENT_BYTES, kept_bytes, profile_named
from offchain.storage.proof_book import Clock, Holder, ProofBook

EPOCH, ANSWER = 14_400, 3_600
CLOCK = Clock(genesis=0, epoch_seconds=EPOCH, answer_seconds=ANSWER)
DURABLE = profile_named("durable")
PRICE = 10**12
FOREVER = 1 << 40
MISSES = 50  # expected in a run: luck does not decide
SEAT = 3


@dataclass(frozen=True, slots=True)
class Market:
    """What one seat keeps, and how many bytes share a challenge in the whole market."""

    files: tuple[KeptFile, ...]
    rate: int

    @property
    def kept(self) -> int:
        return self.files[-1].first_byte + self.files[-1].bytes

    @property
    def live(self) -> int:
        return sum(one.bytes for one in self.files if one.end)


def a_market(lengths: list[int], *, over: int = 0, others: int = 40) -> Market:
    """Files of these lengths, the first `over` of them ended; `others` seats keep as much."""
    first, files = 0, []
    for number, length in enumerate(lengths):
        size = kept_bytes(DURABLE, length)
        end = 0 if number < over else FOREVER
        files.append(KeptFile(keccak(number.to_bytes(4, "big")), first, size, length, end))
        first += size
    live = sum(one.bytes for one in files if one.end)
    return Market(tuple(files), rate_of(live * others, max(others // 2, 1)))


MIXED = [SEGMENT_BYTES * 3 + 5, *([1_000] * 200), SEGMENT_BYTES, *([5_000_000] * 10)]
MARKETS = {
    "one tiny file": a_market([1]),
    "one seat in the world": a_market([SEGMENT_BYTES], others=1),
    "big among many small": a_market(MIXED),
    "nearly all is over": a_market([SEGMENT_BYTES] * 40, over=39),
    "four thousand operators": a_market([SEGMENT_BYTES] * 3, others=10_000),
}


def is_dropped(market: Market, file: KeptFile, offset: int, share: float, how: str) -> bool:
    """Whether the cheat keeps no such byte."""
    if how == "everywhere":
        place = place_of(offset, file.length, DURABLE, SEAT)
        code = f"{file.id.hex()} {place.segment} {place.row} {place.leaf}"
        return random.Random(code).random() < share
    return file.bytes == max(one.bytes for one in market.files if one.end)


def dropped_share(market: Market, share: float, how: str) -> float:
    """What part of the live bytes the cheat does not pay a disk for."""
    if how == "everywhere":
        return share
    largest = [one.bytes for one in market.files if one.end]
    return sum(size for size in largest if size == max(largest)) / sum(largest)


def loss(market: Market, share: float, how: str, *, epochs: int) -> tuple[int, int]:
    """Wei saved and wei fined over so many epochs; the cheat proves whatever it still has."""
    book = ProofBook(CLOCK, min_bond=1)
    holder = Holder(1, PRICE, 0)
    fine = fine_of(PRICE, kept=market.kept, bytes_per_challenge=market.rate, epoch_seconds=EPOCH)
    fined = 0
    for epoch in range(1, epochs + 1):
        record = book.record(1, SEAT)
        chance = chance_of(keccak(b"R", epoch.to_bytes(4, "big")), 1, SEAT)
        tracked = record.was_suspect(epoch, holder.since, CLOCK)
        if not tracked and not is_drawn(chance, kept=market.kept, bytes_per_challenge=market.rate):
            continue
        start = CLOCK.start_of(epoch)
        drawn = fall(
            chance,
            market.files,
            seat=SEAT,
            kept=market.kept,
            owed_until=start + ANSWER,
            tries=16 if tracked else 1,
        )
        if drawn is None:
            continue
        if is_dropped(market, drawn.file, drawn.offset, share, how):
            now = start + ANSWER + 1
            fined += book.default(epoch, 1, SEAT, holder, fine=fine, now=now).amount
        else:
            book.prove(epoch, 1, SEAT, now=start)
    saved = int(PRICE * market.live * dropped_share(market, share, how) * EPOCH * epochs)
    return saved // PRICE_UNIT, fined


@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 1.0])
def test_inv_sto_10__any_share_dropped__expected_profit_is_negative(
    name: str, share: float
) -> None:
    """Saved at most the whole price of the bytes; fined, over many epochs, more than that."""
    market = MARKETS[name]
    chance = share * market.live / max(market.kept, market.rate)

    saved, fined = loss(market, share, "everywhere", epochs=int(MISSES / chance))

    assert fined > 2 * saved


def test_inv_sto_10__one_big_file_dropped_among_many_small__does_not_pay() -> None:
    """Were segments drawn and not bytes, this cheat would save a half and meet one miss in 200."""
    market = MARKETS["big among many small"]

    saved, fined = loss(market, 1.0, "the largest", epochs=4_000)

    assert fined > 2 * saved


def test_inv_sto_10__nothing_dropped__costs_nothing() -> None:
    assert loss(MARKETS["big among many small"], 0.0, "everywhere", epochs=500) == (0, 0)
