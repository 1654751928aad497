"""Verdicts, renewals, ends and notices in any order: the registry says what the model says."""

from dataclasses import replace
from typing import Any

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

from offchain.attestation.registry_book import NEVER, Entry, RegistryBook, Verdicted
from offchain.core.hashing import keccak
from tests.contracts.attestation.attestation_registry.test_notices import (
    COLLATERAL_TYPE,
    EVALUATION_TYPE,
    signed,
)
from tests.support.attestation import (
    GRACE,
    LIFE,
    AttestationSite,
    Vouched,
    an_entry,
    fields_of,
    hex_of,
    register,
    subject_key,
    tee,
    vouch,
)
from tests.support.staking import EPOCH

NAMES = ("subject", "other")
# the first two have one mark in the registry's book of what is revoked, the third another
COLLATERALS = tuple(
    number.to_bytes(32, "big") for number in (1 << 160, 1 << 160 | 1 << 255, 1 << 161)
)
FAULTS = (1, 2, 4)  # BODY, BINDING, SIGNATURE: what a quote shows by itself
MACHINE = settings(max_examples=6, stateful_step_count=14)


class RegistryMachine(RuleBasedStateMachine):
    site: AttestationSite

    def __init__(self) -> None:
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.began = boa.env.timestamp
        self.book = RegistryBook(GRACE)
        self.entry = Entry(int(self.site.registry.measurement_at(1).valid_until))
        self.vouched: dict[bytes, Vouched] = {}
        self.used: set[tuple[str, int]] = set()  # one quote of a machine an epoch
        self.unseated: set[int] = set()  # epochs whose signers have lied

    def teardown(self) -> None:
        self.anchor.__exit__(None, None, None)
        boa.env.timestamp = self.began

    @rule(
        name=st.sampled_from(NAMES),
        collateral=st.sampled_from(COLLATERALS),
        evaluation=st.integers(16, 18),
        life=st.integers(1, LIFE),
        is_lie=st.booleans(),
    )
    def register(
        self, name: str, collateral: bytes, evaluation: int, life: int, is_lie: bool
    ) -> None:
        now, key = boa.env.timestamp, subject_key(name)
        is_good = self.entry.delisted_at == NEVER and collateral not in self.book.revoked
        if not is_good or evaluation < self.book.least(now) or (name, self.site.epoch) in self.used:
            return
        if self.site.epoch in self.unseated:
            return
        lies: dict[str, Any] = {"bundle_root": keccak(b"x")}
        if is_lie:
            lies["evidence_id"] = keccak(name.encode(), self.site.epoch.to_bytes(4, "big"))
        told = {"collateral_hash": collateral, "tcb_eval_number": evaluation} | lies
        one = vouch(self.site, key, not_after=now + life, **told)
        record = Verdicted(key.address, self.entry, evaluation, collateral, now, now + life)
        self.book.register(one.id, record)
        self.used.add((name, self.site.epoch))
        if is_lie:
            self.site.proofs.prove(1, fields_of(one.verdict), one.quote, b"", b"", b"", bytes(32))
            record.is_void = True
            self.unseated.add(self.site.epoch)
        self.vouched[one.id] = one
        if not is_lie:
            again = replace(one.verdict, bundle_root=keccak(b"y"))
            with boa.reverts("verdict_book: evidence is used"):  # INV-ATT-3
                register(self.site, again, one.epoch, 0b11100)

    @precondition(lambda self: self.vouched)
    @rule(data=st.data(), fault=st.sampled_from(FAULTS))
    def invariant_att_6_no_proof_voids_a_correct_verdict(self, data: Any, fault: int) -> None:
        one = data.draw(st.sampled_from(sorted(self.vouched)))
        vouched, record = self.vouched[one], self.book.records[one]
        if record.is_void:
            return
        with boa.reverts("fraud_proofs: verdict is sound"):
            self.site.proofs.prove(
                fault, fields_of(vouched.verdict), vouched.quote, b"", b"", b"", bytes(32)
            )

    @rule(seconds=st.sampled_from([1, 60, EPOCH, LIFE, GRACE]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @rule(name=st.sampled_from(NAMES))
    def revoke(self, name: str) -> None:
        key = subject_key(name)
        newest = self.book.newest.get(key.address)
        if newest is None:
            return
        record = self.book.records[newest]
        if record.is_void or record.is_revoked:
            with boa.reverts("verdict_book: ended already"):
                self.site.registry.revoke(newest, sender=hex_of(key.address))
            return
        self.site.registry.revoke(newest, sender=hex_of(key.address))
        self.book.revoke(newest, now=boa.env.timestamp)

    @rule()
    def delist_and_list_again(self) -> None:
        measurement = self.site.measurement_id
        self.site.registry.delist_measurement(measurement, sender=self.site.guardian)
        self.entry.delisted_at = boa.env.timestamp
        entry = an_entry(tee())
        self.site.registry.list_measurement(*entry, sender=self.site.governance)
        self.entry = Entry(entry[8])

    @rule(collateral=st.sampled_from(COLLATERALS))
    def revoke_collateral(self, collateral: bytes) -> None:
        if collateral in self.book.revoked or self.site.epoch in self.unseated:
            return
        self._seat()
        signatures = signed(self.site, COLLATERAL_TYPE, collateral)
        epoch = self.site.epoch
        self.site.registry.revoke_collateral(collateral, epoch, 0b111, signatures)
        self.book.revoked[collateral] = boa.env.timestamp

    @precondition(lambda self: boa.env.timestamp >= self.book.binds_from)
    @rule()
    def raise_evaluation(self) -> None:
        number = max(self.book.announced, 16) + 1
        if number > 18 or self.site.epoch in self.unseated:
            return
        self._seat()
        signatures = signed(self.site, EVALUATION_TYPE, number)
        self.site.registry.raise_evaluation(number, self.site.epoch, 0b111, signatures)
        self.book.raise_evaluation(number, now=boa.env.timestamp)

    @invariant()
    def invariant_att_2_live_is_what_the_model_says(self) -> None:
        now = boa.env.timestamp
        for name in NAMES:
            key = subject_key(name).address
            wanted = self.book.live(key, now=now)
            told = self.site.registry.live(hex_of(key), now)
            assert bytes(told.attestation_id) == (wanted or bytes(32))
            assert self.site.registry.level(hex_of(key), now) == (2 if wanted else 0)
            assert not wanted or told.until >= now

    @invariant()
    def invariant_att_9_states_are_what_the_model_says(self) -> None:
        now = boa.env.timestamp
        for one, vouched in self.vouched.items():
            assert self.site.registry.verdict(one).state == int(self.book.state(one, now=now))
            assert self.site.registry.stood(one, now) == self.book.stood(one, now)
            evidence = vouched.verdict.evidence_id
            assert bytes(self.site.registry.attestation_of(evidence)) == one

    def _seat(self) -> None:
        if not self.site.registry.committee(self.site.epoch):
            self.site.draw()


def test_registry__any_history__says_what_the_model_says(site: AttestationSite) -> None:
    RegistryMachine.site = site
    run_state_machine_as_test(RegistryMachine, settings=MACHINE)
