"""A verdict that its own quote contradicts is void, and who signed it pays once; no other is."""

from typing import Any

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.attestation.adapters.software_quote import HeaderPlan
from offchain.attestation.adapters.software_vendor import LeafPlan
from offchain.attestation.faults import Fault, chain_of, fault_of
from offchain.attestation.onchain_fraud import equivocation_commitment, proof_commitment
from offchain.attestation.onchain_registry import Measurement
from offchain.core.hashing import keccak
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import (
    FALSE_VERDICT,
    NO_SALT,
    AttestationSite,
    Vouched,
    a_quote,
    a_verdict,
    an_entry,
    attestation_deployer,
    fields_of,
    hex_of,
    register,
    root_key,
    root_key_id,
    sign,
    stakes_of,
    subject_key,
    tee,
    vouch,
)
from tests.support.attestation_forgery import (
    always_long,
    always_yes,
    forged,
    precompile,
    with_high_s,
)
from tests.support.evidence import machine, vendor
from tests.support.evidence import stranger as other_vendor
from tests.support.staking import COIN, DAY, RELAYER, next_epoch

VOID = 32
KEY = hex_of(subject_key().address)
SALT = keccak(b"salt")


def prove(
    site: AttestationSite, fault: Fault, vouched: Vouched, *, salt: bytes = NO_SALT, **shown: Any
) -> None:
    """Show the whole chain, whatever the fault needs."""
    chain = chain_of(vouched.quote)
    parts = {"leaf": chain.leaf, "ca": chain.ca, "key": root_key(vendor())} | shown
    sender = parts.pop("sender", boa.env.eoa)
    quote = parts.pop("quote", vouched.quote)
    certificates = (parts["leaf"], parts["ca"], parts["key"])
    site.proofs.prove(
        int(fault), fields_of(vouched.verdict), quote, *certificates, salt, sender=sender
    )


def a_lie(site: AttestationSite, fault: Fault) -> Vouched:
    """A registered verdict that is false in this way alone."""
    if fault is Fault.BODY:
        return vouch(site, evidence_id=keccak(b"other evidence"))
    if fault is Fault.CHAIN:
        foreign = machine(leaf=LeafPlan(by_stranger=True))
        quote = a_quote(site, subject_key(), epoch=site.epoch, by=foreign)
        return vouch(site, quote=quote)
    quote = forged(a_quote(site, subject_key(), epoch=site.epoch), fault)
    return vouch(site, quote=quote)


