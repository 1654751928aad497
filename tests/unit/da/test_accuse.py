"""Equivocation: found only where it is, hidden until reported, rewarded to its finder."""

import asyncio
from dataclasses import replace

import pytest

from offchain.core.errors import Rejected
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.da.accuse import Accuse, SignedAttestation, accusation_of, find_equivocation
from offchain.da.adapters.equivocating_signer import EquivocatingSigner
from offchain.da.adapters.memory_court import MemoryCourt
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.model import Attestation, Equivocation, attestation_digest
from offchain.da.refusals import NoEquivocation
from tests.support.da_network import Site, a_secret, a_site, an_upload

REPORTER = LocalRequestSigner(b"\x0b" * 32)


def honest_statement(site: Site) -> tuple[EquivocatingSigner, SignedAttestation]:
    attestation = an_upload(site).view.attestation()
    signer = EquivocatingSigner(site.secrets[1])
    digest = attestation_digest(attestation, site.chain.domain())
    return signer, SignedAttestation(attestation, signer.sign_attestation(digest))


def a_case(site: Site) -> Equivocation:
    signer, first = honest_statement(site)
    second = SignedAttestation(*signer.contradict(first.attestation, site.chain.domain()))
    return find_equivocation(signer.public_key, first, second, site.chain.domain())


def test_accuse__two_statements_of_one_key__offence_with_a_reward() -> None:
    site = a_site(4)
    court = MemoryCourt(site.chain, REPORTER.address)
    site.chain.mine()

    async def story() -> bytes:
        task = asyncio.create_task(
            Accuse(site.chain, court, REPORTER, poll_seconds=0.01).accuse(a_case(site))
        )
        while not court._commitments:  # noqa: ASYNC110 - the court is synchronous
            await asyncio.sleep(0.01)
        assert court.offences == {}
        site.chain.mine()
        return (await task).offence_id

    offence = asyncio.run(story())
    assert {offence: True} == court.offences


def test_accuse__killed_after_its_commitment__reports_with_the_same_one() -> None:
    site = a_site(4)
    court = MemoryCourt(site.chain, REPORTER.address)
    case = a_case(site)
    court.commit(accusation_of(case, REPORTER).commitment)
    site.chain.mine()

    verdict = asyncio.run(Accuse(site.chain, court, REPORTER).accuse(case))

    assert verdict.committed is None
    assert {verdict.offence_id: True} == court.offences


def test_accuse__second_report_of_one_offence__refused() -> None:
    site = a_site(4)
    court = MemoryCourt(site.chain, REPORTER.address)
    accusation = accusation_of(a_case(site), REPORTER)
    court.report(2, accusation.evidence, accusation.salt)
    with pytest.raises(Rejected):
        court.report(2, accusation.evidence, accusation.salt)


def test_accusation__another_reporter__cannot_open_the_commitment() -> None:
    case = a_case(a_site(4))
    mine = accusation_of(case, REPORTER)
    theirs = accusation_of(case, LocalRequestSigner(b"\x0c" * 32))
    assert mine.evidence == theirs.evidence
    assert mine.salt != theirs.salt
    digest = keccak(mine.evidence)
    assert mine.commitment == keccak(words(digest, REPORTER.address, mine.salt))


def test_find_equivocation__same_statement_twice__none() -> None:
    site = a_site(4)
    signer, first = honest_statement(site)
    with pytest.raises(NoEquivocation):
        find_equivocation(signer.public_key, first, first, site.chain.domain())


@pytest.mark.parametrize("change", [{"seed": b"\x01" * 32}, {"blob_id": b"\x01" * 32}])
def test_inv_da_16__another_seed_or_blob__no_equivocation(change: dict[str, bytes]) -> None:
    site = a_site(4)
    signer, first = honest_statement(site)
    other: Attestation = replace(first.attestation, **change)
    signature = signer.sign_attestation(attestation_digest(other, site.chain.domain()))
    with pytest.raises(NoEquivocation):
        find_equivocation(
            signer.public_key, first, SignedAttestation(other, signature), site.chain.domain()
        )


def test_find_equivocation__second_signature_of_somebody_else__none() -> None:
    site = a_site(4)
    signer, first = honest_statement(site)
    framer = EquivocatingSigner(a_secret(99))
    second = SignedAttestation(*framer.contradict(first.attestation, site.chain.domain()))
    with pytest.raises(NoEquivocation):
        find_equivocation(signer.public_key, first, second, site.chain.domain())


def test_find_equivocation__signature_for_another_domain__none() -> None:
    site = a_site(4)
    signer, first = honest_statement(site)
    second = SignedAttestation(*signer.contradict(first.attestation, b"\x02" * 32))
    with pytest.raises(NoEquivocation):
        find_equivocation(signer.public_key, first, second, site.chain.domain())
