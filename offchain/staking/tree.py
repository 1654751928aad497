"""The Merkle-sum tree of weights in Python: roots, paths, covers and stake-weighted draws.

  leaf   keccak(0x00 || operator id 4 || weight 16 || key hash 32)
  node   keccak(0x01 || left 32 || right 32 || left sum 16 || right sum 16)
  empty  32 zero bytes, sum 0, at every level

A cover shows several leaves at once, left to right: a closed subtree is the word
`level << 128 | sum`, an opened leaf `operator id << 136 | weight`.
Source: docs/protocol/staking.md#snapshots, contracts/shared/stake_path.vy, stake_cover.vy.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak

TREE_DEPTH: Final = 12
MAX_OPERATORS: Final = 2**TREE_DEPTH
EMPTY: Final = bytes(32)


class InvalidSeat(InvalidInput):
    """No leaf of the stake tree lies at this seat."""

    code = "staking.invalid_seat"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one seat of the tree holds."""

    operator_id: int
    weight_wei: int
    key_hash: bytes

    def digest(self) -> bytes:
        if self.weight_wei == 0:
            return EMPTY
        return keccak(
            b"\x00",
            self.operator_id.to_bytes(4, "big"),
            self.weight_wei.to_bytes(16, "big"),
            self.key_hash,
        )


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a leaf to the root: siblings and their weights, lowest level first."""

    siblings: tuple[bytes, ...]
    sums_wei: tuple[int, ...]
    first_wei: int


@dataclass(frozen=True, slots=True)
class Cover:
    """Subtrees from left to right that open some leaves."""

    words: tuple[int, ...]
    hashes: tuple[bytes, ...]
    opened: tuple[Leaf, ...]


def node_digest(left: bytes, right: bytes, left_sum_wei: int, right_sum_wei: int) -> bytes:
    """The parent of two nodes; two empty ones have an empty parent."""
    if left == EMPTY and right == EMPTY:
        return EMPTY
    sums = left_sum_wei.to_bytes(16, "big") + right_sum_wei.to_bytes(16, "big")
    return keccak(b"\x01", left, right, sums)


class StakeTree:
    """All weights of one service at one epoch."""

    def __init__(self, leaves: Mapping[int, Leaf]) -> None:
        """Build from seat -> leaf. Raises: InvalidSeat for a seat outside the tree."""
        if any(not 0 <= seat < MAX_OPERATORS for seat in leaves):
            raise InvalidSeat(seats=MAX_OPERATORS)
        self.leaves = {seat: leaf for seat, leaf in leaves.items() if leaf.weight_wei}
        level = {seat: (leaf.digest(), leaf.weight_wei) for seat, leaf in self.leaves.items()}
        self._levels = [level]
        for _ in range(TREE_DEPTH):
            parents: dict[int, tuple[bytes, int]] = {}
            for index in {child >> 1 for child in level}:
                left, left_sum = level.get(2 * index, (EMPTY, 0))
                right, right_sum = level.get(2 * index + 1, (EMPTY, 0))
                digest = node_digest(left, right, left_sum, right_sum)
                parents[index] = (digest, left_sum + right_sum)
            level = parents
            self._levels.append(level)

    @property
    def root(self) -> bytes:
        return self._node(TREE_DEPTH, 0)[0]

    @property
    def total_wei(self) -> int:
        return self._node(TREE_DEPTH, 0)[1]

    def path(self, seat: int) -> Path:
        """Raises: InvalidSeat when the seat is empty."""
        if seat not in self.leaves:
            raise InvalidSeat(seat=seat)
        steps = [self._node(level, (seat >> level) ^ 1) for level in range(TREE_DEPTH)]
        first = sum(step[1] for level, step in enumerate(steps) if (seat >> level) & 1)
        return Path(tuple(step[0] for step in steps), tuple(step[1] for step in steps), first)

    def cover(self, seats: Collection[int]) -> Cover:
        """Open exactly these seats. Raises: InvalidSeat when one is empty."""
        if missing := [seat for seat in seats if seat not in self.leaves]:
            raise InvalidSeat(seat=missing[0])
        words: list[int] = []
        hashes: list[bytes] = []
        opened: list[Leaf] = []
        wanted = [{seat >> level for seat in seats} for level in range(TREE_DEPTH + 1)]

        def walk(level: int, index: int) -> None:
            if index not in wanted[level]:
                digest, weight = self._node(level, index)
                words.append(level << 128 | weight)
                if weight:
                    hashes.append(digest)
            elif level == 0:
                leaf = self.leaves[index]
                words.append(leaf.operator_id << 136 | leaf.weight_wei)
                opened.append(leaf)
            else:
                walk(level - 1, 2 * index)
                walk(level - 1, 2 * index + 1)

        walk(TREE_DEPTH, 0)
        return Cover(tuple(words), tuple(hashes), tuple(opened))

    def seat_at(self, point_wei: int) -> int:
        """The seat whose interval holds a point of [0, total). Raises: InvalidSeat outside."""
        if not 0 <= point_wei < self.total_wei:
            raise InvalidSeat(point=point_wei)
        index, rest = 0, point_wei
        for level in range(TREE_DEPTH - 1, -1, -1):
            index *= 2
            left_sum = self._node(level, index)[1]
            if rest >= left_sum:
                rest -= left_sum
                index += 1
        return index

    def _node(self, level: int, index: int) -> tuple[bytes, int]:
        return self._levels[level].get(index, (EMPTY, 0))


def draw_point(seed: bytes, stratum: int, *, strata: int, total_wei: int) -> int:
    """The point of [0, total) that draw `stratum` of `strata` hits, rounded down as on chain."""
    if total_wei <= 0 or not 0 <= stratum < strata:
        raise InvalidInput("a draw needs weight and an existing stratum", stratum=stratum)
    low = stratum * total_wei // strata
    width = (stratum + 1) * total_wei // strata - low
    chance = int.from_bytes(keccak(seed, stratum.to_bytes(32, "big")), "big") >> 128
    return low + (chance * width >> 128)
