"""Snapshots: a stream's whole state in one file, checked against its root before any of it is used.

  head     "AKS1" | stream 32 | u64 seq | u64 generation | tree root 32 | u64 keys | u64 bytes
  records  `keys` of them in order of space || key:
           u16 bytes of space || key | u32 bytes of cell | space || key | cell (cells.py)

Rights, nonces and elements of lists are cells like any other, so a replica that loads a snapshot
goes on exactly where the one that wrote it stood (INV-KV-2). The file is stored like any other
file. Source: docs/protocol/storage.md#key-value-streams.
"""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.storage.kv import bulk
from offchain.storage.kv.cells import MAX_KEY_BYTES, MAX_VALUE_BYTES
from offchain.storage.kv.errors import RootMismatch
from offchain.storage.kv.ports import Block
from offchain.storage.kv.proof import EMPTY, StreamRoot
from offchain.storage.kv.state import CELL, META, Meta, StreamView
from offchain.storage.kv.tree import (
    FAN_BITS,
    PAGE,
    RUN,
    RUN_LEAVES,
    Node,
    Page,
    place_of,
)

MAGIC: Final = b"AKS1"
_HEAD: Final = struct.Struct(">4s32sQQ32sQQ")
_RECORD: Final = struct.Struct(">HI")
MAX_KEYS: Final = 1 << 28
PIECE_BYTES: Final = 1 << 20
CELLS_A_BLOCK: Final = 64
CELLS_A_PASS: Final = 1 << 16
Pairs = Iterator[tuple[bytes, bytes]]
Trust = Callable[[StreamRoot], bool]


def write_snapshot(view: StreamView, seq: int) -> Iterator[bytes]:
    """The snapshot of a stream at entry `seq`, in pieces."""
    yield from pack_snapshot(view.root_at(seq), view.cells())


