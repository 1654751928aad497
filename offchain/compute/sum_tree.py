"""A Merkle tree that also adds up: every node carries the sum of the prices under it; pure.

  leaf   keccak(0x00 || receipt struct hash || keccak(signature)),        65 bytes, weight = price
  node   keccak(0x01 || left hash || u96 left sum || right hash || u96 right sum),      89 bytes
  path   for each level with a sibling, lowest first: its hash (32) || u96 its sum || u96 own sum

Leaves stand in order of their nonces, first to the left. A node without a right neighbour is
carried up as it is, so a path has no sibling at that level; index and number of leaves say where.
Source: docs/protocol/compute.md#receipts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.compute.model import MAX_U96, AmountTooLarge, Receipt
from offchain.core.errors import InvalidInput, Rejected
from offchain.core.hashing import keccak

SUM_BYTES: Final = 12


class PathMismatch(Rejected):
    """A path does not fit the number of leaves."""

    code = "compute.sum_tree.path_mismatch"
    next_step = "Ask for the batch again; the path is not of a tree with so many leaves."


@dataclass(frozen=True, slots=True)
class SumNode:
    """A hash and what lies under it."""

    hash: bytes
    total: int


@dataclass(frozen=True, slots=True)
class SumTree:
    """All levels, leaves first, the root alone in the last."""

    levels: tuple[tuple[SumNode, ...], ...]

    @classmethod
    def of(cls, leaves: Sequence[SumNode]) -> "SumTree":
        """Raises: InvalidInput without a leaf, AmountTooLarge when they add up past 96 bits."""
        if not leaves:
            raise InvalidInput("a sum tree has at least one leaf")
        level = tuple(leaves)
        levels = [level]
        while len(level) > 1:
            level = tuple(
                parent(*level[at : at + 2]) if at + 1 < len(level) else level[at]
                for at in range(0, len(level), 2)
            )
            levels.append(level)
        return cls(tuple(levels))

    @property
    def root(self) -> SumNode:
        return self.levels[-1][0]

    @property
    def count(self) -> int:
        return len(self.levels[0])

    def path(self, index: int) -> tuple[SumNode, ...]:
        """The siblings of leaf `index`, lowest first."""
        siblings = []
        for level in self.levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index >>= 1
        return tuple(siblings)

    def path_bytes(self, index: int) -> bytes:
        """The path as courts take it: with the sum on the way up beside each sibling."""
        parts = []
        for level in self.levels[:-1]:
            if index ^ 1 < len(level):
                sibling, own = level[index ^ 1], level[index]
                parts.append(sibling.hash + _sum(sibling) + _sum(own))
            index >>= 1
        return b"".join(parts)

    def leaf_at(self, unit: int) -> int:
        """The index of the leaf that unit `unit` of the root's sum falls into."""
        assert 0 <= unit < self.root.total
        index = 0
        for level in reversed(self.levels[:-1]):
            index *= 2
            if unit >= level[index].total:
                unit -= level[index].total
                index += 1
        return index


def receipt_leaf(receipt: Receipt, signature: bytes) -> SumNode:
    """The leaf of one receipt; its weight is the price."""
    return SumNode(keccak(b"\0", receipt.struct_hash(), keccak(signature)), receipt.price)


def parent(left: SumNode, right: SumNode) -> SumNode:
    """The node above two. Raises: AmountTooLarge."""
    total = left.total + right.total
    if total > MAX_U96:
        raise AmountTooLarge(price=total, maximum=MAX_U96)
    return SumNode(keccak(b"\x01", left.hash, _sum(left), right.hash, _sum(right)), total)


def root_of(leaf: SumNode, index: int, count: int, path: Sequence[SumNode]) -> SumNode:
    """The root of a tree of `count` leaves with `leaf` at `index`. Raises: PathMismatch."""
    if not 0 <= index < count:
        raise PathMismatch(index=index, leaves=count)
    node, rest = leaf, list(path)
    while count > 1:
        if index ^ 1 < count:
            if not rest:
                raise PathMismatch(index=index, leaves=count, siblings=len(path))
            sibling = rest.pop(0)
            node = parent(sibling, node) if index & 1 else parent(node, sibling)
        index, count = index >> 1, (count + 1) >> 1
    if rest:
        raise PathMismatch(index=index, leaves=count, siblings=len(path))
    return node


def _sum(node: SumNode) -> bytes:
    return node.total.to_bytes(SUM_BYTES, "big")
