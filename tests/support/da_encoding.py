"""Matrices that dispersers commit to, honest ones and those that are no encoding of anything."""

from collections.abc import Callable
from functools import cache

import numpy as np

from offchain.core import kzg
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.field import Elements
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.da.fraud import point_of
from offchain.da.onchain_challenges import ShownRow
from tests.support.matrices import sealed

Tamper = Callable[[Elements], None]


@cache
def the_engine() -> ErasureEngine:
    return choose_engine()


@cache
def honest(length: int) -> EncodedBlob:
    """The encoding of `length` bytes that follow from it."""
    rng = np.random.default_rng(length)
    return encode(rng.bytes(length), the_engine())


def tampered(length: int, tamper: Tamper) -> EncodedBlob:
    """An honest matrix, changed by `tamper` before anything was hashed."""
    base = honest(length)
    rows = base.rows.copy()
    tamper(rows)
    return sealed(rows, base.shape, the_engine())


def path_of(encoded: EncodedBlob, row: int) -> bytes:
    """Ten siblings and the coset roots, as contracts take them."""
    return b"".join((*encoded.row_path(row), *encoded.header.coset_roots))


def opening_of(encoded: EncodedBlob, row: int) -> bytes:
    """C, its value at z_i and the proof of it."""
    engine = the_engine()
    opened = kzg.open_at(engine.coefficients(encoded.header.combinations), point_of(row))
    return encoded.header.commitment + opened.value.to_bytes(32, "big") + opened.proof


def shown_row(encoded: EncodedBlob, row: int) -> ShownRow:
    """Everything `prove_bad_row` wants to see of a row."""
    data = encoded.rows[row].tobytes()
    return ShownRow(row, data, path_of(encoded, row), opening_of(encoded, row))


def frame_of(encoded: EncodedBlob, row: int, leaf: int) -> bytes:
    """The leaf frame as bytes."""
    return encoded.leaf_frame(row, leaf).to_bytes()
