"""Encoding is the same everywhere; what comes back encodes to D again, or nothing comes back."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sha3 import keccak_256

from offchain.core.erasure.choose import available_engines, choose_engine
from offchain.core.field import MODULUS
from offchain.core.layout import (
    MAX_PAYLOAD_BYTES,
    STEP_PAYLOAD_BYTES,
    IndexOutOfRange,
    K,
    N,
    PayloadEmpty,
    PayloadTooLarge,
)
from offchain.core.matrix.encode import decode_verified, encode, leaf_frame_of
from offchain.core.merkle import row_root, verify_leaf_path, verify_row_path
from offchain.core.wire import parse_rows
from offchain.da.errors import Bottom, InsufficientRows
from tests.support.matrices import a_payload, coded_rows, sealed

PARITY = range(K, 2 * K)


@pytest.mark.parametrize(
    "size",
    [
        1,
        30,
        31,
        32,
        STEP_PAYLOAD_BYTES - 1,
        STEP_PAYLOAD_BYTES,
        STEP_PAYLOAD_BYTES + 1,
        2 * STEP_PAYLOAD_BYTES + 1,
    ],
)
def test_inv_da_1__lengths_at_every_boundary__all_engines_encode_alike(size):
    payload = a_payload(size)
    names = [name for name in available_engines() if name != "reference"]

    first, *others = [encode(payload, choose_engine(name)) for name in names]

    for other in others:
        assert first.header.to_bytes() == other.header.to_bytes()
        assert np.array_equal(first.rows, other.rows)
        assert first.row_path(N - 1) == other.row_path(N - 1)


def test_inv_da_1__integers__encode_like_the_fastest_engine(payload, blob):
    reference = encode(payload, choose_engine("reference"))

    assert reference.header.to_bytes() == blob.header.to_bytes()
    assert np.array_equal(reference.rows, blob.rows)


def test_encode__row_zero__is_the_payload_with_a_zero_before_every_31_bytes(payload, blob):
    row = blob.rows[0].tobytes()

    assert row[:32] == b"\0" + payload[:31]
    assert row[32:64] == b"\0" + payload[31:62]


def test_encode__d__folds_from_every_row(blob):
    digests = [row_root(row.tobytes()) for row in blob.rows]
    roots = []
    for start in (0, K, 2 * K):
        level = digests[start : start + K]
        while len(level) > 1:
            level = [
                keccak_256(a + b).digest() for a, b in zip(level[::2], level[1::2], strict=True)
            ]
        roots.append(level[0])

    assert tuple(roots) == blob.header.coset_roots
    inner = keccak_256(roots[0] + roots[1]).digest()
    assert keccak_256(inner + roots[2]).digest() == blob.header.data_root


@pytest.mark.parametrize("index", [0, 1_023, 1_024, 2_047, 2_048, 3_071])
def test_row_path__rows_at_coset_edges__hold(blob, index):
    root = row_root(blob.rows[index].tobytes())

    assert verify_row_path(blob.header.coset_roots, index, root, blob.row_path(index))


@pytest.mark.parametrize("index", [-1, N])
def test_row_path__outside_the_matrix__refused(blob, index):
    with pytest.raises(IndexOutOfRange):
        blob.row_path(index)


def test_rows_frame__own_rows__read_back_by_their_owner(blob):
    frame = parse_rows(blob.rows_frame(bytes(32), [9, 3_000, 5]), columns=8)

    assert [row.index for row in frame.rows] == [5, 9, 3_000]
    assert np.array_equal(frame.rows[2].data, blob.rows[3_000])


def test_leaf_frame__of_a_blob_and_of_one_row__agree_and_hold(blob):
    frame = blob.leaf_frame(1_500, 0)

    assert frame == leaf_frame_of(blob.row(1_500), 0, blob.header)
    assert verify_leaf_path(
        blob.header.data_root, blob.shape, (1_500, 0), leaf=frame.data, path=frame.path
    )
    with pytest.raises(IndexOutOfRange):
        blob.leaf_frame(1_500, 1)


def test_encode__no_bytes_or_too_many__refused(engine):
    with pytest.raises(PayloadEmpty):
        encode(b"", engine)
    with pytest.raises(PayloadTooLarge):
        encode(bytes(MAX_PAYLOAD_BYTES + 1), engine)


def test_encode__kept_buffer_and_threads__same_result(payload, blob, engine):
    buffer = np.full(N * 16 * 32, 0xEE, np.uint8)

    again = encode(memoryview(payload), engine, threads=2, buffer=buffer)

    assert again.header.to_bytes() == blob.header.to_bytes()
    assert np.array_equal(again.rows, blob.rows)
    assert np.shares_memory(again.rows, buffer)
    with pytest.raises(PayloadTooLarge):
        encode(payload, engine, buffer=buffer[:1_000])


@given(seed=st.integers(0, 10_000), lost_data=st.integers(0, K))
def test_inv_da_2__any_1024_rows__restore_the_payload(payload, blob, engine, seed, lost_data):
    generator = random.Random(seed)
    kept = generator.sample(range(K), K - lost_data)
    rows = [*kept, *generator.sample(range(K, N), lost_data)]

    restored = decode_verified(blob.header, {i: blob.rows[i] for i in rows}, engine)

    assert payload == restored


def test_inv_da_2__1023_rows__insufficient_never_bytes(blob, engine):
    rows = {i: blob.rows[i] for i in range(K - 1)}

    with pytest.raises(InsufficientRows) as caught:
        decode_verified(blob.header, rows, engine)

    assert caught.value.code == "da.insufficient_rows"


@pytest.mark.parametrize("size", [1, 31, STEP_PAYLOAD_BYTES, 3 * STEP_PAYLOAD_BYTES - 7])
def test_inv_da_3__honest_matrix__data_and_parity_readers_get_the_same_bytes(engine, size):
    payload = a_payload(size)
    blob = encode(payload, engine)

    from_data = decode_verified(blob.header, {i: blob.rows[i] for i in range(K)}, engine)
    from_parity = decode_verified(blob.header, {i: blob.rows[i] for i in PARITY}, engine)

    assert payload == from_data == from_parity


def spoil_parity(rows, shape):
    rows[2_500, 3, 31] ^= 1


def spoil_data(rows, shape):
    rows[17, 3, 31] ^= 1


def spoil_top_byte(rows, shape):
    rows[17, 3, 0] = 1


def spoil_alias(rows, shape):
    value = int.from_bytes(rows[17, 3].tobytes(), "big") + MODULUS
    rows[17, 3] = np.frombuffer(value.to_bytes(32, "big"), np.uint8)


def spoil_parity_alias(rows, shape):
    value = int.from_bytes(rows[1_500, 3].tobytes(), "big") + MODULUS
    rows[1_500, 3] = np.frombuffer(value.to_bytes(32, "big"), np.uint8)


@pytest.mark.parametrize(
    "spoil",
    [spoil_parity, spoil_data, spoil_top_byte, spoil_alias, spoil_parity_alias],
    ids=lambda spoil: spoil.__name__,
)
def test_inv_da_3__matrix_that_is_no_encoding__every_reader_answers_bottom(engine, spoil):
    shape, rows = coded_rows(a_payload(), engine)
    spoil(rows, shape)
    published = sealed(rows, shape, engine)

    for chosen in (range(K), PARITY, range(2 * K, N), [17, *range(K + 1, 2 * K)], range(1, N, 3)):
        held = {index: rows[index] for index in chosen}
        with pytest.raises(Bottom) as caught:
            decode_verified(published.header, held, engine)
        assert caught.value.code == "da.bottom"


@pytest.mark.parametrize("reencode", [False, True], ids=["top byte", "padding"])
def test_inv_da_3__codeword_of_a_bad_payload__every_reader_answers_bottom(engine, reencode):
    """A matrix that re-encodes to D but breaks the padding rule is as void as any other."""
    shape, rows = coded_rows(a_payload(), engine)
    if reencode:
        rows[K - 1, 7, 31] = 1
    else:
        rows[17, 3, 0] = 1
    extended = engine.extend(np.ascontiguousarray(rows[:K]))
    published = sealed(extended, shape, engine)

    for chosen in (range(K), PARITY, range(0, N, 3)):
        with pytest.raises(Bottom):
            decode_verified(published.header, {i: extended[i] for i in chosen}, engine)
