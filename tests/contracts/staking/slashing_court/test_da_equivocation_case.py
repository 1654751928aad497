"""Reports through the real adjudicator of DA: commit first, then evidence it verifies on chain."""

from dataclasses import replace

import boa
import pytest

from offchain.da.model import Attestation, Equivocation, attestation_digest, encode_equivocation
from offchain.staking.court import OffenceClass, commitment_of
from tests.support.court import COIN, a_rule, rule_tuple
from tests.support.da import EVIDENCE_SECONDS, DaSite, deploy_da
from tests.support.staking import DA, EPOCH, a_wallet

DA_EQUIVOCATION = 2
SALT = b"\x11" * 32
ZERO = "0x" + "00" * 20


@pytest.fixture(scope="module")
def da(native_evm: None) -> DaSite:
    site = deploy_da(4, own=(1_000, 1_000, 1_000, 1_000))
    rule = a_rule(
        site.challenges.address,
        offence_class=OffenceClass.PROVEN,
        base_bps=3_000,
        reporter_bps=2_000,
        evidence_seconds=EVIDENCE_SECONDS,
        tombstones=True,
    )
    site.court.add_type(DA_EQUIVOCATION, rule_tuple(rule), sender=site.governance)
    site.court.seal(sender=site.governance)
    boa.env.time_travel(seconds=2 * EPOCH)
    return site


def evidence(site: DaSite, *, salt: int = 0, wrong: bool = False) -> bytes:
    """Two attestations of operator 0 for one blob and seed, for different data."""
    key = site.operators[0].key
    first = Attestation(
        blob_id=bytes([salt]) * 32,
        epoch=int(site.stake.current_epoch()),
        quorum_id=0,
        seed=b"\x02" * 32,
        data_root=b"\x03" * 32,
        commitment_hash=b"\x04" * 32,
        columns=8,
        length=100,
        expiry=10**10,
    )
    second = replace(first, data_root=b"\x05" * 32)
    signer = site.operators[1].key if wrong else key
    return encode_equivocation(
        Equivocation(
            key=key.public_key(),
            first=first,
            first_signature=key.sign(attestation_digest(first, site.domain())),
            second=second,
            second_signature=signer.sign(attestation_digest(second, site.domain())),
        )
    )


def commit(site: DaSite, proof: bytes, reporter: str) -> None:
    commitment = commitment_of(proof, bytes.fromhex(reporter[2:]), SALT)
    site.court.commit(commitment, sender=reporter)
    boa.env.time_travel(blocks=1)


def test_report__committed_before__slashes_and_pays_the_reporter(da: DaSite) -> None:
    reporter = a_wallet("reporter")
    proof = evidence(da)
    pool = da.operators[0].pool(DA)
    commit(da, proof, reporter)

    number = da.court.report(DA_EQUIVOCATION, proof, SALT, sender=reporter)

    assert da.court.case_of(number).reporter == reporter
    assert da.stake.slashed_at(pool, da.stake.current_epoch()) == 300 * COIN
    assert da.court.credit_of(reporter) == 10 * COIN
    assert da.stake.operator(da.operators[0].operator_id).tombstoned
    assert not da.stake.is_member(pool)
    assert boa.env.get_balance(da.court.address) == 300 * COIN


def test_report__copied_by_another__earns_the_copycat_nothing(da: DaSite) -> None:
    reporter, copycat = a_wallet("reporter"), a_wallet("copycat")
    proof = evidence(da)
    commit(da, proof, reporter)

    da.court.report(DA_EQUIVOCATION, proof, SALT, sender=copycat)

    assert da.court.credit_of(copycat) == 0
    assert da.court.credit_of(reporter) == 0
    assert da.court.insurance_held() + da.court.credit_of(da.treasury) == 300 * COIN


def test_report__committed_in_the_same_block__earns_nothing(da: DaSite) -> None:
    reporter = a_wallet("reporter")
    proof = evidence(da)
    commitment = commitment_of(proof, bytes.fromhex(reporter[2:]), SALT)
    da.court.commit(commitment, sender=reporter)

    da.court.report(DA_EQUIVOCATION, proof, SALT, sender=reporter)

    assert da.court.credit_of(reporter) == 0
    assert da.stake.slashed_at(da.operators[0].pool(DA), da.stake.current_epoch()) == 300 * COIN


def test_report__same_fact_in_other_bytes__is_punished_once(da: DaSite) -> None:
    proof = evidence(da)
    parts = (64 + 128, 7 * 32 + 256)
    first = proof[parts[0] : parts[0] + parts[1]]
    second = proof[parts[0] + parts[1] :]
    swapped = proof[: parts[0]] + second + first
    da.court.report(DA_EQUIVOCATION, proof, SALT, sender=a_wallet("reporter"))

    for again in (proof, swapped):
        with boa.reverts("court: punished already"):
            da.court.report(DA_EQUIVOCATION, again, SALT, sender=a_wallet("reporter"))
    assert boa.env.get_balance(da.court.address) == 300 * COIN


def test_inv_stake_5__evidence_with_any_bit_flipped__is_refused(da: DaSite) -> None:
    proof = evidence(da)
    reporter = a_wallet("reporter")

    for place in range(0, len(proof), 48):
        forged = bytearray(proof)
        forged[place] ^= 1 << (place % 8)
        with boa.reverts():
            da.court.report(DA_EQUIVOCATION, bytes(forged), SALT, sender=reporter)
    assert boa.env.get_balance(da.court.address) == 0


def test_report__false_evidence_or_type__is_refused(da: DaSite) -> None:
    reporter = a_wallet("reporter")

    with boa.reverts("equivocation: wrong signature"):
        da.court.report(DA_EQUIVOCATION, evidence(da, wrong=True), SALT, sender=reporter)
    with boa.reverts("types: unknown offence"):
        da.court.report(99, evidence(da), SALT, sender=reporter)
    with boa.reverts("court: not the adjudicator"):
        finding = (DA_EQUIVOCATION, da.operators[0].pool(DA), 1, SALT, 0, ZERO, 0)
        da.court.convict(finding, reporter, sender=da.governance)
    assert boa.env.get_balance(da.court.address) == 0


def test_report__stale__is_refused_after_the_evidence_window(da: DaSite) -> None:
    proof = evidence(da)
    boa.env.time_travel(seconds=EVIDENCE_SECONDS + 2 * EPOCH)

    with boa.reverts("court: evidence too late"):
        da.court.report(DA_EQUIVOCATION, proof, SALT, sender=a_wallet("reporter"))


def test_commit__twice__is_refused_and_keeps_the_first_block(da: DaSite) -> None:
    reporter = a_wallet("reporter")
    proof = evidence(da)
    commit(da, proof, reporter)
    commitment = commitment_of(proof, bytes.fromhex(reporter[2:]), SALT)
    first = da.court.commitments(commitment)

    with boa.reverts("court: committed already"):
        da.court.commit(commitment, sender=a_wallet("griefer"))
    assert da.court.commitments(commitment) == first > 0


def test_reporting_oneself__recovers_a_fifth_at_best(da: DaSite) -> None:
    culprit = da.operators[0].owner
    proof = evidence(da)
    commit(da, proof, culprit)

    da.court.report(DA_EQUIVOCATION, proof, SALT, sender=culprit)

    assert da.court.credit_of(culprit) * 5 <= 300 * COIN
