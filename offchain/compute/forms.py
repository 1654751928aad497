"""Vouchers and receipts as JSON, and a voucher in its header, each in exactly one form.

Names are those of the EIP-712 types; bytes are 0x and lower-case digits, 96-bit amounts decimal
strings, all other numbers are numbers.

  X-Apogee-Voucher   base64url, unpadded, of {"voucher": {...}, "signature": "0x..."}

Source: docs/protocol/compute.md#vouchers-and-receipts.
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Final

from pydantic_core import from_json

from offchain.compute.commitment import HEADER_BYTES, MAX_LEAVES, Opening
from offchain.compute.errors import Reason, UnverifiedAnswer, VoucherMalformed
from offchain.compute.model import (
    MAX_U32,
    MAX_U64,
    MAX_U96,
    Finish,
    Receipt,
    SignedReceipt,
    SignedVoucher,
    Voucher,
)
from offchain.core.errors import ApogeeError
from offchain.core.hashing import DIGEST_BYTES

VOUCHER_HEADER: Final = "X-Apogee-Voucher"
MAX_HEADER_BYTES: Final = 4_096
MAX_SIGNATURE_BYTES: Final = 1_024  # a payer that is a contract takes what it likes
Malformed = Callable[[str], ApogeeError]


def show(raw: bytes) -> str:
    """Bytes as JSON carries them."""
    return "0x" + raw.hex()


def voucher_json(voucher: Voucher) -> dict[str, str | int]:
    """A voucher as JSON carries it."""
    return {
        "payer": show(voucher.payer),
        "provider": show(voucher.provider),
        "service": show(voucher.service),
        "priceVersion": voucher.price_version,
        "token": show(voucher.token),
        "cumulative": str(voucher.cumulative),
        "cap": str(voucher.cap),
        "expiry": voucher.expiry,
        "nonce": voucher.nonce,
    }


def receipt_json(receipt: Receipt) -> dict[str, str | int]:
    """A receipt as JSON carries it."""
    return {
        "requestId": show(receipt.request_id),
        "payer": show(receipt.payer),
        "provider": show(receipt.provider),
        "service": show(receipt.service),
        "priceVersion": receipt.price_version,
        "requestHash": show(receipt.request_hash),
        "responseHash": show(receipt.response_hash),
        "modelHash": show(receipt.model_hash),
        "commitment": show(receipt.commitment),
        "inputTokens": receipt.input_tokens,
        "outputTokens": receipt.output_tokens,
        "price": str(receipt.price),
        "nonce": receipt.nonce,
        "time": receipt.time,
        "finish": int(receipt.finish),
        "attestationId": show(receipt.attestation_id),
    }


def voucher_header(signed: SignedVoucher) -> str:
    """The value of X-Apogee-Voucher."""
    return base64.urlsafe_b64encode(pack_voucher(signed)).decode().rstrip("=")


def pack_voucher(signed: SignedVoucher) -> bytes:
    """A signed voucher as JSON."""
    body = {"voucher": voucher_json(signed.voucher), "signature": show(signed.signature)}
    return json.dumps(body, separators=(",", ":")).encode()


def parse_voucher_header(text: str) -> SignedVoucher:
    """Raises: VoucherMalformed."""
    if len(text) > MAX_HEADER_BYTES or not text.isascii():
        raise VoucherMalformed(reason="length", maximum=MAX_HEADER_BYTES)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise VoucherMalformed(reason="base64url") from error
    return parse_voucher(raw)


def parse_voucher(raw: bytes) -> SignedVoucher:
    """A signed voucher from its JSON. Raises: VoucherMalformed."""
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise VoucherMalformed(reason="json") from error
    if not isinstance(found, dict) or set(found) != {"voucher", "signature"}:
        raise VoucherMalformed(reason="members")
    fields = _Fields(found["voucher"], lambda name: VoucherMalformed(field=name))
    voucher = Voucher(
        payer=fields.raw("payer", 20),
        provider=fields.raw("provider", 20),
        service=fields.raw("service", 32),
        price_version=fields.number("priceVersion", MAX_U32),
        token=fields.raw("token", 20),
        cumulative=fields.amount("cumulative"),
        cap=fields.amount("cap"),
        expiry=fields.number("expiry", MAX_U64),
        nonce=fields.number("nonce", MAX_U64),
    )
    fields.require_no_other()
    signature = _raw(found["signature"])
    if signature is None or not 1 <= len(signature) <= MAX_SIGNATURE_BYTES:
        raise VoucherMalformed(field="signature")
    return SignedVoucher(voucher, signature)


def parse_receipt_json(found: object, signature: object) -> SignedReceipt:
    """A signed receipt from parsed JSON. Raises: UnverifiedAnswer."""
    fields = _Fields(found, lambda name: UnverifiedAnswer(Reason.ANSWER_MALFORMED, field=name))
    receipt = Receipt(
        request_id=fields.raw("requestId", 32),
        payer=fields.raw("payer", 20),
        provider=fields.raw("provider", 20),
        service=fields.raw("service", 32),
        price_version=fields.number("priceVersion", MAX_U32),
        request_hash=fields.raw("requestHash", 32),
        response_hash=fields.raw("responseHash", 32),
        model_hash=fields.raw("modelHash", 32),
        commitment=fields.raw("commitment", 32),
        input_tokens=fields.number("inputTokens", MAX_U32),
        output_tokens=fields.number("outputTokens", MAX_U32),
        price=fields.amount("price"),
        nonce=fields.number("nonce", MAX_U64),
        time=fields.number("time", MAX_U64),
        finish=_finish(fields.number("finish", 255)),
        attestation_id=fields.raw("attestationId", 32),
    )
    fields.require_no_other()
    signed = _raw(signature)
    if signed is None:
        raise UnverifiedAnswer(Reason.ANSWER_MALFORMED, field="signature")
    return SignedReceipt(receipt, signed)


def parse_opening(found: object) -> Opening:
    """The opening of a commitment's header. Raises: UnverifiedAnswer."""
    fields = _Fields(found, lambda name: UnverifiedAnswer(Reason.ANSWER_MALFORMED, field=name))
    header, leaves = fields.raw("header", HEADER_BYTES), fields.number("leaves", MAX_LEAVES)
    siblings = fields.raws("siblings", MAX_LEAVES.bit_length())
    fields.require_no_other()
    return Opening(0, leaves, header, siblings)


