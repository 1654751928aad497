"""Verdicts become live with a quorum, and end by themselves."""

from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.attestation.model import INTEL_ROOT_KEY_ID
from offchain.core.hashing import keccak
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import (
    GRACE,
    LIFE,
    SERVICE,
    AttestationSite,
    a_quote,
    a_verdict,
    an_entry,
    attestation_deployer,
    deploy_registry,
    fields_of,
    hex_of,
    register,
    sign,
    subject_key,
    tee,
    vouch,
)
from tests.support.staking import next_epoch

LIVE, EXPIRED, REVOKED = 1, 8, 16
BROKER_IN_TEE = 2
KEY = hex_of(subject_key().address)


def send(
    site: AttestationSite, *, seats: int = 0b111, signed_seats: int | None = None, **lies: Any
) -> Any:
    """Register a verdict with these lies; the arguments were signed as they are."""
    epoch = site.epoch
    quote = a_quote(site, subject_key(), epoch=epoch)
    verdict = a_verdict(site, quote, subject_key(), epoch=epoch, **lies)
    signed = sign(site, verdict.digest(site.domain()), epoch, signed_seats or seats)
    return site.registry.register(fields_of(verdict), epoch, seats, signed)


def test_register__three_of_five__live_for_the_signer(site: AttestationSite) -> None:
    vouched = vouch(site)

    live = site.registry.live(KEY, boa.env.timestamp)
    assert bytes(live.attestation_id) == vouched.id == vouched.verdict.digest(site.domain())
    assert (live.measurement_class, live.simulated, bytes(live.service)) == (1, True, SERVICE)
    assert live.until == vouched.verdict.not_after
    assert site.registry.level(KEY, boa.env.timestamp) == BROKER_IN_TEE
    record = site.registry.verdict(vouched.id)
    assert (record.state, record.seats, record.epoch) == (LIVE, 0b111, vouched.epoch)
    assert bytes(site.registry.attestation_of(vouched.verdict.evidence_id)) == vouched.id
    members = site.registry.committee(vouched.epoch)
    assert site.registry.relayers_of(vouched.id) == members[:3]


def test_register__digest__is_that_of_the_model(site: AttestationSite) -> None:
    quote = a_quote(site, subject_key(), epoch=site.epoch)
    verdict = a_verdict(site, quote, subject_key(), epoch=site.epoch, gpu_hash=keccak(b"gpu"))

    assert bytes(site.registry.verdict_digest(fields_of(verdict))) == verdict.digest(site.domain())


@pytest.mark.parametrize("seats", [0b10101, 0b11110, 0b11111])
def test_inv_att_1__any_quorum_of_seats__registers(site: AttestationSite, seats: int) -> None:
    vouched = vouch(site, seats=seats)

    assert site.registry.verdict(vouched.id).seats == seats


@pytest.mark.parametrize(
    ("seats", "signed", "reason"),
    [
        (0b011, 0b011, "committees: quorum not reached"),
        (0b111, 0b011, "committees: signature missing"),
        (0b111, 0b1111, "committees: signature left over"),
        (0b111, 0b1011, "committees: wrong signature"),
        (0b100111, 0b111, "committees: no such seat"),
    ],
)
def test_inv_att_1__signatures_of_other_seats__refused(
    site: AttestationSite, unmoved: Unmoved, seats: int, signed: int, reason: str
) -> None:
    with unmoved(reason):
        send(site, seats=seats, signed_seats=signed)


def test_inv_att_1__one_relayer_thrice__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    epoch = site.epoch
    verdict = a_verdict(site, a_quote(site, subject_key(), epoch=epoch), subject_key(), epoch=epoch)
    one = sign(site, verdict.digest(site.domain()), epoch, 0b1)

    with unmoved("committees: wrong signature"):
        site.registry.register(fields_of(verdict), epoch, 0b111, one * 3)


