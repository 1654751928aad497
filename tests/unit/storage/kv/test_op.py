"""Operations: one reading of every byte, signatures of both kinds of keys."""

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from offchain.storage.kv.batch_frame import encode_batch, split_batch
from offchain.storage.kv.cells import ABSENT
from offchain.storage.kv.errors import OpMalformed
from offchain.storage.kv.op import (
    Mode,
    Op,
    op_digest,
    parse_op,
    subject_of,
)
from tests.support.kv import CHAIN_ID, DOMAIN, OWNER, STREAM, Writer, hashed, session


@given(
    key=st.binary(min_size=1, max_size=40), value=st.binary(max_size=60), until=st.integers(0, 9)
)
def test_op__written_and_read__is_the_same(key: bytes, value: bytes, until: int) -> None:
    op = Writer().put(key, value, valid_until=until)

    assert parse_op(op.to_bytes()) == op


@given(st.binary(max_size=400))
def test_parse__any_bytes__never_fails_otherwise_than_malformed(raw: bytes) -> None:
    try:
        op = parse_op(raw)
    except OpMalformed:
        return
    assert op.to_bytes() == raw


@given(st.data())
def test_parse__cut_grown_or_changed__is_malformed_or_not_signed(data: st.DataObject) -> None:
    raw = bytearray(Writer().op(Mode.CAS, b"key", b"value", expected=ABSENT).to_bytes())
    where = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(["cut", "grow", "change"])):
        case "cut":
            del raw[where]
        case "grow":
            raw.insert(where, 0xA5)
        case _:
            raw[where] ^= data.draw(st.integers(1, 255))

    try:
        op = parse_op(bytes(raw))
    except OpMalformed:
        return
    assert op.to_bytes() == bytes(raw)
    assert subject_of(op, DOMAIN) is None


@pytest.mark.parametrize(
    "change",
    [
        {"key": b""},
        {"key": bytes(1_025)},
        {"value": bytes(65_537)},
        {"mode": Mode.CAS},
        {"mode": Mode.PUT, "expected": 4},
        {"mode": Mode.ADD, "value": bytes(15)},
        {"mode": Mode.ASSERT, "expected": 1, "value": b"x"},
        {"mode": Mode.DELETE, "value": b"abc"},
        {"mode": Mode.ACCESS, "key": b"short", "value": b""},
        {"is_file": True},
        {"mode": Mode.DELETE, "is_file": True, "value": b""},
        {"group_size": 2, "group_place": 2},
        {"group_size": 0, "group_place": 1},
        {"signature": bytes(64)},
    ],
)
def test_parse__field_out_of_bounds__is_malformed(change: dict[str, object]) -> None:
    op = replace(Writer().put(b"key", b"value"), **change)  # type: ignore[arg-type]  # a table

    with pytest.raises(OpMalformed):
        parse_op(op.to_bytes())


def test_digest__against_an_independent_eip712_encoder__is_equal() -> None:
    op = Writer().op(Mode.CAS, b"key", b"value", expected=77, group_size=3, group_place=1)
    names = "mode stream generation key expected value nonce validUntil groupSize groupPlace signer"
    kinds = "uint8 bytes32 uint64 bytes uint64 bytes uint64 uint64 uint8 uint8 address"
    fields = [
        {"name": name, "type": kind}
        for name, kind in zip(names.split(), kinds.split(), strict=True)
    ]
    values = (int(op.mode), op.stream, op.generation, op.key, op.expected, op.value, op.nonce)
    values += (op.valid_until, op.group_size, op.group_place, "0x" + op.signer.hex())
    domain = {
        "name": "Apogee KV",
        "version": "1",
        "chainId": CHAIN_ID,
        "verifyingContract": "0x" + "77" * 20,
    }

    message = encode_typed_data(
        domain, {"Operation": fields}, dict(zip(names.split(), values, strict=True))
    )

    assert op_digest(op, DOMAIN) == hashed(b"\x19", message.version, message.header, message.body)
    signer = Account.recover_message(message, signature=op.signature)
    assert bytes.fromhex(signer[2:]) == OWNER.signer


@pytest.mark.parametrize("key", [OWNER, session("phone")], ids=["account", "p256"])
def test_subject__signed__is_the_key(key) -> None:
    op = Writer(key).put(b"key", b"value")

    assert subject_of(op, DOMAIN) == key.subject
    assert subject_of(replace(op, value=b"other"), DOMAIN) is None
    assert subject_of(op, hashed(b"another chain")) is None


def test_subject__high_s__is_refused() -> None:
    op = Writer().put(b"key", b"value")
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = order - int.from_bytes(op.signature[32:64], "big")
    twin = op.signature[:32] + high.to_bytes(32, "big") + bytes([55 - op.signature[64]])

    assert subject_of(replace(op, signature=twin), DOMAIN) is None


def test_subject__p256_key_that_is_no_point__is_refused() -> None:
    key = session("phone")
    op = Writer(key).put(b"key", b"value")
    broken = bytearray(op.signature)
    broken[127] ^= 1

    twin = replace(op, signature=bytes(broken), signer=hashed(bytes(broken[64:]))[12:])

    assert subject_of(twin, DOMAIN) is None


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_batch__written_and_read__is_the_same(ops: list[bytes]) -> None:
    assert split_batch(encode_batch(ops)) == ops


@given(st.data())
def test_batch__cut_or_grown__is_malformed(data: st.DataObject) -> None:
    whole = encode_batch([b"one", b"three"])
    size = data.draw(st.integers(0, len(whole) + 3).filter(lambda n: n != len(whole)))

    with pytest.raises(OpMalformed):
        split_batch((whole + bytes(4))[:size])


def test_batch__too_many_or_none__is_malformed() -> None:
    for raw in ([], [b""] * 65_536):
        with pytest.raises(OpMalformed):
            encode_batch(raw)


def test_op__of_one_stream__names_it() -> None:
    bare = Op(Mode.PUT, STREAM, 1, b"k", b"v", 1, OWNER.signer)

    assert bare.to_bytes()[2:34] == STREAM
