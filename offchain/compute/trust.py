"""From an answer to the machine that made it: answer → signer → verdict → quote → policy; pure.

`verify` ends at the level that the chain shows. Here every step below it is made again from the
evidence itself: the verdict is the one the registry knows, it says what the quote says, field by
field, and quote, collateral, event log and measurement pass the verifier and the policy that the
relayers used. There is no partial trust: one step that fails, and it raises.
Source: docs/protocol/attestation.md#records.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from offchain.attestation.bundle import Bundle
from offchain.attestation.model import Claims, Verdict, verdict_of
from offchain.attestation.policy import Here, MeasurementEntry, Policy
from offchain.attestation.ports import QuoteLibrary
from offchain.attestation.quote import parse_quote, split_chain
from offchain.attestation.reasons import EvidenceRefused
from offchain.attestation.report_data import Domain
from offchain.attestation.verify import verify_bundle
from offchain.chain.model import BlockRef
from offchain.compute.model import Level, Receipt
from offchain.core.errors import Corrupt


class Doubt(StrEnum):
    """Which step from the answer to its machine does not hold."""

    NOT_LIVE = "not_live"  # answer: it names evidence that was not live when it was signed
    VERDICT_OTHER = "verdict_other"  # verdict: not the one the registry knows under this id
    VERDICT_SUBJECT = "verdict_subject"  # verdict: about another signer or service
    QUOTE_REFUSED = "quote_refused"  # quote: the verifier or the policy refuses it
    QUOTE_CONTRADICTS = (
        "quote_contradicts"  # quote: good, but it does not say what the verdict says
    )
    CLASS_WRONG = "class_wrong"  # policy: the measured code is of another class than the level says
    EVIDENCE_MISSING = "evidence_missing"  # nobody shows the bytes


class UntrustedAnswer(Corrupt):
    """The evidence behind an answer does not hold; do not use the answer as an attested one."""

    code = "compute.answer.untrusted"
    next_step = (
        "Demand the bytes on chain: `apogee attest`; a verdict that lies costs its relayers."
    )

    def __init__(self, doubt: Doubt, **fields: object) -> None:
        self.doubt = doubt
        super().__init__("", reason=str(doubt), **fields)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the chain says around one attestation, at one block; `domain`: of its registry.

    `stood`: whether it was live at the receipt's time; `nonce`: of the bundle's epoch; `entry`:
    what is listed for the verdict's measurement.
    """

    domain: Domain
    block: int
    now: int
    stood: bool
    relayers: tuple[int, ...]
    nonce: bytes
    entry: MeasurementEntry | None
    min_eval_number: int = 0


class TrustLedger(Protocol):
    """How a verdict came about; blocking. Raises: Unavailable when no node answers."""

    def judged(self, signed_at: int, verdict: Verdict, epoch: int, *, at: BlockRef) -> Judged:
        """`signed_at`: time of the receipt; `epoch`: of the bundle's nonce."""
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What provider or relayers show; nothing of it is believed."""

    verdict: Verdict
    bundle: Bundle = field(repr=False)
    signatures: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """What this side trusts: a library for each root, the vendor's first, and GPU roots, DER."""

    libraries: tuple[QuoteLibrary, ...]
    allow_simulated: bool = False
    gpu_roots: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Claim:
    """What the evidence has to carry: the signer whose receipts count, and the level."""

    signer: bytes
    level: Level


@dataclass(frozen=True, slots=True)
class Trust:
    """Evidence that holds, down to the policy."""

    attestation_id: bytes
    verdict: Verdict
    claims: Claims
    judged: Judged
    signatures: tuple[bytes, ...] = field(default=(), repr=False)

    def steps(self) -> tuple[tuple[str, str], ...]:
        """Verdict, quote and policy, each in one line."""
        claims, label = self.claims, " SIMULATED" if self.claims.simulated else ""
        seats = ", ".join(map(str, self.judged.relayers))
        measured = f"measurement 0x{claims.measurement_id.hex()} {claims.measurement_class.name}"
        platform = f"platform {claims.tcb_status.name}, quoting enclave {claims.qe_status.name}"
        gpu = "" if claims.gpu is None else f", {claims.gpu.count} x {claims.gpu.model}"
        quote = f"{claims.tee_type.name} v{claims.quote_version} 0x{claims.quote_hash.hex()}"
        return (
            ("signer", f"0x{self.verdict.signer.hex()}, held by what the quote measured"),
            ("verdict", f"0x{self.attestation_id.hex()}{label}, of relayers {seats}"),
            ("quote", f"{quote}, {platform}{gpu}"),
            ("policy", f"{measured}, root 0x{claims.root_key_id.hex()}{label}"),
        )


def trust(receipt: Receipt, claim: Claim, shown: Evidence, judged: Judged, rules: Rules) -> Trust:
    """Every step, or the first that fails. Raises: UntrustedAnswer."""
    verdict = shown.verdict
    named = verdict.digest(judged.domain)
    if receipt.attestation_id != named:
        raise UntrustedAnswer(Doubt.VERDICT_OTHER, named=receipt.attestation_id.hex())
    if not judged.stood:
        raise UntrustedAnswer(Doubt.NOT_LIVE, attestation=named.hex())
    if (verdict.signer, verdict.service_id) != (claim.signer, receipt.service):
        raise UntrustedAnswer(Doubt.VERDICT_SUBJECT, service=verdict.service_id.hex())
    claims = _claims(receipt.service, shown.bundle, judged, rules)
    if verdict_of(claims, not_after=verdict.not_after) != verdict:
        raise UntrustedAnswer(Doubt.QUOTE_CONTRADICTS, quote=claims.quote_hash.hex())
    if level_of(claims.measurement_class.value) < claim.level:
        raise UntrustedAnswer(Doubt.CLASS_WRONG, found=claims.measurement_class.name)
    return Trust(named, verdict, claims, judged, shown.signatures)


def level_of(measurement_class: int) -> Level:
    """The level that measured code of a class gives: 1 BROKER, 2 MODEL."""
    return {1: Level.BROKER_IN_TEE, 2: Level.MODEL_IN_TEE}.get(measurement_class, Level.NONE)


def _claims(service: bytes, bundle: Bundle, judged: Judged, rules: Rules) -> Claims:
    policy = Policy(
        measurements=() if judged.entry is None else (judged.entry,),
        allow_simulated=rules.allow_simulated,
        min_eval_number=judged.min_eval_number,
        gpu_roots=rules.gpu_roots,
    )
    here = Here(judged.domain, {bundle.epoch: judged.nonce}, judged.now, service)
    try:
        library = _library_of(bundle.quote, rules)
        return verify_bundle(bundle, policy=policy, here=here, library=library)
    except EvidenceRefused as error:
        found = ", ".join(str(one) for one in error.reasons)
        raise UntrustedAnswer(Doubt.QUOTE_REFUSED, found=found) from error


def _library_of(quote: bytes, rules: Rules) -> QuoteLibrary:
    """The one whose root the quote encloses; the vendor's for any other."""
    enclosed = split_chain(parse_quote(quote).seal.pem_chain)[-1:]
    named = (one for one in rules.libraries if enclosed == (one.root,))
    return next(named, rules.libraries[0])
