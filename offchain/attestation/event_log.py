"""What was measured into a TD's runtime registers, event by event, and its replay; pure.

  JSON    [{"imr": 0..3, "event_type": 0 or 0x08000001, "digest": hex of 48 bytes, "event": name,
            "event_payload": hex}, ...]
  replay  RTMR = SHA384(RTMR || digest) from 48 zero bytes, over the events of its register in order
  digest of a runtime event (type 0x08000001)
          SHA384(event_type u32 LE || ":" || name || ":" || payload)

Every byte counts: what firmware and kernel measured before code ran (type 0) is a digest without
name or payload, because nothing would hold those against it. Runtime events are named, and their
digests follow from name and payload; `os-image-hash` names the root file system's image and occurs
exactly once. Source: docs/protocol/attestation.md#policy.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from offchain.attestation.bounded_json import loads_bounded
from offchain.attestation.quote import refuse
from offchain.attestation.reasons import Reason

REGISTERS: Final = 4
DIGEST_BYTES: Final = 48
BOOT_EVENT: Final = 0
RUNTIME_EVENT: Final = 0x08000001
OS_IMAGE_EVENT: Final = "os-image-hash"
OS_IMAGE_BYTES: Final = 32
MAX_EVENTS: Final = 1_024
MAX_NAME_CHARACTERS: Final = 256
MAX_PAYLOAD_BYTES: Final = 4_096
_FIELDS: Final = {"imr", "event_type", "digest", "event", "event_payload"}


@dataclass(frozen=True, slots=True)
class Event:
    """One extension of a register."""

    imr: int
    event_type: int
    digest: bytes
    name: str
    payload: bytes


def runtime_event(imr: int, name: str, payload: bytes) -> Event:
    """An event that running code extends, with the digest that follows from it."""
    return Event(imr, RUNTIME_EVENT, runtime_digest(name, payload), name, payload)


def runtime_digest(name: str, payload: bytes) -> bytes:
    """The digest of a runtime event."""
    kind = RUNTIME_EVENT.to_bytes(4, "little")
    return hashlib.sha384(kind + b":" + name.encode() + b":" + payload).digest()


def replay(events: Iterable[Event]) -> tuple[bytes, bytes, bytes, bytes]:
    """The registers after these events."""
    registers = [bytes(DIGEST_BYTES)] * REGISTERS
    for event in events:
        registers[event.imr] = hashlib.sha384(registers[event.imr] + event.digest).digest()
    return registers[0], registers[1], registers[2], registers[3]


def encode_event_log(events: Iterable[Event]) -> str:
    """The JSON text of a log."""
    return json.dumps(
        [
            {
                "imr": one.imr,
                "event_type": one.event_type,
                "digest": one.digest.hex(),
                "event": one.name,
                "event_payload": one.payload.hex(),
            }
            for one in events
        ],
        separators=(",", ":"),
    )


def parse_event_log(text: str) -> tuple[Event, ...]:
    """Read a log. Raises: EvidenceRefused(EventLogMalformed)."""
    try:
        found = loads_bounded(text)
    except (ValueError, RecursionError):
        refuse(Reason.EVENT_LOG_MALFORMED, "not JSON")
    if not isinstance(found, list) or len(found) > MAX_EVENTS:
        refuse(Reason.EVENT_LOG_MALFORMED, f"not a list of at most {MAX_EVENTS} events")
    return tuple(_event_of(one) for one in found)


def lying_events(events: Iterable[Event]) -> list[str]:
    """Names of runtime events whose digests do not follow from name and payload."""
    return [
        one.name
        for one in events
        if one.event_type == RUNTIME_EVENT and one.digest != runtime_digest(one.name, one.payload)
    ]


def os_image_of(events: Sequence[Event]) -> bytes:
    """The image of the root file system. Raises: EvidenceRefused(EventLogMalformed)."""
    named = [
        one for one in events if one.name == OS_IMAGE_EVENT and one.event_type == RUNTIME_EVENT
    ]
    if len(named) != 1 or named[0].imr != REGISTERS - 1 or len(named[0].payload) != OS_IMAGE_BYTES:
        refuse(Reason.EVENT_LOG_MALFORMED, f"no single {OS_IMAGE_EVENT} of 32 bytes in RTMR3")
    return named[0].payload


def _event_of(found: object) -> Event:
    if not isinstance(found, dict) or set(found) != _FIELDS:
        refuse(Reason.EVENT_LOG_MALFORMED, "an event has other fields")
    imr, kind, name = found["imr"], found["event_type"], found["event"]
    is_placed = type(imr) is int and 0 <= imr < REGISTERS
    if not is_placed or type(kind) is not int:
        refuse(Reason.EVENT_LOG_MALFORMED, "imr or event_type out of range")
    if kind not in {BOOT_EVENT, RUNTIME_EVENT}:
        refuse(Reason.EVENT_LOG_MALFORMED, f"event_type {kind:#x}")
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS or not name.isascii():
        refuse(Reason.EVENT_LOG_MALFORMED, "a name is not short ASCII text")
    digest = _bytes_of(found["digest"], "digest")
    if len(digest) != DIGEST_BYTES:
        refuse(Reason.EVENT_LOG_MALFORMED, f"a digest of {len(digest)} bytes")
    payload = _bytes_of(found["event_payload"], "event_payload")
    if kind == BOOT_EVENT and (name or payload):
        refuse(Reason.EVENT_LOG_MALFORMED, "a boot event says more than its digest")
    return Event(imr, kind, digest, name, payload)


def _bytes_of(value: object, what: str) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * MAX_PAYLOAD_BYTES:
        refuse(Reason.EVENT_LOG_MALFORMED, f"{what} is no short hex text")
    try:
        return bytes.fromhex(value)
    except ValueError:
        refuse(Reason.EVENT_LOG_MALFORMED, f"{what} is not hex")
