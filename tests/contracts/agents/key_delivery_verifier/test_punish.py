"""Who signed a false delivery pays, once; who announced the proof earns."""

from collections.abc import Sequence

import boa
import pytest

from offchain.agents.onchain_verifier import proof_commitment
from offchain.core.hashing import keccak
from tests.support.agents_deliveries import (
    EVIDENCE,
    FALSE_DELIVERY,
    DeliverySite,
    Made,
    make_delivery,
    opened,
    oracle_key,
)
from tests.support.agents_delivery_fixtures import Unmoved
from tests.support.attestation import stakes_of
from tests.support.staking import EPOCH, next_epoch

SALT = keccak(b"salt")
LIE = {"key": keccak(b"another key")}


def raw(account: str) -> bytes:
    return bytes.fromhex(account[2:])


def prove(made: Made, sender: str, *, announced: bool = True) -> None:
    if announced:
        made.site.verifier.commit(proof_commitment(made.digest, raw(sender), SALT))
        boa.env.time_travel(blocks=1)
    made.prove("prove_wrong_key", opened(made), sender=sender, salt=SALT)


def punish(made: Made, signatures: Sequence[bytes], sender: str) -> None:
    made.site.verifier.punish(made.digest, b"".join(signatures), sender=sender)


def taken(site: DeliverySite, before: dict[int, int]) -> list[bool]:
    """Which operators have less than before, by their oracle's number."""
    now = stakes_of(site.attestation)
    return [now[one.operator_id] < before[one.operator_id] for one in site.attestation.relayers]


def test_punish__all_who_signed__lose_stake_and_the_reporter_earns(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site, **LIE)
    made.deliver()
    prove(made, stranger)
    before = stakes_of(site.attestation)
    assert stranger == site.verifier.finding(made.digest).reporter

    punish(made, made.proof.signatures, stranger)

    assert taken(site, before) == [True, True, True, False, False]
    assert site.attestation.court.credit_of(stranger) > 0
    with unmoved("false_deliveries: nobody to punish", made.digest):
        punish(made, made.proof.signatures, stranger)


def test_punish__one_signature_below_quorum__its_signer_pays(
    site: DeliverySite, stranger: str
) -> None:
    made = make_delivery(site, signers=(3,), **LIE)
    prove(made, stranger)
    before = stakes_of(site.attestation)

    punish(made, made.proof.signatures, stranger)

    assert taken(site, before) == [False, False, False, True, False]


def test_punish__one_after_the_other__each_once(site: DeliverySite, stranger: str) -> None:
    made = make_delivery(site, **LIE)
    prove(made, stranger)
    before = stakes_of(site.attestation)
    first, second, third = made.proof.signatures

    punish(made, (second,), stranger)
    assert sum(taken(site, before)) == 1
    punish(made, (first, second, third), stranger)

    assert sum(taken(site, before)) == 3


def test_punish__oracle_expelled_since__pays_all_the_same(
    site: DeliverySite, stranger: str
) -> None:
    made = make_delivery(site, **LIE)
    attestation = site.attestation
    attestation.registry.delist_measurement(site.measurement_id, sender=attestation.governance)
    site.verifier.expel("0x" + oracle_key(0).address.hex())
    prove(made, stranger)
    before = stakes_of(attestation)

    punish(made, made.proof.signatures, stranger)

    assert taken(site, before)[0]


def test_punish__not_proven_or_signed_by_nobody__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site, **LIE)
    with unmoved("false_deliveries: not proven", made.digest):
        punish(made, made.proof.signatures, stranger)
    prove(made, stranger)
    foreign = oracle_key(9).sign_digest(made.digest)
    other = oracle_key(0).sign_digest(keccak(b"other bytes"))

    for signatures in ((foreign,), (other,), (), (bytes(65),), (made.proof.signatures[0][:64],)):
        with unmoved("false_deliveries: nobody to punish", made.digest):
            punish(made, signatures, stranger)


def test_punish__correct_delivery__never(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site)
    made.deliver()

    with unmoved("fraud_proofs: key is right", made.digest):
        made.prove("prove_wrong_key", opened(made), sender=stranger)
    with unmoved("false_deliveries: not proven", made.digest):
        punish(made, made.proof.signatures, stranger)


def test_punish__after_the_time_for_evidence__nobody_pays(
    site: DeliverySite, stranger: str
) -> None:
    made = make_delivery(site, **LIE)
    prove(made, stranger)
    before = stakes_of(site.attestation)
    boa.env.timestamp += EVIDENCE + 2 * EPOCH

    punish(made, made.proof.signatures, stranger)

    assert taken(site, before) == [False] * 5


def test_punish__deadline_in_the_next_epoch__the_stake_of_the_proof_answers(
    site: DeliverySite, stranger: str
) -> None:
    made = make_delivery(site, deadline=boa.env.timestamp + 2 * EPOCH, **LIE)
    epoch = site.attestation.epoch
    prove(made, stranger)
    before = stakes_of(site.attestation)
    assert epoch == site.verifier.finding(made.digest).epoch
    next_epoch()

    punish(made, made.proof.signatures, stranger)

    assert taken(site, before) == [True, True, True, False, False]


@pytest.mark.parametrize("is_late", [True, False])
def test_commit__not_before_this_block_or_not_at_all__earns_nothing(
    site: DeliverySite, stranger: str, is_late: bool
) -> None:
    made = make_delivery(site, **LIE)
    if is_late:
        site.verifier.commit(proof_commitment(made.digest, raw(stranger), SALT))

    prove(made, stranger, announced=False)

    assert int(site.verifier.finding(made.digest).reporter, 16) == 0
    punish(made, made.proof.signatures, stranger)
    assert site.attestation.court.credit_of(stranger) == 0


def test_commit__twice__refused(site: DeliverySite, unmoved: Unmoved) -> None:
    site.verifier.commit(SALT)
    assert site.verifier.commitments(SALT) > 0

    with unmoved("false_deliveries: committed already"):
        site.verifier.commit(SALT)


def test_offence__is_the_courts(site: DeliverySite) -> None:
    assert site.verifier.address == site.attestation.court.type_of(FALSE_DELIVERY).adjudicator
