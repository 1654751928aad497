"""What relayers and subjects say to each other, in bytes; bounded, and strict when read; pure.

  offers     {"offers": [{"bundle": {...}, "signed": [SIGNED, ...]}, ...]}
  SIGNED     {"verdict": hex of 17 words, "signature": hex of 65 bytes}
  question   X-Apogee-Relayer: <seconds>.<hex of 65 bytes>, a signature of
             keccak(TAG_ASK || provider (20) || u64 seconds || keccak(method " " path))

Source: docs/protocol/attestation.md#relayers.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import from_json

from offchain.attestation.bundle import MAX_BUNDLE_BYTES, BundleMalformed, parse_bundle
from offchain.attestation.model import Verdict, parse_verdict
from offchain.attestation.relay_errors import AskRefused
from offchain.attestation.relay_ports import Offer, SignedVerdict
from offchain.core.ecdsa import SIGNATURE_BYTES, DigestSigner, signer_of
from offchain.core.errors import InvalidInput
from offchain.core.hashing import TAG_ATTESTATION_ASK, Digest, keccak

ASK_HEADER: Final = "X-Apogee-Relayer"
ASK_SECONDS: Final = 60
MAX_ASK_BYTES: Final = 160
MAX_SIGNED_BYTES: Final = 2_048
MAX_OFFERS_BYTES: Final = 4 * MAX_BUNDLE_BYTES
MAX_SIGNED: Final = 8  # signatures shown beside one bundle
VERDICT_NAMES: Final = (
    *("evidenceId", "quoteHash", "bundleRoot", "serviceId", "signer", "encKeyHash", "tlsKeyHash"),
    *("measurementId", "reportDataHash", "gpuHash", "teeType", "tcbStatus", "tcbEvalNumber"),
    *("collateralHash", "rootKeyId", "nonce", "notAfter"),
)


class FormMalformed(InvalidInput):
    """These bytes are not what relayers and subjects say to each other."""

    code = "attestation.form.malformed"
    next_step = "Read docs/protocol/attestation.md#relayers; the other side may be another version."


def ask_header(signer: DigestSigner, provider: bytes, time: int, target: str) -> str:
    """A relayer's question of one subject; `target`: method and path."""
    return f"{time}.{signer.sign_digest(_ask_digest(provider, time, target)).hex()}"


def asker_of(text: str | None, provider: bytes, now: int, target: str) -> bytes:
    """Whose question this is. Raises: AskRefused."""
    if not text or len(text) > MAX_ASK_BYTES or not text.isascii():
        raise AskRefused(header=ASK_HEADER)
    seconds, _, signature = text.partition(".")
    if not seconds.isdigit() or len(seconds) > 18 or abs(int(seconds) - now) > ASK_SECONDS:
        raise AskRefused(reason="time", now=now)
    try:
        raw = bytes.fromhex(signature)
    except ValueError as error:
        raise AskRefused(reason="signature") from error
    account = signer_of(_ask_digest(provider, int(seconds), target), raw)
    if account is None:
        raise AskRefused(reason="signature")
    return account


def offers_json(offers: Sequence[Offer]) -> bytes:
    """What a subject lays out."""
    shown = [
        b'{"bundle":' + one.bundle.to_json() + b',"signed":' + _dump(_signed_list(one)) + b"}"
        for one in offers
    ]
    return b'{"offers":[' + b",".join(shown) + b"]}"


def parse_offers(raw: bytes) -> list[Offer]:
    """Raises: FormMalformed."""
    found = _object(raw, MAX_OFFERS_BYTES).get("offers")
    if not isinstance(found, list):
        raise FormMalformed(part="offers")
    return [_offer(one) for one in found]


def signed_json(signed: SignedVerdict) -> bytes:
    """One signature as it is delivered."""
    return _dump(_signed_object(signed))


def parse_signed(raw: bytes) -> SignedVerdict:
    """Raises: FormMalformed."""
    return _signed(_object(raw, MAX_SIGNED_BYTES))


def verdict_json(verdict: Verdict, signatures: Sequence[bytes], attestation_id: bytes) -> bytes:
    """A verdict for clients, as its 17 words, and for people field by field, as EIP-712 has it."""
    fields = {
        name: value if isinstance(value, int) else "0x" + value.hex()
        for name, value in zip(VERDICT_NAMES, verdict.fields(), strict=True)
    }
    return _dump(
        {
            "attestationId": "0x" + attestation_id.hex(),
            "simulated": verdict.simulated,
            "verdict": "0x" + verdict.struct_words().hex(),
            "fields": fields,
            "signatures": ["0x" + one.hex() for one in signatures],
        }
    )


def _ask_digest(provider: bytes, time: int, target: str) -> Digest:
    return keccak(TAG_ATTESTATION_ASK, provider, time.to_bytes(8, "big"), keccak(target.encode()))


def _signed_list(offer: Offer) -> list[dict[str, str]]:
    return [_signed_object(one) for one in offer.signed[:MAX_SIGNED]]


def _signed_object(signed: SignedVerdict) -> dict[str, str]:
    words = signed.verdict.struct_words()
    return {"verdict": words.hex(), "signature": signed.signature.hex()}


def _offer(found: object) -> Offer:
    if not isinstance(found, dict) or set(found) != {"bundle", "signed"}:
        raise FormMalformed(part="offer")
    signed = found["signed"]
    if not isinstance(signed, list) or len(signed) > MAX_SIGNED:
        raise FormMalformed(part="signed")
    try:
        bundle = parse_bundle(_dump(found["bundle"]))
    except BundleMalformed as error:
        raise FormMalformed(part="bundle") from error
    return Offer(bundle, tuple(_signed(one) for one in signed))


def _signed(found: object) -> SignedVerdict:
    if not isinstance(found, dict) or set(found) != {"verdict", "signature"}:
        raise FormMalformed(part="signed")
    words, signature = found["verdict"], found["signature"]
    if not isinstance(words, str) or not isinstance(signature, str):
        raise FormMalformed(part="signed")
    try:
        verdict, raw = parse_verdict(bytes.fromhex(words)), bytes.fromhex(signature)
    except (ValueError, InvalidInput) as error:
        raise FormMalformed(part="verdict") from error
    if len(raw) != SIGNATURE_BYTES:
        raise FormMalformed(part="signature")
    return SignedVerdict(verdict, raw)


def _object(raw: bytes, most: int) -> Mapping[str, object]:
    if len(raw) > most:
        raise FormMalformed(bytes=len(raw), maximum=most)
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise FormMalformed(part="json") from error
    if not isinstance(found, dict):
        raise FormMalformed(part="json")
    return found


def _dump(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except (ValueError, UnicodeEncodeError) as error:
        raise FormMalformed(part="json") from error
