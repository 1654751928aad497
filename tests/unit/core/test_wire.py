"""Frames read back what was written, and refuse every other spelling."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.layout import COSET_DEPTH, ColumnsMismatch, IndexOutOfRange, K, Shape
from offchain.core.merkle import LeafPath
from offchain.core.wire import (
    HEADER_BYTES,
    FrameColumns,
    FrameCount,
    FrameError,
    FrameIndex,
    FrameLength,
    FrameMagic,
    Header,
    LeafFrame,
    Row,
    encode_rows,
    parse_rows,
)
from tests.support.matrices import a_payload, some_elements

BLOB_ID = bytes(range(32))


def a_header(length: int = 1_000) -> Header:
    parts = [a_payload(32, seed) for seed in range(4)]
    return Header(
        columns=Shape.of(length).columns,
        length=length,
        data_root=parts[0],
        coset_roots=(parts[1], parts[2], parts[3]),
        commitment=a_payload(48, 9),
        combinations=some_elements(K, 1)[:, 0],
    )


def a_row(index: int, columns: int = 8) -> Row:
    path = tuple(a_payload(32, seed) for seed in range(COSET_DEPTH))
    return Row(index, path, some_elements(columns, 1, seed=index)[:, 0])


def test_header__written_and_read__same_fields_at_the_stated_offsets():
    header = a_header()

    raw = header.to_bytes()
    read = Header.parse(raw)

    assert len(raw) == HEADER_BYTES == 32_960
    assert raw[:4] == b"ADH1"
    assert struct.unpack(">IQ", raw[4:16]) == (8, 1_000)
    assert header.data_root == raw[16:48] == read.data_root
    assert b"".join(header.coset_roots) == raw[48:144]
    assert header.commitment == raw[144:192] == read.commitment
    assert header.combinations.tobytes() == raw[192:]
    assert np.array_equal(header.combinations, read.combinations)


@pytest.mark.parametrize("cut", [0, 1, 191, HEADER_BYTES - 1, HEADER_BYTES + 1])
def test_header__other_length__refused(cut):
    raw = a_header().to_bytes() + b"\0"

    with pytest.raises(FrameLength):
        Header.parse(raw[:cut])


def test_header__other_magic__refused():
    with pytest.raises(FrameMagic):
        Header.parse(b"ADH2" + a_header().to_bytes()[4:])


def test_header__columns_not_those_of_the_length__refused():
    raw = bytearray(a_header().to_bytes())
    raw[4:8] = struct.pack(">I", 16)

    with pytest.raises(ColumnsMismatch):
        Header.parse(bytes(raw))


@given(indices=st.sets(st.integers(0, 3_071), min_size=1, max_size=5))
def test_rows__written_and_read__sorted_and_equal(indices):
    rows = [a_row(index) for index in indices]

    frame = parse_rows(encode_rows(BLOB_ID, 8, rows), columns=8)

    assert frame.blob_id == BLOB_ID
    assert sorted(indices) == [row.index for row in frame.rows]
    by_index = {row.index: row for row in rows}
    for row in frame.rows:
        assert by_index[row.index].path == row.path
        assert np.array_equal(by_index[row.index].data, row.data)


def test_rows__repeated_row__refused_on_both_sides():
    with pytest.raises(FrameIndex):
        encode_rows(BLOB_ID, 8, [a_row(5), a_row(5)])

    raw = encode_rows(BLOB_ID, 8, [a_row(5), a_row(6)])
    size = (len(raw) - 44) // 2
    with pytest.raises(FrameIndex):
        parse_rows(raw[:44] + raw[44 : 44 + size] * 2, columns=8)


def test_rows__decreasing_order__refused():
    raw = encode_rows(BLOB_ID, 8, [a_row(5), a_row(6)])
    size = (len(raw) - 44) // 2

    with pytest.raises(FrameIndex):
        parse_rows(raw[:44] + raw[44 + size :] + raw[44 : 44 + size], columns=8)


def test_rows__index_past_the_end__refused():
    with pytest.raises(FrameIndex):
        parse_rows(encode_rows(BLOB_ID, 8, [a_row(3_072)]), columns=8)


@pytest.mark.parametrize("change", [-1, 1, -44])
def test_rows__other_length__refused(change):
    raw = encode_rows(BLOB_ID, 8, [a_row(5)])

    with pytest.raises(FrameLength):
        parse_rows((raw + b"\0")[: len(raw) + change], columns=8)


@pytest.mark.parametrize("count", [0, 2, 3_073, 0xFFFF_FFFF])
def test_rows__count_that_is_not_there__refused_before_anything_is_read(count):
    raw = bytearray(encode_rows(BLOB_ID, 8, [a_row(5)]))
    raw[40:44] = struct.pack(">I", count)

    with pytest.raises((FrameCount, FrameLength)):
        parse_rows(bytes(raw), columns=8)


def test_rows__more_than_the_caller_allows__refused():
    raw = encode_rows(BLOB_ID, 8, [a_row(5), a_row(6)])

    with pytest.raises(FrameCount):
        parse_rows(raw, columns=8, max_rows=1)


@pytest.mark.parametrize("columns", [0, 9, 16, 1_032, 0xFFFF_FFFF])
def test_rows__other_width_than_expected__refused(columns):
    raw = bytearray(encode_rows(BLOB_ID, 8, [a_row(5)]))
    raw[36:40] = struct.pack(">I", columns)

    with pytest.raises(FrameColumns):
        parse_rows(bytes(raw), columns=8)


def test_rows__other_magic__refused():
    with pytest.raises(FrameMagic):
        parse_rows(b"ADR2" + encode_rows(BLOB_ID, 8, [a_row(5)])[4:], columns=8)


@given(raw=st.binary(max_size=700))
def test_parsers__any_bytes__answer_with_a_named_error(raw):
    with pytest.raises(FrameError):
        Header.parse(raw)
    with pytest.raises(FrameError):
        parse_rows(raw, columns=8)
    with pytest.raises((FrameError, IndexOutOfRange)):
        LeafFrame.parse(raw, Shape.of(300_000 * 30))


def test_leaf__written_and_read__equal():
    shape = Shape.of(3 * 253_952)
    path = LeafPath(
        tuple(a_payload(32, seed) for seed in range(12)),
        tuple(a_payload(32, seed) for seed in range(20, 23)),
    )
    frame = LeafFrame(3_000, 2, a_payload(256), path)

    raw = frame.to_bytes()

    assert frame == LeafFrame.parse(raw, shape)
    assert len(raw) == 8 + 256 + (2 + 10 + 3) * 32
    with pytest.raises(FrameLength):
        LeafFrame.parse(raw[:-1], shape)
    with pytest.raises(FrameIndex):
        LeafFrame.parse(struct.pack(">II", 3_000, 3) + raw[8:], shape)
    with pytest.raises(FrameIndex):
        LeafFrame.parse(struct.pack(">II", 3_072, 2) + raw[8:], shape)
