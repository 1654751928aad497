"""One stream's state in a store: cells, the tree above them, and how far it has come.

  META                        u64 next | u64 generation | tree root 32 | u64 keys | u64 bytes
  CELL || u8 space || key     a cell (cells.py)          PAGE, RUN: tree.py

Every record begins with the store's number for the stream, u32. `next` is the first entry of the
log that this state has not seen. Writes collect in an overlay; `settle` brings the tree up to them.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from offchain.storage.kv.cells import Cell, Space
from offchain.storage.kv.errors import StateCorrupt
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.ports import Reader
from offchain.storage.kv.proof import EMPTY, Leaf, Proof, StreamRoot, key_hash
from offchain.storage.kv.tree import Change, Tree

CELL: Final = b"C"
META: Final = b"M"
_META: Final = struct.Struct(">QQ32sQQ")
_NUMBER_BYTES: Final = 4
SCAN_ROWS: Final = 4_096
Cells = Mapping[tuple[int, bytes], Cell | None]


@dataclass(frozen=True, slots=True)
class Meta:
    """Where a stream stands; generation 0: nobody has created it yet."""

    next_seq: int = 0
    generation: int = 0
    tree_root: bytes = EMPTY
    keys: int = 0
    byte_count: int = 0

    def to_bytes(self) -> bytes:
        return _META.pack(
            self.next_seq, self.generation, self.tree_root, self.keys, self.byte_count
        )

    @classmethod
    def parse(cls, raw: bytes | None) -> "Meta":
        """Read a stored record; a stream without one is new. Raises: StateCorrupt."""
        if raw is None:
            return cls()
        if len(raw) != _META.size:
            raise StateCorrupt(bytes=len(raw))
        return cls(*_META.unpack(raw))


@dataclass(frozen=True, slots=True)
class Found:
    """A cell, or its absence, with the proof and the root it lies under."""

    cell: Cell | None
    proof: Proof
    root: StreamRoot


class StreamView:
    """Reads one stream from a reader."""

    def __init__(self, reader: Reader, stream: bytes, number: int) -> None:
        self.stream = stream
        self._reader = reader
        self._prefix = number.to_bytes(_NUMBER_BYTES, "big")
        self.tree = Tree(self._prefix)

    @property
    def meta(self) -> Meta:
        return Meta.parse(self._reader.get(self._prefix + META))

    def root_at(self, seq: int) -> StreamRoot:
        """The stream's root after entry `seq`, up to which nothing has touched it."""
        meta = self.meta
        return StreamRoot(
            self.stream, seq, meta.generation, meta.tree_root, meta.keys, meta.byte_count
        )

    def cell(self, space: int, key: bytes) -> Cell | None:
        raw = self._reader.get(self.cell_key(space, key))
        return None if raw is None else Cell.parse(raw)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, Cell]]:
        """The user's keys with this prefix, in order, after the key `after`."""
        table = self.cell_key(Space.USER, b"")
        first = table + prefix
        if after is not None and after + b"\x00" > prefix:
            first = table + after + b"\x00"
        rows = self._reader.scan(first, end_of(table + prefix), limit)
        return [(key[len(table) :], Cell.parse(raw)) for key, raw in rows]

    def cells(self) -> Iterator[tuple[bytes, bytes]]:
        """Every space || key with its cell's bytes, in order."""
        table = self._prefix + CELL
        first, end = table, end_of(table)
        while rows := self._reader.scan(first, end, SCAN_ROWS):
            yield from ((key[len(table) :], raw) for key, raw in rows)
            first = rows[-1][0] + b"\x00"

    def find(self, space: int, key: bytes, seq: int) -> Found:
        """A cell with its proof."""
        hashed = key_hash(space, key)
        siblings, end = self.tree.path(self._reader, hashed)
        is_there = end is not None and end[0] == hashed
        other = None if end is None or is_there else self._leaf_at(end[2])
        cell = self.cell(space, key)
        if (cell is None) is is_there:
            raise StateCorrupt(key=key.hex())
        return Found(cell, Proof(tuple(siblings), other), self.root_at(seq))

    def cell_key(self, space: int, key: bytes) -> bytes:
        return self._prefix + CELL + bytes((space,)) + key

    def _leaf_at(self, place: bytes) -> Leaf:
        cell = self.cell(place[0], place[1:])
        if cell is None:
            raise StateCorrupt(key=place.hex())
        return cell.leaf(place[0], place[1:])


class StreamState(StreamView):
    """Writes one stream into an overlay."""

    def __init__(
        self, overlay: Overlay, stream: bytes, number: int, *, below: Cells | None = None
    ) -> None:
        """`below`: cells that are not in the overlay but count as if they were."""
        super().__init__(overlay, stream, number)
        self._overlay = overlay
        self._below: Mapping[tuple[int, bytes], Cell | None] = below or {}
        self._dirty: dict[tuple[int, bytes], Cell | None] = {}
        self._read: dict[tuple[int, bytes], Cell | None] = {}
        self._now = self.meta
        self._keys, self._bytes = self._now.keys, self._now.byte_count

    @property
    def generation(self) -> int:
        return self._now.generation

    @property
    def unsettled(self) -> Cells:
        """What was written since the tree was last brought up to it."""
        return self._dirty

    def cell(self, space: int, key: bytes) -> Cell | None:
        place = (int(space), key)
        if place in self._dirty:
            return self._dirty[place]
        if place in self._below:
            return self._below[place]
        if place not in self._read:
            self._read[place] = super().cell(space, key)
        return self._read[place]

    def put(self, space: int, key: bytes, cell: Cell | None) -> None:
        """Write or remove a cell."""
        before = self.cell(space, key)
        self._dirty[int(space), key] = cell
        self._keys += (cell is not None) - (before is not None)
        self._bytes += _size(key, cell) - _size(key, before)

    def set_generation(self, generation: int) -> None:
        self._now = replace(self._now, generation=generation)

    def settle(self, seq: int) -> Sequence[bytes]:
        """Bring records and tree up to the writes of entry `seq`; the user's keys written."""
        changes: list[Change] = []
        for (space, key), cell in self._dirty.items():
            place = self.cell_key(space, key)
            if cell is None:
                if self._overlay.get(place) is None:
                    continue
                self._overlay.put(place, None)
                changes.append((key_hash(space, key), None, b""))
            else:
                self._overlay.put(place, cell.to_bytes())
                leaf = cell.leaf(space, key)
                changes.append((leaf.key_hash, leaf.digest, bytes((space,)) + key))
        changes.sort()
        root = self._now.tree_root
        if changes:
            root = self.tree.update(self._overlay, changes)
        written = [key for space, key in self._dirty if space == Space.USER]
        self._dirty.clear()
        self._read.clear()
        self._now = Meta(seq + 1, self._now.generation, root, self._keys, self._bytes)
        self._overlay.put(self._prefix + META, self._now.to_bytes())
        return written


def end_of(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix`, which a table's letter precedes."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,))


def _size(key: bytes, cell: Cell | None) -> int:
    return 0 if cell is None else len(key) + len(cell.value)
