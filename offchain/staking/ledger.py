"""The ledger of stake in exact integers: what StakeManager does, without a chain.

It is the oracle of the contract tests: after any sequence of calls both hold the same wei. Methods
check first and change afterwards, so a refused call leaves nothing behind. `now` is the chain time.
Source: docs/protocol/staking.md#ledger.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from offchain.chain.model import Address
from offchain.staking import errors
from offchain.staking.buckets import Buckets
from offchain.staking.model import (
    CLOSING_SHIFT,
    MAX_LEVERAGE,
    MAX_TRANCHE_WEI,
    PRICE_ONE,
    TOMBSTONE,
    Clock,
    OperatorId,
    PoolId,
    PoolState,
    Service,
    Status,
    Terms,
    Ticket,
    TicketId,
    Tranche,
    operator_of,
    pool_id,
    service_of,
)
from offchain.staking.pool_book import PoolBook, Position, Price
from offchain.staking.reward_book import RewardBook
from offchain.staking.roster import Roster


@dataclass(slots=True)
class StakeLedger:
    """All pools, exits, rewards and slashes of one deployment."""

    clock: Clock
    terms: Terms
    max_operators: int
    now: int
    roster: Roster = field(init=False)
    book: PoolBook = field(init=False)
    rewards: RewardBook = field(init=False)
    buckets: Buckets = field(default_factory=Buckets)
    taken: defaultdict[tuple[PoolId, int], int] = field(default_factory=lambda: defaultdict(int))
    balance: int = 0

    def __post_init__(self) -> None:
        self.roster = Roster(self.max_operators)
        self.book = PoolBook(self.terms, self.roster)
        self.rewards = RewardBook(self.terms.commission_delay)

    # --- operators
    def register(self, owner: Address, key_hash: bytes) -> OperatorId:
        return self.roster.register(owner, key_hash, self._next_epoch())

    def rotate(self, owner: Address, key_hash: bytes) -> None:
        self.roster.rotate(owner, key_hash, self._next_epoch())

    def join(self, owner: Address, service: Service, *, commission_bps: int, value: int) -> None:
        """Raises: NotAnOwner, CannotJoin, StillJailed, BelowMinStake, SeatTooDear."""
        pool = self._own_pool(owner, service)
        state = self.pool(pool)
        if state.status not in (Status.ABSENT, Status.EXITING):
            raise errors.CannotJoin(status=state.status)
        if self.now < state.jailed_until:
            raise errors.StillJailed(until=state.jailed_until)
        own = state.own + value
        if own < self.terms.min_stake(service):
            raise errors.BelowMinStake(own=own)
        if state.status == Status.ABSENT and commission_bps > 10_000:
            raise errors.CommissionTooHigh(bps=commission_bps)
        weight = min(own + state.delegated, MAX_LEVERAGE * own)
        evicted = self.roster.find_seat(pool, weight)
        self._check_own_deposit(state, value)

        if state.status == Status.ABSENT:
            self.rewards.set_commission(pool, commission_bps, now=self.now, is_immediate=True)
        if evicted is not None:
            loser = self.pool(evicted)
            self._save(evicted, replace(loser, status=max(loser.status, Status.EXITING)))
            self.roster.leave_seat(evicted)
        self.roster.take_seat(pool)
        self.balance += value
        self._save(pool, replace(state, status=Status.ACTIVE, own=own))

    def deposit(self, owner: Address, service: Service, value: int) -> None:
        """Raises: NotAnOwner, JoinFirst, DepositTooSmall, TrancheFull."""
        pool = self._own_pool(owner, service)
        state = self.pool(pool)
        if state.status in (Status.ABSENT, Status.TOMBSTONED):
            raise errors.JoinFirst(pool=pool)
        self._check_own_deposit(state, value)
        self.balance += value
        self._save(pool, replace(state, own=state.own + value))

    def exit_own(self, owner: Address, service: Service, amount: int) -> TicketId:
        """Raises: NotAnOwner, NothingToExit, ExceedsOwnStake."""
        pool = self._own_pool(owner, service)
        state = self.pool(pool)
        if amount == 0:
            raise errors.NothingToExit(pool=pool)
        if amount > state.own:
            raise errors.ExceedsOwnStake(own=state.own, asked=amount)
        self._save(pool, replace(state, own=state.own - amount))
        return self._ticket(owner, pool, Tranche.OWN, amount=amount, then=0)

    def leave(self, owner: Address, service: Service) -> None:
        """Raises: NotAnOwner, NothingToClose."""
        self._close(self._own_pool(owner, service))

    def unjail(self, owner: Address, service: Service) -> None:
        """Raises: NotAnOwner, NotJailed, StillJailed."""
        pool = self._own_pool(owner, service)
        state = self.pool(pool)
        if state.status != Status.JAILED:
            raise errors.NotJailed(pool=pool)
        if self.now < state.jailed_until:
            raise errors.StillJailed(until=state.jailed_until)
        self._save(pool, replace(state, status=Status.ACTIVE))

    def set_commission(self, owner: Address, service: Service, bps: int) -> None:
        """Raises: NotAnOwner, CommissionTooHigh."""
        pool = self._own_pool(owner, service)
        self.rewards.set_commission(pool, bps, now=self.now, is_immediate=False)

    # --- anyone
    def delegate(self, account: Address, pool: PoolId, *, value: int, min_shares: int = 0) -> int:
        """Returns the shares minted, rounded down. Raises: see `_check_delegation`."""
        minted = self._check_delegation(account, pool, value=value, min_shares=min_shares)
        self.balance += value
        self._add_delegation(account, pool, value=value, minted=minted)
        return minted

    def request_exit(
        self, account: Address, pool: PoolId, *, shares: int, then: int = 0
    ) -> TicketId:
        """Raises: NothingToExit, ExceedsShares."""
        state, held = self.pool(pool), self.position(account, pool)
        if shares == 0:
            raise errors.NothingToExit(pool=pool)
        if shares > held.shares:
            raise errors.ExceedsShares(held=held.shares, asked=shares)
        if held.generation != state.generation:
            return self._exit_closed(account, pool, held, shares=shares, then=then)
        payout = state.delegated * shares // state.shares
        if payout == 0:
            raise errors.NothingToExit(pool=pool)
        self._put_position(account, pool, replace(held, shares=held.shares - shares))
        changed = replace(state, delegated=state.delegated - payout, shares=state.shares - shares)
        self._save(pool, changed)
        return self._ticket(account, pool, Tranche.DELEGATED, amount=payout, then=then)

    def withdraw(self, caller: Address, number: TicketId) -> int:
        """Returns the wei paid. Raises: NotTicketOwner, NoSuchTicket, NotMatured, MoneyReserved."""
        ticket = self.buckets.tickets.get(number)
        if ticket is not None and ticket.owner != caller:
            raise errors.NotTicketOwner(ticket=number)
        paid = self.buckets.take(number, self._limit_of(number, ticket))
        self.balance -= paid
        return paid

    def redelegate(self, number: TicketId) -> int:
        """Returns the shares minted. Raises: NoPoolNamed, and as withdraw and delegate."""
        ticket = self.buckets.tickets.get(number)
        if ticket is not None and ticket.then == 0:
            raise errors.NoPoolNamed(ticket=number)
        limit = self._limit_of(number, ticket)
        assert ticket is not None
        worth = self.buckets.worth(ticket)
        if limit == 0 and worth > 0:
            raise errors.MoneyReserved(ticket=number, due=worth)
        value = worth if limit is None else min(worth, limit)
        then = PoolId(ticket.then)
        minted = self._check_delegation(ticket.owner, then, value=value, min_shares=0)
        self.buckets.take(number, limit)
        self._add_delegation(ticket.owner, then, value=value, minted=minted)
        return minted

    def force_exit(self, pool: PoolId) -> None:
        """Raises: PoolInOrder, NothingToClose."""
        state = self.pool(pool)
        is_below = state.below_since > 0 and self.now >= state.below_since + self.clock.day_seconds
        if not is_below and state.status not in (Status.TOMBSTONED, Status.EXITING):
            raise errors.PoolInOrder(pool=pool)
        self._close(pool)

    def reweigh(self, pool: PoolId) -> None:
        """Tell the tree what the court left of a pool's weight. Raises: WeightTold."""
        if pool not in self.book.untold:
            raise errors.WeightTold(pool=pool)
        self.book.tell(pool, self._next_epoch())

    def reward(self, pool: PoolId, value: int) -> None:
        """Raises: NoStakeToReward."""
        state = self.pool(pool)
        self.rewards.distribute(
            pool,
            value,
            tranches=(state.own, state.delegated),
            shares=state.shares,
            place=(state.generation, self.now),
        )
        self.balance += value

    def claim(self, account: Address, pool: PoolId) -> int:
        """Returns the wei paid. Raises: NothingToClaim."""
        if self.claimable(account, pool) == 0:
            raise errors.NothingToClaim(account=account.hex(), pool=pool)
        held = self.position(account, pool)
        self._settle(account, pool, held, held.generation)
        paid = self.rewards.collect(account, pool, is_owner=self._is_owner(account, pool))
        self.balance -= paid
        return paid

    # --- the court
    def slash(self, pool: PoolId, epoch: int, amount: int, sentence: int = 0) -> int:
        """Returns the wei taken: own first, then delegated pro rata.

        `sentence` is 0, the time until which the pool is jailed, or TOMBSTONE. The tree hears of
        all this by `reweigh`. Raises: EpochNotFinal, JailedTooLong.
        """
        self.clock.check_final(epoch, self.now)
        if 2**64 <= sentence < TOMBSTONE:
            raise errors.JailedTooLong(until=sentence)
        first_day = self.clock.day_of(epoch)
        status = self._pass_sentence(pool, sentence)
        state = self.pool(pool)
        bucket_own, bucket_delegated = self.buckets.held(pool, first_day)
        own, delegated = bucket_own + state.own, bucket_delegated + state.delegated
        room = self.book.at(pool, epoch).stake - self.taken[pool, epoch]
        total = min(amount, room, own + delegated)
        self.taken[pool, epoch] += total
        self.balance -= total
        due = [min(total, own), total - min(total, own)]
        due[0] = self.buckets.cut(pool, first_day, Tranche.OWN, due=due[0], held=own)
        due[1] = self.buckets.cut(pool, first_day, Tranche.DELEGATED, due=due[1], held=delegated)
        is_changed = status != state.status or any(due)
        state = replace(
            state, status=status, own=state.own - due[0], delegated=state.delegated - due[1]
        )
        if due[1]:
            state = self._reprice(pool, state)
        if is_changed:
            self._save_untold(pool, state)
        return total

    def reserve(self, pool: PoolId, amount: int) -> None:
        self.book.amend(pool, reserved=self.pool(pool).reserved + amount)

    def release(self, pool: PoolId, amount: int) -> None:
        """Raises: NotReserved."""
        if amount > self.pool(pool).reserved:
            raise errors.NotReserved(reserved=self.pool(pool).reserved, asked=amount)
        self.book.amend(pool, reserved=self.pool(pool).reserved - amount)

    def open_case(self, pool: PoolId) -> None:
        self.book.amend(pool, open_cases=self.pool(pool).open_cases + 1)

    def close_case(self, pool: PoolId) -> None:
        """Raises: NoOpenCase."""
        if self.pool(pool).open_cases == 0:
            raise errors.NoOpenCase(pool=pool)
        self.book.amend(pool, open_cases=self.pool(pool).open_cases - 1)

    # --- views
    def pool(self, pool: PoolId) -> PoolState:
        return self.book.newest(pool)

    def position(self, account: Address, pool: PoolId) -> Position:
        return self.book.position(account, pool)

    def stake_at(self, pool: PoolId, epoch: int) -> int:
        self.clock.check_final(epoch, self.now)
        return self.book.at(pool, epoch).stake

    def weight_at(self, pool: PoolId, epoch: int) -> int:
        self.clock.check_final(epoch, self.now)
        return self.book.at(pool, epoch).weight(self.terms.min_stake(service_of(pool)))

    def exposed(self, pool: PoolId, epoch: int) -> int:
        """Wei that may still answer for an offence of `epoch`."""
        return self.pool(pool).stake + sum(self.buckets.held(pool, self.clock.day_of(epoch)))

    def untold(self, service: Service) -> int:
        """Pools whose weight in the tree is that from before a slash."""
        return self.book.untold_in(service)

    def claimable(self, account: Address, pool: PoolId) -> int:
        held = self.position(account, pool)
        return self.rewards.claimable(
            account,
            pool,
            generation=held.generation,
            shares=held.shares,
            is_owner=self._is_owner(account, pool),
        )

    def votes_at(self, account: Address, pool: PoolId, time: int) -> int:
        """Wei the account had in the pool by the cut-off of that epoch. Raises: NotPast."""
        if time > self.now:
            raise errors.NotPast(time=time, now=self.now)
        epoch = self.clock.current_epoch(time)
        own = self.book.at(pool, epoch).own if self._is_owner(account, pool) else 0
        return self.book.shares_value_at(account, pool, epoch) + own

    def matures_at(self, ticket: Ticket) -> int:
        service = service_of(PoolId(ticket.pool))
        return self.clock.end_of_day(ticket.day) + self.terms.unbonding(service)

    # --- inside
    def _next_epoch(self) -> int:
        return self.clock.next_epoch(self.now)

    def _exit_day(self) -> int:
        """The day of the last epoch that still counts money leaving now."""
        return self.clock.day_of(self._next_epoch() - 1)

    def _own_pool(self, owner: Address, service: Service) -> PoolId:
        return pool_id(self.roster.owned(owner), service)

    def _is_owner(self, account: Address, pool: PoolId) -> bool:
        return self.roster.owners.get(operator_of(pool)) == account

    def _pass_sentence(self, pool: PoolId, sentence: int) -> int:
        """Jail the pool or end its operator; returns the status the pool is to be saved with."""
        status = self.pool(pool).status
        if sentence == TOMBSTONE:
            self.roster.tombstoned.add(operator_of(pool))
            for other in self.roster.pools_of(operator_of(pool)):
                state = self.pool(other)
                if other != pool and state.status != Status.ABSENT:
                    self._save_untold(other, replace(state, status=Status.TOMBSTONED))
            return status if status == Status.ABSENT else Status.TOMBSTONED
        if sentence:
            self.book.amend(pool, jailed_until=max(sentence, self.pool(pool).jailed_until))
            return Status.JAILED if status == Status.ACTIVE else status
        return status

    def _save(self, pool: PoolId, state: PoolState) -> None:
        self.book.save(pool, state, epoch=self._next_epoch(), now=self.now)

    def _save_untold(self, pool: PoolId, state: PoolState) -> None:
        self.book.save_untold(pool, state, epoch=self._next_epoch(), now=self.now)

    def _put_position(self, account: Address, pool: PoolId, position: Position) -> None:
        held = self.position(account, pool)
        self._settle(account, pool, held, position.generation)
        self.book.put_position(account, pool, position, epoch=self._next_epoch())

    def _settle(self, account: Address, pool: PoolId, held: Position, next_generation: int) -> None:
        self.rewards.settle(
            account,
            pool,
            generation=held.generation,
            shares=held.shares,
            next_generation=next_generation,
        )

    def _check_own_deposit(self, state: PoolState, value: int) -> None:
        if value < self.terms.min_deposit:
            raise errors.DepositTooSmall(value=value, least=self.terms.min_deposit)
        if state.own + value >= MAX_TRANCHE_WEI:
            raise errors.TrancheFull(own=state.own, value=value)

    def _check_delegation(
        self, account: Address, pool: PoolId, *, value: int, min_shares: int
    ) -> int:
        """Shares a deposit would buy, in the order the contract refuses."""
        state, held = self.pool(pool), self.position(account, pool)
        if state.status != Status.ACTIVE:
            raise errors.PoolNotActive(pool=pool)
        if state.open_cases:
            raise errors.CaseOpen(pool=pool)
        if value < self.terms.min_deposit:
            raise errors.DepositTooSmall(value=value, least=self.terms.min_deposit)
        if held.generation != state.generation and held.shares:
            block = self.buckets.blocks.get((pool, held.generation))
            if block is not None and block.bucket_shares:
                raise errors.OldSharesHeld(pool=pool, shares=held.shares)
        minted = value * state.shares // state.delegated if state.shares else value
        if minted < min_shares:
            raise errors.TooFewShares(minted=minted, least=min_shares)
        if state.delegated + value >= MAX_TRANCHE_WEI:
            raise errors.TrancheFull(delegated=state.delegated, value=value)
        return minted

    def _add_delegation(self, account: Address, pool: PoolId, *, value: int, minted: int) -> None:
        state, held = self.pool(pool), self.position(account, pool)
        kept = held.shares if held.generation == state.generation else 0
        self._put_position(account, pool, Position(state.generation, kept + minted))
        delegated = state.delegated + value
        self._save(pool, replace(state, delegated=delegated, shares=state.shares + minted))

    def _exit_closed(
        self, account: Address, pool: PoolId, held: Position, *, shares: int, then: int
    ) -> TicketId:
        block = self.buckets.blocks.get((pool, held.generation))
        if block is None or block.bucket_shares * shares // block.pool_shares == 0:
            raise errors.NothingToExit(pool=pool)
        self._put_position(account, pool, replace(held, shares=held.shares - shares))
        minted, day, generation = self.buckets.unblock(pool, held.generation, shares)
        ticket = Ticket(account, pool, Tranche.DELEGATED, day, generation, minted, then)
        return self.buckets.open_ticket(ticket)

    def _ticket(
        self, account: Address, pool: PoolId, kind: Tranche, *, amount: int, then: int
    ) -> TicketId:
        day = self._exit_day()
        shares, generation = self.buckets.enter(pool, day, kind, amount)
        return self.buckets.open_ticket(Ticket(account, pool, kind, day, generation, shares, then))

    def _limit_of(self, number: TicketId, ticket: Ticket | None) -> int | None:
        """What a ticket may be paid at most; None without a reservation."""
        if ticket is None:
            raise errors.NoSuchTicket(ticket=number)
        if self.now < self.matures_at(ticket):
            raise errors.NotMatured(ticket=number, matures_at=self.matures_at(ticket))
        pool = PoolId(ticket.pool)
        state = self.pool(pool)
        if not state.reserved:
            return None
        exposed = state.stake + sum(self.buckets.held(pool, ticket.day))
        return max(exposed - state.reserved, 0)

    def _close(self, pool: PoolId) -> None:
        """Move everything active to the bucket of the day and give the seat up.

        A pool that holds nothing closes too, or its seat would stay taken for ever.
        """
        state = self.pool(pool)
        if state.stake == 0 and state.status == Status.ABSENT:
            raise errors.NothingToClose(pool=pool)
        own = state.own
        closed = self._close_generation(pool, replace(state, own=0, status=Status.ABSENT))
        self._save(pool, closed)
        if own:
            owner = self.roster.owners[operator_of(pool)]
            self._ticket(owner, pool, Tranche.OWN, amount=own, then=0)
        self.roster.leave_seat(pool)

    def _reprice(self, pool: PoolId, state: PoolState) -> PoolState:
        if state.delegated == 0 or state.delegated < state.shares >> CLOSING_SHIFT:
            return self._close_generation(pool, state)
        self._put_price(pool, Price(state.generation, state.delegated * PRICE_ONE // state.shares))
        return state

    def _close_generation(self, pool: PoolId, state: PoolState) -> PoolState:
        if not state.shares:
            return state
        if state.delegated:
            self.buckets.block(
                pool,
                state.generation,
                self._exit_day(),
                assets=state.delegated,
                shares=state.shares,
            )
        self._put_price(pool, Price(state.generation + 1))
        return replace(state, delegated=0, shares=0, generation=state.generation + 1)

    def _put_price(self, pool: PoolId, price: Price) -> None:
        self.book.put_price(pool, price, self._next_epoch())
