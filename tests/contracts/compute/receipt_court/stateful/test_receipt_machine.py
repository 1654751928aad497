"""Proofs and demands under any order: refunds stay within items, facts are punished once."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.compute.audit_draw import CLAIMED_PART, WHOLE_ITEM, leaf_key
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.compute_chain import NATIVE, a_payer, hex_of, keeper, twin_deployer
from tests.support.compute_courts import (
    BAD_PRICE,
    BAD_SIGNER,
    OVERCLAIM,
    PAID,
    REVEAL,
    UNAVAILABLE,
    WRONG_MODEL,
    CourtsSite,
    Posted,
    an_answer,
    penalty,
    settled,
)
from tests.support.native_evm import return_to
from tests.support.staking import a_wallet

READY: list[tuple[CourtsSite, Posted, Any]] = []
ITEMS, LEAVES = st.integers(0, 1), st.integers(0, 3)
WRONG = {BAD_PRICE: 1, BAD_SIGNER: 2, WRONG_MODEL: 0}  # which leaf of an item breaks what
ATTESTED = 3  # the leaf of an item that names evidence
LIVE, VOID = 1, 32  # AttestationState


@pytest.fixture(scope="module", autouse=True)
def deployed(judged_market: tuple[CourtsSite, Posted]) -> Iterator[None]:
    """A batch of two items in which every leaf is wrong in another way, and nonces fall.

    The last leaf of both is wrong when its evidence is: of the first it stands, of the second it
    never did.
    """
    site, _ = judged_market
    with boa.env.anchor():
        return_to("receipt court")
        registry = twin_deployer("attestations_twin").deploy()
        site.market.registry.wire_attestations(registry.address, sender=site.market.governance)
        registry.set_stood(evidence(0), 0, 2**63, LIVE)
        rows = []
        for number in range(2):
            payer = a_payer(f"payer {number}").address
            rows.append(
                [
                    an_answer(site, payer, 5, model_hash=keccak(b"another model")),
                    an_answer(site, payer, 4, output_tokens=21),
                    an_answer(site, payer, 6, key=keeper("somebody")),
                    an_answer(site, payer, 7, attestation_id=evidence(number)),
                ]
            )
        READY.append((site, settled(site, rows, cumulative=[PAID, 0]), registry))
        yield
    READY.clear()


def evidence(item: int) -> bytes:
    """What the last leaf of an item names."""
    return keccak(b"evidence", bytes([item]))


class Receipts(RuleBasedStateMachine):
    """Strangers who prove, payers who ask, a provider who answers or not, courts, and time."""

    @initialize()
    def begin(self) -> None:
        self.site, self.batch, self.registry = READY[0]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.now = boa.env.timestamp
        self.facts: set[tuple[int, bytes]] = set()
        self.due: dict[int, int] = {0: 0, 1: 0}  # what each payer is owed back, base units
        self.keys: set[bytes] = set()
        self.taken = 0
        self.demands: dict[int, tuple[int, int, int]] = {}  # item: leaf, deadline, bond
        self.void: set[int] = set()  # items whose last leaf names evidence that was a lie
        self.credits: dict[str, int] = {}
        self.staked = self.site.staked(self.site.provider)
        self.free = [self.freed(number) for number in (0, 1)]

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            boa.env.timestamp = self.now
            self.anchor.__exit__(None, None, None)

    def payer(self, item: int) -> str:
        return hex_of(self.batch.items[item].payer.address)

    def freed(self, item: int) -> int:
        return int(self.site.escrow.free_of(self.payer(item), NATIVE))

    def convict(self, offence: int, item: int, leaf: int, due: int, amount: int) -> bool:
        """What the model says of a proof; whether it is news."""
        key = leaf_key(self.batch.id, item, leaf)
        if (offence, key) in self.facts:
            return False
        self.facts.add((offence, key))
        if key not in self.keys:
            left = self.batch.items[item].amount - self.due[item]
            self.due[item] += min(due, left)
            if left:
                self.keys.add(key)
        self.taken += amount
        return True

    @rule(offence=st.sampled_from(sorted(WRONG)), item=ITEMS)
    def prove(self, offence: int, item: int) -> None:
        leaf = WRONG[offence]
        amount = penalty(self.batch) if offence == WRONG_MODEL else 10 * PAID
        call = (offence, self.batch.shown(item), self.batch.leaf(item, leaf))
        if self.convict(offence, item, leaf, PAID, amount):
            self.site.receipts.prove(*call)
        else:
            with boa.reverts("receipt_court: proven already"):
                self.site.receipts.prove(*call)

    @rule(item=ITEMS)
    def void_evidence(self, item: int) -> None:
        """Those who vouched for it are found to have lied; that is never taken back."""
        self.registry.set_stood(evidence(item), 0, 2**63, VOID)
        self.void.add(item)

    @rule(item=ITEMS)
    def prove_evidence(self, item: int) -> None:
        """Void evidence costs the provider nothing while the batch holds the price; dead, ten."""
        call = (BAD_SIGNER, self.batch.shown(item), self.batch.leaf(item, ATTESTED))
        if item == 0 and item not in self.void:
            reason = "receipt_court: nothing is wrong"
        elif self.convict(BAD_SIGNER, item, ATTESTED, PAID, 0 if item in self.void else 10 * PAID):
            self.site.receipts.prove(*call)
            return
        else:
            reason = "receipt_court: proven already"
        with boa.reverts(reason):
            self.site.receipts.prove(*call)

    @rule(item=ITEMS)
    def prove_repeat(self, item: int) -> None:
        shown = (self.batch.shown(item), self.batch.leaf(item, 0), self.batch.leaf(item, 1))
        if self.convict(OVERCLAIM, item, WHOLE_ITEM, 4 * PAID, penalty(self.batch)):
            self.site.receipts.prove_repeat(*shown)
        else:
            with boa.reverts("receipt_court: proven already"):
                self.site.receipts.prove_repeat(*shown)

    @rule(item=ITEMS, leaf=LEAVES)
    def prove_honest(self, item: int, leaf: int) -> None:
        """A leaf that keeps this promise proves nothing."""
        offence = next(one for one, wrong in sorted(WRONG.items()) if wrong != leaf)
        with boa.reverts("receipt_court: nothing is wrong"):
            self.site.receipts.prove(offence, self.batch.shown(item), self.batch.leaf(item, leaf))

    @rule(item=ITEMS, leaf=LEAVES)
    def demand(self, item: int, leaf: int) -> None:
        bond, payer = self.site.receipts.bond(), self.payer(item)
        fact = (UNAVAILABLE, leaf_key(self.batch.id, item, CLAIMED_PART))
        call = (self.batch.shown(item), leaf)
        if boa.env.timestamp >= self.site.escrow.batch(self.batch.id).release_at:
            reason = "receipt_court: too late"
        elif fact in self.facts:
            reason = "receipt_court: proven already"
        elif item in self.demands:
            reason = "leaf_demands: one is open"
        else:
            self.site.receipts.demand(*call, value=bond, sender=payer)
            self.demands[item] = (leaf, boa.env.timestamp + REVEAL, bond)
            return
        with boa.reverts(reason):
            self.site.receipts.demand(*call, value=bond, sender=payer)

    @rule(item=ITEMS)
    def answer(self, item: int) -> None:
        leaf, deadline, bond = self.demands.get(item, (0, 0, 0))
        call = (self.batch.shown(item), self.batch.leaf(item, leaf))
        if not bond or boa.env.timestamp > deadline:
            with boa.reverts():
                self.site.receipts.answer(*call)
            return
        self.site.receipts.answer(*call)
        owner = self.site.provider.owner
        self.credits[owner] = self.credits.get(owner, 0) + bond
        del self.demands[item]

    @rule(item=ITEMS)
    def close(self, item: int) -> None:
        _, deadline, bond = self.demands.get(item, (0, 0, 0))
        if not bond or boa.env.timestamp <= deadline:
            with boa.reverts():
                self.site.receipts.close(self.batch.shown(item))
            return
        claimed = self.batch.items[item].claimed
        self.convict(UNAVAILABLE, item, CLAIMED_PART, claimed, penalty(self.batch))
        self.site.receipts.close(self.batch.shown(item), sender=a_wallet("stranger"))
        payer = self.payer(item)
        self.credits[payer] = self.credits.get(payer, 0) + bond
        del self.demands[item]

    @rule(seconds=st.sampled_from([1, REVEAL, REVEAL + 1]))
    def wait(self, seconds: int) -> None:
        boa.env.timestamp += seconds

    @invariant()
    def invariant_cmp_6_a_leaf_pays_once(self) -> None:
        for item in (0, 1):
            back = self.site.escrow.refunded_of(self.batch.id, item)
            assert back == self.due[item] <= self.batch.items[item].amount

    @invariant()
    def invariant_cmp_7_payers_are_refunded_before_anybody_is_paid(self) -> None:
        for item in (0, 1):
            assert self.freed(item) - self.free[item] == self.due[item]
        record = self.site.escrow.batch(self.batch.id)
        assert record.held == self.batch.total - sum(self.due.values())
        assert record.open_cases == len(self.demands)

    @invariant()
    def invariant_cmp_8_a_fact_is_punished_once(self) -> None:
        assert self.staked - self.site.staked(self.site.provider) == self.taken <= self.staked
        for offence, key in self.facts:
            assert self.site.receipts.is_proven(keccak(words(offence, key)))

    @invariant()
    def wei_is_owed_to_somebody(self) -> None:
        bonds = sum(bond for _, _, bond in self.demands.values())
        held = boa.env.get_balance(self.site.receipts.address)
        assert held == bonds + sum(self.credits.values())


TestReceipts = Receipts.TestCase
