"""Bad evidence, part three: attributes, measured code, binding, GPUs and the label."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from offchain.attestation.adapters.software_gpu import USUAL_GPU, SoftwareGpus
from offchain.attestation.adapters.software_quote import HeaderPlan
from offchain.attestation.adapters.software_tee import OS_IMAGE, usual_events
from offchain.attestation.compose import compose_hash
from offchain.attestation.event_log import OS_IMAGE_EVENT, Event, runtime_event
from offchain.attestation.gpu import GpuStatement
from offchain.attestation.policy import SEPT_VE_DISABLE, USUAL_XFAM
from offchain.attestation.reasons import Reason
from offchain.attestation.report_data import Domain
from tests.support.evidence import (
    COMPOSE,
    EPOCH,
    NOW,
    Asked,
    Attempt,
    attempt,
    bundle_of,
    machine,
    nonce_of,
    policy_of,
    stranger,
    usual_bundle,
    usual_entry,
    usual_machine,
    vendor,
)
from tests.support.evidence_bad_form import Case, from_machine

BIT_MIGRATABLE, BIT_PKS, BIT_KL, BIT_PERFMON = (1 << one for one in (29, 30, 31, 63))
FLOATING = COMPOSE.replace("@sha256:" + "ab" * 32, ":latest")


def attributes(extra: int) -> Callable[[], Attempt]:
    """A TD with attributes beyond the listed ones."""
    return from_machine(td_attributes=SEPT_VE_DISABLE | extra)


def asking(**changes: Any) -> Callable[[], Attempt]:
    """A quote over other values than its bundle states."""
    return lambda: Attempt(bundle_of(usual_machine(), Asked(**changes)))


def stating(**changes: Any) -> Callable[[], Attempt]:
    """A consistent bundle for another domain, service or epoch."""

    def make() -> Attempt:
        bundle = usual_bundle()
        asked = {name: value for name, value in changes.items() if name != "epoch"}
        if "epoch" in changes:
            asked["nonce"] = nonce_of(changes["epoch"])
        made = bundle_of(usual_machine(), Asked(**asked))
        stated = {name: value for name, value in changes.items() if name != "nonce"}
        return Attempt(replace(bundle, quote=made.quote, **stated))

    return make


def reported(change: Callable[[bytes], bytes]) -> Callable[[], Attempt]:
    """A quote whose 64 bytes are of another form."""
    return lambda: Attempt(bundle_of(usual_machine(), raw_data=change(Asked().report_data())))


def showing(change: Callable[[tuple[Event, ...]], tuple[Event, ...]]) -> Callable[[], Attempt]:
    """A log that shows other events than were measured."""
    return from_machine(shown_events=change(usual_events(COMPOSE)))


def with_gpus(
    statement: GpuStatement = USUAL_GPU, *, needed: int = 1, **gpus: Any
) -> Callable[[], Attempt]:
    """Evidence of GPUs beside an entry that asks for good ones."""

    def make() -> Attempt:
        good = SoftwareGpus(vendor(), NOW, count=needed).requirement()
        shown = SoftwareGpus(
            **{"vendor": vendor(), "started_at": NOW, "statement": statement, **gpus}
        )
        entry = replace(usual_entry(), gpu=good)
        return Attempt(bundle_of(machine(gpus=shown)), policy=policy_of(entry))

    return make


def _gpus_left_out() -> Attempt:
    found = with_gpus()()
    return replace(found, bundle=replace(found.bundle, gpu=""))


def _gpus_not_announced() -> Attempt:
    gpu = SoftwareGpus(vendor(), NOW).evidence(Asked().report_data())
    return Attempt(replace(usual_bundle(), gpu=gpu))


def _gpu_statement_changed() -> Attempt:
    found = with_gpus()()
    changed = found.bundle.gpu.replace("580.95.05", "580.95.06")
    return replace(found, bundle=replace(found.bundle, gpu=changed))


def _gpu_text_broken() -> Attempt:
    found = with_gpus()()
    return replace(found, bundle=replace(found.bundle, gpu=found.bundle.gpu[:-1]))


def _expired_entry() -> Attempt:
    entry = replace(usual_entry(), valid_until=NOW - 1)
    return Attempt(usual_bundle(), policy=policy_of(entry))


def _simulated_on_public_chain() -> Attempt:
    return Attempt(usual_bundle(), policy=policy_of(allow_simulated=False))


def _other_os(events: tuple[Event, ...]) -> tuple[Event, ...]:
    other = runtime_event(3, OS_IMAGE_EVENT, bytes(32))
    return tuple(other if one.name == OS_IMAGE_EVENT else one for one in events)


def _other_kernel(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return (events[0], replace(events[1], digest=bytes(48)), *events[2:])


def _two_os_images(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return (*events, runtime_event(3, OS_IMAGE_EVENT, OS_IMAGE))


def _lying_digest(events: tuple[Event, ...]) -> tuple[Event, ...]:
    lie = runtime_event(3, "compose-hash", compose_hash("another text"))
    return tuple(
        replace(lie, digest=one.digest) if one.name == "compose-hash" else one for one in events
    )


ATTRIBUTE_CASES = (
    Case("td_debug", Reason.DEBUG_ENABLED, attributes(1)),
    Case("sept_ve_enabled", Reason.SEPT_VE_NOT_DISABLED, from_machine(td_attributes=0)),
    Case("reserved_bit", Reason.RESERVED_ATTRIBUTE_BITS, attributes(1 << 9)),
    Case("td_migratable", Reason.MIGRATION_ENABLED, attributes(BIT_MIGRATABLE)),
    Case("pks", Reason.ATTRIBUTES_NOT_LISTED, attributes(BIT_PKS), True),
    Case("kl", Reason.ATTRIBUTES_NOT_LISTED, attributes(BIT_KL), True),
    Case("perfmon", Reason.ATTRIBUTES_NOT_LISTED, attributes(BIT_PERFMON), True),
    Case("xfam_extra", Reason.ATTRIBUTES_NOT_LISTED, from_machine(xfam=USUAL_XFAM | 1 << 11), True),
    Case(
        "service_td_present",
        Reason.SERVICE_TD_PRESENT,
        from_machine(header=HeaderPlan(version=5, is_td15=True), mr_service_td=b"\1" * 48),
    ),
)

MEASUREMENT_CASES = (
    Case("mrtd_unlisted", Reason.MEASUREMENT_NOT_LISTED, from_machine(mr_td=b"\1" * 48), True),
    Case(
        "os_image_unlisted",
        Reason.MEASUREMENT_NOT_LISTED,
        from_machine(events=_other_os(usual_events(COMPOSE))),
        True,
    ),
    Case(
        "kernel_unlisted",
        Reason.MEASUREMENT_NOT_LISTED,
        from_machine(events=_other_kernel(usual_events(COMPOSE))),
        True,
    ),
    Case("measurement_expired", Reason.MEASUREMENT_EXPIRED, _expired_entry, True),
    Case("rtmr_mismatch", Reason.EVENT_LOG_MISMATCH, showing(_other_kernel), True),
    Case(
        "event_added",
        Reason.EVENT_LOG_MISMATCH,
        showing(lambda events: (*events, runtime_event(3, "more", b""))),
        True,
    ),
    Case("event_missing", Reason.EVENT_LOG_MISMATCH, showing(lambda events: events[:-1]), True),
    Case(
        "events_swapped",
        Reason.EVENT_LOG_MISMATCH,
        showing(lambda events: (*events[:-2], events[-1], events[-2])),
        True,
    ),
    Case("event_payload_lies", Reason.EVENT_LOG_MISMATCH, showing(_lying_digest), True),
    Case(
        "os_image_twice",
        Reason.EVENT_LOG_MALFORMED,
        from_machine(events=_two_os_images(usual_events(COMPOSE))),
        True,
    ),
    Case(
        "event_log_not_json",
        Reason.EVENT_LOG_MALFORMED,
        lambda: attempt(lambda bundle: replace(bundle, event_log="[")),
        True,
    ),
    Case(
        "compose_text_differs",
        Reason.COMPOSE_MISMATCH,
        lambda: attempt(lambda bundle: replace(bundle, compose=bundle.compose + " ")),
        True,
    ),
    Case(
        "config_id_other_form",
        Reason.COMPOSE_MISMATCH,
        from_machine(config_id=b"\2" + compose_hash(COMPOSE) + bytes(15)),
        True,
    ),
    Case(
        "image_tag_floating",
        Reason.COMPOSE_NOT_PINNED,
        lambda: Attempt(
            bundle_of(machine(compose=FLOATING)),
            policy=policy_of(
                replace(usual_entry(), measurement_id=machine(compose=FLOATING).measurement_id)
            ),
        ),
        True,
    ),
)

BINDING_CASES = (
    Case("report_data_zero", Reason.REPORT_DATA_MALFORMED, reported(lambda _: bytes(64)), True),
    Case(
        "version_byte_2",
        Reason.REPORT_DATA_MALFORMED,
        reported(lambda data: data[:52] + b"\2" + data[53:]),
        True,
    ),
    Case(
        "flag_unknown",
        Reason.REPORT_DATA_MALFORMED,
        reported(lambda data: data[:53] + b"\2" + data[54:]),
        True,
    ),
    Case(
        "tail_not_zero",
        Reason.REPORT_DATA_MALFORMED,
        reported(lambda data: data[:-1] + b"\1"),
        True,
    ),
    Case("other_signer", Reason.KEY_BINDING_MISMATCH, asking(signer=b"\x99" * 20), True),
    Case(
        "signer_bytes_differ",
        Reason.KEY_BINDING_MISMATCH,
        reported(lambda data: data[:32] + b"\x99" * 20 + data[52:]),
        True,
    ),
    Case("other_tls_key", Reason.KEY_BINDING_MISMATCH, asking(tls_key=b"\x99" * 91), True),
    Case("other_hpke_key", Reason.KEY_BINDING_MISMATCH, asking(enc_key=b"\x99" * 32), True),
    Case("replayed_nonce", Reason.KEY_BINDING_MISMATCH, asking(nonce=nonce_of(EPOCH - 2)), True),
    Case("other_service", Reason.DOMAIN_MISMATCH, stating(service_id=b"\x99" * 32), True),
    Case("other_chain", Reason.DOMAIN_MISMATCH, stating(domain=Domain(1, b"\x11" * 20)), True),
    Case(
        "other_registry", Reason.DOMAIN_MISMATCH, stating(domain=Domain(31337, b"\x99" * 20)), True
    ),
    Case("nonce_two_epochs_old", Reason.NONCE_STALE, stating(epoch=EPOCH - 2), True),
    Case("nonce_of_future", Reason.NONCE_STALE, stating(epoch=EPOCH + 1), True),
)

GPU_CASES = (
    Case("gpu_nonce_differs", Reason.GPU_NONCE_MISMATCH, with_gpus(nonce=bytes(32)), True),
    Case("gpu_not_announced", Reason.GPU_NONCE_MISMATCH, _gpus_not_announced, True),
    Case("gpu_left_out", Reason.GPU_EVIDENCE_MISSING, _gpus_left_out, True),
    Case("gpu_debug", Reason.GPU_STATE_REFUSED, with_gpus(replace(USUAL_GPU, debug=True)), True),
    Case(
        "gpu_secure_boot_off",
        Reason.GPU_STATE_REFUSED,
        with_gpus(replace(USUAL_GPU, secure_boot=False)),
        True,
    ),
    Case(
        "gpu_reference_mismatch",
        Reason.GPU_MEASUREMENT_MISMATCH,
        with_gpus(replace(USUAL_GPU, vbios="96.00.d9.00.02")),
        True,
    ),
    Case(
        "gpu_driver_unknown",
        Reason.GPU_MEASUREMENT_MISMATCH,
        with_gpus(replace(USUAL_GPU, driver="1.0")),
        True,
    ),
    Case("gpu_count_low", Reason.GPU_MEASUREMENT_MISMATCH, with_gpus(needed=2), True),
    Case("gpu_certificate_revoked", Reason.GPU_CERT_REVOKED, with_gpus(is_revoked=True), True),
    Case("gpu_of_other_root", Reason.GPU_ROOT_UNTRUSTED, with_gpus(vendor=stranger()), True),
    Case("gpu_statement_changed", Reason.GPU_SIGNATURE_INVALID, _gpu_statement_changed, True),
    Case("gpu_text_broken", Reason.GPU_EVIDENCE_MALFORMED, _gpu_text_broken, True),
)

LABEL_CASES = (
    Case("simulated_on_public_chain", Reason.SIMULATED_REFUSED, _simulated_on_public_chain, True),
)
