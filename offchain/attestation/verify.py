"""Verify evidence: form, library, policy; all causes of a refusal, or claims, never half of either.

A function of its inputs: the moment, the accepted nonces and the collateral are given, nothing is
fetched. Source: docs/protocol/attestation.md#policy.
"""

from dataclasses import dataclass

from offchain.attestation.bundle import MAX_QUOTE_BYTES, Bundle
from offchain.attestation.canonical import parse_canonical
from offchain.attestation.gpu import gpu_nonce, parse_gpu_evidence, verify_gpus
from offchain.attestation.judge import (
    judge_attributes,
    judge_binding,
    judge_code,
    judge_collateral,
    judge_entry,
    judge_gpu_presence,
    judge_label,
    judge_status,
)
from offchain.attestation.model import (
    INTEL_ROOT_KEY,
    Claims,
    GpuClaims,
    Quote,
)
from offchain.attestation.policy import Here, MeasurementEntry, Policy
from offchain.attestation.ports import LibraryClaims, QuoteLibrary
from offchain.attestation.quote import evidence_id, refuse
from offchain.attestation.reasons import EvidenceRefused, Reason, Refusals
from offchain.core.hashing import Digest, keccak


@dataclass(frozen=True, slots=True)
class PlatformClaims:
    """What a quote with collateral alone shows: a genuine platform in an accepted state.

    Nothing is said about what runs in it or for whom: that needs a bundle.
    """

    quote: Quote
    library: LibraryClaims
    root_key_id: Digest
    simulated: bool


def verify_quote(
    raw: bytes, collateral: str, *, policy: Policy, now: int, library: QuoteLibrary
) -> PlatformClaims:
    """Judge a canonical quote without its subject. Raises: EvidenceRefused."""
    quote, claims = _step_one(raw, collateral, now=now, library=library)
    found = Refusals()
    judge_collateral(claims, policy, now, found)
    judge_status(claims, policy, None, found)
    judge_attributes(quote.body, policy, None, found)
    simulated = is_simulated(claims)
    judge_label(None, policy, simulated=simulated, found=found)
    found.raise_any()
    return PlatformClaims(quote, claims, keccak(claims.root_key), simulated)


def verify_bundle(bundle: Bundle, *, policy: Policy, here: Here, library: QuoteLibrary) -> Claims:
    """Judge the evidence of a subject. Raises: EvidenceRefused with every cause found."""
    quote, library_claims = _step_one(
        bundle.quote, bundle.collateral, now=here.now, library=library
    )
    body, found = quote.body, Refusals()
    measurement_id, os_image, compose = judge_code(body, bundle, found)
    entry = policy.entry_of(measurement_id)
    judge_collateral(library_claims, policy, here.now, found)
    judge_status(library_claims, policy, entry, found)
    judge_attributes(body, policy, entry, found)
    if not found.has_any(Reason.EVENT_LOG_MALFORMED):
        judge_entry(entry, measurement_id, here.now, found)
    judge_binding(body, bundle, here=here, found=found)
    gpu = _judge_gpu(quote, bundle, entry, policy=policy, now=here.now, found=found)
    simulated = is_simulated(library_claims)
    judge_label(gpu, policy, simulated=simulated, found=found)
    found.raise_any()
    assert entry is not None, "a measurement that is not listed is a cause"
    ends = (
        library_claims.usable_until,
        entry.valid_until,
        library_claims.issued_at + policy.max_collateral_age_seconds,
    )
    return Claims(
        tee_type=quote.tee_type,
        quote_version=quote.version,
        domain=bundle.domain,
        subject=bundle.subject(),
        epoch=bundle.epoch,
        nonce=here.nonces[bundle.epoch],
        measurement_id=measurement_id,
        measurement_class=entry.measurement_class,
        os_image=os_image,
        compose_hash=compose,
        tcb_status=library_claims.status,
        qe_status=library_claims.qe_status,
        advisories=library_claims.advisories,
        tcb_eval_number=library_claims.tcb_eval_number,
        fmspc=library_claims.fmspc.hex(),
        root_key_id=keccak(library_claims.root_key),
        simulated=simulated,
        evidence_id=evidence_id(quote),
        quote_hash=keccak(bundle.quote),
        bundle_root=bundle.root(),
        report_data_hash=keccak(body.report_data),
        collateral_hash=bundle.collateral_hash(),
        gpu_hash=bundle.gpu_hash(),
        gpu=gpu,
        usable_until=min(ends),
    )


def is_simulated(claims: LibraryClaims) -> bool:
    """Whether the verified chain ends in a key that is not Intel's."""
    return claims.root_key != INTEL_ROOT_KEY


def _step_one(
    raw: bytes, collateral: str, *, now: int, library: QuoteLibrary
) -> tuple[Quote, LibraryClaims]:
    if len(raw) > MAX_QUOTE_BYTES:
        refuse(Reason.QUOTE_NOT_CANONICAL, f"{len(raw)} bytes, at most {MAX_QUOTE_BYTES}")
    quote = parse_canonical(raw, trusted_root=library.root)
    return quote, library.verify(quote, collateral, now=now)


def _judge_gpu(
    quote: Quote,
    bundle: Bundle,
    entry: MeasurementEntry | None,
    *,
    policy: Policy,
    now: int,
    found: Refusals,
) -> GpuClaims | None:
    if not judge_gpu_presence(quote.body, bundle, entry, found):
        return None
    try:
        return verify_gpus(
            parse_gpu_evidence(bundle.gpu),
            nonce=gpu_nonce(quote.body.report_data),
            now=now,
            roots=policy.gpu_roots,
            requirement=None if entry is None else entry.gpu,
        )
    except EvidenceRefused as error:
        found.extend(error.refusals)
        return None