@pytest.mark.parametrize("fault", list(Fault))
def test_inv_att_5__each_fault__voids_and_every_signer_pays_once(
    site: AttestationSite, unmoved: Unmoved, fault: Fault
) -> None:
    lie = a_lie(site, fault)
    guilty = site.registry.relayers_of(lie.id)
    before = stakes_of(site)

    prove(site, fault, lie)

    assert site.registry.verdict(lie.id).state == VOID
    assert site.registry.level(KEY, boa.env.timestamp) == 0
    assert not site.registry.stood(lie.id, boa.env.timestamp)
    assert site.proofs.is_sentenced(lie.id)
    site.proofs.punish(lie.id)
    after = stakes_of(site)
    assert len(guilty) == 3
    for operator, stake in before.items():
        assert after[operator] == (stake // 2 if operator in guilty else stake)
    with unmoved("relayer_findings: nothing to punish", lie.id):
        site.proofs.punish(lie.id)
    with unmoved("opened_verdicts: void already", lie.id):
        prove(site, fault, lie)


def test_inv_att_5__convicted_relayers__sign_no_more(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    prove(site, Fault.BODY, a_lie(site, Fault.BODY))

    with unmoved("committees: not eligible"):
        vouch(site, subject_key("other"))


@pytest.mark.parametrize(
    "lies",
    [
        {"evidence_id": keccak(b"x")},
        {"measurement_id": None},
    ],
)
def test_prove__verdict_that_its_quote_contradicts__void(
    site: AttestationSite, lies: dict[str, Any]
) -> None:
    if lies.get("measurement_id", b"") is None:
        other = machine(compose=tee().compose.replace("broker", "model"))
        listed = site.registry.list_measurement(*an_entry(other), sender=site.governance)
        lies = {"measurement_id": bytes(listed)}
    lie = vouch(site, **lies)

    prove(site, Fault.BODY, lie)

    assert site.registry.verdict(lie.id).state == VOID


@pytest.mark.parametrize(
    "plan",
    [
        {"td_attributes": 1 << 28 | 1},
        {"td_attributes": 1 << 28 | 1 << 63},
        {"xfam": 0x602E7 | 1 << 19},
        {"config_id": b"\x02" + bytes(47)},
        {"mr_td": bytes(48)},
        {"mr_service_td": b"\x01" * 48, "header": HeaderPlan(version=5, is_td15=True)},
    ],
)
def test_prove__machine_that_is_not_the_listed_one__void(
    site: AttestationSite, plan: dict[str, Any]
) -> None:
    quote = a_quote(site, subject_key(), epoch=site.epoch, by=machine(**plan))
    lie = vouch(site, quote=quote)

    prove(site, Fault.BODY, lie)

    assert site.registry.verdict(lie.id).state == VOID


@pytest.mark.parametrize("change", ["longer", "shorter", "sized", "version", "vendor", "tee"])
def test_prove__bytes_that_are_no_tdx_quote__void(site: AttestationSite, change: str) -> None:
    good = a_quote(site, subject_key(), epoch=site.epoch)
    bad = {
        "longer": good + b"\x00",
        "shorter": good[:-1],
        "sized": good[:632] + bytes([good[632] ^ 1]) + good[633:],
        "version": b"\x06" + good[1:],
        "vendor": good[:12] + bytes([good[12] ^ 1]) + good[13:],
        "tee": good[:4] + b"\x00" + good[5:],
    }[change]
    told = a_verdict(site, good, subject_key(), epoch=site.epoch, quote_hash=keccak(bad))
    lie = Vouched(register(site, told, site.epoch), told, bad, site.epoch)

    with boa.reverts("fraud_proofs: prove the body"):
        prove(site, Fault.SIGNATURE, lie, leaf=b"", ca=b"", key=b"")
    prove(site, Fault.BODY, lie, leaf=b"", ca=b"", key=b"")

    assert site.registry.verdict(lie.id).state == VOID


@settings(max_examples=6)
@given(
    version=st.sampled_from([(4, False), (5, False), (5, True)]),
    user=st.binary(min_size=20, max_size=20),
    svn=st.binary(min_size=16, max_size=16),
    seam=st.binary(min_size=48, max_size=48),
    subject=st.sampled_from(["subject", "other", "third"]),
)
def test_inv_att_6__correct_verdict_over_any_machine__cannot_be_voided(
    site: AttestationSite,
    version: tuple[int, bool],
    user: bytes,
    svn: bytes,
    seam: bytes,
    subject: str,
) -> None:
    header = HeaderPlan(version=version[0], is_td15=version[1], user_data=user)
    by = machine(header=header, tee_tcb_svn=svn, mr_signer_seam=seam)
    with boa.env.anchor():
        key = subject_key(subject)
        vouched = vouch(site, key, quote=a_quote(site, key, epoch=site.epoch, by=by))
        for fault in Fault:
            with boa.reverts("fraud_proofs: verdict is sound"):
                prove(site, fault, vouched)
        assert site.registry.level(hex_of(key.address), boa.env.timestamp) == 2


@pytest.mark.parametrize("fault", list(Fault))
def test_prove__lies__seen_off_chain_alike(site: AttestationSite, fault: Fault) -> None:
    lie = a_lie(site, fault)
    entry = Measurement(*site.registry.measurement_at(1))

    assert fault_of(lie.verdict, lie.quote, entry) is fault


@pytest.mark.parametrize("answer", [None, always_yes, always_long])
def test_inv_att_10__precompile_missing_or_lying__neither_voids_nor_saves(
    site: AttestationSite, unmoved: Unmoved, answer: Any
) -> None:
    good, lie = vouch(site), None
    with precompile(answer), unmoved("fraud_proofs: verdict is sound", good.id):
        prove(site, Fault.SIGNATURE, good)
    next_epoch()
    lie = a_lie(site, Fault.SIGNATURE)
    with precompile(answer):
        prove(site, Fault.SIGNATURE, lie)
    assert site.registry.verdict(lie.id).state == VOID


@pytest.mark.parametrize("has_precompile", [True, False])
def test_inv_att_6__other_s_of_a_signature__is_no_lie(
    site: AttestationSite, unmoved: Unmoved, has_precompile: bool
) -> None:
    quote = with_high_s(a_quote(site, subject_key(), epoch=site.epoch))
    vouched = vouch(site, quote=quote)

    for fault in (Fault.SIGNATURE, Fault.QE_SIGNATURE):
        with unmoved("fraud_proofs: verdict is sound", vouched.id):
            if has_precompile:
                prove(site, fault, vouched)
            else:
                with precompile(None):
                    prove(site, fault, vouched)


def test_prove__root_that_the_verdict_does_not_name__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    vouched = vouch(site)

    with unmoved("quote_chain: another root", vouched.id):
        prove(site, Fault.CHAIN, vouched, key=root_key(other_vendor()))


def test_prove__verdict_that_names_a_root_that_did_not_sign__void(site: AttestationSite) -> None:
    lie = vouch(site, root_key_id=root_key_id(other_vendor()))

    prove(site, Fault.CHAIN, lie, key=root_key(other_vendor()))

    assert site.registry.verdict(lie.id).state == VOID


def test_prove__other_bytes_than_the_verdict_is_about__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    vouched = vouch(site)
    chain = chain_of(vouched.quote)
    elsewhere = Vouched(
        vouched.id, a_verdict(site, vouched.quote, subject_key("other"), epoch=site.epoch), b"", 0
    )

    with unmoved("opened_verdicts: another quote", vouched.id):
        prove(site, Fault.BODY, vouched, quote=vouched.quote[:-1])
    with unmoved("opened_verdicts: no such verdict", vouched.id):
        prove(site, Fault.BODY, elsewhere, leaf=b"", ca=b"", quote=vouched.quote)
    for leaf in (b"", chain.ca, chain.leaf[:-1], chain.leaf + b"\x00", bytes(len(chain.leaf))):
        with unmoved("quote_chain: another leaf", vouched.id):
            prove(site, Fault.QE_SIGNATURE, vouched, leaf=leaf)
    with unmoved("quote_chain: another ca", vouched.id):
        prove(site, Fault.CHAIN, vouched, ca=chain.leaf)


def test_prove__announced_before__reporter_earns_of_each_slash(
    site: AttestationSite, stranger: str
) -> None:
    lie = a_lie(site, Fault.BODY)
    account = bytes.fromhex(stranger[2:])
    commitment = proof_commitment(lie.id, int(Fault.BODY), account, SALT)
    site.proofs.commit(commitment)
    with boa.reverts("fraud_proofs: committed already"):
        site.proofs.commit(commitment)
    boa.env.time_travel(blocks=1)

    prove(site, Fault.BODY, lie, salt=SALT, sender=stranger)
    site.proofs.punish(lie.id)

    assert site.court.credit_of(stranger) == 3 * 10 * COIN  # the court's limit for each


def test_prove__announced_in_the_same_block__earns_nothing(
    site: AttestationSite, stranger: str
) -> None:
    lie = a_lie(site, Fault.BODY)
    account = bytes.fromhex(stranger[2:])
    site.proofs.commit(proof_commitment(lie.id, int(Fault.BODY), account, SALT))

    prove(site, Fault.BODY, lie, salt=SALT, sender=stranger)
    site.proofs.punish(lie.id)

    assert site.court.credit_of(stranger) == 0


def test_punish__after_the_evidence_window__voids_without_a_slash(site: AttestationSite) -> None:
    lie = a_lie(site, Fault.BODY)
    boa.env.time_travel(seconds=26 * DAY)
    before = stakes_of(site)

    prove(site, Fault.BODY, lie)
    site.proofs.punish(lie.id)

    assert site.registry.verdict(lie.id).state == VOID
    assert stakes_of(site) == before


def test_prove_equivocation__two_verdicts_over_one_evidence__costs_everything(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    vouched = vouch(site)
    other = a_verdict(site, vouched.quote, subject_key(), epoch=site.epoch, tcb_eval_number=18)
    operator = site.registry.committee(site.epoch)[4]
    digests = vouched.id, other.digest(site.domain())
    signatures = [sign(site, digest, site.epoch, 0b10000) for digest in digests]
    encoded = vouched.verdict.struct_words(), other.struct_words()

    site.proofs.prove_equivocation(*encoded, *signatures, site.epoch, NO_SALT)

    assert stakes_of(site)[operator] == 0
    assert site.registry.level(KEY, boa.env.timestamp) == 2
    with unmoved("court: punished already", vouched.id):
        site.proofs.prove_equivocation(*encoded, *signatures, site.epoch, NO_SALT)
    assert len(equivocation_commitment(*digests, bytes(20), SALT)) == 32


def test_prove_equivocation__what_is_none__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    first = vouch(site)
    told = first.verdict.struct_words()
    other = a_verdict(site, first.quote, subject_key(), epoch=site.epoch, tcb_status=2)
    second = other.struct_words()
    mine = sign(site, first.id, site.epoch, 0b1)
    again = sign(site, other.digest(site.domain()), site.epoch, 0b1)
    yours = sign(site, other.digest(site.domain()), site.epoch, 0b10)
    stranger = subject_key("nobody")
    theirs = [stranger.sign_digest(one) for one in (first.id, other.digest(site.domain()))]
    elsewhere = keccak(b"x") + second[32:]
    epoch = site.epoch
    cases: list[tuple[str, tuple[Any, ...]]] = [
        ("fraud_proofs: one verdict", (told, told, mine, mine, epoch)),
        ("fraud_proofs: other evidence", (told, elsewhere, mine, again, epoch)),
        ("fraud_proofs: another epoch", (told, second, mine, again, epoch - 1)),
        ("fraud_proofs: no signature", (told, second, b"", again, epoch)),
        ("fraud_proofs: two signers", (told, second, mine, yours, epoch)),
        ("fraud_proofs: not an operator", (told, second, *theirs, epoch)),
        ("verdict_hash: not 17 words", (told[:-1], second, mine, again, epoch)),
    ]

    for reason, arguments in cases:
        with unmoved(reason, first.id):
            site.proofs.prove_equivocation(*arguments, NO_SALT)


def test_evidence_seconds__other_offence__refused(site: AttestationSite) -> None:
    assert site.proofs.evidence_seconds(FALSE_VERDICT) == 24 * DAY
    with boa.reverts("fraud_proofs: unknown offence"):
        site.proofs.evidence_seconds(1)


def test_deploy__without_contracts__refused(site: AttestationSite, stranger: str) -> None:
    deploy = attestation_deployer("AttestationFraudProofs").deploy
    with boa.reverts("opened_verdicts: no contract"):
        deploy(stranger, site.stake.address, site.court.address, DAY)
    with boa.reverts("relayer_findings: no contract"):
        deploy(site.registry.address, site.stake.address, stranger, DAY)
    assert site.stake.is_member(site.relayers[0].pool(RELAYER))
