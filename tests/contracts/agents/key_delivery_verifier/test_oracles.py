"""Who may sign deliveries: attested enclaves of staked operators, with their operators' consent."""

import boa
import pytest

from tests.support.agents_deliveries import (
    COMPOSE,
    EVIDENCE,
    FALSE_DELIVERY,
    ORACLES,
    DeliverySite,
    agents_deployer,
    make_delivery,
    oracle_key,
)
from tests.support.agents_delivery_fixtures import Unmoved
from tests.support.attestation import hex_of, subject_key, tee, vouch
from tests.support.staking import RELAYER, next_epoch

NEWCOMER = ORACLES


def signer(number: int) -> str:
    return hex_of(oracle_key(number).address)


def test_deploy__parts_that_are_no_contracts__refused(site: DeliverySite) -> None:
    code = site.collection.address
    deploy, nobody = agents_deployer("KeyDeliveryVerifier").deploy, boa.env.generate_address()
    stake = site.attestation.stake.address

    for parts, reason in (
        ((nobody, stake, code, code, code), "oracle_book: no contract"),
        ((code, nobody, code, code, code), "oracle_book: no contract"),
        ((code, stake, nobody, code, code), "false_deliveries: no contract"),
        ((code, stake, code, nobody, code), "access_rules: no contract"),
        ((code, stake, code, code, nobody), "false_deliveries: no contract"),
    ):
        with boa.reverts(reason):
            deploy(*parts, EVIDENCE)


def test_enrol__attested_for_the_callers_operator__counts_until_the_verdict_ends(
    site: DeliverySite,
) -> None:
    vouched = site.attest(NEWCOMER)
    operator = site.operator(NEWCOMER)

    site.enrol(NEWCOMER)

    entry = site.verifier.oracle(signer(NEWCOMER))
    assert (operator.operator_id, vouched.verdict.not_after) == (entry.operator_id, entry.until)
    assert site.verifier.is_oracle(signer(NEWCOMER))
    boa.env.timestamp = vouched.verdict.not_after
    assert not site.verifier.is_oracle(signer(NEWCOMER))
    assert operator.operator_id == site.verifier.oracle(signer(NEWCOMER)).operator_id


def test_enrol__again_after_a_newer_verdict__is_renewed(site: DeliverySite) -> None:
    before = site.verifier.oracle(signer(0)).until
    next_epoch()
    vouched = site.attest(0)

    site.enrol(0)

    assert before < vouched.verdict.not_after == site.verifier.oracle(signer(0)).until


def test_enrol__without_what_it_takes__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    enrol, owner = site.verifier.enrol, site.operator(NEWCOMER).owner

    with unmoved("oracle_book: not an operator"):
        enrol(signer(0), sender=stranger)
    with unmoved("oracle_book: another operator's"):
        enrol(signer(0), sender=owner)
    with unmoved("oracle_book: not attested"):
        enrol(signer(NEWCOMER), sender=owner)
    broker = subject_key("a broker")
    vouch(site.attestation, broker)
    with unmoved("oracle_book: not attested"):
        enrol(hex_of(broker.address), sender=owner)
    site.attest(NEWCOMER, operator=0)
    with unmoved("oracle_book: not attested"):
        enrol(signer(NEWCOMER), sender=owner)


def test_enrol__operator_without_relaying_stake__refused(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    site.attest(NEWCOMER)
    operator = site.operator(NEWCOMER)
    leave(site, operator.owner)

    with unmoved("oracle_book: no stake"):
        site.enrol(NEWCOMER)


def test_expel__verdict_or_stake_gone__ends_at_once(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    verifier = site.verifier
    made = make_delivery(site)
    for number in (0, 1):
        with unmoved("oracle_book: stands"):
            verifier.expel(signer(number), sender=stranger)
    with unmoved("oracle_book: not enrolled"):
        verifier.expel(signer(NEWCOMER), sender=stranger)
    registry = site.attestation.registry
    registry.delist_measurement(site.measurement_id, sender=site.attestation.governance)

    verifier.expel(signer(0), sender=stranger)

    assert not verifier.is_oracle(signer(0))
    assert site.operator(0).operator_id == verifier.oracle(signer(0)).operator_id
    with unmoved("oracle_book: not enrolled"):
        verifier.expel(signer(0), sender=stranger)
    with unmoved("key_delivery: not an oracle"):
        made.deliver()


def test_expel__operator_left__ends_at_once(site: DeliverySite, stranger: str) -> None:
    operator = site.operator(1)
    leave(site, operator.owner)

    site.verifier.expel(signer(1), sender=stranger)

    assert not site.verifier.is_oracle(signer(1))


def test_verify__two_keys_of_one_operator__count_once(site: DeliverySite, unmoved: Unmoved) -> None:
    site.attest(NEWCOMER, operator=0)
    site.verifier.enrol(signer(NEWCOMER), sender=site.operator(0).owner)
    made = make_delivery(site, signers=(0, 1, NEWCOMER))

    with unmoved("key_delivery: one operator twice"):
        made.deliver()


def test_announce__by_an_operator__is_told(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    operator = site.operator(2)

    site.verifier.announce("http://127.0.0.1:9/oracle", sender=operator.owner)

    assert site.verifier.endpoint_of(operator.operator_id) == "http://127.0.0.1:9/oracle"
    with unmoved("oracle_book: not an operator"):
        site.verifier.announce("http://127.0.0.1:9/other", sender=stranger)


def test_evidence_seconds__of_another_offence__refused(site: DeliverySite) -> None:
    assert site.verifier.evidence_seconds(FALSE_DELIVERY) == EVIDENCE
    with boa.reverts("false_deliveries: unknown offence"):
        site.verifier.evidence_seconds(FALSE_DELIVERY - 1)


@pytest.mark.parametrize("compose", [COMPOSE])
def test_measurement__of_oracles__is_its_own(site: DeliverySite, compose: str) -> None:
    assert tee(compose).compose != tee().compose
    assert site.measurement_id != site.attestation.measurement_id


def leave(site: DeliverySite, owner: str) -> None:
    """Take an operator's relaying to its end."""
    site.attestation.stake.leave(RELAYER, sender=owner)
