"""Item receipts: one digest with every other EIP-712 signer, and no other bytes behind it."""

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.keys import LocalSigner
from offchain.da.errors import ItemInvalid
from offchain.da.model import domain_separator
from offchain.da.receipts import (
    ItemStatement,
    SignedItemReceipt,
    receipt_signer,
    require_receipt,
    sign_item_receipt,
)
from offchain.da.refusals import RequestMalformed, SenderNotDisperser

ENTRANCE = b"\x42" * 20
CHAIN_ID = 31_337
DOMAIN = domain_separator(chain_id=CHAIN_ID, entrance=ENTRANCE)
DISPERSER = LocalSigner.from_secret(b"\x07" * 32)
ITEM = b"an item of a shared matrix"
digests = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, (1 << 32) - 1)


def a_receipt(item: bytes = ITEM, *, number: int = 3) -> SignedItemReceipt:
    return sign_item_receipt(ItemStatement.about(b"\x01" * 32, number, item), DISPERSER, DOMAIN)


@given(blob_id=digests, number=numbers, item_hash=digests, length=numbers)
def test_receipt_digest__any_statement__is_what_another_eip712_library_signs(
    blob_id: bytes, number: int, item_hash: bytes, length: int
) -> None:
    statement = ItemStatement(blob_id, number, item_hash, length)
    typed = encode_typed_data(
        domain_data={
            "name": "Apogee DA",
            "version": "1",
            "chainId": CHAIN_ID,
            "verifyingContract": "0x" + ENTRANCE.hex(),
        },
        message_types={
            "ItemReceipt": [
                {"name": "blobId", "type": "bytes32"},
                {"name": "number", "type": "uint32"},
                {"name": "itemHash", "type": "bytes32"},
                {"name": "length", "type": "uint32"},
            ]
        },
        message_data={
            "blobId": blob_id,
            "number": number,
            "itemHash": item_hash,
            "length": length,
        },
    )

    theirs = Account.from_key(b"\x07" * 32).sign_message(typed).signature

    assert bytes(theirs) == sign_item_receipt(statement, DISPERSER, DOMAIN).signature


def test_receipt__of_the_disperser_about_the_item__is_taken() -> None:
    require_receipt(a_receipt(), DOMAIN, disperser=DISPERSER.address, item=ITEM)

    assert receipt_signer(a_receipt(), DOMAIN) == DISPERSER.address


def test_receipt__of_somebody_else__is_refused() -> None:
    with pytest.raises(SenderNotDisperser):
        require_receipt(a_receipt(), DOMAIN, disperser=b"\x01" * 20, item=ITEM)


def test_receipt__about_other_bytes__is_refused() -> None:
    with pytest.raises(ItemInvalid):
        require_receipt(a_receipt(), DOMAIN, disperser=DISPERSER.address, item=ITEM + b"!")


@pytest.mark.parametrize("signature", [b"", b"\x01" * 64, bytes(65), b"\xff" * 65])
def test_receipt__with_a_malformed_signature__is_refused(signature: bytes) -> None:
    with pytest.raises(RequestMalformed):
        receipt_signer(replace(a_receipt(), signature=signature), DOMAIN)


def test_statements__of_one_place_with_other_content__contradict() -> None:
    one = a_receipt().statement

    assert one.contradicts(a_receipt(ITEM + b"!").statement)
    assert not one.contradicts(one)
    assert not one.contradicts(a_receipt(ITEM + b"!", number=4).statement)


@pytest.mark.parametrize(("number", "length"), [(-1, 1), (1 << 32, 1), (1, -1), (1, 1 << 32)])
def test_statement__beyond_its_words__is_refused(number: int, length: int) -> None:
    with pytest.raises(RequestMalformed):
        ItemStatement(bytes(32), number, bytes(32), length)
