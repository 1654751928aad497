"""Words, work, proofs and years in any order: words weigh what the model says.

INV-AGT-17: what no released work was shown for weighs nothing.
"""

from typing import Any

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from offchain.agents.reputation_book import QUARTER, ReputationBook
from tests.support.agent_accounts import hex_of, raw
from tests.support.agent_registries import CAP, RegistrySite, shown
from tests.support.compute_chain import a_payer
from tests.support.staking import COIN

MACHINE = settings(max_examples=5, stateful_step_count=14)
NAMES = ("client", "other")


class ReputationMachine(RuleBasedStateMachine):
    site: RegistrySite

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.began = boa.env.timestamp
        self.book = ReputationBook(CAP)
        self.clients = {name: hex_of(a_payer(name).address) for name in NAMES}
        self.work: list[tuple[str, tuple[Any, ...], int, int]] = []  # fee and time of settling

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)
        boa.env.timestamp = self.began

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    @rule(name=st.sampled_from(NAMES), score=st.integers(-500, 500), decimals=st.integers(0, 2))
    def say(self, name: str, score: int, decimals: int) -> None:
        self.site.say(self.clients[name], score, decimals)
        self.book.say(raw(self.clients[name]), score, decimals)

    @rule(name=st.sampled_from(NAMES), amount=st.sampled_from([COIN // 2, COIN // 7, 10_000]))
    def sell_work(self, name: str, amount: int) -> None:
        before = self.now
        batch, items = self.site.sell_work((name, amount))
        self.site.release(batch)
        fee = int(self.site.compute.escrow.batch(batch).fee)
        self.work.append((name, shown(batch, 0, items), fee, before))

    @rule(index=st.integers(1, 3))
    def prove(self, index: int) -> None:
        if not self.work:
            return
        name, item, fee, settled_at = self.work[0]
        client = self.clients[name]
        if len(self.book.words.get(raw(client), [])) < index:
            return
        gained = self.book.gain(raw(client), fee=fee, settled_at=settled_at, time=self.now)
        if not gained:
            with boa.reverts("earned_weight: nothing to gain"):
                self.site.reputation.prove(self.site.agent, index, item, sender=client)
            return
        told = self.site.reputation.prove(self.site.agent, index, item, sender=client)
        assert gained == told
        self.work.pop(0)
        self.book.prove(raw(client), index, gained, time=self.now)

    @rule(name=st.sampled_from(NAMES))
    def revoke_the_last(self, name: str) -> None:
        words = self.book.words.get(raw(self.clients[name]), [])
        if words and not words[-1].is_revoked:
            client = self.clients[name]
            self.site.reputation.revokeFeedback(self.site.agent, len(words), sender=client)
            self.book.revoke(raw(client), len(words))

    @rule(seconds=st.sampled_from([60, QUARTER // 2, QUARTER]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @invariant()
    def invariant_agt_17_weights_are_the_models_and_within_the_cap(self) -> None:
        total = 0
        for client, words in self.book.words.items():
            own = 0
            for index in range(1, len(words) + 1):
                told = self.site.reputation.weight_of(self.site.agent, hex_of(client), index)
                assert self.book.weight_of(client, index, time=self.now) == told
                own += told
            assert own <= CAP
            total += own
        named = list(self.clients.values())
        summary = self.site.reputation.weighted_summary(self.site.agent, named, "", "")
        assert self.book.summary(time=self.now) == tuple(summary)
        assert total == summary[0]


def test_reputation__any_order__weighs_what_the_model_says(site: RegistrySite) -> None:
    ReputationMachine.site = site
    run_state_machine_as_test(ReputationMachine, settings=MACHINE)
