"""An item is what its index entry says, for everyone, or it is nothing for everyone."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.core.wire import FrameCount, FrameError, FrameIndex, FrameLength, LeafFrame
from offchain.da.errors import ItemInvalid, ItemMissing, LeafPathMismatch, SharedMatrixTooLarge
from offchain.da.shared_matrix import (
    MAX_ITEMS,
    ItemProof,
    index_bytes,
    pack_items,
    prove_item,
    read_item,
    verify_item,
)
from tests.support.matrices import a_payload

ITEMS = [b"", b"a", a_payload(247), a_payload(248), a_payload(5_000, 7), b"last"]


@pytest.fixture(scope="module")
def matrix(engine) -> EncodedBlob:
    return encode(pack_items(ITEMS), engine)


@pytest.mark.parametrize("number", range(len(ITEMS)))
def test_inv_da_20__each_item__verifies_against_d_alone(matrix, number):
    raw = prove_item(matrix, number).to_bytes()

    item = verify_item(ItemProof.parse(raw, matrix.shape), matrix.header.data_root, matrix.shape)

    assert ITEMS[number] == item == read_item(pack_items(ITEMS), number)


@given(sizes=st.lists(st.integers(0, 600), min_size=1, max_size=30))
def test_pack_items__any_sizes__all_read_back(sizes):
    items = [a_payload(size, seed) if size else b"" for seed, size in enumerate(sizes)]

    payload = pack_items(items)

    assert items == [read_item(payload, number) for number in range(len(items))]
    assert len(payload) == index_bytes(len(items)) + sum(sizes)


def test_pack_items__layout__as_the_protocol_page_has_it():
    payload = pack_items([b"xy", b"z"])

    assert payload[:8] == b"APB1" + struct.pack(">I", 2)
    assert payload[8:44] == keccak(b"xy") + struct.pack(">I", 2)
    assert payload[44:80] == keccak(b"z") + struct.pack(">I", 1)
    assert payload[80:] == b"xyz"


def test_pack_items__none_or_too_many_or_too_large__refused():
    for items in ([], [b""] * (MAX_ITEMS + 1), [bytes(17_000_000)] * 2):
        with pytest.raises(SharedMatrixTooLarge):
            pack_items(items)


@pytest.mark.parametrize("number", [-1, 6, 1 << 31])
def test_read_item__number_that_is_not_there__missing(number):
    with pytest.raises(ItemMissing):
        read_item(pack_items(ITEMS), number)


def spoil_magic(payload: bytearray) -> None:
    payload[0] ^= 1


def spoil_count(payload: bytearray) -> None:
    payload[4:8] = struct.pack(">I", MAX_ITEMS + 1)


def spoil_digest(payload: bytearray) -> None:
    payload[8 + 36 * 3] ^= 1


def spoil_length(payload: bytearray) -> None:
    payload[8 + 36 * 3 + 35] ^= 1


def spoil_earlier_length(payload: bytearray) -> None:
    payload[8 + 36 + 35] ^= 1


def spoil_bytes(payload: bytearray) -> None:
    payload[index_bytes(6) + 1 + 247] ^= 1


def spoil_end(payload: bytearray) -> None:
    payload[8 + 36 * 3 + 32] = 0xFF


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_magic,
        spoil_count,
        spoil_digest,
        spoil_length,
        spoil_earlier_length,
        spoil_bytes,
        spoil_end,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_inv_da_20__index_and_bytes_disagree__invalid_for_every_reader(engine, spoil):
    payload = bytearray(pack_items(ITEMS))
    spoil(payload)
    published = encode(bytes(payload), engine)
    honest = prove_item(encode(pack_items(ITEMS), engine), 3)
    leaves = tuple(published.leaf_frame(frame.row, frame.leaf) for frame in honest.leaves)

    with pytest.raises(ItemInvalid):
        read_item(bytes(payload), 3)
    with pytest.raises(ItemInvalid):
        prove_item(published, 3)
    with pytest.raises((ItemInvalid, FrameIndex)):
        verify_item(ItemProof(3, leaves), published.header.data_root, published.shape)


def test_inv_da_20__same_bytes_at_another_place__not_accepted(engine):
    """A prover cannot point an entry at a copy of the bytes elsewhere in the matrix."""
    items = [a_payload(500, 1), a_payload(500, 2), a_payload(500, 2)]
    published = encode(pack_items(items), engine)
    second, third = prove_item(published, 1), prove_item(published, 2)

    with pytest.raises(FrameIndex):
        verify_item(ItemProof(1, third.leaves), published.header.data_root, published.shape)

    assert second.leaves != third.leaves


@given(data=st.data())
def test_inv_da_5__one_bit_of_an_item_proof__refused(matrix, data):
    raw = bytearray(prove_item(matrix, 4).to_bytes())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8

    with pytest.raises((FrameError, LeafPathMismatch, ItemInvalid, ItemMissing)):
        verify_item(
            ItemProof.parse(bytes(raw), matrix.shape), matrix.header.data_root, matrix.shape
        )


def test_verify_item__leaf_left_out_added_or_swapped__refused(matrix):
    proof = prove_item(matrix, 4)
    extra = matrix.leaf_frame(1_000, 0)
    for leaves in (
        proof.leaves[:-1],
        proof.leaves[1:],
        (*proof.leaves, extra),
        proof.leaves[::-1],
        (*proof.leaves, proof.leaves[-1]),
    ):
        with pytest.raises(FrameIndex):
            verify_item(ItemProof(4, leaves), matrix.header.data_root, matrix.shape)


def test_verify_item__other_root__refused(matrix):
    with pytest.raises(LeafPathMismatch):
        verify_item(prove_item(matrix, 1), bytes(32), matrix.shape)


@pytest.mark.parametrize("count", [0, 0xFFFF_FFFF])
def test_item_proof__count_out_of_bounds__refused(matrix, count):
    raw = bytearray(prove_item(matrix, 1).to_bytes())
    raw[4:8] = struct.pack(">I", count)

    with pytest.raises(FrameCount):
        ItemProof.parse(bytes(raw), matrix.shape)


def test_item_proof__cut_short__refused(matrix):
    raw = prove_item(matrix, 1).to_bytes()

    for cut in (0, 7, len(raw) - 1):
        with pytest.raises(FrameLength):
            ItemProof.parse(raw[:cut], matrix.shape)


def test_verify_item__top_byte_set_by_the_disperser__invalid(engine):
    from tests.support.matrices import coded_rows, sealed

    shape, rows = coded_rows(pack_items(ITEMS), engine)
    rows[0, 1, 0] = 1
    published = sealed(rows, shape, engine)
    leaves: tuple[LeafFrame, ...] = (published.leaf_frame(0, 0),)

    with pytest.raises(ItemInvalid):
        verify_item(ItemProof(0, leaves), published.header.data_root, shape)
