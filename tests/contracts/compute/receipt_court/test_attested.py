"""What a receipt proves whose evidence was void, had ended, or never was."""

from dataclasses import dataclass
from typing import Any

import boa
import pytest

from offchain.compute.audit_draw import leaf_key
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.compute_chain import DISPUTE, NATIVE, a_payer, hex_of, twin_deployer
from tests.support.compute_courts import BAD_SIGNER, CourtsSite, Posted, Unmoved, an_answer, settled

ID = keccak(b"an attestation")
LIVE, VOID = 1, 32  # AttestationState
CLOCK = 60  # seconds that a receipt's time may be off
NOTHING_WRONG = "receipt_court: nothing is wrong"


@dataclass(frozen=True, slots=True)
class Attested:
    """A settled answer that names evidence, and the registry of it."""

    site: CourtsSite
    registry: Any
    batch: Posted
    time: int

    def stood(self, first: int, last: int, state: int = LIVE) -> None:
        """The evidence stood between two moments, counted from the receipt's."""
        self.registry.set_stood(ID, self.time + first, self.time + last, state)

    def prove(self, sender: str) -> tuple[int, int]:
        """What the payer has got back and what the stake has lost."""
        holder = hex_of(self.batch.items[0].payer.address)
        before = self.site.escrow.free_of(holder, NATIVE), self.site.staked(self.site.provider)
        self.site.receipts.prove(BAD_SIGNER, self.batch.shown(), self.batch.leaf(), sender=sender)
        after = self.site.escrow.free_of(holder, NATIVE), self.site.staked(self.site.provider)
        return after[0] - before[0], before[1] - after[1]


def an_attested(site: CourtsSite, *, wired: bool = True, **changes: Any) -> Attested:
    registry = twin_deployer("attestations_twin").deploy()
    if wired:
        market = site.market
        market.registry.wire_attestations(registry.address, sender=market.governance)
    named = {"attestation_id": ID} | changes
    answer = an_answer(site, a_payer("payer 0").address, 4, **named)
    return Attested(site, registry, settled(site, [[answer]]), answer.receipt.time)


def test_prove__void_evidence__refunds_and_takes_no_stake(site: CourtsSite, stranger: str) -> None:
    one = an_attested(site)
    one.stood(-100, 100, VOID)

    assert one.prove(stranger) == (one.batch.total, 0)

    assert site.escrow.batch(one.batch.id).held == 0
    fact = keccak(words(BAD_SIGNER, leaf_key(one.batch.id, 0, 0)))
    assert site.receipts.is_proven(fact)
    with boa.reverts("receipt_court: proven already"):
        one.prove(stranger)


def test_prove__void_evidence_of_a_released_batch__the_stake_pays_the_price(
    site: CourtsSite, stranger: str
) -> None:
    one = an_attested(site)
    one.stood(-100, 100, VOID)
    boa.env.time_travel(seconds=DISPUTE)
    # the audits of this market never end: pay the provider as their end would
    site.escrow.eval(f"batch_book._release({one.batch.id}, {site.provider.operator_id})")

    assert one.prove(stranger) == (0, one.batch.total)

    holder = hex_of(one.batch.items[0].payer.address)
    assert site.court.credit_of(holder) == one.batch.total


def test_prove__evidence_that_never_was__costs_ten_prices(site: CourtsSite, stranger: str) -> None:
    one = an_attested(site)

    assert one.prove(stranger) == (one.batch.total, 10 * one.batch.total)


@pytest.mark.parametrize(("first", "last"), [(-200, -CLOCK - 1), (CLOCK + 1, 200)])
def test_prove__evidence_of_another_time__costs_ten_prices(
    site: CourtsSite, stranger: str, first: int, last: int
) -> None:
    one = an_attested(site)
    one.stood(first, last)

    assert one.prove(stranger) == (one.batch.total, 10 * one.batch.total)


@pytest.mark.parametrize(("first", "last"), [(-200, -CLOCK), (0, 0), (CLOCK, 200)])
def test_prove__evidence_within_a_clocks_reach__proves_nothing(
    site: CourtsSite, unmoved: Unmoved, stranger: str, first: int, last: int
) -> None:
    one = an_attested(site)
    one.stood(first, last)

    with unmoved(NOTHING_WRONG):
        one.prove(stranger)


@pytest.mark.parametrize("case", [{"wired": False}, {"attestation_id": bytes(32)}])
def test_prove__no_registry_or_no_evidence_named__proves_nothing(
    site: CourtsSite, unmoved: Unmoved, stranger: str, case: dict[str, Any]
) -> None:
    one = an_attested(site, **case)

    with unmoved(NOTHING_WRONG):
        one.prove(stranger)
