"""Who holds the rows of a signer that is gone, as everybody computes it from the chain; pure.

A signer's rows are cut into lots, because making rows again costs K rows whoever does it and
however many he makes. Each lot has one fixed order of heirs, drawn by slots from the blob's seed:
shares follow stake, and when one more signer goes, nothing moves but what he held.
Source: docs/protocol/da.md#repair-and-churn.
"""

from bisect import bisect_right
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from offchain.core.hashing import TAG_DA_HEIR, keccak
from offchain.core.layout import N
from offchain.da.duties import Duties, Duty

LOT_ROWS: Final = 128
DRAWS: Final = 64
WORD_BYTES: Final = 4
WORDS: Final = 8  # in one digest


@dataclass(frozen=True, slots=True)
class Lot:
    """Up to 128 rows of one owner, sorted: what one heir takes over."""

    owner: Duty
    number: int
    rows: tuple[int, ...] = field(repr=False)

    @property
    def name(self) -> tuple[int, int]:
        """Which lot of its blob this is."""
        return self.owner.index, self.number


def lots_of(duties: Duties) -> tuple[Lot, ...]:
    """Every row of the blob once, in lots, in the table's order."""
    return tuple(
        Lot(owner, start // LOT_ROWS, owner.rows[start : start + LOT_ROWS])
        for owner in duties.members
        for start in range(0, len(owner.rows), LOT_ROWS)
    )


def heirs_in_order(duties: Duties, lot: Lot) -> Iterator[Duty]:
    """All signers but the owner, each once, in the order in which they inherit the lot.

    Draw k is the owner of slot floor(w_k N / 2^32), w_k the k-th 32-bit word of keccak(tag, seed,
    owner's index, lot, 0), keccak(.., 1), ..; after 64 draws come the others in slot order from
    the last drawn slot.
    """
    ends = [duty.slots[1] for duty in duties.members]
    named = {lot.owner.index}
    slot = 0
    for slot in _drawn_slots(duties.seed, lot):
        heir = duties.members[bisect_right(ends, slot)]
        if heir.index not in named:
            named.add(heir.index)
            yield heir
        if len(named) == len(ends):
            return
    start = bisect_right(ends, slot)
    for heir in (*duties.members[start:], *duties.members[:start]):
        if heir.index not in named:
            yield heir


def heir_of(duties: Duties, lot: Lot, gone: AbstractSet[int]) -> Duty | None:
    """The first heir who is not gone (operator ids); None when nobody is left."""
    return next((heir for heir in heirs_in_order(duties, lot) if heir.operator not in gone), None)


def rows_after(duties: Duties, gone: AbstractSet[int]) -> dict[int, tuple[int, ...]]:
    """The rows each operator holds once repair is done: its own, and what it inherits."""
    held: dict[int, list[int]] = {
        duty.operator: list(duty.rows) for duty in duties.members if duty.operator not in gone
    }
    for lot in lots_of(duties):
        if lot.owner.operator in gone:
            heir = heir_of(duties, lot, gone)
            if heir is not None:
                held[heir.operator] += lot.rows
    return {operator: tuple(sorted(rows)) for operator, rows in held.items()}


def _drawn_slots(seed: bytes, lot: Lot) -> Iterator[int]:
    place = lot.owner.index.to_bytes(4, "big") + lot.number.to_bytes(4, "big")
    for count in range(DRAWS // WORDS):
        digest = keccak(TAG_DA_HEIR, seed, place, count.to_bytes(4, "big"))
        for start in range(0, WORDS * WORD_BYTES, WORD_BYTES):
            yield int.from_bytes(digest[start : start + WORD_BYTES], "big") * N >> 32
