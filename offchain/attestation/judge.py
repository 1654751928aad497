"""Step 2 of verification: what the vendor's library lets pass and our policy does not; pure.

Each function looks at one side and adds every cause it finds. Source:
docs/protocol/attestation.md#policy.
"""

from typing import Final

from offchain.attestation.bundle import Bundle
from offchain.attestation.compose import compose_hash, config_id_of, judge_compose
from offchain.attestation.event_log import lying_events, os_image_of, parse_event_log, replay
from offchain.attestation.model import (
    GpuClaims,
    QuoteBody,
    SgxBody,
    TcbStatus,
    TdBody,
    sgx_measurement_id,
    td_measurement_id,
)
from offchain.attestation.policy import Here, MeasurementEntry, Policy
from offchain.attestation.ports import LibraryClaims
from offchain.attestation.reasons import EvidenceRefused, Reason, Refusals
from offchain.attestation.report_data import binding_of, read_report_data
from offchain.core.hashing import Digest

CONFIG_PREFIX: Final = 1
COMPOSE_END: Final = 33


def judge_collateral(claims: LibraryClaims, policy: Policy, now: int, found: Refusals) -> None:
    """Age, evaluation numbers, and whether TCB info is for this processor."""
    age = now - claims.issued_at
    if age > policy.max_collateral_age_seconds:
        found.add(Reason.COLLATERAL_TOO_OLD, f"issued {age // 86_400} days ago")
    if claims.tcb_eval_number != claims.qe_eval_number:
        numbers = f"TCB info {claims.tcb_eval_number}, QE identity {claims.qe_eval_number}"
        found.add(Reason.EVALUATION_NUMBER_MISMATCH, numbers)
    elif claims.tcb_eval_number < policy.min_eval_number:
        numbers = f"{claims.tcb_eval_number} below {policy.min_eval_number}"
        found.add(Reason.EVALUATION_NUMBER_TOO_LOW, numbers)
    if claims.pck_pce_id != claims.tcb_pce_id:
        ids = f"certificate {claims.pck_pce_id.hex()}, TCB info {claims.tcb_pce_id.hex()}"
        found.add(Reason.PCE_ID_MISMATCH, ids)


def judge_status(
    claims: LibraryClaims, policy: Policy, entry: MeasurementEntry | None, found: Refusals
) -> None:
    """Platform, TDX module and quoting enclave, each by its own word; then advisories."""
    statuses = (claims.status, claims.platform_status, claims.qe_status)
    allowed = policy.statuses | _allowed_by(entry, claims)
    if TcbStatus.REVOKED in statuses:
        found.add(Reason.TCB_REVOKED, f"platform {claims.platform_status.name}")
    elif claims.qe_status not in allowed:
        found.add(Reason.QE_STATUS_REFUSED, claims.qe_status.name)
    elif claims.status not in allowed or claims.platform_status not in allowed:
        words = f"{claims.status.name}, advisories {', '.join(claims.advisories) or 'none'}"
        found.add(Reason.TCB_STATUS_REFUSED, words)
    denied = policy.denied_advisories.intersection(claims.advisories)
    if denied:
        found.add(Reason.ADVISORY_REFUSED, ", ".join(sorted(denied)))


def judge_attributes(
    body: QuoteBody, policy: Policy, entry: MeasurementEntry | None, found: Refusals
) -> None:
    """Attributes of a TD, bit for bit; those of an enclave are the library's business."""
    if isinstance(body, SgxBody):
        return
    attributes = policy.td_attributes if entry is None else entry.td_attributes
    xfam = policy.xfam if entry is None else entry.xfam
    if (body.td_attributes, body.xfam) != (attributes, xfam):
        shown = f"attributes {body.td_attributes:#x}, xfam {body.xfam:#x}"
        found.add(Reason.ATTRIBUTES_NOT_LISTED, f"{shown}; listed {attributes:#x}, {xfam:#x}")


def judge_code(body: QuoteBody, bundle: Bundle, found: Refusals) -> tuple[Digest, bytes, bytes]:
    """Replay the event log, hold the compose text against the quote, name what was measured.

    Returns: measurement id, OS image, compose hash.
    """
    if isinstance(body, SgxBody):
        if bundle.event_log or bundle.compose:
            found.add(Reason.EVENT_LOG_MALFORMED, "an enclave has no event log and no compose text")
        return sgx_measurement_id(body), b"", b""
    compose = _judge_compose(body, bundle.compose, found)
    os_image = _judge_events(body, bundle.event_log, found)
    return td_measurement_id(body, os_image=os_image, compose_hash=compose), os_image, compose


