"""Deliveries, ends of oracles, proofs and punishments in any order: as the model says."""

from typing import Any

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from offchain.agents.false_delivery import Falsehood
from offchain.agents.verifier_book import VerifierBook
from offchain.core.ecdsa import signer_of
from offchain.core.hashing import keccak
from tests.support.agents_deliveries import (
    HOUR,
    ORACLES,
    TOKEN,
    DeliverySite,
    Made,
    make_delivery,
    opened,
    oracle_key,
)
from tests.support.attestation import hex_of, stakes_of

MACHINE = settings(max_examples=5, stateful_step_count=14, deadline=None)
NONCES = (b"n" * 32, b"m" * 32)
numbers = st.integers(0, ORACLES)  # the last was never enrolled
groups = st.lists(numbers, min_size=1, max_size=5)


class VerifierMachine(RuleBasedStateMachine):
    site: DeliverySite

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.began = boa.env.timestamp
        self.until = self.began + HOUR
        self.book = VerifierBook()
        for number in range(ORACLES):
            entry = self.site.verifier.oracle(hex_of(oracle_key(number).address))
            self.book.enrol(oracle_key(number).address, entry.operator_id, entry.until)
        self.before = stakes_of(self.site.attestation)
        self.revoked: set[int] = set()
        self.guilty: set[int] = set()

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)
        boa.env.timestamp = self.began

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def made(self, group: list[int], nonce: bytes, is_lie: bool) -> Made:
        key = keccak(b"another key" if is_lie else b"new key")
        return make_delivery(self.site, signers=group, nonce=nonce, key=key, deadline=self.until)

    @rule(
        group=groups,
        nonce=st.sampled_from(NONCES),
        is_lie=st.booleans(),
        threshold=st.integers(1, 4),
    )
    def deliver(self, group: list[int], nonce: bytes, is_lie: bool, threshold: int) -> None:
        made = self.made(group, nonce, is_lie)
        self.site.set_context(threshold=threshold)
        signers = [signer_of(made.digest, one) or b"" for one in made.proof.signatures]
        nonce_hash = keccak(nonce)

        refusal = self.book.delivery_refusal(signers, nonce_hash, threshold=threshold, now=self.now)

        if refusal is None:
            made.deliver()
            self.book.deliver(nonce_hash)
        else:
            with boa.reverts(refusal):
                made.deliver()

    @rule(number=st.integers(0, ORACLES - 1))
    def revoke(self, number: int) -> None:
        """An enclave ends its own verdict."""
        if number in self.revoked:
            return
        signer = hex_of(oracle_key(number).address)
        registry = self.site.attestation.registry
        live: Any = registry.live(signer, self.now)
        if live.measurement_class:
            registry.revoke(live.attestation_id, sender=signer)
            self.revoked.add(number)

    @rule(number=numbers)
    def expel(self, number: int) -> None:
        signer = oracle_key(number).address
        live = self.site.attestation.registry.live(hex_of(signer), self.now)
        entry = self.book.oracles.get(signer)
        is_staked = entry is not None and entry.operator_id not in self.guilty
        stands = bool(live.measurement_class) and is_staked

        refusal = self.book.expel_refusal(signer, now=self.now, stands=stands)

        if refusal is None:
            self.site.verifier.expel(hex_of(signer))
            self.book.expel(signer, now=self.now)
        else:
            with boa.reverts(refusal):
                self.site.verifier.expel(hex_of(signer))

    @rule(nonce=st.sampled_from(NONCES), is_lie=st.booleans())
    def prove(self, nonce: bytes, is_lie: bool) -> None:
        made = self.made([0], nonce, is_lie)
        if is_lie and made.digest not in self.book.false:
            made.prove("prove_wrong_key", opened(made), sender=boa.env.eoa)
            self.book.prove(made.digest, Falsehood.KEY)
            return
        reason = "false_deliveries: proven already" if is_lie else "fraud_proofs: key is right"
        with boa.reverts(reason):
            made.prove("prove_wrong_key", opened(made), sender=boa.env.eoa)

    @rule(group=groups, nonce=st.sampled_from(NONCES), is_lie=st.booleans())
    def punish(self, group: list[int], nonce: bytes, is_lie: bool) -> None:
        made = self.made(group, nonce, is_lie)
        signers = [oracle_key(number).address for number in group]
        call = (made.digest, b"".join(made.proof.signatures))

        refusal = self.book.punish_refusal(made.digest, signers)

        if refusal is None:
            self.site.verifier.punish(*call)
            self.guilty |= set(self.book.punish(made.digest, signers))
        else:
            with boa.reverts(refusal):
                self.site.verifier.punish(*call)

    @rule(seconds=st.sampled_from([1, 60, 200]))
    def wait(self, seconds: int) -> None:
        boa.env.timestamp += seconds

    @invariant()
    def contract_says_what_the_model_says(self) -> None:
        verifier = self.site.verifier
        for signer, entry in self.book.oracles.items():
            found = verifier.oracle(hex_of(signer))
            assert (entry.operator_id, entry.until) == (found.operator_id, found.until)
            assert self.book.counts(signer, now=self.now) == verifier.is_oracle(hex_of(signer))
        for nonce in NONCES:
            spent = verifier.is_spent(self.site.collection.address, TOKEN, keccak(nonce))
            assert spent == (keccak(nonce) in self.book.spent)
        for digest, kind in self.book.false.items():
            assert verifier.finding(digest).kind == kind

    @invariant()
    def invariant_agt_6_only_who_signed_a_lie_pays(self) -> None:
        now = stakes_of(self.site.attestation)
        lost = {one for one, stake in self.before.items() if now[one] < stake}
        assert lost == self.guilty


def test_verifier__any_order_of_acts__agrees_with_the_model(site: DeliverySite) -> None:
    class Machine(VerifierMachine):
        pass

    Machine.site = site
    run_state_machine_as_test(Machine, settings=MACHINE)
