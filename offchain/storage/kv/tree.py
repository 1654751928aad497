"""The stored state tree: pages of four levels above runs of leaves, updated in place.

  leaf record   LEAF || key hash                  -> leaf digest 32 || u8 space || key
  page record   PAGE || u8 nibbles || nibbles     -> u32 leaf flags | u16 page flags | 30 digests

A page holds the nodes one to four levels below a point of the tree; flag i says that node i is a
lone leaf, page flag s that slot s goes on in a page of its own. Below a slot without a page lie at
most RUN leaves, whose nodes are folded when they are needed. How a tree is paged never changes its
root. Source: docs/protocol/storage.md#key-value-streams.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.ports import Reader
from offchain.storage.kv.proof import EMPTY, bit_at, common_bits, node_digest

LEAF: Final = b"L"
PAGE: Final = b"P"
RUN: Final = 24
FAN_BITS: Final = 4
SLOTS: Final = 16
NODES: Final = 30
KEY_NIBBLES: Final = 64
_FIRST_SLOT: Final = 14
_HEAD: Final = struct.Struct(">IH")
PAGE_BYTES: Final = _HEAD.size + 32 * NODES

Node = tuple[bytes, bool]  # digest, and whether it is a lone leaf
LeafRow = tuple[bytes, bytes]  # key hash, leaf digest
_NOTHING: Final[Node] = (EMPTY, False)


@dataclass(slots=True)
class Page:
    """Nodes in heap order: 0, 1 below the page's point, 2..5, 6..13, 14..29 the slots."""

    nodes: list[Node] = field(default_factory=lambda: [_NOTHING] * NODES)
    deeper: int = 0  # bit s: slot s has a page

    def to_bytes(self) -> bytes:
        flags = sum(is_leaf << index for index, (_, is_leaf) in enumerate(self.nodes))
        return _HEAD.pack(flags, self.deeper) + b"".join(digest for digest, _ in self.nodes)

    @classmethod
    def parse(cls, raw: bytes) -> "Page":
        flags, deeper = _HEAD.unpack_from(raw)
        starts = range(_HEAD.size, PAGE_BYTES, 32)
        nodes = [(raw[at : at + 32], bool(flags >> i & 1)) for i, at in enumerate(starts)]
        return cls(nodes, deeper)

    def set_slots(self, changed: Iterable[tuple[int, Node]]) -> None:
        """Write slots and the nodes above them."""
        touched = set()
        for slot, node in changed:
            self.nodes[_FIRST_SLOT + slot] = node
            touched.add((_FIRST_SLOT + slot) // 2 - 1)
        while touched:
            for index in touched:
                self.nodes[index] = join(self.nodes[2 * index + 2], self.nodes[2 * index + 3])
            touched = {index // 2 - 1 for index in touched if index > 1}

    @property
    def top(self) -> Node:
        return join(self.nodes[0], self.nodes[1])


class Tree:
    """Reads a tree whose records begin with `prefix`."""

    def __init__(self, prefix: bytes) -> None:
        self._leaves = prefix + LEAF
        self._pages = prefix + PAGE

    def leaf_key(self, hashed_key: bytes) -> bytes:
        return self._leaves + hashed_key

    def path(self, reader: Reader, hashed_key: bytes) -> tuple[list[bytes], bytes | None]:
        """Siblings, lowest first, and the key hash of the leaf where the path ends, if any."""
        siblings: list[bytes] = []
        for nibbles in range(KEY_NIBBLES):
            raw = reader.get(self._page_key(hashed_key, nibbles))
            if raw is None:
                return self._run_path(reader, hashed_key, nibbles, siblings)
            page = Page.parse(raw)
            index = -1
            for level in range(FAN_BITS):
                index = 2 * index + 2 + bit_at(hashed_key, FAN_BITS * nibbles + level)
                siblings.append(page.nodes[index ^ 1][0])
                digest, is_leaf = page.nodes[index]
                if is_leaf:
                    return siblings[::-1], self._only_leaf(reader, hashed_key, len(siblings))
                if digest == EMPTY:
                    return siblings[::-1], None
            if not page.deeper >> (index - _FIRST_SLOT) & 1:
                return self._run_path(reader, hashed_key, nibbles + 1, siblings)
        return siblings[::-1], hashed_key

    def update(self, overlay: Overlay, changed: Sequence[bytes]) -> bytes:
        """Rehash above these keys, sorted hashes whose leaf records are written; the new root."""
        return self._update(overlay, changed, 0)[0]

    def _update(self, overlay: Overlay, changed: Sequence[bytes], nibbles: int) -> Node:
        page_key = self._page_key(changed[0], nibbles)
        raw = overlay.get(page_key)
        if raw is None:
            run = self._run(overlay, changed[0], nibbles, RUN + 1)
            if len(run) <= RUN:
                return fold_run(run, FAN_BITS * nibbles)
            return self._split(overlay, changed[0], nibbles)
        page = Page.parse(raw)
        slots: list[tuple[int, Node]] = []
        for slot, group in _by_slot(changed, nibbles):
            node = self._update(overlay, group, nibbles + 1)
            slots.append((slot, node))
            is_deep = overlay.get(self._page_key(group[0], nibbles + 1)) is not None
            page.deeper = page.deeper & ~(1 << slot) | is_deep << slot
        page.set_slots(slots)
        top = page.top
        overlay.put(page_key, None if top[0] == EMPTY else page.to_bytes())
        return top

    def _split(self, overlay: Overlay, below: bytes, nibbles: int) -> Node:
        """A run grew too long: a page takes its place."""
        run = self._run(overlay, below, nibbles, 1 << 62)
        return self._paged(overlay, run, nibbles)

    def _paged(self, overlay: Overlay, run: Sequence[LeafRow], nibbles: int) -> Node:
        page = Page()
        slots: list[tuple[int, Node]] = []
        for slot, group in _rows_by_slot(run, nibbles):
            if len(group) > RUN:
                page.deeper |= 1 << slot
                slots.append((slot, self._paged(overlay, group, nibbles + 1)))
            else:
                slots.append((slot, fold_run(group, FAN_BITS * (nibbles + 1))))
        page.set_slots(slots)
        overlay.put(self._page_key(run[0][0], nibbles), page.to_bytes())
        return page.top

    def _run_path(
        self, reader: Reader, hashed_key: bytes, nibbles: int, above: list[bytes]
    ) -> tuple[list[bytes], bytes | None]:
        rows: Sequence[LeafRow] = self._run(reader, hashed_key, nibbles, RUN)
        siblings = list(above)
        depth = FAN_BITS * nibbles
        while len(rows) > 1:
            left, right = _halves(rows, depth)
            mine, other = (right, left) if bit_at(hashed_key, depth) else (left, right)
            siblings.append(fold_run(other, depth + 1)[0])
            rows, depth = mine, depth + 1
        return siblings[::-1], rows[0][0] if rows else None

    def _only_leaf(self, reader: Reader, hashed_key: bytes, depth: int) -> bytes:
        first, end = bit_range(hashed_key, depth)
        start = len(self._leaves)
        found = reader.scan(self._leaves + first, _below(self._leaves, end), 1)
        return found[0][0][start:]

    def _run(self, reader: Reader, below: bytes, nibbles: int, limit: int) -> list[LeafRow]:
        first, end = bit_range(below, FAN_BITS * nibbles)
        start = len(self._leaves)
        rows = reader.scan(self._leaves + first, _below(self._leaves, end), limit)
        return [(key[start:], value[:32]) for key, value in rows]

    def _page_key(self, hashed_key: bytes, nibbles: int) -> bytes:
        whole, half = divmod(nibbles, 2)
        prefix = hashed_key[:whole]
        if half:
            prefix += bytes((hashed_key[whole] & 0xF0,))
        return self._pages + bytes((nibbles,)) + prefix


def join(left: Node, right: Node) -> Node:
    """The node above two: empty above nothing, the leaf itself above a lone leaf."""
    if left[0] == EMPTY and (right[1] or right[0] == EMPTY):
        return right
    if right[0] == EMPTY and left[1]:
        return left
    return node_digest(left[0], right[0]), False


def fold_run(run: Sequence[LeafRow], depth: int) -> Node:
    """The root of sorted leaves that share their first `depth` bits."""
    if len(run) == 1:
        return run[0][1], True
    if not run:
        return _NOTHING
    split = common_bits(run[0][0], run[-1][0])
    left, right = _halves(run, split)
    node = join(fold_run(left, split + 1), fold_run(right, split + 1))
    for level in range(split - 1, depth - 1, -1):  # bits that all of them share
        pair = (EMPTY, node[0]) if bit_at(run[0][0], level) else (node[0], EMPTY)
        node = node_digest(*pair), False
    return node


def bit_range(hashed_key: bytes, depth: int) -> tuple[bytes, bytes | None]:
    """The first key hash with the same `depth` bits, and the first after all; None: no end."""
    shift = 256 - depth
    number = int.from_bytes(hashed_key, "big") >> shift
    end = number + 1
    return (
        (number << shift).to_bytes(32, "big"),
        None if end >> depth else (end << shift).to_bytes(32, "big"),
    )


def _below(table: bytes, end: bytes | None) -> bytes:
    """The end of a range in a table; the table's own when there is none."""
    return table + end if end is not None else table[:-1] + bytes((table[-1] + 1,))


def _halves(run: Sequence[LeafRow], depth: int) -> tuple[Sequence[LeafRow], Sequence[LeafRow]]:
    low, high = 0, len(run)
    while low < high:
        middle = (low + high) // 2
        if bit_at(run[middle][0], depth):
            high = middle
        else:
            low = middle + 1
    return run[:low], run[low:]


def _slot(hashed_key: bytes, nibbles: int) -> int:
    byte = hashed_key[nibbles >> 1]
    return byte & 15 if nibbles & 1 else byte >> 4


def _by_slot(hashes: Sequence[bytes], nibbles: int) -> Iterable[tuple[int, Sequence[bytes]]]:
    start = 0
    for index in range(1, len(hashes) + 1):
        slot = _slot(hashes[start], nibbles)
        if index == len(hashes) or _slot(hashes[index], nibbles) != slot:
            yield slot, hashes[start:index]
            start = index


def _rows_by_slot(run: Sequence[LeafRow], nibbles: int) -> Iterable[tuple[int, Sequence[LeafRow]]]:
    start = 0
    for index in range(1, len(run) + 1):
        slot = _slot(run[start][0], nibbles)
        if index == len(run) or _slot(run[index][0], nibbles) != slot:
            yield slot, run[start:index]
            start = index
