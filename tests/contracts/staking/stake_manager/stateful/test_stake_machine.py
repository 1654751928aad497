"""Any order of calls: the contract equals the model to the wei and the invariants hold.

Four operators share two services of three seats each, so seats are fought for; six delegators, one
of them a contract that reverts, burns gas or re-enters when it is paid.
"""

from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from offchain.staking.model import TOMBSTONE, PoolId, Service, TicketId
from tests.support.ledger_twins import LedgerTwins, an_account, pools_of, raw, shown
from tests.support.native_evm import prepare_native_evm
from tests.support.staking import COIN, CONTRACTS, EPOCH, deploy_staking

SERVICES = (Service.DA, Service.STORAGE)
SEATS = 3
OPERATORS = 4
DELEGATORS = 6
RECEIVER = CONTRACTS.parent / "tests" / "contracts" / "staking" / "hostile_receiver.vy"
WEI = st.one_of(
    st.integers(1, 400).map(lambda coins: coins * COIN),
    st.integers(COIN // 100, 200 * COIN),
)
PART = st.one_of(st.just(1.0), st.floats(0.0, 1.1))
NUMBER = st.integers(0, 10**9)


class StakeMachine(RuleBasedStateMachine):
    """The ledger under arbitrary use."""

    def __init__(self) -> None:
        super().__init__()
        prepare_native_evm()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        site = deploy_staking(max_operators=SEATS)
        boa.env.set_balance(site.court, 0)
        self.twins = LedgerTwins(site, max_operators=SEATS)
        self.model = self.twins.model
        self.owners = [an_account(f"owner {number}") for number in range(OPERATORS)]
        self.delegators = [an_account(f"delegator {number}") for number in range(DELEGATORS - 1)]
        self.receiver: Any = boa.load(str(RECEIVER))
        boa.env.set_balance(self.receiver.address, 10**8 * COIN)
        self.delegators.append(str(self.receiver.address))
        self.next_key = 1000
        self.touched: tuple[PoolId, str] | None = None
        self.max_price: dict[tuple[PoolId, int], tuple[int, int]] = {}
        self.step = 0

    def teardown(self) -> None:
        try:
            self.compare_all()
        finally:
            self.anchor.__exit__(None, None, None)

    @property
    def pools(self) -> list[PoolId]:
        return pools_of(list(self.model.roster.owners), SERVICES)

    def pick_pool(self, number: int) -> PoolId:
        pools = self.pools
        return pools[number % len(pools)]

    def touch(self, pool: PoolId, account: str) -> None:
        self.touched = (pool, account)

    # --- rules
    @initialize()
    def people(self) -> None:
        for number in range(OPERATORS - 1):
            self.register(number)
            self.join(number, 0, 300 * COIN, 1_000)
            self.join(number, 1, 50 * COIN, 0)
        self.register(OPERATORS - 1)

    @rule(number=NUMBER)
    def register(self, number: int) -> None:
        self.next_key += 1
        self.twins.register(self.owners[number % OPERATORS], self.next_key)

    @rule(number=NUMBER)
    def rotate(self, number: int) -> None:
        self.next_key += 1
        self.twins.rotate(self.owners[number % OPERATORS], self.next_key)

    @rule(number=NUMBER, service=st.integers(0, 1), value=WEI, commission=st.integers(0, 11_000))
    def join(self, number: int, service: int, value: int, commission: int) -> None:
        owner = self.owners[number % OPERATORS]
        self.twins.join(owner, SERVICES[service], value, commission)

    @rule(number=NUMBER, service=st.integers(0, 1), value=WEI)
    def deposit(self, number: int, service: int, value: int) -> None:
        self.twins.deposit(self.owners[number % OPERATORS], SERVICES[service], value)

    @rule(number=NUMBER, pool=NUMBER, value=WEI)
    def delegate(self, number: int, pool: int, value: int) -> None:
        account, target = self.delegators[number % DELEGATORS], self.pick_pool(pool)
        self.twins.delegate(account, target, value)
        self.touch(target, account)

    @rule(number=NUMBER, pool=NUMBER, part=PART, then=st.integers(0, 8))
    def request_exit(self, number: int, pool: int, part: float, then: int) -> None:
        nobody = (raw(self.delegators[0]), self.pick_pool(pool))
        holders = [key for key, held in self.model.book.positions.items() if held.newest.shares]
        holder, target = holders[number % len(holders)] if holders else nobody
        account = shown(holder)
        shares = int(self.model.position(holder, target).shares * part)
        goal = self.pick_pool(then) if then < len(self.pools) else 0
        self.twins.request_exit(account, target, shares, goal)
        self.touch(target, account)

    @rule(number=NUMBER, service=st.integers(0, 1), part=PART)
    def exit_own(self, number: int, service: int, part: float) -> None:
        owner = self.owners[number % OPERATORS]
        pools = [
            pool for pool in self.pools if self.model.roster.owners.get(pool >> 8) == raw(owner)
        ]
        own = self.model.pool(pools[service]).own if pools else 0
        self.twins.exit_own(owner, SERVICES[service], int(own * part))

    @rule(number=NUMBER, service=st.integers(0, 1))
    def leave(self, number: int, service: int) -> None:
        self.twins.leave(self.owners[number % OPERATORS], SERVICES[service])

    @rule(number=NUMBER)
    def withdraw(self, number: int) -> None:
        tickets = list(self.model.buckets.tickets) or [TicketId(1)]
        ticket = tickets[number % len(tickets)]
        held = self.model.buckets.tickets.get(ticket)
        owner = shown(held.owner) if held else self.owners[0]
        self.twins.withdraw(owner, ticket, owner)

    @rule(number=NUMBER)
    def redelegate(self, number: int) -> None:
        tickets = [key for key, held in self.model.buckets.tickets.items() if held.then]
        ticket = tickets[number % len(tickets)] if tickets else TicketId(1)
        self.twins.redelegate(self.owners[0], ticket)

    @rule(epochs=st.integers(1, 200), late=st.booleans())
    def roll(self, epochs: int, late: bool) -> None:
        """Up to 33 days at once; `late` lands between a cut-off and its start."""
        clock, now = self.model.clock, self.model.now
        target = clock.start_of(clock.current_epoch(now) + epochs)
        self.twins.roll(target - now - (5 if late and target - now > 5 else 0))

    @rule(seconds=st.integers(1, EPOCH))
    def wait(self, seconds: int) -> None:
        self.twins.roll(seconds)

    @rule(pool=NUMBER, value=st.one_of(st.integers(0, 1_000), WEI))
    def reward(self, pool: int, value: int) -> None:
        self.twins.reward(self.owners[0], self.pick_pool(pool), value)

    @rule(number=NUMBER, pool=NUMBER)
    def claim(self, number: int, pool: int) -> None:
        accounts = self.delegators + self.owners
        account, target = accounts[number % len(accounts)], self.pick_pool(pool)
        self.twins.claim(account, target)
        self.touch(target, account)

    @rule(pool=NUMBER, back=st.integers(0, 150), part=st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0]))
    def slash(self, pool: int, back: int, part: float) -> None:
        target = self.pick_pool(pool)
        epoch = max(self.model.clock.current_epoch(self.model.now) - back, 0)
        amount = int(self.model.exposed(target, epoch) * part) + (back % 3)
        self.slash_and_check(target, epoch, amount)

    @rule(pool=NUMBER)
    def slash_to_nothing(self, pool: int) -> None:
        """Wipe a pool out for every epoch it has stake at; deposits afterwards refill it."""
        target = self.pick_pool(pool)
        newest = self.model.clock.next_epoch(self.model.now) - 1
        for epoch in (newest, max(newest - 1, 0), max(newest - 7, 0)):
            self.slash_and_check(target, epoch, 10**12 * COIN)

    @rule(pool=NUMBER, value=st.integers(1, 300), keep=st.booleans())
    def reserve(self, pool: int, value: int, keep: bool) -> None:
        target = self.pick_pool(pool)
        self.twins.court("reserve", target, value * COIN)
        self.twins.court("open_case", target)
        if not keep:
            self.twins.court("release", target, value * COIN)
            self.twins.court("close_case", target)

    @rule(pool=NUMBER)
    def release(self, pool: int) -> None:
        target = self.pick_pool(pool)
        self.twins.court("release", target, self.model.pool(target).reserved)
        self.twins.court("close_case", target)

    @rule(pool=NUMBER, epochs=st.integers(0, 20))
    def jail(self, pool: int, epochs: int) -> None:
        self.sentence(self.pick_pool(pool), self.model.now + epochs * EPOCH)

    @rule(number=NUMBER, service=st.integers(0, 1))
    def unjail(self, number: int, service: int) -> None:
        self.twins.unjail(self.owners[number % OPERATORS], SERVICES[service])

    @rule(number=NUMBER, certain=st.integers(0, 3))
    def tombstone(self, number: int, certain: int) -> None:
        """Rarely: a tombstone ends an operator for good."""
        if certain == 0:
            self.sentence(self.pick_pool(number), TOMBSTONE)

    @rule(pool=NUMBER, until=st.integers(0, 40).map(lambda epochs: epochs * EPOCH), part=PART)
    def slash_and_jail(self, pool: int, until: int, part: float) -> None:
        """Both in one call, as the court does it; a sentence already served as well."""
        target = self.pick_pool(pool)
        epoch = self.model.clock.current_epoch(self.model.now)
        amount = int(self.model.exposed(target, epoch) * part)
        self.slash_and_check(target, epoch, amount, self.model.clock.genesis + until)

    @rule(number=NUMBER)
    def reweigh(self, number: int) -> None:
        """Of what the tree has not heard, if there is any; else of any pool."""
        untold = sorted(self.model.book.untold)
        pool = untold[number % len(untold)] if untold else self.pick_pool(number)
        self.twins.reweigh(self.delegators[0], pool)
        self.touch(pool, self.delegators[0])

    @rule(pool=NUMBER)
    def force_exit(self, pool: int) -> None:
        self.twins.force_exit(self.delegators[0], self.pick_pool(pool))

    @rule(number=NUMBER, service=st.integers(0, 1), bps=st.integers(0, 11_000))
    def set_commission(self, number: int, service: int, bps: int) -> None:
        self.twins.set_commission(self.owners[number % OPERATORS], SERVICES[service], bps)

    @precondition(lambda self: self.model.buckets.tickets)
    @rule(mode=st.integers(1, 3))
    def hostile_withdraw(self, mode: int) -> None:
        """The receiver misbehaves: its own withdrawal fails or pays once, nobody else notices."""
        address = str(self.receiver.address)
        tickets = [
            key for key, held in self.model.buckets.tickets.items() if held.owner == raw(address)
        ]
        due = [key for key in tickets if self.matured_wei(key)]
        if not due:
            return
        chain = self.twins.chain
        payload = chain.withdraw.prepare_calldata(due[0], address)
        self.receiver.set_mode(mode, chain.address, payload)
        if mode in (1, 2):
            with boa.reverts():
                chain.withdraw(due[0], address, sender=address, gas=2_000_000)
        else:
            self.twins.withdraw(address, due[0], address)
            assert not self.receiver.reentered()
        self.receiver.set_mode(0, chain.address, b"")

    # --- invariants
    @invariant()
    def invariant_stake_1_balance_is_what_is_owed(self) -> None:
        model = self.model
        assert model.balance == boa.env.get_balance(self.twins.chain.address)
        pools = sum(model.pool(pool).stake for pool in model.book.states)
        parts = sum(part.assets for part in model.buckets.parts.values())
        rewards = model.rewards.funded - model.rewards.paid
        assert model.balance == pools + parts + rewards

    @invariant()
    def invariant_stake_8_rewards_paid_never_exceed_rewards_funded(self) -> None:
        """Owed, fractions and carry are exactly what was funded and not yet paid."""
        book, one = self.model.rewards, 2**128
        pending = sum(
            held.newest.shares
            * (book.accrued[pool, held.newest.generation] - book.entries[account, pool])
            for (account, pool), held in self.model.book.positions.items()
        )
        units = sum(book.owed_units.values()) + sum(book.carries.values()) + pending
        owed = units + sum(book.operator_owed.values()) * one
        assert owed == (book.funded - book.paid) * one
        assert all(carry < one for carry in book.carries.values())

    @invariant()
    def invariant_stake_7_share_price_never_rises_above_rounding(self) -> None:
        for pool in self.model.book.states:
            state = self.model.pool(pool)
            if not state.shares:
                continue
            assert state.delegated <= state.shares
            key = (pool, state.generation)
            assets, shares = self.max_price.get(key, (1, 1))
            # the true price may creep up by one wei per operation, never past the first price
            creep = self.step + 1
            assert (state.delegated - creep) * shares <= assets * state.shares
            if state.delegated * shares < assets * state.shares:
                self.max_price[key] = (state.delegated, state.shares)

    @invariant()
    def invariant_stake_9_tree_equals_pools_and_snapshots_stay(self) -> None:
        """The tree is the pools' but for those the court changed since they were last told."""
        self.step += 1
        model = self.model
        for service in SERVICES:
            members = {one.pool: one for one in model.roster.desks[service].members.newest.values()}
            for pool in [one for one in self.pools if one & 255 == service]:
                weight = model.pool(pool).weight(model.terms.min_stake(service))
                told = members[pool].leaf.weight_wei if pool in members else 0
                staked = members[pool].stake_wei if pool in members else 0
                if pool in model.book.untold:
                    assert weight <= told
                else:
                    assert (weight, model.pool(pool).stake if weight else 0) == (told, staked)
        self.twins.compare_service(SERVICES[self.step % 2])
        if self.step % 3 == 0:
            self.twins.record_snapshot()

    @invariant()
    def invariant_stake_17_votes_never_exceed_stake_and_never_change(self) -> None:
        model = self.model
        for pool in model.book.states:
            accounts = [*self.delegators, *self.owners]
            votes = {account: model.votes_at(raw(account), pool, model.now) for account in accounts}
            epoch = model.clock.current_epoch(model.now)
            assert sum(votes.values()) <= model.stake_at(pool, epoch)
            for account, count in votes.items():
                known = self.twins.votes.setdefault((account, pool, epoch), count)
                assert known == count

    @invariant()
    def twins_agree_on_what_was_touched(self) -> None:
        if self.touched:
            self.twins.compare_pool(self.touched[0])
            self.twins.compare_account(self.touched[1], self.touched[0])
            self.touched = None

    def sentence(self, pool: PoolId, sentence: int) -> None:
        self.twins.court("slash", pool, 0, 0, sentence)
        self.touch(pool, self.delegators[0])

    def slash_and_check(self, pool: PoolId, epoch: int, amount: int, sentence: int = 0) -> None:
        """INV-STAKE-2, -4 and -6 around one slash."""
        model = self.model
        exposed, stake = model.exposed(pool, epoch), model.stake_at(pool, epoch)
        first_day = model.clock.day_of(epoch)
        left_before = {key: part.assets for key, part in model.buckets.parts.items()}
        delegated = model.pool(pool).delegated + model.buckets.held(pool, first_day)[1]

        taken = self.twins.court("slash", pool, epoch, amount, sentence) or 0

        assert taken <= min(exposed, stake, amount)
        assert model.taken[pool, epoch] <= stake
        own_left = model.pool(pool).own + model.buckets.held(pool, first_day)[0]
        lost_delegated = taken > exposed - delegated
        assert not lost_delegated or own_left == 0
        for key, before in left_before.items():
            if key[0] == pool and key[1] < first_day:
                assert before == model.buckets.parts[key].assets
        self.touch(pool, self.delegators[0])

    def matured_wei(self, ticket: TicketId) -> int:
        held = self.model.buckets.tickets[ticket]
        state = self.model.pool(PoolId(held.pool))
        if self.model.now < self.model.matures_at(held) or state.reserved:
            return 0
        return self.model.buckets.worth(held)

    def compare_all(self) -> None:
        for pool in self.pools:
            self.twins.compare_pool(pool)
            for account in [*self.delegators, *self.owners]:
                self.twins.compare_account(account, pool)
        for service in SERVICES:
            self.twins.compare_service(service)
        self.twins.compare_tickets()


@pytest.fixture(autouse=True)
def fresh_state() -> None:
    """The machine anchors each of its runs itself."""


def test_stake_manager__any_order_of_calls__equals_its_model() -> None:
    # each step asks the contract for every pool, seat and ticket: half of the runs takes as long as
    # others do, and `deep` searches for hours
    runs = max(1, settings().max_examples // 2)
    run_machine(StakeMachine, settings=settings(max_examples=runs))