@pytest.mark.parametrize("other", [{"chain_id": 1_337}, {"registry": b"\x99" * 20}], ids=str)
def test_inv_att_1__verdict_of_another_chain_or_registry__refused(
    site: AttestationSite, unmoved: Unmoved, other: dict[str, Any]
) -> None:
    epoch = site.epoch
    verdict = a_verdict(site, a_quote(site, subject_key(), epoch=epoch), subject_key(), epoch=epoch)
    elsewhere = replace(site.domain(), **other)
    signed = sign(site, verdict.digest(elsewhere), epoch, 0b111)

    with unmoved("committees: wrong signature"):
        site.registry.register(fields_of(verdict), epoch, 0b111, signed)


def test_inv_att_1__committee_of_an_old_epoch__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    old = site.epoch
    verdict = a_verdict(site, a_quote(site, subject_key(), epoch=old), subject_key(), epoch=old)
    signed = sign(site, verdict.digest(site.domain()), old, 0b111)
    next_epoch(2)

    with unmoved("committees: not a recent epoch"):
        site.registry.register(fields_of(verdict), old, 0b111, signed)


def test_register__last_epoch__still_taken(site: AttestationSite) -> None:
    last = site.epoch
    quote = a_quote(site, subject_key(), epoch=last)
    next_epoch()

    verdict = a_verdict(site, quote, subject_key(), epoch=last)
    assert register(site, verdict, last) == verdict.digest(site.domain())


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"nonce": bytes(32)}, "attestation: stale nonce"),
        ({"tee_type": 0}, "attestation: not TDX"),
        ({"not_after": 1}, "attestation: expired"),
        ({"report_data_hash": keccak(b"x")}, "attestation: report data"),
        ({"service_id": keccak(b"x")}, "attestation: report data"),
        ({"enc_key_hash": keccak(b"x")}, "attestation: report data"),
        ({"tls_key_hash": keccak(b"x")}, "attestation: report data"),
        ({"gpu_hash": keccak(b"x")}, "attestation: report data"),
        ({"signer": bytes(20)}, "attestation: no signer"),
        ({"signer": b"\x02" * 20}, "attestation: report data"),
        ({"measurement_id": keccak(b"x")}, "measurements: not listed"),
        ({"tcb_status": 0}, "measurements: status refused"),
        ({"tcb_status": 2}, "measurements: status refused"),
    ],
)
def test_register__field_that_cannot_be__refused(
    site: AttestationSite, unmoved: Unmoved, lies: dict[str, Any], reason: str
) -> None:
    with unmoved(reason):
        send(site, **lies)


def test_register__longer_than_a_life__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    with unmoved("attestation: lives too long"):
        send(site, not_after=boa.env.timestamp + LIFE + 1)


def test_inv_att_2__after_its_end__not_live_without_a_transaction(site: AttestationSite) -> None:
    vouched = vouch(site)
    end = vouched.verdict.not_after

    assert site.registry.level(KEY, end) == BROKER_IN_TEE
    assert site.registry.level(KEY, end + 1) == 0
    assert not any(site.registry.live(KEY, end + 1).attestation_id)
    assert not site.registry.stood(vouched.id, boa.env.timestamp - 1)
    boa.env.timestamp = end + 1
    assert site.registry.verdict(vouched.id).state == EXPIRED


def test_inv_att_3__evidence_twice__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    vouched = vouch(site)
    again = replace(vouched.verdict, not_after=vouched.verdict.not_after + 1)

    with unmoved("verdict_book: evidence is used", vouched.id):
        register(site, again, vouched.epoch)


def test_inv_att_3__other_signer_with_the_same_evidence__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    vouched, other = vouch(site), subject_key("other")
    quote = a_quote(site, other, epoch=site.epoch)
    lie = a_verdict(site, quote, other, epoch=site.epoch, evidence_id=vouched.verdict.evidence_id)

    with unmoved("verdict_book: evidence is used", vouched.id):
        register(site, lie, site.epoch)


def test_register__renewal__replaces_and_the_former_stood(site: AttestationSite) -> None:
    first = vouch(site)
    next_epoch()
    second = vouch(site)

    now = boa.env.timestamp
    assert bytes(site.registry.live(KEY, now).attestation_id) == second.id
    assert site.registry.stood(first.id, now)
    assert not site.registry.stood(second.id, now - 1)


