"""Payloads, field elements and matrices for tests of the row code, good and bad on purpose."""

import random

import numpy as np

from offchain.core import kzg
from offchain.core.combination import challenge
from offchain.core.erasure import ErasureEngine
from offchain.core.field import MODULUS, Elements, elements_of
from offchain.core.layout import K, N, Shape, fill_data_rows
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.merkle import CosetTree, data_root
from offchain.core.wire import Header

SMALL = 200_000


def a_payload(size: int = SMALL, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def some_elements(rows: int, columns: int, seed: int = 1) -> Elements:
    """Canonical elements (rows, columns, 32) without pattern."""
    generator = random.Random(seed)
    values = [generator.randrange(MODULUS) for _ in range(rows * columns)]
    return elements_of(values).reshape(rows, columns, 32)


def coded_rows(payload: bytes, engine: ErasureEngine) -> tuple[Shape, Elements]:
    """The honest rows of a payload, for a disperser who is about to change them."""
    shape = Shape.of(len(payload))
    data = np.empty((K, shape.columns, 32), np.uint8)
    fill_data_rows(payload, shape, data)
    return shape, engine.extend(data)


def sealed(rows: Elements, shape: Shape, engine: ErasureEngine) -> EncodedBlob:
    """What a disperser publishes over any rows: D, paths, and combinations of the data rows."""
    roots = engine.row_roots(rows)
    trees = tuple(
        CosetTree.build(roots[start : start + K], engine.keccak_many) for start in range(0, N, K)
    )
    b0, b1, b2 = (tree.root for tree in trees)
    root = data_root(b0, b1, b2)
    reduced = elements_of(
        int.from_bytes(x.tobytes(), "big") % MODULUS for x in rows[:K].reshape(-1, 32)
    ).reshape(rows[:K].shape)
    values = engine.combine(reduced, challenge(root, shape))
    commitment = kzg.commit(engine.coefficients(values))
    header = Header(shape.columns, shape.length, root, (b0, b1, b2), commitment, values)
    return EncodedBlob(shape, header, rows, trees)
