"""Commitments: every leaf opens, nothing else does, and the count of chunks is bound."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.commitment import (
    HEADER_BYTES,
    Commitment,
    CommitmentMalformed,
    Header,
    commit,
    leaf_hash,
    parse_chunk,
    parse_prompt,
    root_of,
)
from offchain.compute.engine import Trace
from offchain.compute.model import Numerics
from offchain.core.hashing import keccak

SALT = b"\x09" * 32
HEADER = Header(3, 40, b"\x01" * 32, Numerics.TORCH_FP32, 2, 800_000, 900_000, 40, b"\x02" * 32)


def a_trace(outputs: int) -> Trace:
    chunks = -(-outputs // 32)
    marks = tuple(bytes([at]) * 258 for at in range(chunks))
    return Trace((1, 2, 3), tuple(range(outputs)), 2, b"\xee" * 258, marks)


@given(outputs=st.integers(0, 400), data=st.data())
def test_open__any_leaf__leads_to_the_root(outputs: int, data: st.DataObject) -> None:
    commitment = commit(HEADER, a_trace(outputs), SALT)
    index = data.draw(st.integers(0, len(commitment.leaves) - 1))

    opening = commitment.open(index)

    assert commitment.root == root_of(opening)
    assert len(commitment.leaves) == 2 + -(-outputs // 32)


def test_root__three_leaves__as_the_format_says() -> None:
    commitment = Commitment((b"a", b"b", b"c"))
    pair = keccak(b"\x01", leaf_hash(b"a"), leaf_hash(b"b"))

    assert keccak(b"\x02", b"\0\0\0\3", keccak(b"\x01", pair, leaf_hash(b"c"))) == commitment.root


@pytest.mark.parametrize("field", ["index", "leaves", "data"])
def test_root_of__one_thing_changed__is_another_root(field: str) -> None:
    commitment = commit(HEADER, a_trace(100), SALT)
    opening = commitment.open(2)
    changed = {"index": 3, "leaves": 5, "data": opening.data + b"\0"}[field]

    assert root_of(replace(opening, **{field: changed})) != commitment.root


@pytest.mark.parametrize("siblings", [(), (bytes(32),) * 9])
def test_root_of__path_of_wrong_length__refused(siblings: tuple[bytes, ...]) -> None:
    opening = commit(HEADER, a_trace(100), SALT).open(0)

    with pytest.raises(CommitmentMalformed):
        root_of(replace(opening, siblings=siblings))


def test_root_of__index_beyond_the_leaves__refused() -> None:
    opening = commit(HEADER, a_trace(100), SALT).open(0)

    with pytest.raises(CommitmentMalformed):
        root_of(replace(opening, index=opening.leaves))


def test_header__bytes_and_back__equal_at_fixed_places() -> None:
    raw = HEADER.to_bytes()

    assert Header.from_bytes(raw) == HEADER
    assert (len(raw), raw[:9]) == (HEADER_BYTES, b"\x01\0\0\0\3\0\0\0\x28")
    assert HEADER.seed == raw[55:87]


@pytest.mark.parametrize("spoil", [lambda raw: raw[1:], lambda raw: b"\x02" + raw[1:]])
def test_header__other_version_or_length__refused(spoil: object) -> None:
    with pytest.raises(CommitmentMalformed):
        Header.from_bytes(spoil(HEADER.to_bytes()))


def test_header__unknown_numerics__refused() -> None:
    raw = bytearray(HEADER.to_bytes())
    raw[41] = 99

    with pytest.raises(CommitmentMalformed):
        Header.from_bytes(bytes(raw))


def test_parse__prompt_and_chunk_leaves__give_back_what_was_committed() -> None:
    trace = a_trace(40)
    leaves = commit(HEADER, trace, SALT).leaves

    assert (SALT, trace.prompt_ids, trace.prefill_fingerprint) == parse_prompt(leaves[1])
    assert (trace.output_ids[32:], trace.chunk_fingerprints[1]) == parse_chunk(leaves[3])


def test_parse_chunk__more_ids_than_bytes__refused() -> None:
    with pytest.raises(CommitmentMalformed):
        parse_chunk(b"\0\0\0\2\0\0\0\1")
