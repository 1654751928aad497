"""Requests and answers that only a buyer and an attested provider can read, as bytes; pure.

HPKE (RFC 9180), base mode, single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
`seal(x)` is the ephemeral public key (32) and the ciphertext with its tag (16 more than x).

  key        32 raw X25519 public bytes; keccak(key) is in a verdict and in its report_data
  request    seal(version u8 = 1 || u64 time || reply key 32 || u32 n || plain body (n) || zeros),
             the plaintext a multiple of 256; info T_REQUEST || key hash || service || route's name
  sent body  {"model", "messages" | "prompt" | "input", "max_tokens", "stream", "stream_options",
             "encoding_format", "metadata": {"apogee_sealed": key hash}}: what a gateway needs to
             route and to pay, and as its only text the request in base64url
  chunk j    seal(text || 0x80 || zeros), the plaintext a multiple of 32, to the reply key;
             info T_ANSWER || request id || request hash || u32 j || u8 (1: the last)
  answer     an ordinary answer whose text is its chunks in base64url, each ended by "." and the
             last one by "~"; an answer without its last one was cut
  vectors    one chunk, u32 rows || u32 width || float32 LE ...; four bytes show as one number

So requestHash and responseHash of the receipt are of what travelled, and whoever has only that can
check signature, hashes, price and counts. Source: docs/protocol/attestation.md#private-inference.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from offchain.compute import generation
from offchain.compute.answers import Route
from offchain.compute.engine_errors import RequestMalformed
from offchain.compute.generation import MAX_BODY_BYTES, parse_body, parse_generation, parse_texts
from offchain.compute.private_errors import SealBroken
from offchain.core.hashing import (
    TAG_COMPUTE_PRIVATE_ANSWER,
    TAG_COMPUTE_PRIVATE_REQUEST,
    Digest,
    keccak,
)

VERSION: Final = 1
KEY_BYTES: Final = 32
SEAL_BYTES: Final = 48  # ephemeral key and tag
REQUEST_STEP: Final = 256
CHUNK_STEP: Final = 32
MARK: Final = "apogee_sealed"
NEXT, LAST = ".", "~"
MAX_CHUNKS: Final = 1 << 20
_HEAD: Final = 1 + 8 + KEY_BYTES + 4
_END: Final = b"\x80"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which answer a chunk stands: nowhere else does it open."""

    request_id: bytes
    request_hash: bytes
    index: int
    is_last: bool

    def info(self) -> bytes:
        place = self.index.to_bytes(4, "big") + bytes([self.is_last])
        return TAG_COMPUTE_PRIVATE_ANSWER + self.request_id + self.request_hash + place


@dataclass(frozen=True, slots=True)
class SealedBody:
    """A body whose text is sealed: to which key, and the sealed bytes."""

    key_hash: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Inside:
    """What a sealed request holds: when it was made, where the answer goes, the plain body."""

    time: int
    reply: bytes = field(repr=False)
    body: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        raw = bytes([VERSION]) + self.time.to_bytes(8, "big") + self.reply
        raw += len(self.body).to_bytes(4, "big") + self.body
        return raw + bytes(-len(raw) % REQUEST_STEP)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Inside":
        """Raises: SealBroken for anything but what `to_bytes` gives."""
        if len(raw) < _HEAD or raw[0] != VERSION:
            raise SealBroken(part="head")
        end = _HEAD + int.from_bytes(raw[_HEAD - 4 : _HEAD], "big")
        found = cls(int.from_bytes(raw[1:9], "big"), raw[9 : 9 + KEY_BYTES], raw[_HEAD:end])
        if end > len(raw) or found.to_bytes() != raw:
            raise SealBroken(part="form")
        return found


def key_hash(public: bytes) -> Digest:
    """How a verdict names an encryption key."""
    return keccak(public)


def request_info(named: bytes, service: bytes, route: Route) -> bytes:
    """What a request is bound to: a key, a service and a door."""
    return TAG_COMPUTE_PRIVATE_REQUEST + named + service + route.value.encode()


def seal(plain: bytes, public: bytes, info: bytes) -> bytes:
    """Raises: SealBroken when `public` is no key."""
    try:
        return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(public), info=info)
    except ValueError as error:
        raise SealBroken(part="key") from error


def unseal(sealed: bytes, secret: X25519PrivateKey, info: bytes) -> bytes:
    """Raises: SealBroken."""
    try:
        return _SUITE.decrypt(sealed, secret, info=info)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(part="seal") from error


