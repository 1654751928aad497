"""Equivocation: proven exactly when one key signed two digests for one blob and seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import boa
import pytest

from offchain.core.bls import SecretKey
from offchain.core.hashing import keccak
from offchain.da.model import (
    Attestation,
    Equivocation,
    attestation_digest,
    domain_separator,
    encode_equivocation,
    equivocation_subject,
)
from tests.support.da import (
    EVIDENCE_SECONDS,
    MIN_BOND,
    DaSite,
    a_blob,
    ballot,
    da_deployer,
    draw,
    mine_entropy,
    pay,
    raw,
)
from tests.support.staking import (
    COIN,
    DA,
    DAY,
    AnOperator,
    a_key,
    a_wallet,
    key_bytes,
    next_epoch,
    proof_of_possession,
)

DA_EQUIVOCATION, DA_SILENCE = 2, 4
NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Crime:
    """A signer that signed its duty and, for the same blob and seed, something else."""

    site: DaSite
    culprit: AnOperator
    honest: Attestation
    forged: Attestation

    def evidence(
        self,
        first: Attestation | None = None,
        second: Attestation | None = None,
        *,
        key: SecretKey | None = None,
        domain: bytes | None = None,
    ) -> bytes:
        one, two = first or self.honest, second or self.forged
        secret = key or self.culprit.key
        name = domain or self.site.domain()
        return encode_equivocation(
            Equivocation(
                secret.public_key(),
                one,
                secret.sign(attestation_digest(one, name)),
                two,
                secret.sign(attestation_digest(two, name)),
            )
        )

    def adjudicate(self, evidence: bytes) -> tuple[object, ...]:
        return tuple(self.site.challenges.adjudicate(DA_EQUIVOCATION, evidence))


@pytest.fixture
def crime(site: DaSite) -> Crime:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    honest = ballot(site, blob, mine_entropy(site, pay(site, blob))).attestation
    return Crime(site, site.operators[2], honest, replace(honest, data_root=keccak(b"forged")))


def test_inv_da_16__two_digests_of_one_blob_and_seed__name_operator_epoch_and_subject(
    crime: Crime,
) -> None:
    subject = equivocation_subject(
        crime.honest.blob_id, crime.honest.seed, crime.culprit.key.public_key()
    )

    found = crime.adjudicate(crime.evidence())

    assert found == (
        DA_EQUIVOCATION,
        crime.culprit.pool(DA),
        crime.honest.epoch,
        subject,
        0,
        NOBODY,
        0,
    )
    key_hash = keccak(key_bytes(crime.culprit.key))
    assert subject == crime.site.challenges.equivocation_subject(
        crime.honest.blob_id, crime.honest.seed, key_hash
    )
    assert crime.adjudicate(crime.evidence(crime.forged, crime.honest))[3] == subject


CHANGES: dict[str, Callable[[Attestation], dict[str, object]]] = {
    "epoch": lambda a: {"epoch": a.epoch + 1},
    "quorum_id": lambda a: {"quorum_id": a.quorum_id + 1},
    "data_root": lambda _: {"data_root": bytes(32)},
    "commitment_hash": lambda _: {"commitment_hash": bytes(32)},
    "columns": lambda a: {"columns": a.columns + 8},
    "length": lambda a: {"length": a.length + 1},
    "expiry": lambda a: {"expiry": a.expiry + 1},
}


@pytest.mark.parametrize("field", CHANGES)
def test_inv_da_16__any_field_differs__is_an_offence(crime: Crime, field: str) -> None:
    other = replace(crime.honest, **CHANGES[field](crime.honest))

    assert crime.adjudicate(crime.evidence(crime.honest, other))[1] == crime.culprit.pool(DA)


def test_inv_da_16__same_digest_twice__is_no_offence(crime: Crime) -> None:
    with boa.reverts("equivocation: same digest"):
        crime.adjudicate(crime.evidence(crime.honest, crime.honest))


def test_inv_da_16__signature_after_a_reorganisation__is_no_offence(crime: Crime) -> None:
    """The new chain names another seed, which the evidence cannot carry beside the first."""
    moved = replace(crime.honest, seed=keccak(b"the other block"))
    name = crime.site.domain()
    secret = crime.culprit.key
    evidence = encode_equivocation(
        Equivocation(
            secret.public_key(),
            crime.honest,
            secret.sign(attestation_digest(crime.honest, name)),
            replace(crime.honest, expiry=moved.expiry + 1),
            secret.sign(attestation_digest(moved, name)),
        )
    )

    with boa.reverts("equivocation: wrong signature"):
        crime.adjudicate(evidence)


def test_inv_da_16__every_word_altered__is_refused(crime: Crime) -> None:
    evidence = crime.evidence()
    # 0 blob id, 1 seed, 2-5 key, 6-12 statement, 13-20 signature, 21-27 statement, 28-35 signature
    for word in range(36):
        at = 32 * word + 31
        altered = evidence[:at] + bytes([evidence[at] ^ 1]) + evidence[at + 1 :]

        with boa.reverts("equivocation: wrong signature"):
            crime.adjudicate(altered)


def test_equivocation__wrong_length__is_refused(crime: Crime) -> None:
    evidence = crime.evidence()
    for wrong in (b"", evidence[:-1], evidence + b"\0", evidence + bytes(32)):
        with boa.reverts("equivocation: wrong length"):
            crime.adjudicate(wrong)


def test_equivocation__another_domain__is_refused(crime: Crime) -> None:
    site = crime.site
    for domain in (
        domain_separator(chain_id=site.chain_id + 1, entrance=raw(site.entrance.address)),
        domain_separator(chain_id=site.chain_id, entrance=raw(site.signers.address)),
    ):
        with boa.reverts("equivocation: wrong signature"):
            crime.adjudicate(crime.evidence(domain=domain))


def test_equivocation__nobodys_key__is_refused(crime: Crime) -> None:
    with boa.reverts("da_challenges: nobody's key"):
        crime.adjudicate(crime.evidence(key=a_key(77)))


def test_equivocation__rotated_key__still_finds_its_operator(crime: Crime) -> None:
    site, culprit = crime.site, crime.culprit
    key = a_key(78)
    proof = proof_of_possession(site.staking, culprit.owner, key)
    site.staking.registry.rotate_key(key_bytes(key), proof, sender=culprit.owner)

    assert crime.adjudicate(crime.evidence())[1] == culprit.pool(DA)


def test_adjudicate__other_offence__is_refused(crime: Crime) -> None:
    for offence in (0, 1, 3, 4, 32):
        with boa.reverts("da_challenges: unknown offence"):
            crime.site.challenges.adjudicate(offence, crime.evidence())
    for offence in (0, 1, 3, 32):
        with boa.reverts("da_challenges: unknown offence"):
            crime.site.challenges.evidence_seconds(offence)
    for offence in (DA_EQUIVOCATION, DA_SILENCE):
        assert crime.site.challenges.evidence_seconds(offence) == EVIDENCE_SECONDS


def test_deploy__evidence_window_shorter_than_a_blobs_life__is_refused(
    undrawn_site: DaSite,
) -> None:
    site = undrawn_site
    needed = 21 * DAY + 2 * 36 + 2 * 144
    parts = (
        site.entrance.address,
        site.signers.address,
        site.stake.address,
        site.court.address,
    )
    da_deployer("DAChallenges").deploy(*parts, needed, MIN_BOND)

    with boa.reverts("da_challenges: window too short"):
        da_deployer("DAChallenges").deploy(*parts, needed - 1, MIN_BOND)


def test_report__equivocation__slashes_a_third_of_the_stake_once(crime: Crime) -> None:
    site, culprit = crime.site, crime.culprit
    rule = (1, DA, 3_000, 2_000, 0, EVIDENCE_SECONDS, False, True, site.challenges.address)
    site.court.add_type(DA_EQUIVOCATION, rule, sender=site.governance)
    reporter, salt = a_wallet("reporter"), keccak(b"salt")
    evidence = crime.evidence()
    _commit(site, evidence, reporter, salt)

    site.court.report(DA_EQUIVOCATION, evidence, salt, sender=reporter)

    pool = culprit.pool(DA)
    assert site.stake.slashed_at(pool, crime.honest.epoch) == 30 * COIN
    assert site.court.credit_of(reporter) == 6 * COIN
    assert not site.stake.is_member(pool)
    turned = crime.evidence(crime.forged, crime.honest)
    _commit(site, turned, reporter, salt)
    with boa.reverts("court: punished already"):
        site.court.report(DA_EQUIVOCATION, turned, salt, sender=reporter)
    assert site.stake.slashed_at(pool, crime.honest.epoch) == 30 * COIN


def test_report__self_report_with_old_epoch__takes_stake_of_the_paid_epoch(site: DaSite) -> None:
    culprit = site.operators[2]
    poor_epoch = site.stake.current_epoch()
    site.stake.deposit(DA, value=900 * COIN, sender=culprit.owner)
    next_epoch()
    draw(site)
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    real = ballot(site, blob, mine_entropy(site, pay(site, blob))).attestation
    rule = (1, DA, 3_000, 2_000, 0, EVIDENCE_SECONDS, False, True, site.challenges.address)
    site.court.add_type(DA_EQUIVOCATION, rule, sender=site.governance)
    fakes = [replace(real, epoch=poor_epoch, data_root=keccak(bytes([n]))) for n in range(2)]
    evidence = Crime(site, culprit, *fakes).evidence()
    accomplice, salt = a_wallet("accomplice"), keccak(b"salt")
    _commit(site, evidence, accomplice, salt)

    site.court.report(DA_EQUIVOCATION, evidence, salt, sender=accomplice)

    pool = culprit.pool(DA)
    assert (site.stake.stake_at(pool, poor_epoch), real.epoch) == (100 * COIN, poor_epoch + 1)
    assert site.stake.slashed_at(pool, poor_epoch) == 0
    assert site.stake.slashed_at(pool, real.epoch) == 300 * COIN


def test_inv_da_16__blob_never_paid__the_first_statement_names_the_epoch(crime: Crime) -> None:
    unpaid = replace(crime.honest, blob_id=keccak(b"never paid"), epoch=crime.honest.epoch - 1)
    other = replace(unpaid, length=unpaid.length + 1)

    assert crime.adjudicate(crime.evidence(unpaid, other))[2] == unpaid.epoch


def _commit(site: DaSite, evidence: bytes, reporter: str, salt: bytes) -> None:
    words = keccak(evidence) + bytes(12) + raw(reporter) + salt
    site.court.commit(keccak(words), sender=reporter)
    boa.env.evm.patch.block_number += 1
