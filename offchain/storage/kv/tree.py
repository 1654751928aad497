"""The stored state tree: pages of four levels above runs of leaves, updated in place.

  page  PAGE || u8 nibbles || nibbles   -> u32 leaf flags | u16 page flags | 30 node digests
  run   RUN || u8 nibbles || nibbles    -> leaves in order: key hash 32 | leaf digest 32
                                           | u16 length | u8 space || key

A page holds the nodes one to four levels below a point of the tree; flag i says that node i is a
lone leaf, page flag s that slot s goes on in a page of its own; any other slot with leaves has a
run of at most RUN_LEAVES, whose nodes are folded when they are needed. How a tree is paged never
changes its root. Source: docs/protocol/storage.md#key-value-streams.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from offchain.storage.kv.errors import StateCorrupt
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.ports import Reader
from offchain.storage.kv.proof import EMPTY, bit_at, common_bits, node_digest

PAGE: Final = b"P"
RUN: Final = b"R"
RUN_LEAVES: Final = 24
FAN_BITS: Final = 4
NODES: Final = 30
KEY_NIBBLES: Final = 64
FIRST_SLOT: Final = 14
_HEAD: Final = struct.Struct(">IH")
_LEAF: Final = struct.Struct(">32s32sH")
PAGE_BYTES: Final = _HEAD.size + 32 * NODES

Node = tuple[bytes, bool]  # digest, and whether it is a lone leaf
Row = tuple[bytes, bytes, bytes]  # key hash, leaf digest, space || key
Change = tuple[bytes, bytes | None, bytes]  # a row; digest None: the leaf goes
_NOTHING: Final[Node] = (EMPTY, False)
T = TypeVar("T", Row, Change)


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
            self.nodes[FIRST_SLOT + slot] = node
            touched.add((FIRST_SLOT + slot) // 2 - 1)
        while touched:
            for index in touched:
                self.nodes[index] = join(self.nodes[2 * index + 2], self.nodes[2 * index + 3])
            touched = {index // 2 - 1 for index in touched if index > 1}

    @property
    def top(self) -> Node:
        return join(self.nodes[0], self.nodes[1])


class Tree:
    """Reads and writes a tree whose records begin with `prefix`."""

    def __init__(self, prefix: bytes) -> None:
        self._pages = prefix + PAGE
        self._runs = prefix + RUN

    def path(self, reader: Reader, hashed_key: bytes) -> tuple[list[bytes], Row | None]:
        """Siblings, lowest first, and the leaf where the path ends, if any."""
        siblings: list[bytes] = []
        for nibbles in range(KEY_NIBBLES):
            raw = reader.get(self._pages + place_of(hashed_key, nibbles))
            if raw is None:
                return self._run_path(reader, hashed_key, nibbles, siblings)
            page = Page.parse(raw)
            index = -1
            for level in range(FAN_BITS):
                index = 2 * index + 2 + bit_at(hashed_key, FAN_BITS * nibbles + level)
                siblings.append(page.nodes[index ^ 1][0])
                digest, is_leaf = page.nodes[index]
                if is_leaf:
                    return siblings[::-1], self._lone(reader, page, (hashed_key, nibbles), index)
                if digest == EMPTY:
                    return siblings[::-1], None
            if not page.deeper >> (index - FIRST_SLOT) & 1:
                return self._run_path(reader, hashed_key, nibbles + 1, siblings)
        raise StateCorrupt(path=hashed_key.hex())

    def update(self, overlay: Overlay, changes: Sequence[Change]) -> bytes:
        """Write these leaves, sorted by key hash; the new root."""
        return self._update(overlay, changes, 0)[0][0]

    def _update(
        self, overlay: Overlay, changes: Sequence[Change], nibbles: int
    ) -> tuple[Node, bool]:
        """The node above the changed leaves, and whether it has a page."""
        place = place_of(changes[0][0], nibbles)
        raw = overlay.get(self._pages + place)
        if raw is None:
            old = overlay.get(self._runs + place)
            rows = _changed(parse_run(old or b""), changes)
            if len(rows) <= RUN_LEAVES:
                overlay.put(self._runs + place, run_bytes(rows) if rows else None)
                return fold_run(rows, FAN_BITS * nibbles), False
            if old is not None:
                overlay.put(self._runs + place, None)
            return self._paged(overlay, rows, nibbles), True
        page = Page.parse(raw)
        slots: list[tuple[int, Node]] = []
        for slot, group in by_slot(changes, nibbles):
            node, is_deep = self._update(overlay, group, nibbles + 1)
            slots.append((slot, node))
            page.deeper = page.deeper & ~(1 << slot) | is_deep << slot
        page.set_slots(slots)
        is_kept = page.top[0] != EMPTY
        overlay.put(self._pages + place, page.to_bytes() if is_kept else None)
        return page.top, is_kept

    def _paged(self, overlay: Overlay, rows: Sequence[Row], nibbles: int) -> Node:
        """Pages and runs of leaves that are too many for one run."""
        page = Page()
        slots: list[tuple[int, Node]] = []
        for slot, group in by_slot(rows, nibbles):
            if len(group) > RUN_LEAVES:
                page.deeper |= 1 << slot
                slots.append((slot, self._paged(overlay, group, nibbles + 1)))
            else:
                overlay.put(self._runs + place_of(group[0][0], nibbles + 1), run_bytes(group))
                slots.append((slot, fold_run(group, FAN_BITS * (nibbles + 1))))
        page.set_slots(slots)
        overlay.put(self._pages + place_of(rows[0][0], nibbles), page.to_bytes())
        return page.top

    def _run_path(
        self, reader: Reader, hashed_key: bytes, nibbles: int, above: list[bytes]
    ) -> tuple[list[bytes], Row | None]:
        rows: Sequence[Row] = parse_run(
            reader.get(self._runs + place_of(hashed_key, nibbles)) or b""
        )
        siblings = list(above)
        depth = FAN_BITS * nibbles
        while len(rows) > 1:
            left, right = _halves(rows, depth)
            mine, other = (right, left) if bit_at(hashed_key, depth) else (left, right)
            siblings.append(fold_run(other, depth + 1)[0])
            rows, depth = mine, depth + 1
        return siblings[::-1], rows[0] if rows else None

    def _lone(self, reader: Reader, page: Page, below: tuple[bytes, int], index: int) -> Row:
        """The only leaf below node `index` of the page at `below`."""
        hashed_key, nibbles = below
        while index < FIRST_SLOT:
            index = 2 * index + 2 + (page.nodes[2 * index + 2][0] == EMPTY)
        place = place_of(_with_nibble(hashed_key, nibbles, index - FIRST_SLOT), nibbles + 1)
        if page.deeper >> (index - FIRST_SLOT) & 1:
            deeper = Page.parse(reader.get(self._pages + place) or bytes(PAGE_BYTES))
            start = int(deeper.nodes[0][0] == EMPTY)
            inside = (_with_nibble(hashed_key, nibbles, index - FIRST_SLOT), nibbles + 1)
            return self._lone(reader, deeper, inside, start)
        rows = parse_run(reader.get(self._runs + place) or b"")
        if len(rows) != 1:
            raise StateCorrupt(run=place.hex())
        return rows[0]


def place_of(hashed_key: bytes, nibbles: int) -> bytes:
    """How records of a point of the tree are named."""
    whole, half = divmod(nibbles, 2)
    head = bytes((nibbles,)) + hashed_key[:whole]
    return head + bytes((hashed_key[whole] & 0xF0,)) if half else head


def run_bytes(rows: Iterable[Row]) -> bytes:
    return b"".join(
        part
        for hashed, leaf, place in rows
        for part in (_LEAF.pack(hashed, leaf, len(place)), place)
    )


def parse_run(raw: bytes) -> list[Row]:
    """Read a run of leaves."""
    rows: list[Row] = []
    start = 0
    while start < len(raw):
        hashed, leaf, length = _LEAF.unpack_from(raw, start)
        start += _LEAF.size + length
        rows.append((hashed, leaf, raw[start - length : start]))
    return rows


def join(left: Node, right: Node) -> Node:
    """The node above two: empty above nothing, the leaf itself above a lone leaf."""
    if left[0] == EMPTY and (right[1] or right[0] == EMPTY):
        return right
    if right[0] == EMPTY and left[1]:
        return left
    return node_digest(left[0], right[0]), False


def fold_run(run: Sequence[Row], depth: int) -> Node:
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


def by_slot(rows: Sequence[T], nibbles: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Rows or changes in order, cut where the next nibble changes."""
    start = 0
    for index in range(1, len(rows) + 1):
        slot = _nibble(rows[start][0], nibbles)
        if index == len(rows) or _nibble(rows[index][0], nibbles) != slot:
            yield slot, rows[start:index]
            start = index


def _changed(rows: Sequence[Row], changes: Sequence[Change]) -> list[Row]:
    """A run with the changes in it, sorted."""
    kept = {row[0]: row for row in rows}
    for hashed, leaf, place in changes:
        if leaf is None:
            kept.pop(hashed, None)
        else:
            kept[hashed] = (hashed, leaf, place)
    return [kept[hashed] for hashed in sorted(kept)]


def _halves(run: Sequence[Row], depth: int) -> tuple[Sequence[Row], Sequence[Row]]:
    low, high = 0, len(run)
    while low < high:
        middle = (low + high) // 2
        if bit_at(run[middle][0], depth):
            high = middle
        else:
            low = middle + 1
    return run[:low], run[low:]


def _nibble(hashed_key: bytes, nibbles: int) -> int:
    byte = hashed_key[nibbles >> 1]
    return byte & 15 if nibbles & 1 else byte >> 4


def _with_nibble(hashed_key: bytes, nibbles: int, value: int) -> bytes:
    at = nibbles >> 1
    byte = hashed_key[at]
    byte = byte & 0xF0 | value if nibbles & 1 else byte & 0x0F | value << 4
    return hashed_key[:at] + bytes((byte,)) + hashed_key[at + 1 :]
