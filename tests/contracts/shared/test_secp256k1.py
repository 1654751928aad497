"""secp256k1 in Vyper: points and products against an independent implementation."""

from typing import Any

import boa
import pytest
from coincurve import PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PROBE = """
# pragma version 0.4.3
from contracts.shared import secp256k1


@external
@view
def is_point(x: uint256, y: uint256) -> bool:
    return secp256k1._is_point(x, y)


@external
@view
def is_public_key(secret: uint256, x: uint256, y: uint256) -> bool:
    return secp256k1._is_public_key(secret, x, y)


@external
@view
def is_product(scalar: uint256, of_x: uint256, of_parity: uint256, x: uint256, y: uint256) -> bool:
    return secp256k1._is_product(scalar, of_x, of_parity, x, y)
"""
scalars = st.integers(1, ORDER - 1)


@pytest.fixture(scope="module")
def probe() -> Any:
    return boa.loads(PROBE)


def point_of(scalar: int, of: PublicKey | None = None) -> tuple[int, int]:
    """Scalar times a point; of none: the generator."""
    secret = scalar.to_bytes(32, "big")
    point = PublicKey.from_valid_secret(secret) if of is None else of.multiply(secret)
    return point.point()


@settings(max_examples=15)
@given(secret=scalars, scalar=scalars)
def test_products__of_any_scalars__are_those_of_another_library(
    probe: Any, secret: int, scalar: int
) -> None:
    x, y = point_of(secret)

    assert probe.is_point(x, y)
    assert probe.is_public_key(secret, x, y)
    assert not probe.is_public_key(secret, x, FIELD - y)
    assert not probe.is_public_key(secret % (ORDER - 1) + 1, x, y)

    product = point_of(scalar, PublicKey.from_point(x, y))
    assert probe.is_product(scalar, x, y & 1, *product)
    assert not probe.is_product(scalar, x, 1 - (y & 1), *product)
    assert not probe.is_product(scalar, x, y & 1, product[0], FIELD - product[1])


def test_is_point__off_the_curve_or_not_reduced__no(probe: Any) -> None:
    x, y = point_of(7)

    assert not probe.is_point(x, y ^ 1)
    assert not probe.is_point(0, 0)
    assert not probe.is_point(x + 1, y)
    # 4 is the least x below 2^32 + 977 of a point: the same residue, another word
    small = PublicKey(b"\2" + (4).to_bytes(32, "big")).point()
    assert probe.is_point(*small)
    assert not probe.is_point(small[0] + FIELD, small[1])


def test_is_product__no_scalar_or_no_x_of_the_precompile__no(probe: Any) -> None:
    x, y = point_of(7)

    assert not probe.is_product(0, x, y & 1, x, y)
    assert probe.is_product(1, x, y & 1, x, y)
    assert not probe.is_product(ORDER, x, y & 1, x, y)
    assert not probe.is_product(ORDER + 1, x, y & 1, x, y)
    assert not probe.is_product(1, 0, 0, x, y)
    assert not probe.is_product(1, ORDER, 0, x, y)
    # 5 is the x of no point: the precompile answers with nothing
    assert not probe.is_product(1, 5, 0, x, y)
