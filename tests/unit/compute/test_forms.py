"""Vouchers, receipts and asks: one form each, everything else is refused."""

import base64
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.asks import ask_header, asker_of
from offchain.compute.errors import AskMalformed, AskRejected, VoucherMalformed
from offchain.compute.forms import (
    pack_voucher,
    parse_receipt_json,
    parse_voucher,
    parse_voucher_header,
    receipt_json,
    show,
    voucher_header,
)
from offchain.compute.model import (
    MAX_U96,
    AmountTooLarge,
    chat_bytes,
    hold_of,
    input_bound,
    price_of,
    text_bytes,
)
from offchain.compute.signatures import sign_receipt, sign_voucher, signer_of
from tests.support.compute import (
    DOMAIN,
    NOW,
    PAYER,
    PROVIDER,
    SIGNER,
    STRANGER,
    Answered,
    a_row,
    a_voucher,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_voucher__in_its_header__comes_back() -> None:
    signed = sign_voucher(a_voucher(cumulative=1 << 90, cap=MAX_U96), PAYER, DOMAIN)

    assert parse_voucher_header(voucher_header(signed)) == signed
    assert signer_of(signed.voucher.digest(DOMAIN), signed.signature) == PAYER.address


@pytest.mark.parametrize(
    "change",
    [
        {"payer": "0x00"},
        {"payer": "0x" + "AB" * 20},
        {"payer": "ab" * 20},
        {"cap": 5},
        {"cap": "05"},
        {"cap": "-5"},
        {"cap": "\u0665"},
        {"cap": str(MAX_U96 + 1)},
        {"nonce": "1"},
        {"nonce": -1},
        {"nonce": True},
        {"nonce": 1 << 64},
        {"priceVersion": 1 << 32},
        {"extra": 1},
    ],
)
def test_voucher__field_in_another_form__is_refused(change: dict[str, object]) -> None:
    found = json.loads(pack_voucher(sign_voucher(a_voucher(), PAYER, DOMAIN)))
    found["voucher"] |= change

    with pytest.raises(VoucherMalformed):
        parse_voucher(json.dumps(found).encode())


@pytest.mark.parametrize("text", ["", "%", "e30", "bnVsbA", "W10", "x" * 5_000, "\u00e9"])
def test_voucher_header__nonsense__is_refused(text: str) -> None:
    with pytest.raises(VoucherMalformed):
        parse_voucher_header(text)


def test_receipt__as_json__comes_back() -> None:
    signed = sign_receipt(Answered().receipt(), SIGNER, DOMAIN)
    found = json.loads(json.dumps(receipt_json(signed.receipt)))

    assert parse_receipt_json(found, show(signed.signature)) == signed


def test_signature__in_its_second_form__is_nobodys() -> None:
    signed = sign_voucher(a_voucher(), PAYER, DOMAIN)
    digest, raw = signed.voucher.digest(DOMAIN), signed.signature
    high = ORDER - int.from_bytes(raw[32:64], "big")
    mirrored = raw[:32] + high.to_bytes(32, "big") + bytes([55 - raw[64]])

    assert signer_of(digest, mirrored) is None
    assert signer_of(digest, raw[:64] + bytes([raw[64] - 27])) is None
    assert signer_of(digest, raw + b"\0") is None
    assert signer_of(digest, bytes(65)) is None


def test_price__rounded_up_once_and_bounded() -> None:
    row = a_row(input_price=1, output_price=1, request_price=0)

    assert price_of(row, input_tokens=1, output_tokens=1) == 1
    assert price_of(row, input_tokens=999_999, output_tokens=2) == 2
    assert price_of(row, input_tokens=0, output_tokens=0) == 0
    assert hold_of(a_row(), input_tokens=5, max_tokens=3) == 37
    with pytest.raises(AmountTooLarge):
        price_of(a_row(input_price=MAX_U96), input_tokens=2_000_000, output_tokens=0)


@pytest.mark.parametrize(
    "text", ["", "Io", '"\\/\b\f\n\r\t', "\x00\x1f\x7f\x80", "\u2028\u2029", "ä\U0001f680\uffff"]
)
def test_answer_bytes__of_any_text__are_rfc_8785(text: str) -> None:
    expected = rfc8785.dumps([{"content": text, "role": "assistant"}])

    assert chat_bytes([text]) == expected
    assert text_bytes([text, "b"]) == rfc8785.dumps([{"text": text}, {"text": "b"}])


@given(st.text())
def test_answer_bytes__of_texts_at_large__are_rfc_8785(text: str) -> None:
    assert text_bytes([text]) == rfc8785.dumps([{"text": text}])


def test_input_bound__counts_bytes_and_marks() -> None:
    assert input_bound(["ab", "\u00e9"]) == 8


def test_ask__of_a_key__names_it_for_one_path_and_minute() -> None:
    target = "GET /v1/receipts/00"
    header = ask_header(PAYER, PROVIDER.address, NOW, target)

    assert asker_of(header, PROVIDER.address, NOW + 60, target) == PAYER.address
    for provider, now, path in (
        (STRANGER.address, NOW, target),
        (PROVIDER.address, NOW + 61, target),
        (PROVIDER.address, NOW - 61, target),
        (PROVIDER.address, NOW, target + "1"),
    ):
        with pytest.raises(AskRejected):
            asker_of(header, provider, now, path)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"address":1}', b'{"address":"0x","time":1.5,"signature":"0x"}']
)
def test_ask__nonsense__is_malformed(body: bytes) -> None:
    text = base64.urlsafe_b64encode(body).decode().rstrip("=")

    for header in (text, None, "", "%" * 10, "x" * 600):
        with pytest.raises(AskMalformed):
            asker_of(header, PROVIDER.address, NOW, "GET /")
