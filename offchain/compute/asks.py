"""A question that only some may ask: signed by an account, for one provider and path, for a minute.

  X-Apogee-Ask   base64url, unpadded, of {"address": "0x...", "time": seconds, "signature": "0x..."}
  digest         keccak(T_ASK || provider (20) || u64 time || keccak(method " " path))

A payer asks so for his receipts and leaves, an auditor for what a draw lets him see.
Source: docs/protocol/compute.md#provider.
"""

import base64
import binascii
import json
from typing import Final

from pydantic_core import from_json

from offchain.compute.errors import AskMalformed, AskRejected
from offchain.compute.forms import show
from offchain.compute.signatures import DigestSigner, signer_of
from offchain.core.hashing import TAG_COMPUTE_ASK, Digest, keccak

ASK_HEADER: Final = "X-Apogee-Ask"
ASK_SECONDS: Final = 60
MAX_ASK_BYTES: Final = 512


def ask_digest(provider: bytes, time: int, target: str) -> Digest:
    """What is signed; `target`: method and path, such as "GET /v1/receipts/..."."""
    return keccak(TAG_COMPUTE_ASK, provider, time.to_bytes(8, "big"), keccak(target.encode()))


def ask_header(signer: DigestSigner, provider: bytes, time: int, target: str) -> str:
    """The value of X-Apogee-Ask."""
    signature = signer.sign_digest(ask_digest(provider, time, target))
    body = {"address": show(signer.address), "time": time, "signature": show(signature)}
    raw = json.dumps(body, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def asker_of(text: str | None, provider: bytes, now: int, target: str) -> bytes:
    """Whose question this is. Raises: AskMalformed, AskRejected."""
    address, time, signature = _parsed(text)
    if abs(time - now) > ASK_SECONDS:
        raise AskRejected(reason="time", time=time, now=now)
    if signer_of(ask_digest(provider, time, target), signature) != address:
        raise AskRejected(reason="signature")
    return address


def _parsed(text: str | None) -> tuple[bytes, int, bytes]:
    if not text or len(text) > MAX_ASK_BYTES or not text.isascii():
        raise AskMalformed(header=ASK_HEADER)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = from_json(raw)
        address = bytes.fromhex(found["address"].removeprefix("0x"))
        signature = bytes.fromhex(found["signature"].removeprefix("0x"))
        time = found["time"]
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AskMalformed(header=ASK_HEADER) from error
    if isinstance(time, bool) or not isinstance(time, int) or not 0 <= time < 1 << 63:
        raise AskMalformed(field="time")
    return address, time, signature
