"""x402, version 2, scheme `exact` over EIP-3009: what is asked for and what pays; pure.

  PAYMENT-REQUIRED    402: base64 JSON {x402Version, error, resource, accepts: [requirements]}
  PAYMENT-SIGNATURE   base64 JSON {x402Version, accepted: requirements, payload: {signature,
                      authorization: {from, to, value, validAfter, validBefore, nonce}}}
  PAYMENT-RESPONSE    base64 JSON {success, transaction, network, payer, amount}

The signature is EIP-712, TransferWithAuthorization under the token's own domain. `upto` is not
offered: it moves the money after serving, through a proxy of Permit2, and this gateway serves
nobody before the money is there. Source: github.com/x402-foundation/x402, specs/ (core v2, HTTP
transport, exact on EVM), EIP-3009.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json

from offchain.compute.signatures import signer_of
from offchain.core.errors import Conflict, InvalidInput, Rejected
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest, words

VERSION: Final = 2
REQUIRED: Final = "PAYMENT-REQUIRED"
SIGNATURE: Final = "PAYMENT-SIGNATURE"
RESPONSE: Final = "PAYMENT-RESPONSE"
SCHEME: Final = "exact"
MAX_HEADER_BYTES: Final = 8_192
MAX_TIMEOUT_SECONDS: Final = 120
LEAST_SECONDS: Final = 6  # an authorisation must last until it is in a block
_TYPE: Final = keccak(
    b"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
    b"uint256 validBefore,bytes32 nonce)"
)
_NUMBER: Final = re.compile(r"[0-9]{1,78}", re.ASCII)


class PaymentMalformed(InvalidInput):
    """PAYMENT-SIGNATURE is no payment of x402 version 2, scheme exact, EIP-3009."""

    code = "x402.malformed"
    next_step = "Build it from PAYMENT-REQUIRED of the 402, as the x402 specification says."


class PaymentWanted(Rejected):
    """The request is not paid for."""

    code = "payment_required"
    next_step = "Pay as PAYMENT-REQUIRED says, or send an API key: `apogee key new`."


class PaymentInvalid(Rejected):
    """The payment does not pay for this request; `reason` is x402's word."""

    code = "x402.invalid"
    next_step = "Sign a new authorisation for the requirements in PAYMENT-REQUIRED."


class PaymentUsed(Conflict):
    """The payment was used: once is for one request."""

    code = "x402.used"
    next_step = "Use the key in X-Apogee-Credit-Key of the first answer, or pay anew."


@dataclass(frozen=True, slots=True)
class Asset:
    """An EIP-3009 token; `name` and `version` of its EIP-712 domain. `pay_to`: the gateway."""

    token: bytes
    name: str
    version: str
    chain_id: int
    pay_to: bytes

    @property
    def network(self) -> str:
        return f"eip155:{self.chain_id}"

    @property
    def domain(self) -> Digest:
        return domain_of(self.name, self.version, chain_id=self.chain_id, contract=self.token)


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the payer signed; `signature` is r || s || v."""

    payer: bytes
    to: bytes
    value: int
    valid_after: int
    valid_before: int
    nonce: bytes
    signature: bytes

    def origin(self, asset: Asset) -> Digest:
        """One payment, whoever shows it how often: a token takes a payer's nonce once."""
        return keccak(words(asset.chain_id, asset.token, self.payer, self.nonce))

    def digest(self, asset: Asset) -> Digest:
        """What is signed."""
        return typed_digest(
            asset.domain,
            _TYPE,
            self.payer,
            self.to,
            self.value,
            self.valid_after,
            self.valid_before,
            self.nonce,
        )


def requirements(asset: Asset, amount: int) -> dict[str, object]:
    """One way to pay."""
    return {
        "scheme": SCHEME,
        "network": asset.network,
        "amount": str(amount),
        "asset": "0x" + asset.token.hex(),
        "payTo": "0x" + asset.pay_to.hex(),
        "maxTimeoutSeconds": MAX_TIMEOUT_SECONDS,
        "extra": {"assetTransferMethod": "eip3009", "name": asset.name, "version": asset.version},
    }