def _finish(number: int) -> Finish:
    try:
        return Finish(number)
    except ValueError as error:
        raise UnverifiedAnswer(Reason.ANSWER_MALFORMED, field="finish") from error


class _Fields:
    """The members of a JSON object, each asked for once."""

    def __init__(self, found: object, malformed: Malformed) -> None:
        if not isinstance(found, dict):
            raise malformed("object")
        self._left: dict[str, object] = dict(found)
        self._malformed = malformed

    def raw(self, name: str, size: int) -> bytes:
        value = _raw(self._left.pop(name, None))
        if value is None or len(value) != size:
            raise self._malformed(name)
        return value

    def raws(self, name: str, most: int) -> tuple[bytes, ...]:
        found = self._left.pop(name, None)
        if not isinstance(found, list) or len(found) > most:
            raise self._malformed(name)
        values = [_raw(one) for one in found]
        digests = tuple(one for one in values if one is not None and len(one) == DIGEST_BYTES)
        if len(digests) != len(found):
            raise self._malformed(name)
        return digests

    def number(self, name: str, most: int) -> int:
        value = self._left.pop(name, None)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self._malformed(name)
        return value

    def amount(self, name: str) -> int:
        value = self._left.pop(name, None)
        is_decimal = isinstance(value, str) and value.isascii() and value.isdigit()
        if not isinstance(value, str) or not is_decimal or len(value) > 29:
            raise self._malformed(name)
        number = int(value)
        if str(number) != value or number > MAX_U96:
            raise self._malformed(name)
        return number

    def require_no_other(self) -> None:
        for name in self._left:
            raise self._malformed(name)


def _raw(value: object) -> bytes | None:
    """Bytes from 0x and lower-case digits."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 2_100:
        return None
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        return None
    return raw if show(raw) == value else None
