"""The one leaf rule: keccak trees over leaves, rows, cosets and the matrix.

  leaf   keccak(256 bytes)
  R_i    binary tree over the row's L leaf digests, padded with 32 zero bytes to 2^d
  b_q    binary tree over R_1024q .. R_1024q+1023
  D      keccak(keccak(b0 || b1) || b2)

An inner node is keccak(left || right), 64 bytes; a leaf is never that long. The path of a leaf
is d + 10 siblings, lowest first, then b0, b1, b2. Source: docs/protocol/da.md#encoding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.core.hashing import DIGEST_BYTES, Digest, keccak
from offchain.core.layout import COSET_DEPTH, COSETS, LEAF_BYTES, K, N, Shape

RowPath = tuple[bytes, ...]
Digests = npt.NDArray[np.uint8]
HashMany = Callable[[npt.NDArray[np.uint8]], Digests]

ZERO_DIGEST: Final = bytes(DIGEST_BYTES)


def zero_subtrees(depth: int) -> list[bytes]:
    """Roots of trees of 1, 2, 4 ... 2^depth zero digests."""
    out = [ZERO_DIGEST]
    for _ in range(depth):
        out.append(keccak(out[-1], out[-1]))
    return out


def leaf_digest(leaf: bytes) -> Digest:
    """Hash of one leaf of exactly 256 bytes."""
    assert len(leaf) == LEAF_BYTES
    return keccak(leaf)


def leaf_levels(row: bytes) -> list[list[bytes]]:
    """All levels of a row's tree, leaf digests first, its root alone in the last."""
    level: list[bytes] = [
        leaf_digest(row[start : start + LEAF_BYTES]) for start in range(0, len(row), LEAF_BYTES)
    ]
    level += [ZERO_DIGEST] * ((1 << (len(level) - 1).bit_length()) - len(level))
    levels = [level]
    while len(level) > 1:
        level = [keccak(a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
        levels.append(level)
    return levels


def row_root(row: bytes) -> Digest:
    """R_i of a row of 32m bytes."""
    return Digest(leaf_levels(row)[-1][0])


def leaf_siblings(levels: list[list[bytes]], leaf: int) -> RowPath:
    """The d siblings of leaf `leaf` inside its row."""
    return tuple(level[leaf >> depth ^ 1] for depth, level in enumerate(levels[:-1]))


@dataclass(frozen=True, slots=True, eq=False)
class CosetTree:
    """The tree over the roots of one coset's 1,024 rows, every level kept."""

    levels: tuple[Digests, ...]

    @classmethod
    def build(cls, row_roots: Digests, hash_many: HashMany) -> "CosetTree":
        """Build from row roots, shape (2^k, 32); `hash_many` hashes (n, 64) to (n, 32)."""
        level = np.ascontiguousarray(row_roots)
        levels = [level]
        while level.shape[0] > 1:
            level = hash_many(level.reshape(-1, 2 * DIGEST_BYTES))
            levels.append(level)
        return cls(tuple(levels))

    @property
    def root(self) -> Digest:
        return Digest(self.levels[-1][0].tobytes())

    def path(self, index: int) -> RowPath:
        """Siblings of row `index` of this coset, lowest first."""
        return tuple(
            level[index >> depth ^ 1].tobytes() for depth, level in enumerate(self.levels[:-1])
        )


def hash_each(messages: npt.NDArray[np.uint8]) -> Digests:
    """Hash every row of (n, length), one after the other: the slow `HashMany`."""
    out = np.empty((messages.shape[0], DIGEST_BYTES), np.uint8)
    for position, message in enumerate(messages):
        out[position] = np.frombuffer(keccak(message.tobytes()), np.uint8)
    return out


def data_root(b0: bytes, b1: bytes, b2: bytes) -> Digest:
    """D = keccak(keccak(b0 || b1) || b2)."""
    return keccak(keccak(b0, b1), b2)


def fold_path(digest: bytes, index: int, siblings: Sequence[bytes]) -> bytes:
    """The root that `digest` at position `index` has under these siblings, lowest first."""
    for depth, sibling in enumerate(siblings):
        pair = (sibling, digest) if index >> depth & 1 else (digest, sibling)
        digest = keccak(*pair)
    return digest


def verify_row_path(
    coset_roots: Sequence[bytes], row_index: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a row's root sits at `row_index` under its coset root, by exactly ten siblings."""
    if not 0 <= row_index < N or not _are_digests(path, COSET_DEPTH):
        return False
    coset, position = divmod(row_index, K)
    return fold_path(root, position, path) == coset_roots[coset]


@dataclass(frozen=True, slots=True)
class LeafPath:
    """What ties one leaf to D: d + 10 siblings, lowest first, and the three coset roots."""

    siblings: RowPath
    coset_roots: RowPath


def verify_leaf_path(
    root: bytes, shape: Shape, position: tuple[int, int], *, leaf: bytes, path: LeafPath
) -> bool:
    """Whether `leaf` sits at (row, leaf index) `position` under D in a matrix of `shape`."""
    row, index = position
    if not (0 <= row < N and 0 <= index < shape.leaves and len(leaf) == LEAF_BYTES):
        return False
    if not _are_digests(path.siblings, shape.leaf_depth + COSET_DEPTH):
        return False
    if not _are_digests(path.coset_roots, COSETS) or data_root(*path.coset_roots) != root:
        return False
    inside = fold_path(leaf_digest(leaf), index, path.siblings[: shape.leaf_depth])
    above = path.siblings[shape.leaf_depth :]
    return verify_row_path(path.coset_roots, row, inside, above)


def _are_digests(parts: Sequence[bytes], count: int) -> bool:
    return len(parts) == count and all(len(part) == DIGEST_BYTES for part in parts)
