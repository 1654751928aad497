"""Commitments equal those of an independent implementation, and bad points are refused."""

import ckzg
import numpy as np
import pytest
from py_arkworks_bls12381 import G1Point

from offchain.core import kzg
from offchain.core.combination import challenge
from offchain.core.erasure.choose import available_engines, choose_engine
from offchain.core.field import MODULUS, elements_of, root_of_unity
from offchain.core.layout import K, Shape
from tests.support.matrices import some_elements

ENGINE = choose_engine()
needs_ifma = pytest.mark.skipif(
    "ifma" not in available_engines(), reason="no AVX-512 IFMA; arkworks sums are tested beside"
)


@pytest.fixture(scope="module")
def ceremony() -> object:
    return ckzg.load_trusted_setup(str(kzg.setup_path()), 0)


@pytest.mark.parametrize("use_ifma", [False, pytest.param(True, marks=needs_ifma)])
@pytest.mark.parametrize("kind", ["mixed", "largest", "one", "zero"])
def test_inv_da_4__commitment__is_that_of_eip_4844_over_4096_points(ceremony, use_ifma, kind):
    values = {
        "mixed": some_elements(K, 1)[:, 0],
        "largest": elements_of([MODULUS - 1] * K),
        "one": elements_of([1] + [0] * (K - 1)),
        "zero": elements_of([0] * K),
    }[kind]

    commitment = kzg.commit(ENGINE.coefficients(values), use_ifma=use_ifma)

    blob = ENGINE.extend_combinations(values).tobytes()
    assert ckzg.blob_to_kzg_commitment(blob, ceremony) == commitment


@needs_ifma
@pytest.mark.parametrize(
    "scalars",
    [
        [0] * K,
        [1] * K,
        [128] * K,
        [129] * K,
        [255 << 8 * (row % 31) for row in range(K)],
        [MODULUS - 1 - row for row in range(K)],
        [int.from_bytes(b"\x80" * 31, "big")] * K,
    ],
    ids=["zero", "one", "half digit", "carry", "one digit", "top", "all half digits"],
)
def test_commit__digits_at_their_edges__same_point_as_arkworks(scalars):
    coefficients = elements_of(scalars)

    assert kzg.commit(coefficients) == kzg.commit(coefficients, use_ifma=True)


@pytest.mark.parametrize("row", [0, 1_023, 1_024, 3_071])
def test_open_at__any_row__proof_accepted_by_eip_4844(ceremony, row):
    values = some_elements(K, 1)[:, 0]
    coefficients = ENGINE.coefficients(values)
    extended = ENGINE.extend_combinations(values)
    point = pow(root_of_unity(4_096), ENGINE.geometry.exponent(row), MODULUS)

    opening = kzg.open_at(coefficients, point)

    assert extended[row].tobytes() == opening.value.to_bytes(32, "big")
    assert ckzg.verify_kzg_proof(
        kzg.commit(coefficients),
        point.to_bytes(32, "big"),
        opening.value.to_bytes(32, "big"),
        opening.proof,
        ceremony,
    )
    assert not ckzg.verify_kzg_proof(
        kzg.commit(coefficients),
        point.to_bytes(32, "big"),
        ((opening.value + 1) % MODULUS).to_bytes(32, "big"),
        opening.proof,
        ceremony,
    )


def test_inv_da_4__any_bound_field_changes__so_does_the_challenge():
    root = bytes(range(32))
    base = challenge(root, Shape.of(1_000))

    others = {
        challenge(bytes(32), Shape.of(1_000)),
        challenge(root, Shape.of(1_001)),
        challenge(root, Shape.of(253_953)),
    }

    assert len(others) == 3
    assert base not in others
    assert base < MODULUS


def off_subgroup_point() -> bytes:
    """A compressed point of the curve outside the prime-order subgroup."""
    for x in range(2, 50):
        raw = bytearray(x.to_bytes(48, "big"))
        raw[0] |= 0x80
        try:
            point = G1Point.from_compressed_bytes_unchecked(bytes(raw))
        except ValueError:
            continue
        if not point.is_in_subgroup():
            return bytes(raw)
    raise AssertionError


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(47),
        bytes(48),
        bytes(49),
        b"\xff" * 48,
        b"\xc0" + bytes(46) + b"\x01",
        b"\xe0" + bytes(47),
        off_subgroup_point(),
    ],
    ids=["empty", "short", "no flag", "long", "above p", "spoilt", "signed zero", "off subgroup"],
)
def test_parse_commitment__no_point_of_the_subgroup__refused(raw):
    with pytest.raises(kzg.CommitmentInvalid):
        kzg.parse_commitment(raw)


def test_parse_commitment__identity__is_the_commitment_to_zero():
    raw = kzg.commit(np.zeros((K, 32), np.uint8))

    assert kzg.parse_commitment(raw) == G1Point.identity()


def test_parse_setup__one_point_changed__refused():
    text = kzg.setup_path().read_text()
    words = text.split()
    words[2 + 4_096 + 65] = words[2]

    with pytest.raises(kzg.SetupCorrupt):
        kzg.parse_setup("\n".join(words))


def test_parse_setup__not_a_setup__refused():
    with pytest.raises(kzg.SetupCorrupt):
        kzg.parse_setup("4096 many points")


@pytest.mark.parametrize("use_ifma", [False, pytest.param(True, marks=needs_ifma)])
def test_prepare__before_the_first_commitment__leaves_the_same_result(use_ifma):
    coefficients = some_elements(K, 1, seed=4)[:, 0]
    expected = kzg.commit(coefficients)

    kzg.prepare(use_ifma=use_ifma)

    assert expected == kzg.commit(coefficients, use_ifma=use_ifma)
