"""The evidence of one subject as it travels: quote, collateral, event log, compose text, GPU; pure.

  JSON    {"version": 1, "chain_id": number, "registry": hex, "epoch": number, "service": hex,
           "signer": hex, "enc_key": hex, "tls_key": hex, "quote": base64, "collateral": text,
           "event_log": text, "compose": text, "gpu": text}
  root    keccak(TAG_BUNDLE || keccak(quote) || keccak(collateral) || keccak(event log)
                 || keccak(compose) || gpu hash), gpu hash zero without GPU evidence

What the bundle states about itself (chain to tls_key) counts only because report_data, and so the
quote, contains its hash. Texts are hashed as their UTF-8 bytes, exactly as carried; keys are the
public keys themselves, empty where there is none. Every part is bounded.
Source: docs/protocol/attestation.md#quotes.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from offchain.attestation.bounded_json import loads_bounded
from offchain.attestation.model import NO_GPU
from offchain.attestation.report_data import Domain, Subject, key_hash
from offchain.core.errors import Rejected
from offchain.core.hashing import TAG_ATTESTATION_BUNDLE, Digest, keccak

WIRE_VERSION: Final = 1
MAX_QUOTE_BYTES: Final = 8 * 1024  # what the registry takes
MAX_COLLATERAL_BYTES: Final = 256 * 1024
MAX_EVENT_LOG_BYTES: Final = 256 * 1024
MAX_COMPOSE_BYTES: Final = 64 * 1024
MAX_GPU_BYTES: Final = 256 * 1024
MAX_KEY_BYTES: Final = 1024
MAX_NUMBER: Final = (1 << 64) - 1
MAX_BUNDLE_BYTES: Final = 1024 * 1024
_HEX_FIELDS: Final = ("registry", "service", "signer")
_NUMBER_FIELDS: Final = ("chain_id", "epoch")
_KEY_FIELDS: Final = ("enc_key", "tls_key")
_TEXT_FIELDS: Final = {
    "collateral": MAX_COLLATERAL_BYTES,
    "event_log": MAX_EVENT_LOG_BYTES,
    "compose": MAX_COMPOSE_BYTES,
    "gpu": MAX_GPU_BYTES,
}
_FIELDS: Final = {"version", "quote", *_NUMBER_FIELDS, *_HEX_FIELDS, *_KEY_FIELDS, *_TEXT_FIELDS}


class BundleMalformed(Rejected):
    """These bytes are no bundle of evidence."""

    code = "attestation.bundle_malformed"
    next_step = "Ask the service for its evidence again; it must have the form of the protocol."


@dataclass(frozen=True, slots=True)
class Bundle:
    """Evidence as its subject publishes it; nothing in it is believed before it is verified.

    `epoch` names the nonce in its report_data.
    """

    domain: Domain
    epoch: int
    service_id: bytes
    signer: bytes
    enc_key: bytes  # HPKE public key, empty without
    tls_key: bytes  # TLS SPKI DER, empty without
    quote: bytes
    collateral: str
    event_log: str
    compose: str
    gpu: str  # empty without GPU evidence

    def subject(self) -> Subject:
        """Whom the bundle says it speaks for."""
        return Subject(self.service_id, self.signer, key_hash(self.enc_key), key_hash(self.tls_key))

    def collateral_hash(self) -> Digest:
        return keccak(self.collateral.encode())

    def gpu_hash(self) -> Digest:
        return keccak(self.gpu.encode()) if self.gpu else NO_GPU

    def root(self) -> Digest:
        """What a verdict calls bundleRoot: each part can be shown by itself."""
        return keccak(
            TAG_ATTESTATION_BUNDLE,
            keccak(self.quote),
            self.collateral_hash(),
            keccak(self.event_log.encode()),
            keccak(self.compose.encode()),
            self.gpu_hash(),
        )

    def to_json(self) -> bytes:
        return json.dumps(
            {
                "version": WIRE_VERSION,
                "chain_id": self.domain.chain_id,
                "registry": self.domain.registry.hex(),
                "epoch": self.epoch,
                "service": self.service_id.hex(),
                "signer": self.signer.hex(),
                "enc_key": self.enc_key.hex(),
                "tls_key": self.tls_key.hex(),
                "quote": base64.b64encode(self.quote).decode(),
                "collateral": self.collateral,
                "event_log": self.event_log,
                "compose": self.compose,
                "gpu": self.gpu,
            },
            separators=(",", ":"),
        ).encode()


def parse_bundle(raw: bytes) -> Bundle:
    """Read a bundle from its JSON. Raises: BundleMalformed."""
    if len(raw) > MAX_BUNDLE_BYTES:
        raise BundleMalformed(bytes=len(raw), limit=MAX_BUNDLE_BYTES)
    try:
        found = loads_bounded(raw)
    except (ValueError, RecursionError) as error:
        raise BundleMalformed(part="json") from error
    if not isinstance(found, dict) or set(found) != _FIELDS:
        raise BundleMalformed(part="fields")
    if type(found["version"]) is not int or found["version"] != WIRE_VERSION:
        raise BundleMalformed(part="version")
    texts = {name: _text(found, name, limit) for name, limit in _TEXT_FIELDS.items()}
    return Bundle(
        domain=Domain(_number(found, "chain_id"), _hex(found, "registry", exact=20)),
        epoch=_number(found, "epoch"),
        service_id=_hex(found, "service", exact=32),
        signer=_hex(found, "signer", exact=20),
        enc_key=_hex(found, "enc_key"),
        tls_key=_hex(found, "tls_key"),
        quote=_quote(found),
        collateral=texts["collateral"],
        event_log=texts["event_log"],
        compose=texts["compose"],
        gpu=texts["gpu"],
    )


def _number(found: Mapping[str, Any], name: str) -> int:
    value = found[name]
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise BundleMalformed(part=name)
    return value


def _hex(found: Mapping[str, Any], name: str, *, exact: int | None = None) -> bytes:
    value = found[name]
    if not isinstance(value, str) or len(value) > 2 * MAX_KEY_BYTES:
        raise BundleMalformed(part=name)
    try:
        raw = bytes.fromhex(value)
    except ValueError as error:
        raise BundleMalformed(part=name) from error
    if raw.hex() != value or (exact is not None and len(raw) != exact):
        raise BundleMalformed(part=name)
    return raw


def _text(found: Mapping[str, Any], name: str, limit: int) -> str:
    value = found[name]
    if not isinstance(value, str):
        raise BundleMalformed(part=name)
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:  # a lone surrogate has no bytes to hash
        raise BundleMalformed(part=name) from error
    if size > limit:
        raise BundleMalformed(part=name, bytes=size, limit=limit)
    return value


def _quote(found: Mapping[str, Any]) -> bytes:
    value = found["quote"]
    if not isinstance(value, str) or len(value) > 2 * MAX_QUOTE_BYTES:
        raise BundleMalformed(part="quote")
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BundleMalformed(part="quote") from error
    if len(raw) > MAX_QUOTE_BYTES:
        raise BundleMalformed(part="quote", bytes=len(raw), limit=MAX_QUOTE_BYTES)
    return raw
