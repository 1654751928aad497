"""What AgentLeases holds for leases and orders: the model that the contract is held against.

Pure: amounts are base units, times seconds; whoever calls says when a token moved.
Source: docs/protocol/agents.md#leases.
"""

from collections import Counter
from dataclasses import dataclass, field

from offchain.core.units import BPS


@dataclass(slots=True)
class BookedLease:
    """`until` 0: it has ended; `moves`: when the token changed hands since."""

    owner: bytes
    renter: bytes
    price: int
    least: int
    earned_until: int
    until: int
    moves: list[int] = field(default_factory=list)

    def over_at(self) -> int:
        """When it ends, or has ended."""
        if not self.moves:
            return self.until
        return min(self.until, self.moves[0] if len(self.moves) == 1 else self.earned_until)


@dataclass(slots=True)
class BookedOrder:
    """`state`: ordered, delivered, settled or refunded."""

    owner: bytes
    buyer: bytes
    fee: int
    state: str = "ordered"


@dataclass(slots=True)
class LeasesBook:
    """Credit by account, leases and orders by id."""

    credit: Counter[bytes] = field(default_factory=Counter)
    leases: dict[int, BookedLease] = field(default_factory=dict)
    orders: dict[int, BookedOrder] = field(default_factory=dict)

    def rent(self, lease: int, entry: BookedLease) -> None:
        """Prepaid out of the value sent."""
        self.leases[lease] = entry

    def collect(self, lease: int, *, now: int) -> None:
        entry = self.leases[lease]
        end = entry.over_at()
        self._earn(entry, min(now, end))
        if now >= end:
            self._end(entry)

    def end(self, lease: int, *, now: int) -> None:
        """By the renter, who pays the shortest time in any case."""
        entry = self.leases[lease]
        self._earn(entry, max(now, entry.least))
        self._end(entry)

    def settle(self, order: int, royalties: list[tuple[bytes, int]]) -> None:
        """`royalties`: receiver and share of the token and of tokens above it, nearest first."""
        entry = self.orders[order]
        rest = entry.fee
        for receiver, bps in royalties:
            amount = min(rest, entry.fee * bps // BPS)
            self.credit[receiver] += amount
            rest -= amount
        self.credit[entry.owner] += rest
        entry.state = "settled"

    def refund(self, order: int) -> None:
        entry = self.orders[order]
        self.credit[entry.buyer] += entry.fee
        entry.state = "refunded"

    def held(self) -> int:
        """What is nobody's credit yet."""
        running = [one for one in self.leases.values() if one.until]
        rent = sum((one.until - one.earned_until) * one.price for one in running)
        open_states = ("ordered", "delivered")
        return rent + sum(one.fee for one in self.orders.values() if one.state in open_states)

    def _earn(self, entry: BookedLease, until: int) -> None:
        if until > entry.earned_until:
            self.credit[entry.owner] += (until - entry.earned_until) * entry.price
            entry.earned_until = until

    def _end(self, entry: BookedLease) -> None:
        self.credit[entry.renter] += (entry.until - entry.earned_until) * entry.price
        entry.until = 0
