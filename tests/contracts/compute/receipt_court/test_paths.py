"""Paths of sum trees on chain and in the program: the same roots, places and sums."""

from functools import cache
from typing import Any

import boa
import pytest

from offchain.compute.sum_tree import SumNode, SumTree
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.staking import CONTRACTS


@cache
def folder() -> Any:
    return boa.load_partial(str(CONTRACTS / "compute" / "sum_path.vy")).deploy().internal


def a_tree(leaves: int) -> SumTree:
    return SumTree.of([SumNode(keccak(words(number)), 7 * number) for number in range(leaves)])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 11, 64, 100])
def test_fold__every_place_of_a_tree__root_weight_and_place(count: int) -> None:
    tree = a_tree(count)
    before = 0

    for index in range(0, count, 1 + count // 8):
        leaf = tree.levels[0][index]
        before = sum(one.total for one in tree.levels[0][:index])
        folded = folder()._fold(leaf.hash, index, count, tree.path_bytes(index), tree.root.total)
        assert (bytes(folded[0]), folded[1], folded[2], folded[3]) == (
            tree.root.hash,
            leaf.total,
            before,
            True,
        )


def test_fold__root_weighs_more_than_its_parts__does_not_add_up() -> None:
    tree = a_tree(5)

    folded = folder()._fold(tree.levels[0][1].hash, 1, 5, tree.path_bytes(1), tree.root.total + 1)

    assert bytes(folded[0]) == tree.root.hash and not folded[3]


def test_fold__more_than_two_to_the_twentieth_leaves__refused() -> None:
    with boa.reverts("sum_path: too many leaves"):
        folder()._fold(bytes(32), 0, 2**20 + 1, bytes(56 * 20), 1)
