"""Fingerprints: byte-equal to the public package, near for near states, far for others."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.fingerprint import (
    CHUNK_TOKENS,
    FINGERPRINT_BYTES,
    Bits,
    FingerprintMalformed,
    chunk_fingerprints,
    distance,
    fingerprint,
    to_bfloat16,
)


def some_states(seed: int, rows: int = CHUNK_TOKENS, width: int = 96) -> Bits:
    numbers = np.random.default_rng(seed).standard_normal((rows, width)) * 9
    return to_bfloat16(numbers.astype(np.float32))


def test_fingerprint__vectors_of_the_package__byte_equal(project_root: Path) -> None:
    found = json.loads((project_root / "tests/vectors/compute/toploc.json").read_text())

    for vector in found["proofs"]:
        rng = np.random.default_rng(vector["seed"])
        numbers = rng.standard_normal((vector["rows"], vector["width"])) * rng.uniform(0.5, 40)
        bits = to_bfloat16(numbers.astype(np.float32))
        told = hashlib.sha256(bits.astype("<u2").tobytes()).hexdigest()
        assert vector["bits_sha256"] == told, "numpy's generator gives other numbers"
        assert vector["proof"] == fingerprint(bits).hex()


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 40), width=st.integers(1, 64))
def test_distance__of_own_states__is_zero(seed: int, rows: int, width: int) -> None:
    states = some_states(seed, rows, width)

    found = distance(fingerprint(states), states)

    assert (found.mismatches, found.mantissa_mean) == (0, 0.0)


def test_distance__positions_beyond_the_prime__is_zero() -> None:
    states = some_states(1, rows=900, width=96)

    found = distance(fingerprint(states), states)

    assert (found.mismatches, found.points) == (0, 128)


def test_distance__slightly_other_states__counts_mantissas_only() -> None:
    states = some_states(2)
    shifted = states.copy()
    shifted[states & 0x7F < 0x7F] += 1

    found = distance(fingerprint(states), shifted)

    assert found.mantissa_mean <= 1.0
    assert found.mismatches < 30


def test_distance__other_states__mismatches() -> None:
    assert distance(fingerprint(some_states(3)), some_states(4)).mismatches > 90


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-2],
        lambda raw: raw[:-1],
        lambda raw: b"\x00\x00" + raw[2:],
        lambda raw: b"\xff\xff" + raw[2:],
        lambda raw: raw[:2] + b"\xff\xff" + raw[4:],
        lambda raw: b"",
    ],
)
def test_distance__malformed_bytes__refused(spoil: object) -> None:
    states = some_states(5)

    with pytest.raises(FingerprintMalformed):
        distance(spoil(fingerprint(states)), states)


def test_chunk_fingerprints__seventy_tokens__three_of_the_right_size() -> None:
    made = chunk_fingerprints(some_states(6, rows=70, width=576))

    assert [len(one) for one in made] == [FINGERPRINT_BYTES] * 3
    assert made[2] == fingerprint(some_states(6, rows=70, width=576)[64:])


def test_fingerprint__equal_magnitudes_at_the_border__takes_the_first() -> None:
    states = np.full((4, 64), 0x3F80, np.uint16)

    assert fingerprint(states) == fingerprint(states[:2].reshape(2, 64))
