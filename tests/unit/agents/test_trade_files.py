"""Texts that traders hand each other: whole on the way, refused when anything in them is off."""

import json
from dataclasses import replace

import pytest

from offchain.agents.delivery import OwnershipProof, RootWords
from offchain.agents.orders import NOBODY, Offer, OrderKind, SellOrder
from offchain.agents.trade_files import (
    MAX_TEXT_BYTES,
    Invite,
    Proof,
    Proofs,
    SignedOffer,
    SignedOrder,
    TradeFileBroken,
    invite_text,
    offer_text,
    order_text,
    parse_invite_text,
    parse_offer_text,
    parse_order_text,
    parse_proofs_text,
    proofs_text,
)
from offchain.apps.shown_text import shown

ORDER = SignedOrder(
    31_337,
    b"\x01" * 20,
    SellOrder(
        seller=b"\x02" * 20,
        collection=b"\x03" * 20,
        token=(1 << 96) - 1,
        kind=OrderKind.DUTCH,
        price=(1 << 96) - 1,
        end_price=5,
        currency=NOBODY,
        data_root=b"\x04" * 32,
        account=NOBODY,
        account_state=(1 << 256) - 1,
        royalty_max=1_000,
        min_step=0,
        start=1,
        end=2,
        nonce=1 << 127,
        taker=NOBODY,
    ),
    b"\x05" * 65,
)
OFFER = SignedOffer(
    1_337,
    b"\x01" * 20,
    Offer(
        buyer=b"\x02" * 20,
        collection=b"\x03" * 20,
        token=0,
        price=9,
        currency=NOBODY,
        data_root=bytes(32),
        account=NOBODY,
        account_state=0,
        key_hash=b"\x06" * 32,
        expiry=7,
        nonce=1,
    ),
    b"\x07" * 64,
    b"\x05" * 65,
)
INVITE = Invite(31_337, b"\x03" * 20, 7, 2, b"\x02" * 20, b"\x07" * 64)
PROOFS = Proofs(
    chain_id=31_337,
    collection=b"\x03" * 20,
    token=7,
    epoch=2,
    op=1,
    receiver=b"\x02" * 20,
    proofs=(
        Proof(
            OwnershipProof(
                old_data_hash=b"\x01" * 32,
                new_data_hash=b"\x02" * 32,
                sealed_key=b"\x03" * 112,
                public_key=b"\x04" * 64,
                nonce=b"\x05" * 32,
                roots=RootWords(*(bytes([word]) * 32 for word in range(7))),
                deadline=99,
                signatures=(b"\x06" * 65, b"\x07" * 65),
            ),
            b"\x08" * 73,
        ),
    ),
)


def test_texts__written_and_read__are_the_same() -> None:
    assert parse_order_text(order_text(ORDER)) == ORDER
    assert parse_offer_text(offer_text(OFFER)) == OFFER
    assert parse_invite_text(invite_text(INVITE)) == INVITE
    assert parse_proofs_text(proofs_text(PROOFS)) == PROOFS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{" * 1_000,
        '{"apogee": "agent-order"}',
        " " * (MAX_TEXT_BYTES + 1),
        order_text(ORDER).replace("agent-order", "agent-offer"),
        order_text(ORDER).replace('"version": 1', '"version": 2'),
        order_text(ORDER).replace('"kind": "2"', '"kind": "4"'),
        order_text(ORDER).replace('"royaltyMax": "1000"', '"royaltyMax": "-1"'),
        order_text(ORDER).replace('"royaltyMax": "1000"', '"royaltyMax": "1e3"'),
        order_text(ORDER).replace("0x" + "02" * 20, "0x" + "02" * 19),
        order_text(ORDER).replace("0x" + "02" * 20, "https://example.org"),
    ],
)
def test_order_text__anything_else__refused(text: str) -> None:
    with pytest.raises(TradeFileBroken):
        parse_order_text(text)


def test_proofs_text__too_many_or_none__refused() -> None:
    found = json.loads(proofs_text(PROOFS))

    for proofs in ([], found["proofs"] * 5):
        with pytest.raises(TradeFileBroken):
            parse_proofs_text(json.dumps({**found, "proofs": proofs}))


def test_proof_fields__access_and_ownership__share_hashes_key_and_nonce() -> None:
    access, ownership = PROOFS.proofs[0].fields()

    assert isinstance(access, tuple)
    assert isinstance(ownership, tuple)
    assert access[:2] == ownership[1:3]
    assert (access[2], access[3]) == (ownership[5], ownership[4])
    assert replace(PROOFS.proofs[0], access=b"").fields()[0][-1] == b""


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("paper finder", "paper finder"),
        ("\x1b[2Jgone", "<U+001B>[2Jgone"),
        ("a\nb\r\0", "a<U+000A>b<U+000D><U+0000>"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("zero\u200bwidth", "zero<U+200B>width"),
        ('<svg onload="x()">', '<svg onload="x()">'),
        ("ünïcödé 猫", "ünïcödé 猫"),
        ("x" * 201, "x" * 200 + "..."),
    ],
)
def test_shown__text_of_strangers__nothing_in_it_acts(text: str, safe: str) -> None:
    assert shown(text) == safe
