"""The leaf rule: trees written out by hand, paths that hold, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sha3 import keccak_256

from offchain.core.layout import K, Shape
from offchain.core.merkle import (
    CosetTree,
    LeafPath,
    data_root,
    hash_each,
    leaf_levels,
    leaf_siblings,
    row_root,
    verify_leaf_path,
    verify_row_path,
    zero_subtrees,
)
from tests.support.matrices import a_payload

ROOTS = tuple(bytes([coset]) * 32 for coset in (1, 2, 3))


def digest(data: bytes) -> bytes:
    return keccak_256(data).digest()


def a_coset(seed: int = 1) -> CosetTree:
    return CosetTree.build(
        np.frombuffer(a_payload(K * 32, seed), np.uint8).reshape(K, 32), hash_each
    )


def test_row_root__one_leaf__is_the_leaf_digest():
    row = a_payload(256)

    assert digest(row) == row_root(row)


def test_row_root__three_leaves__padded_with_a_zero_digest():
    row = a_payload(768)
    first, second, third = (digest(row[start : start + 256]) for start in (0, 256, 512))

    root = row_root(row)

    assert digest(digest(first + second) + digest(third + bytes(32))) == root


def test_row_root__five_leaves__padded_with_a_zero_subtree():
    row = a_payload(5 * 256)
    a, b, c, d, e = (digest(row[start : start + 256]) for start in range(0, 1_280, 256))
    left = digest(digest(a + b) + digest(c + d))

    root = row_root(row)

    assert digest(left + digest(digest(e + bytes(32)) + digest(bytes(64)))) == root
    assert zero_subtrees(1)[1] == digest(bytes(64))


def test_data_root__three_coset_roots__left_heavy():
    b0, b1, b2 = ROOTS

    assert digest(digest(b0 + b1) + b2) == data_root(b0, b1, b2)


@pytest.mark.parametrize("index", [0, 1, 511, 1_023])
def test_verify_row_path__honest_path__holds_at_its_row_only(index):
    tree = a_coset()
    root, path = tree.levels[0][index].tobytes(), tree.path(index)
    roots = (ROOTS[0], tree.root, ROOTS[2])

    assert verify_row_path(roots, K + index, root, path)
    assert not verify_row_path(roots, index, root, path)
    assert not verify_row_path(roots, K + (index ^ 1), root, path)


@given(index=st.integers(0, K - 1), level=st.integers(0, 9), bit=st.integers(0, 255))
def test_inv_da_5__one_bit_of_a_row_path__is_rejected(index, level, bit):
    tree = a_coset()
    path = list(tree.path(index))
    changed = int.from_bytes(path[level], "big") ^ 1 << bit

    path[level] = changed.to_bytes(32, "big")

    root = tree.levels[0][index].tobytes()
    assert not verify_row_path((tree.root, *ROOTS[1:]), index, root, path)


@pytest.mark.parametrize("change", ["short", "long", "narrow", "negative", "past the end"])
def test_inv_da_5__row_path_of_wrong_form__is_rejected(change):
    tree = a_coset()
    index, path = 5, list(tree.path(5))
    root = tree.levels[0][5].tobytes()
    match change:
        case "short":
            path.pop()
        case "long":
            path.append(bytes(32))
        case "narrow":
            path[3] = path[3][:31]
        case "negative":
            index = -1
        case "past the end":
            index = 3 * K

    assert not verify_row_path((tree.root, tree.root, tree.root), index, root, path)


@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 8])
def test_verify_leaf_path__each_leaf__holds_and_no_other_does(leaves):
    shape = Shape.of(leaves * 253_952)
    row = a_payload(leaves * 256)
    digests = np.frombuffer(a_payload(K * 32), np.uint8).reshape(K, 32).copy()
    digests[7] = np.frombuffer(row_root(row), np.uint8)
    tree = CosetTree.build(digests, hash_each)
    roots = (tree.root, ROOTS[1], ROOTS[2])
    root, levels = data_root(*roots), leaf_levels(row)

    for leaf in range(leaves):
        path = LeafPath(leaf_siblings(levels, leaf) + tree.path(7), roots)
        data = row[leaf * 256 : leaf * 256 + 256]
        assert verify_leaf_path(root, shape, (7, leaf), leaf=data, path=path)
        assert not verify_leaf_path(root, shape, (6, leaf), leaf=data, path=path)
        assert not verify_leaf_path(root, shape, (7, leaf + 1), leaf=data, path=path)
        assert not verify_leaf_path(root, shape, (7, leaf), leaf=data[:64], path=path)
        swapped = LeafPath(path.siblings, (roots[1], roots[0], roots[2]))
        assert not verify_leaf_path(root, shape, (7, leaf), leaf=data, path=swapped)
        shorter = LeafPath(path.siblings[1:], roots)
        assert not verify_leaf_path(root, shape, (7, leaf), leaf=data, path=shorter)


def test_verify_leaf_path__inner_node_as_a_leaf__is_rejected():
    """Sixty-four bytes that hash to a node are no leaf: the length tells them apart."""
    shape = Shape.of(2 * 253_952)
    row = a_payload(512)
    node = digest(row[:256]) + digest(row[256:])
    tree = a_coset()
    roots = (tree.root, *ROOTS[1:])

    path = LeafPath(tree.path(0), roots)

    assert not verify_leaf_path(data_root(*roots), shape, (0, 0), leaf=node, path=path)