def pack_snapshot(root: StreamRoot, cells: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """A snapshot of space || key with their cells, in order, that claims this root; in pieces."""
    yield _HEAD.pack(
        MAGIC,
        root.stream,
        root.seq,
        root.generation,
        root.tree_root,
        root.keys,
        root.byte_count,
    )
    parts: list[bytes] = []
    size = 0
    for place, cell in cells:
        parts += (_RECORD.pack(len(place), len(cell)), place, cell)
        size += _RECORD.size + len(place) + len(cell)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def snapshot_root(raw: bytes | memoryview) -> StreamRoot:
    """The root that a snapshot claims; not checked. Raises: RootMismatch."""
    if len(raw) < _HEAD.size:
        raise RootMismatch(bytes=len(raw))
    magic, stream, seq, generation, tree_root, keys, size = _HEAD.unpack_from(raw)
    if magic != MAGIC or keys > MAX_KEYS:
        raise RootMismatch(magic=magic.hex(), keys=keys)
    return StreamRoot(stream, seq, generation, tree_root, keys, size)


class Snapshot:
    """A snapshot; it is hashed in a thread of its own while its first records are already read."""

    def __init__(self, raw: bytes | memoryview) -> None:
        """`raw` may be a mapped file. Raises: RootMismatch when it cannot be one."""
        self.root = snapshot_root(raw)
        self._raw = memoryview(raw)
        self._array = np.frombuffer(raw, np.uint8)
        self._find()
        hasher = ThreadPoolExecutor(1, "kv-snapshot")
        self._checked = hasher.submit(self._check)
        hasher.shutdown(wait=False)

    def check(self) -> None:
        """Wait until everything is hashed. Raises: RootMismatch."""
        self._checked.result()

    def blocks(self, number: int) -> Iterator[Block]:
        """The cells as a store may hold them, before they are checked: `pairs` does it."""
        prefix = number.to_bytes(4, "big") + CELL
        bounds = [*self._starts[::CELLS_A_BLOCK].tolist(), len(self._raw)]
        firsts = self._places[::CELLS_A_BLOCK].tolist()
        for first, start, end in zip(firsts, bounds[:-1], bounds[1:], strict=True):
            place = start + _RECORD.size
            yield Block(
                prefix, bytes(self._raw[place : place + first]), bytes(self._raw[start:end])
            )

    def pairs(self, number: int) -> Pairs:
        """What a store holds beside the cells, once they are checked."""
        prefix = number.to_bytes(4, "big")
        self.check()
        root = self.root
        meta = Meta(root.seq + 1, root.generation, root.tree_root, root.keys, root.byte_count)
        yield prefix + META, meta.to_bytes()
        for place in sorted(self._pages):
            yield prefix + PAGE + place, self._pages[place]
        yield from self._run_pairs(prefix + RUN)

    def _run_pairs(self, table: bytes) -> Pairs:
        """Runs in the order of their leaves, the rows of many written at a time."""
        runs = sorted((low, high, place) for place, (low, high) in self._runs.items())
        for _, some in itertools.groupby(runs, lambda run: run[0] // CELLS_A_PASS):
            part = list(some)
            first = part[0][0]
            rows, ends = self._rows(first, part[-1][1])
            for low, high, place in part:
                start = ends[low - first - 1] if low > first else 0
                yield table + place, rows[start : ends[high - first - 1]].tobytes()

    def _rows(self, low: int, high: int) -> tuple[bulk.Bytes, list[int]]:
        """Rows of leaves low .. high-1, and where each ends."""
        cells = self._order[low:high]
        rows = np.empty(int(self._places[cells].sum()) + bulk.ROW_HEAD * len(cells), np.uint8)
        ends = np.zeros(len(cells), np.int64)
        keys = self._words[low:high].byteswap().view(np.uint8)
        leaves = self._leaves[cells].view(np.uint8)
        bulk.write_rows(self._array, self._starts, cells, (keys, leaves), (ends, rows))
        return rows, ends.tolist()

    def _check(self) -> None:
        self._tree(self._hash())
        if self._top[0] != self.root.tree_root:
            raise RootMismatch(expected=self.root.tree_root.hex(), found=self._top[0].hex())

    def _find(self) -> None:
        keys = self.root.keys
        if keys > len(self._raw) // _RECORD.size:
            raise RootMismatch(keys=keys, bytes=len(self._raw))
        self._starts, self._places, self._sizes = (np.zeros(keys, np.int64) for _ in range(3))
        found = np.array([_HEAD.size], np.int64)
        where = (self._starts, self._places, self._sizes)
        bulk.find_records(self._array, _HEAD.size, where, found)
        if found[0] != len(self._raw):
            raise RootMismatch(bytes=len(self._raw))
        if not bulk.are_rising(self._array, self._starts, self._places):
            raise RootMismatch(reason="keys out of order")
        total = int(self._places.sum() + self._sizes.sum()) - 10 * keys  # space, version, kind
        is_bounded = not keys or (
            int(self._places.max()) <= MAX_KEY_BYTES + 9
            and int(self._sizes.max()) <= MAX_VALUE_BYTES + 9
        )
        if total != self.root.byte_count or not is_bounded:
            raise RootMismatch(bytes=total, expected=self.root.byte_count)

    def _hash(self) -> bulk.Words:
        """Key hashes in order; the leaves' digests in that order."""
        count = len(self._starts)
        keys, leaves = (np.zeros((count, 4), np.uint64) for _ in range(2))
        for first in range(0, count, CELLS_A_PASS):
            part = slice(first, first + CELLS_A_PASS)
            places = self._starts[part] + _RECORD.size
            bulk.hash_ranges(self._array, places, self._places[part], keys[part])
            cells = places + self._places[part]
            values = np.zeros((len(cells), 4), np.uint64)
            bulk.hash_ranges(self._array, cells + 9, self._sizes[part] - 9, values)
            messages = np.empty((len(cells), 74), np.uint8)
            hashed, value_bytes = keys[part].view(np.uint8), values.view(np.uint8)
            bulk.leaf_messages(self._array, cells, hashed, value_bytes, messages)
            begins = np.arange(len(cells), dtype=np.int64) * 74
            sizes = np.full(len(cells), 74, np.int64)
            bulk.hash_ranges(messages.reshape(-1), begins, sizes, leaves[part])
        order = _order_of(keys)
        self._words = keys[order]
        del keys  # 32 bytes a cell, in an open bounded by memory
        self._words.byteswap(inplace=True)
        self._shared = np.zeros(max(0, count - 1), np.int64)
        bulk.shared_bits(self._words, self._shared)
        if int(self._shared.max(initial=0)) == 256:
            raise RootMismatch(reason="a key twice")
        self._order, self._leaves = order, leaves
        return leaves[order]

    def _tree(self, leaves: bulk.Words) -> None:
        """Pages and runs, and the root."""
        self._pages: dict[bytes, bytes] = {}
        self._runs: dict[bytes, tuple[int, int]] = {}
        cuts: list[tuple[int, int, int]] = []
        count = len(self._words)
        self._cut(0, count, 0, cuts)
        folded = self._fold(cuts, leaves)
        tops = {
            low: (digest, high - low == 1)
            for (low, high, _), digest in zip(cuts, folded, strict=True)
        }
        self._top: Node = self._page(0, count, 0, tops) if count else (EMPTY, False)

    def _cut(self, low: int, high: int, nibbles: int, cuts: list[tuple[int, int, int]]) -> None:
        if high - low <= RUN_LEAVES:
            if high > low:
                cuts.append((low, high, nibbles))
            return
        for first, end in self._slots(low, high, nibbles):
            self._cut(first, end, nibbles + 1, cuts)

    def _slots(self, low: int, high: int, nibbles: int) -> list[tuple[int, int]]:
        """The ranges of leaves below each of the sixteen slots."""
        shift = np.uint64(60 - FAN_BITS * (nibbles % 16))
        column = self._words[low:high, nibbles // 16] >> shift & np.uint64(15)
        bounds = (low + np.searchsorted(column, np.arange(17, dtype=np.uint64))).tolist()
        return list(itertools.pairwise(bounds))

    def _fold(self, cuts: list[tuple[int, int, int]], digests: bulk.Words) -> list[bytes]:
        """The root of every run, level by level over all of them."""
        count = len(self._words)
        if not count:
            return []
        lows = np.array([low for low, _, _ in cuts], np.int64)
        lengths = np.array([high - low for low, high, _ in cuts], np.int64)
        tops = np.repeat(np.array([FAN_BITS * nibbles for _, _, nibbles in cuts]), lengths)
        beside = np.zeros(count + 1, np.int64)
        beside[1:count] = self._shared + 1
        beside[lows] = 0
        depths = np.maximum(np.maximum(beside[:-1], beside[1:]), tops)
        entries = np.empty((count, 3), np.int32)
        entries[:, 0], entries[:, 1], entries[:, 2] = np.arange(count), depths, tops
        deepest = int(depths.max())
        del beside, depths, tops
        left = np.array([count], np.int64)
        for level in range(deepest, 0, -1):
            bulk.fold_level(level, self._words, self._shared, entries, digests, left)
        assert int(left[0]) == len(cuts)
        whole = digests[: len(cuts)].tobytes()
        return [whole[at : at + 32] for at in range(0, len(whole), 32)]

    def _page(self, low: int, high: int, nibbles: int, tops: dict[int, Node]) -> Node:
        hashed = self._words[low].byteswap().tobytes()
        if high - low <= RUN_LEAVES:
            self._runs[place_of(hashed, nibbles)] = (low, high)
            return tops[low]
        page = Page()
        slots: list[tuple[int, Node]] = []
        for slot, (first, end) in enumerate(self._slots(low, high, nibbles)):
            if end > first:
                slots.append((slot, self._page(first, end, nibbles + 1, tops)))
                page.deeper |= (end - first > RUN_LEAVES) << slot
        page.set_slots(slots)
        self._pages[place_of(hashed, nibbles)] = page.to_bytes()
        return page.top


def _order_of(keys: bulk.Words) -> npt.NDArray[np.int64]:
    """Positions of key hashes in their order."""
    first = keys[:, 0].byteswap()
    order: npt.NDArray[np.int64] = np.argsort(first, kind="stable")
    ranked = first[order]
    if len(keys) > 1 and bool((ranked[1:] == ranked[:-1]).any()):
        order = np.lexsort(tuple(keys[:, word].byteswap() for word in (3, 2, 1, 0)))
    return order
