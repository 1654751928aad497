"""How a node knows who sends it rows: a short EIP-712 request signed by the blob's disperser.

  RowsRequest(uint256 operator,bytes32 blobId,bytes32 bodyDigest,uint64 expiry)
  domain     (Apogee DA, 1, chainId, DAEntrance)
  signature  r 32 || s 32 || v 1, v 27 or 28, s in the lower half

The body digest is SHA-256, as HTTP's Content-Digest (RFC 9530) wants it and as processors compute
fastest; the rows themselves are checked against D. The signature is judged before the body is read.
Source: docs/protocol/da.md#node-check.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey

from offchain.core.hashing import keccak
from offchain.da.refusals import RequestExpired, RequestMalformed, SenderNotDisperser

REQUEST_TYPE: Final = keccak(
    b"RowsRequest(uint256 operator,bytes32 blobId,bytes32 bodyDigest,uint64 expiry)"
)
MAX_REQUEST_SECONDS: Final = 3_600
SIGNATURE_BYTES: Final = 65
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What travels beside a body: its SHA-256, until when it counts, and the signature."""

    body_digest: bytes
    expiry: int
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.body_digest) != 32 or len(self.signature) != SIGNATURE_BYTES:
            raise RequestMalformed(digest=len(self.body_digest), signature=len(self.signature))
        if not 0 <= self.expiry < 1 << 64:
            raise RequestMalformed(expiry=self.expiry)


def body_digest(*parts: bytes | bytearray | memoryview) -> bytes:
    """SHA-256 of the body."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def request_digest(
    domain: bytes, *, operator: int, blob_id: bytes, body: bytes, expiry: int
) -> bytes:
    """The EIP-712 digest of a request; `body` is the body's digest."""
    words = operator.to_bytes(32, "big") + blob_id + body + expiry.to_bytes(32, "big")
    return keccak(b"\x19\x01", domain, keccak(REQUEST_TYPE, words))


def recover_sender(digest: bytes, signature: bytes) -> bytes:
    """The 20-byte address that signed. Raises: RequestMalformed."""
    s, v = int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (27, 28) or not 0 < s <= _ORDER // 2:
        raise RequestMalformed(v=v)
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([v - 27]), digest, hasher=None
        )
    except ValueError as error:
        raise RequestMalformed(reason=str(error)) from error
    return keccak(key.format(compressed=False)[1:])[12:]


def require_sender(digest: bytes, request: SignedRequest, *, disperser: bytes, now: int) -> None:
    """Refuse a request that is stale, dated too far ahead, or signed by somebody else.

    Raises: RequestExpired, RequestMalformed, SenderNotDisperser. `now` is chain time in seconds.
    """
    if not now < request.expiry <= now + MAX_REQUEST_SECONDS:
        raise RequestExpired(expiry=request.expiry, now=now)
    sender = recover_sender(digest, request.signature)
    if sender != disperser:
        raise SenderNotDisperser(sender=sender.hex(), disperser=disperser.hex())
