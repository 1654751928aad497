"""What falls to one node of a blob's rows, and whom it has to watch for that; pure.

Each lot has a line: its owner, then its heirs. Whoever is gone or silent is passed over; the first
who is left should hold the lot, and the three behind him watch him. So a lot is taken over by one
node, one that fails is followed by the next, and it takes three in a row who refuse to lose a lot.
Source: docs/protocol/da.md#repair-and-churn.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from offchain.da.duties import Duties, Duty
from offchain.da.heirs import Lot, heirs_in_order, lots_of

WATCHERS: Final = 3
IsSilent = Callable[[Duty, Lot], bool]


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows this node should hold and does not. `is_urgent`: its own, or their owner is gone by the
    chain's word; otherwise somebody is only silent.
    """

    lot: Lot
    rows: frozenset[int] = field(repr=False)
    is_urgent: bool

    def is_own(self, operator: int) -> bool:
        return self.lot.owner.operator == operator


@dataclass(frozen=True, slots=True)
class Watch:
    """Who should hold a lot while this node is close behind in its line."""

    holder: Duty
    lot: Lot


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What one node has to do for one blob."""

    claims: Sequence[Claim]
    watches: Sequence[Watch]


def inheritance_of(
    duties: Duties, me: int, held: AbstractSet[int], *, gone: AbstractSet[int], is_silent: IsSilent
) -> Inheritance:
    """`me` and `gone` are operator ids, `held` the rows this node has.

    A node that is gone itself inherits nothing; it still answers for its own rows.
    """
    claims: list[Claim] = []
    watches: list[Watch] = []
    for lot in lots_of(duties):
        is_own = lot.owner.operator == me
        if me in gone and not is_own:
            continue
        line = _line(duties, lot, me, gone=gone, is_silent=is_silent)
        if not line:
            continue
        if line[0].operator == me:
            missing = frozenset(lot.rows) - held
            if missing:
                claims.append(Claim(lot, missing, is_own or lot.owner.operator in gone))
        elif me in [duty.operator for duty in line]:
            watches.append(Watch(line[0], lot))
    return Inheritance(claims, watches)


def _line(
    duties: Duties, lot: Lot, me: int, *, gone: AbstractSet[int], is_silent: IsSilent
) -> list[Duty]:
    """Who should hold the lot, and the watchers behind him; the line is cut after this node."""
    line: list[Duty] = []
    for duty in chain((lot.owner,), heirs_in_order(duties, lot)):
        if duty.operator == me:
            return [*line, duty]
        if duty.operator not in gone and not is_silent(duty, lot):
            line.append(duty)
        if len(line) > WATCHERS:
            break
    return line
