"""Pools over epochs: what each held, whose shares it counts, and what the tree has heard of it.

The pure twin of contracts/staking/pool_book.vy. Source: docs/protocol/staking.md#ledger and
#snapshots.
"""

from dataclasses import dataclass, field, replace

from offchain.chain.model import Address
from offchain.staking.model import (
    PRICE_ONE,
    History,
    PoolId,
    PoolState,
    Service,
    Terms,
    service_of,
)
from offchain.staking.roster import Roster

_EMPTY_POOL = PoolState(0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Position:
    """A delegator's shares of one pool, and the generation they belong to."""

    generation: int = 0
    shares: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """A recorded share price, in 2**-127; it falls with slashes."""

    generation: int = 0
    price: int = PRICE_ONE


@dataclass(slots=True)
class PoolBook:
    """States, positions and prices; the roster's tree is told of what weighs differently."""

    terms: Terms
    roster: Roster
    states: dict[PoolId, History[PoolState]] = field(default_factory=dict)
    positions: dict[tuple[Address, PoolId], History[Position]] = field(default_factory=dict)
    prices: dict[PoolId, History[Price]] = field(default_factory=dict)
    untold: set[PoolId] = field(default_factory=set)  # the tree has an older weight

    def newest(self, pool: PoolId) -> PoolState:
        return self.states[pool].newest if pool in self.states else _EMPTY_POOL

    def at(self, pool: PoolId, epoch: int) -> PoolState:
        return self.states[pool].at(epoch) if pool in self.states else _EMPTY_POOL

    def untold_in(self, service: Service) -> int:
        return sum(service_of(pool) is service for pool in self.untold)

    def save(self, pool: PoolId, state: PoolState, *, epoch: int, now: int) -> None:
        """Let a changed pool count from `epoch` on, in the tree as well."""
        if self._write(pool, state, epoch=epoch, now=now) or pool in self.untold:
            self.tell(pool, epoch)

    def save_untold(self, pool: PoolId, state: PoolState, *, epoch: int, now: int) -> None:
        """Let a changed pool count from `epoch` on, and leave the tree to `tell`."""
        if self._write(pool, state, epoch=epoch, now=now):
            self.untold.add(pool)

    def tell(self, pool: PoolId, epoch: int) -> None:
        """Let the tree say what the pool weighs."""
        state = self.newest(pool)
        weight = state.weight(self.terms.min_stake(service_of(pool)))
        self.roster.set_weight(pool, epoch, stake=state.stake if weight else 0, weight=weight)
        self.untold.discard(pool)

    def amend(self, pool: PoolId, **changes: int) -> None:
        """Change what no epoch looks at: cases, sentences, reservations."""
        history = self.states.setdefault(pool, History(_EMPTY_POOL))
        changed = replace(history.newest, **changes)
        if history.values:
            history.values[-1] = changed
        else:
            history.initial = changed

    def position(self, account: Address, pool: PoolId) -> Position:
        history = self.positions.get((account, pool))
        return history.newest if history else Position()

    def put_position(
        self, account: Address, pool: PoolId, position: Position, *, epoch: int
    ) -> None:
        self.positions.setdefault((account, pool), History(Position())).put(epoch, position)

    def put_price(self, pool: PoolId, price: Price, epoch: int) -> None:
        self.prices.setdefault(pool, History(Price())).put(epoch, price)

    def shares_value_at(self, account: Address, pool: PoolId, epoch: int) -> int:
        """Wei of an account's shares, of the generation open at that epoch, at its price."""
        held = self.positions.get((account, pool), History(Position())).at(epoch)
        price = self.prices.get(pool, History(Price())).at(epoch)
        return held.shares * price.price // PRICE_ONE if held.generation == price.generation else 0

    def _write(self, pool: PoolId, state: PoolState, *, epoch: int, now: int) -> bool:
        """Returns whether the tree must hear of it."""
        former, min_stake = self.newest(pool), self.terms.min_stake(service_of(pool))
        is_below = state.stake < min_stake
        if (former.stake < min_stake) != is_below:
            state = replace(state, below_since=now if is_below else 0)
        self.states.setdefault(pool, History(_EMPTY_POOL)).put(epoch, state)
        weight = state.weight(min_stake)
        has_moved = weight > 0 and former.stake != state.stake
        return former.weight(min_stake) != weight or has_moved