def test_inv_att_4__root_of_intel__is_hardware(site: AttestationSite) -> None:
    vouched = vouch(site, root_key_id=INTEL_ROOT_KEY_ID)

    assert not site.registry.live(KEY, boa.env.timestamp).simulated
    assert not site.registry.verdict(vouched.id).simulated


def test_inv_att_4__public_chain__refuses_simulated_evidence(site: AttestationSite) -> None:
    boa.env.evm.patch.chain_id = 1
    registry = deploy_registry(site.beacon_site)
    public = replace(site, registry=registry)
    registry.list_measurement(*an_entry(tee()), sender=site.governance)
    public.draw()

    assert site.registry.allow_simulated() and not registry.allow_simulated()
    with boa.reverts("attestation: simulated"):
        vouch(public)
    assert vouch(public, root_key_id=INTEL_ROOT_KEY_ID).id


def test_revoke__by_its_key__ends_in_the_same_block(site: AttestationSite) -> None:
    vouched = vouch(site)
    boa.env.time_travel(seconds=5)
    before = boa.env.timestamp - 1

    site.registry.revoke(vouched.id, sender=KEY)

    assert site.registry.verdict(vouched.id).state == REVOKED
    assert site.registry.level(KEY, boa.env.timestamp) == 0
    assert site.registry.stood(vouched.id, before)


def test_revoke__by_anybody_else__refused(
    site: AttestationSite, unmoved: Unmoved, stranger: str
) -> None:
    vouched = vouch(site)

    with unmoved("verdict_book: not your newest", vouched.id):
        site.registry.revoke(vouched.id, sender=stranger)


def test_revoke__twice__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    vouched = vouch(site)
    site.registry.revoke(vouched.id, sender=KEY)

    with unmoved("verdict_book: ended already", vouched.id):
        site.registry.revoke(vouched.id, sender=KEY)


def test_inv_att_7__governance_and_guardian__cannot_register_or_void(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    vouched = vouch(site)
    quote = a_quote(site, subject_key("other"), epoch=site.epoch)
    verdict = a_verdict(site, quote, subject_key("other"), epoch=site.epoch)

    for role in (site.governance, site.guardian):
        with unmoved("committees: quorum not reached", vouched.id):
            site.registry.register(fields_of(verdict), site.epoch, 0, b"", sender=role)
        with unmoved("attestation: not a court", vouched.id):
            site.registry.void(vouched.id, sender=role)


def test_wire__twice_or_by_a_stranger__refused(
    site: AttestationSite, unmoved: Unmoved, stranger: str
) -> None:
    courts = site.proofs.address, site.demands.address
    with unmoved("attestation: wired already"):
        site.registry.wire(*courts, sender=site.governance)
    with unmoved("governed: not governance"):
        site.registry.wire(*courts, sender=stranger)
    fresh = deploy_registry(site.beacon_site)
    with boa.reverts("attestation: no contract"):
        fresh.wire(site.proofs.address, stranger, sender=site.governance)


def test_deploy__without_a_life_a_grace_or_contracts__refused(
    site: AttestationSite, stranger: str
) -> None:
    with boa.reverts("attestation: no life"):
        deploy_registry(site.beacon_site, life=0)
    with boa.reverts("notices: no grace"):
        deploy_registry(site.beacon_site, grace=0)
    drawn = site.beacon_site.court_site.staking.registry.address
    terms = (site.governance, LIFE, GRACE)
    deploy = attestation_deployer("AttestationRegistry").deploy
    with boa.reverts("attestation: no contract"):
        deploy(drawn, stranger, site.beacon_site.beacon.address, *terms)
    with boa.reverts("committees: no contract"):
        deploy(drawn, site.stake.address, stranger, *terms)


def test_void__unknown_or_void_already__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    vouched, court = vouch(site), site.proofs.address
    with unmoved("verdict_book: no such verdict", vouched.id):
        site.registry.void(bytes(32), sender=court)

    epoch, guilty = site.registry.void(vouched.id, sender=court)

    assert (epoch, guilty) == (vouched.epoch, site.registry.relayers_of(vouched.id))
    with unmoved("verdict_book: void already", vouched.id):
        site.registry.void(vouched.id, sender=court)
