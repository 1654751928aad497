"""shared/row_path.vy against the leaf rule of the core, for every width."""

import random

import boa
import numpy as np
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.layout import LEAF_BYTES, K, N, Shape
from offchain.core.merkle import (
    CosetTree,
    LeafPath,
    data_root,
    hash_each,
    leaf_levels,
    leaf_siblings,
    verify_leaf_path,
)
from offchain.core.wire import LeafFrame

PROBE = """
# pragma version 0.4.3
from contracts.shared import row_path


@external
@pure
def leaf(frame: Bytes[row_path.FRAME_BYTES], columns: uint256, root: bytes32) -> (uint256, uint256):
    return row_path._check_leaf(frame, columns, root)


@external
@pure
def row(row_root: bytes32, row: uint256, path: Bytes[row_path.ROW_PATH_BYTES], root: bytes32):
    row_path._check_row(row_root, row, path, root)
"""
WIDTHS = [1, 2, 3, 5, 8, 16, 127, 128]


@pytest.fixture(scope="module")
def probe() -> VyperContract:
    return boa.loads(PROBE, name="PathProbe")


def a_frame(leaves: int, row: int, leaf: int, seed: int) -> tuple[LeafFrame, bytes, Shape]:
    """A leaf of a matrix whose other rows are only roots; its frame, D and shape."""
    source = random.Random(seed)
    shape = Shape.of(leaves * 253_952)
    data = source.randbytes(leaves * LEAF_BYTES)
    levels = leaf_levels(data)
    roots = np.frombuffer(source.randbytes(N * 32), np.uint8).reshape(N, 32).copy()
    roots[row] = np.frombuffer(levels[-1][0], np.uint8)
    trees = [CosetTree.build(roots[start : start + K], hash_each) for start in range(0, N, K)]
    tops = tuple(tree.root for tree in trees)
    siblings = (*leaf_siblings(levels, leaf), *trees[row // K].path(row % K))
    cut = data[leaf * LEAF_BYTES : (leaf + 1) * LEAF_BYTES]
    return LeafFrame(row, leaf, cut, LeafPath(siblings, tops)), data_root(*tops), shape


@given(
    leaves=st.sampled_from(WIDTHS),
    row=st.integers(0, N - 1),
    place=st.integers(0, 127),
    seed=st.integers(0, 2**32),
)
def test_check_leaf__true_leaf__is_found_where_it_lies(
    probe: VyperContract, leaves: int, row: int, place: int, seed: int
) -> None:
    leaf = place % leaves
    frame, root, shape = a_frame(leaves, row, leaf, seed)
    assert verify_leaf_path(root, shape, (row, leaf), leaf=frame.data, path=frame.path)

    assert (row, leaf) == tuple(probe.leaf(frame.to_bytes(), shape.columns, root))


@given(
    leaves=st.sampled_from(WIDTHS),
    bit=st.integers(0, 10**6),
    row=st.sampled_from([0, 1_024, 3_071]),
)
def test_inv_da_5__any_bit_of_a_frame_changed__is_refused(
    probe: VyperContract, leaves: int, bit: int, row: int
) -> None:
    frame, root, shape = a_frame(leaves, row, leaves - 1, 3)
    raw = bytearray(frame.to_bytes())
    place = bit % (8 * len(raw))
    raw[place // 8] ^= 1 << place % 8

    with boa.reverts():
        probe.leaf(bytes(raw), shape.columns, root)


def test_inv_da_5__padding_leaf_and_other_width__are_refused(probe: VyperContract) -> None:
    frame, root, shape = a_frame(3, 2, 2, 4)
    raw = frame.to_bytes()
    with boa.reverts("row_path: no such place"):
        probe.leaf(raw[:4] + (3).to_bytes(4, "big") + raw[8:], shape.columns, root)
    for columns in (8, 16, 40, 1_024):
        with boa.reverts("row_path: wrong length"):
            probe.leaf(raw, columns, root)


def test_inv_da_5__inner_node_shown_as_row__is_refused(probe: VyperContract) -> None:
    frame, root, _ = a_frame(1, 1_500, 0, 5)
    path = frame.to_bytes()[8 + LEAF_BYTES :]
    row_root = leaf_levels(frame.data)[-1][0]

    probe.row(row_root, 1_500, path, root)
    for row, changed, reason in (
        (1_501, path, "row_path: not under the root"),
        (476, path, "row_path: not under the root"),
        (N, path, "row_path: no such place"),
        (1_500, path[32:], "row_path: wrong length"),
        (1_500, path[:-32], "row_path: wrong length"),
        (
            1_500,
            path[:320] + path[352:384] + path[320:352] + path[384:],
            "row_path: not under the root",
        ),
    ):
        with boa.reverts(reason):
            probe.row(row_root, row, changed, root)