def required_header(asset: Asset, amount: int, url: str, error: str) -> str:
    """The value of PAYMENT-REQUIRED."""
    return _packed(
        {
            "x402Version": VERSION,
            "error": error,
            "resource": {"url": url, "mimeType": "application/json"},
            "accepts": [requirements(asset, amount)],
        }
    )


def response_header(asset: Asset, paid: Authorization, transaction: bytes) -> str:
    """The value of PAYMENT-RESPONSE."""
    return _packed(
        {
            "success": True,
            "transaction": "0x" + transaction.hex(),
            "network": asset.network,
            "payer": "0x" + paid.payer.hex(),
            "amount": str(paid.value),
        }
    )


def parse_payment(header: str, asset: Asset) -> Authorization:
    """A payment of this asset. Raises: PaymentMalformed, PaymentInvalid."""
    found = _object(header)
    accepted, payload = found.get("accepted"), found.get("payload")
    if found.get("x402Version") != VERSION or not isinstance(accepted, dict):
        raise PaymentMalformed(field="x402Version")
    if not isinstance(payload, dict) or not isinstance(payload.get("authorization"), dict):
        raise PaymentMalformed(field="payload")
    said: Mapping[str, object] = payload["authorization"]
    paid = Authorization(
        payer=_raw(said, "from", 20),
        to=_raw(said, "to", 20),
        value=_number(said, "value"),
        valid_after=_number(said, "validAfter"),
        valid_before=_number(said, "validBefore"),
        nonce=_raw(said, "nonce", 32),
        signature=_raw(payload, "signature", 65),
    )
    for name, wanted in (("scheme", SCHEME), ("network", asset.network)):
        if accepted.get(name) != wanted:
            raise PaymentInvalid(reason=f"invalid_{name}")
    if _raw(accepted, "asset", 20) != asset.token or _raw(accepted, "payTo", 20) != asset.pay_to:
        raise PaymentInvalid(reason="invalid_payment_requirements")
    if _number(accepted, "amount") != paid.value:
        raise PaymentInvalid(reason="invalid_exact_evm_payload_authorization_value")
    return paid


def require_paid(paid: Authorization, asset: Asset, *, amount: int, now: int) -> None:
    """Whether it pays this much now, by who says so. Raises: PaymentInvalid."""
    if paid.to != asset.pay_to:
        raise PaymentInvalid(reason="invalid_exact_evm_payload_recipient_mismatch")
    if paid.value < amount or paid.value >= 1 << 96:
        raise PaymentInvalid(reason="invalid_exact_evm_payload_authorization_value", needed=amount)
    if now < paid.valid_after:
        raise PaymentInvalid(reason="invalid_exact_evm_payload_authorization_valid_after")
    if paid.valid_before < now + LEAST_SECONDS:
        raise PaymentInvalid(reason="invalid_exact_evm_payload_authorization_valid_before")
    if signer_of(paid.digest(asset), paid.signature) != paid.payer:
        raise PaymentInvalid(reason="invalid_exact_evm_payload_signature")


def binding_of(method: str, path: str, body: bytes) -> Digest:
    """The request that a payment pays for; its payer signs none, so the first one shown is it."""
    return keccak(b"x402", keccak(method.encode()), keccak(path.encode()), keccak(body))


def _packed(value: dict[str, object]) -> str:
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


def _object(header: str) -> dict[str, object]:
    if len(header) > MAX_HEADER_BYTES or not header.isascii():
        raise PaymentMalformed(reason="length", maximum=MAX_HEADER_BYTES)
    try:
        found = from_json(base64.b64decode(header, validate=True), allow_inf_nan=False)
    except (binascii.Error, ValueError) as error:
        raise PaymentMalformed(reason="base64 JSON") from error
    if not isinstance(found, dict):
        raise PaymentMalformed(reason="object")
    return found


def _raw(found: Mapping[str, object], name: str, size: int) -> bytes:
    text = found.get(name)
    if not isinstance(text, str) or len(text) != 2 + 2 * size or not text.startswith("0x"):
        raise PaymentMalformed(field=name)
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise PaymentMalformed(field=name) from error


def _number(found: Mapping[str, object], name: str) -> int:
    text = found.get(name)
    if not isinstance(text, str) or _NUMBER.fullmatch(text) is None or int(text) >= 1 << 256:
        raise PaymentMalformed(field=name)
    return int(text)