def judge_entry(
    entry: MeasurementEntry | None, measurement_id: bytes, now: int, found: Refusals
) -> None:
    """Whether the measured code is listed now."""
    if entry is None:
        found.add(Reason.MEASUREMENT_NOT_LISTED, measurement_id.hex())
    elif now > entry.valid_until:
        found.add(Reason.MEASUREMENT_EXPIRED, f"listed until {entry.valid_until}")


def judge_binding(body: QuoteBody, bundle: Bundle, *, here: Here, found: Refusals) -> None:
    """Whether report_data ties the quote to this subject, here and now."""
    fields = read_report_data(body.report_data)
    if fields is None:
        found.add(Reason.REPORT_DATA_MALFORMED, body.report_data[52:].hex())
        return
    if bundle.domain != here.domain:
        found.add(Reason.DOMAIN_MISMATCH, f"chain {bundle.domain.chain_id} or another registry")
        return
    if here.service_id not in {None, bundle.service_id}:
        found.add(Reason.DOMAIN_MISMATCH, f"service {bundle.service_id.hex()}")
        return
    nonce = here.nonces.get(bundle.epoch)
    if nonce is None:
        wanted = ", ".join(map(str, sorted(here.nonces)))
        found.add(Reason.NONCE_STALE, f"epoch {bundle.epoch}, accepted are {wanted}")
        return
    binding = binding_of(bundle.domain, bundle.subject(), nonce)
    if fields.signer != bundle.signer or fields.binding != binding:
        found.add(Reason.KEY_BINDING_MISMATCH, "report_data is not for these keys and this nonce")


def judge_gpu_presence(
    body: QuoteBody, bundle: Bundle, entry: MeasurementEntry | None, found: Refusals
) -> bool:
    """Whether there is GPU evidence to judge; a quote announces it and an entry may want it."""
    fields = read_report_data(body.report_data)
    is_announced = fields is not None and fields.has_gpu
    is_wanted = entry is not None and entry.gpu is not None
    if (is_announced or is_wanted) and not bundle.gpu:
        found.add(Reason.GPU_EVIDENCE_MISSING, "announced or required, and not there")
    elif bundle.gpu and not is_announced:
        found.add(Reason.GPU_NONCE_MISMATCH, "the quote does not announce GPU evidence")
    return bool(bundle.gpu) and is_announced


def judge_label(gpu: GpuClaims | None, policy: Policy, *, simulated: bool, found: Refusals) -> None:
    """What is simulated is refused unless the policy says otherwise, and never mixed.

    A verdict has one label, that of the CPU's root: simulated GPUs beside a hardware quote would
    read as hardware.
    """
    if simulated and not policy.allow_simulated:
        found.add(Reason.SIMULATED_REFUSED, "the chain does not end in the vendor's root")
    if gpu is not None and gpu.simulated and not simulated:
        found.add(Reason.SIMULATED_REFUSED, "the GPU evidence does not end in a vendor's root")


def _allowed_by(entry: MeasurementEntry | None, claims: LibraryClaims) -> frozenset[TcbStatus]:
    """SWHardeningNeeded when every advisory is one that the entry names."""
    if entry is None or not entry.hardening_advisories:
        return frozenset()
    if not set(claims.advisories) <= entry.hardening_advisories:
        return frozenset()
    return frozenset({TcbStatus.SW_HARDENING_NEEDED})


def _judge_compose(body: TdBody, text: str, found: Refusals) -> bytes:
    """The compose hash that the quote names; the text must have it."""
    named = body.mr_config_id[CONFIG_PREFIX:COMPOSE_END]
    if body.mr_config_id != config_id_of(text):
        found.add(Reason.COMPOSE_MISMATCH, f"the text has {compose_hash(text).hex()}")
        return named
    refusal = judge_compose(text)
    if refusal is not None:
        found.add(refusal.reason, refusal.detail)
    return named


def _judge_events(body: TdBody, text: str, found: Refusals) -> bytes:
    """The OS image that the log names; the log must give the quote's registers."""
    try:
        events = parse_event_log(text)
        os_image = os_image_of(events)
    except EvidenceRefused as error:
        found.extend(error.refusals)
        return b""
    differing = [
        f"RTMR {index}"
        for index, (told, measured) in enumerate(zip(replay(events), body.rtmrs, strict=True))
        if told != measured
    ]
    differing += [f"the digest of {name!r}" for name in lying_events(events)]
    if differing:
        found.add(Reason.EVENT_LOG_MISMATCH, ", ".join(differing))
    return os_image
