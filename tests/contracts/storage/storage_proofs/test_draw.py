"""Which byte is asked for, and where it lies: contract and model agree for every file and seat."""

from typing import Any

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.core.layout import columns_for
from offchain.storage.challenge_draw import (
    Place,
    chance_of,
    fine_of,
    is_drawn,
    place_of,
    position_of,
    rate_of,
)
from offchain.storage.model import (
    MAX_FILE_BYTES,
    PROFILES,
    SEGMENT_BYTES,
    FileShape,
    Profile,
    Segment,
    file_root,
    kept_bytes,
    rows_of,
    segment_path,
)
from tests.support.staking import EPOCH
from tests.support.storage_proofs import columns_of

PROBE = """
# pragma version 0.4.3
from contracts.storage import challenge_draw
from contracts.storage import challenge_rate
from contracts.shared import segment_path


@external
@view
def chance(randomness: bytes32, group: uint256, seat: uint256) -> bytes32:
    return challenge_draw._chance(randomness, group, seat)


@external
@view
def is_drawn(chance: bytes32, kept: uint256, rate: uint256) -> bool:
    return challenge_draw._is_drawn(chance, kept, rate)


@external
@view
def position(chance: bytes32, attempt: uint256, kept: uint256) -> uint256:
    return challenge_draw._position(chance, attempt, kept)


@external
@view
def place(
    offset: uint256, length: uint256, profile: uint256, seat: uint256
) -> challenge_draw.Place:
    return challenge_draw._place(offset, length, profile, seat)


@external
@view
def rate(total: uint256, operators: uint256) -> uint256:
    return challenge_rate._rate(total, operators)


@external
@view
def check(
    root: bytes32,
    length: uint256,
    segment: uint256,
    data_root: bytes32,
    commitment_hash: bytes32,
    path: Bytes[segment_path.PATH_BYTES],
):
    segment_path._check(root, length, segment, data_root, commitment_hash, path)
"""
LENGTHS = st.one_of(
    st.integers(1, MAX_FILE_BYTES),
    st.integers(1, 33).map(lambda count: count * SEGMENT_BYTES),
    st.integers(1, 600_000),
)
DIGESTS = st.binary(min_size=32, max_size=32)


@pytest.fixture(scope="module")
def probe(native_evm: None) -> Any:
    return boa.loads(PROBE, name="DrawProbe")


@given(DIGESTS, st.integers(0, 2**64), st.integers(0, 47), st.integers(1, 2**48), st.data())
def test_draw__any_seat__contract_and_model_agree(
    probe: Any, randomness: bytes, group: int, seat: int, kept: int, data: st.DataObject
) -> None:
    chance = chance_of(randomness, group, seat)
    rate = data.draw(st.integers(0, 4 * kept))
    attempt = data.draw(st.integers(0, 15))

    assert chance == bytes(probe.chance(randomness, group, seat))
    assert is_drawn(chance, kept=kept, bytes_per_challenge=rate) == probe.is_drawn(
        chance, kept, rate
    )
    assert position_of(chance, attempt, kept) == probe.position(chance, attempt, kept)


@given(LENGTHS, st.sampled_from(PROFILES), st.data())
def test_place__any_byte__contract_and_model_agree(
    probe: Any, length: int, profile: Profile, data: st.DataObject
) -> None:
    seat = data.draw(st.integers(0, profile.seats - 1))
    offset = data.draw(st.integers(0, kept_bytes(profile, length) - 1))

    here = place_of(offset, length, profile, seat)

    segment, columns, row, leaf = probe.place(offset, length, profile.number, seat)
    assert here == Place(segment, row, leaf)
    assert columns_for(FileShape.of(length).length_of(segment)) == columns
    assert here.row in rows_of(profile, seat)
    assert here.leaf < columns_of(FileShape.of(length), here.segment) // 8


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
def test_place__every_byte_of_a_file__each_leaf_of_the_shard_256_times(profile: Profile) -> None:
    """Of 300,000 B one segment of 16 columns: two leaves a row."""
    seat = profile.seats - 1
    size = kept_bytes(profile, 300_000)

    places = [place_of(offset, 300_000, profile, seat) for offset in range(0, size, 256)]

    assert [Place(0, row, leaf) for row in rows_of(profile, seat) for leaf in (0, 1)] == places


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 11, 33])
def test_segment_path__every_segment__by_its_path_and_no_other(probe: Any, count: int) -> None:
    length = (count - 1) * SEGMENT_BYTES + 77
    shape = FileShape.of(length)
    segments = [
        Segment(
            index,
            keccak(b"D", bytes([index])),
            keccak(b"C", bytes([index])),
            columns_of(shape, index),
            shape.length_of(index),
        )
        for index in range(count)
    ]
    root = file_root(segments)

    for index, one in enumerate(segments):
        path = b"".join(segment_path(segments, index))
        shown = (one.data_root, one.commitment_hash)
        probe.check(root, length, index, *shown, path)
        with boa.reverts("segment_path: wrong length"):
            probe.check(root, length, index, *shown, path + bytes(32 if len(path) < 320 else 0))
        with boa.reverts("segment_path: not in the file"):
            probe.check(root, length, index, one.data_root, keccak(b"other"), path)
        with boa.reverts("segment_path: not in the file"):
            probe.check(root, length + 1, index, *shown, path)
        if count > 1:
            with boa.reverts():
                probe.check(root, length, (index + 1) % count, *shown, path)
            with boa.reverts("segment_path: wrong length"):
                probe.check(root, length, index, *shown, path[:-1])
    with boa.reverts("segment_path: no such segment"):
        probe.check(root, length, count, *shown, path)


@given(st.integers(0, 2**60), st.integers(0, 10_000))
def test_rate__any_market__contract_and_model_agree(probe: Any, total: int, operators: int) -> None:
    assert rate_of(total, operators) == probe.rate(total, operators)


@given(st.integers(1, 2**60), st.integers(1, 2**40), st.integers(0, 2**44))
def test_fine__any_price__expected_loss_is_twelve_times_the_price(
    price: int, kept: int, rate: int
) -> None:
    """Chance of a byte to be asked x fine = 12 epochs' price of it, whatever was measured."""
    span = max(kept, rate)
    fine = fine_of(price, kept=kept, bytes_per_challenge=rate, epoch_seconds=EPOCH)
    one_byte_for_an_epoch = price * EPOCH  # in 2^-30 wei

    assert fine << 30 <= max(12 * one_byte_for_an_epoch * span, 1 << 30)
    assert (fine + 1) << 30 > 12 * one_byte_for_an_epoch * span
