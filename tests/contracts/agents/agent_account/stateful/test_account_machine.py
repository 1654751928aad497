"""Grants, calls, locks, sales and days in any order: the account spends what the model says.

INV-AGT-8: nothing of an earlier epoch is alive. INV-AGT-10: nothing happens while locked.
INV-AGT-11: what a session has spent never exceeds its caps.
"""

from dataclasses import dataclass

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from offchain.agents.account_book import AccountBook
from offchain.agents.sessions import NATIVE, PLAIN, Cap, Grant, Target
from tests.support.agent_accounts import DAY, AccountSite, hex_of, raw, selector, session_key
from tests.support.staking import a_wallet

MACHINE = settings(max_examples=8, stateful_step_count=24)
TRANSFER = selector("transfer(address,uint256)")
NAMES = ("session", "other session")
OWNERS = ("owner of an agent", "second owner")
AMOUNTS = st.sampled_from([0, 1, 3, 7, 12])
CAPS = st.sampled_from([(5, 5), (12, 7), (20, 12), (40, 12)])
PLAYERS = st.sampled_from([*NAMES, *OWNERS])


@dataclass
class Ledger:
    """What each grant has really cost the account, counted from its balances."""

    coin: int = 0
    tokens: int = 0


def shown(grant: Grant) -> tuple[object, ...]:
    """As titanoboa takes it."""
    caps = [(hex_of(cap.token), cap.total, cap.day) for cap in grant.caps]
    targets = [(hex_of(one.target), list(one.selectors)) for one in grant.targets]
    return (grant.valid_from, grant.valid_until, grant.calls, caps, targets, [])


class AccountMachine(RuleBasedStateMachine):
    site: AccountSite

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.began = boa.env.timestamp
        self.owners = {name: a_wallet(name) for name in OWNERS}
        self.owners[OWNERS[0]] = self.site.owner
        self.book = AccountBook(raw(self.site.owner))
        self.losses: dict[bytes, Ledger] = {}

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)
        boa.env.timestamp = self.began

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    @property
    def owner(self) -> str:
        return hex_of(self.book.owner)

    def address(self, name: str) -> str:
        return self.owners.get(name) or hex_of(session_key(name).address)

    def check(self, refusal: str, act: object) -> bool:
        """Do what the model allows, or see the contract refuse it in the same words."""
        assert callable(act)
        if refusal:
            with boa.reverts(refusal):
                act()
            return False
        act()
        return True

    @rule(name=st.sampled_from(NAMES), cap=CAPS, life=st.sampled_from([60, DAY, 3 * DAY]))
    def grant(self, name: str, cap: tuple[int, int], life: int) -> None:
        key, callee, token = self.address(name), self.site.callee, self.site.token
        grant = Grant(
            valid_from=self.now,
            valid_until=self.now + life,
            calls=6,
            caps=(Cap(NATIVE, *cap), Cap(raw(token), *cap)),
            targets=(Target(raw(callee), (PLAIN,)), Target(raw(token), (TRANSFER,))),
        )
        refusal = self.book.refusal_of_owner(self.book.owner, now=self.now)
        act = lambda: self.site.account.grant(key, shown(grant), sender=self.owner)
        if self.check(refusal, act):
            self.book.grant(raw(key), grant)
            self.losses[raw(key)] = Ledger()

    @rule(name=PLAYERS, amount=AMOUNTS)
    def pay_coin(self, name: str, amount: int) -> None:
        by = self.address(name)
        target = raw(self.site.callee)
        refusal = self.book.execute(raw(by), target, PLAIN, value=amount, losses={}, now=self.now)
        act = lambda: self.site.account.execute(hex_of(target), amount, b"", 0, sender=by)
        if self.check(refusal, act) and raw(by) != self.book.owner:
            self.losses[raw(by)].coin += amount

    @rule(name=PLAYERS, amount=AMOUNTS.map(lambda number: number * 100))
    def send_tokens(self, name: str, amount: int) -> None:
        """Caps are tiny, so that they bind; the token takes one in a hundred on top."""
        by, token = self.address(name), self.site.token
        lost = amount // 100 + amount // 10_000
        call = token.transfer.prepare_calldata(self.site.callee.address, amount // 100)
        losses = {raw(token): lost}
        refusal = self.book.execute(
            raw(by), raw(token), TRANSFER, value=0, losses=losses, now=self.now
        )
        act = lambda: self.site.account.execute(token.address, 0, call, 0, sender=by)
        if self.check(refusal, act) and raw(by) != self.book.owner:
            self.losses[raw(by)].tokens += lost

    @rule(name=st.sampled_from(NAMES))
    def revoke(self, name: str) -> None:
        key = self.address(name)
        refusal = self.book.refusal_of_owner(self.book.owner, now=self.now)
        if not refusal and raw(key) not in self.book.granted:
            refusal = "sessions: none"
        if self.check(refusal, lambda: self.site.account.revoke(key, sender=self.owner)):
            self.book.revoke(raw(key))

    @rule()
    def end_sessions(self) -> None:
        refusal = self.book.refusal_of_owner(self.book.owner, now=self.now)
        if self.check(refusal, lambda: self.site.account.end_sessions(sender=self.owner)):
            self.book.end_sessions()

    @rule()
    def pause_or_go_on(self) -> None:
        wanted = not self.book.is_paused
        refusal = self.book.refusal_of_owner(self.book.owner, now=self.now)
        if self.check(refusal, lambda: self.site.account.set_paused(wanted, sender=self.owner)):
            self.book.set_paused(wanted)

    @rule(seconds=st.sampled_from([30, DAY // 2]))
    def lock(self, seconds: int) -> None:
        self.site.collection.lock(1, self.now + seconds)
        self.book.locked_until = self.now + seconds

    @rule(name=st.sampled_from(OWNERS))
    def sell(self, name: str) -> None:
        to = self.owners[name]
        self.site.collection.move(to, 1)
        self.book.move(raw(to))

    @rule(seconds=st.sampled_from([1, 59, DAY // 2, DAY]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @precondition(lambda self: self.book.acts)
    @invariant()
    def invariant_agt_11_spent_is_within_caps(self) -> None:
        for key, one in self.book.granted.items():
            caps = {cap.token: cap for cap in one.grant.caps}
            listed = self.site.account.allowances(hex_of(key))
            told = {raw(one.token): one for one in listed}
            for token, cap in caps.items():
                spent = told[token].spent
                assert spent <= cap.total
                assert told[token].spent_today <= cap.day
                assert spent == (one.spent[token].total if token in one.spent else 0)
            assert told[NATIVE].spent == self.losses[key].coin
            assert told[raw(self.site.token)].spent == self.losses[key].tokens

    @invariant()
    def invariant_agt_8_and_inv_agt_10_standing_is_the_models(self) -> None:
        account = self.site.account
        assert account.state() == self.book.acts
        assert account.generation() == self.book.generation
        for name in NAMES:
            key = self.address(name)
            live = self.book.is_live(raw(key), now=self.now) and self.book.may_act(self.now)
            assert account.session(key).is_live is live


def test_account__any_order__spends_what_the_model_says(site: AccountSite) -> None:
    AccountMachine.site = site
    run_state_machine_as_test(AccountMachine, settings=MACHINE)