def sealed_body(route: Route, plain: bytes, sealed: SealedBody) -> bytes:
    """The body that is sent in place of a plain one, in its one form. Raises: RequestMalformed."""
    text = to_text(sealed.sealed)
    fields, is_audit_ok = (
        _embedding_fields(plain, text)
        if route is Route.EMBEDDING
        else _text_fields(route, plain, text)
    )
    if is_audit_ok:
        raise RequestMalformed("What auditors may see is not private.", field="metadata.audit_ok")
    fields["metadata"] = {MARK: "0x" + sealed.key_hash.hex()}
    body = json.dumps(fields, separators=(",", ":")).encode()
    if len(body) > MAX_BODY_BYTES:
        raise RequestMalformed("The body is too long.", bytes=len(body), maximum=MAX_BODY_BYTES)
    return body


def is_sealed(body: bytes) -> bool:
    """Whether a body that can be parsed says that its text is sealed."""
    if MARK.encode() not in body:
        return False
    metadata = parse_body(body).get("metadata")
    return isinstance(metadata, dict) and MARK in metadata


def parse_sealed(route: Route, body: bytes) -> SealedBody | None:
    """What a body holds sealed; None for a plain one. Raises: SealBroken, RequestMalformed."""
    fields = parse_body(body)
    metadata = fields.get("metadata")
    if not isinstance(metadata, dict) or MARK not in metadata:
        return None
    named, text = metadata[MARK], _only_text(route, fields)
    if not isinstance(named, str) or len(named) != 66 or not named.startswith("0x"):
        raise SealBroken(part="mark")
    try:
        return SealedBody(bytes.fromhex(named[2:]), from_text(text))
    except ValueError as error:
        raise SealBroken(part="mark") from error


def pad_text(text: str) -> bytes:
    """A chunk's plaintext: lengths of words do not show."""
    raw = text.encode() + _END
    return raw + bytes(-len(raw) % CHUNK_STEP)


def unpad_text(raw: bytes) -> str:
    """Raises: SealBroken."""
    body, mark, rest = raw.rpartition(_END)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise SealBroken(part="text") from error
    if mark != _END or any(rest) or pad_text(text) != raw:
        raise SealBroken(part="padding")
    return text


def pack_vectors(vectors: npt.NDArray[np.float32]) -> bytes:
    """The plaintext of an embedding's only chunk."""
    rows, width = vectors.shape
    head = rows.to_bytes(4, "big") + width.to_bytes(4, "big")
    return head + np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def unpack_vectors(raw: bytes) -> npt.NDArray[np.float32]:
    """Raises: SealBroken."""
    rows, width = (int.from_bytes(raw[at : at + 4], "big") for at in (0, 4))
    if not rows or not width or len(raw) != 8 + 4 * rows * width:
        raise SealBroken(part="vectors")
    return np.frombuffer(raw[8:], "<f4").astype(np.float32).reshape(rows, width)


def to_text(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """Raises: SealBroken unless this is the one form of some bytes."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SealBroken(part="base64url") from error
    if to_text(raw) != text:
        raise SealBroken(part="base64url")
    return raw


def _text_fields(route: Route, plain: bytes, text: str) -> tuple[Json, bool]:
    asked = parse_generation(plain, generation.Route(route.value))
    fields: Json = {"model": asked.model}
    if route is Route.CHAT:
        fields["messages"] = [{"role": "user", "content": text}]
    else:
        fields["prompt"] = text
    if asked.max_tokens is not None:
        fields["max_tokens"] = asked.max_tokens
    if asked.is_streamed:
        fields["stream"] = True
    if asked.has_usage:
        fields["stream_options"] = {"include_usage": True}
    return fields, asked.is_audit_ok


def _embedding_fields(plain: bytes, text: str) -> tuple[Json, bool]:
    found = parse_body(plain)
    parse_texts(plain)
    if found.get("encoding_format") != "base64":
        raise RequestMalformed("Sealed vectors are base64.", field="encoding_format")
    model = found.get("model", "")
    if not isinstance(model, str):
        raise RequestMalformed("The model must be text.", field="model")
    return {"model": model, "input": text, "encoding_format": "base64"}, _allows_audit(found)


def _only_text(route: Route, fields: Mapping[str, object]) -> str:
    found: object = fields.get("input" if route is Route.EMBEDDING else "prompt")
    if route is Route.CHAT:
        messages = fields.get("messages")
        one = messages[0] if isinstance(messages, list) and len(messages) == 1 else None
        found = one.get("content") if isinstance(one, dict) else None
    if not isinstance(found, str):
        raise SealBroken(part="text")
    return found


def _allows_audit(fields: Mapping[str, object]) -> bool:
    metadata = fields.get("metadata")
    return isinstance(metadata, dict) and metadata.get("audit_ok") in (True, "true")
