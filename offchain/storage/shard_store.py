"""Shards on any medium: whole or absent, and judged against their root on every read.

What leaves here was just now checked against D by the rows' own hashes; bytes that fail are set
aside, reported as `ShardCorrupt` once and not held until the shard is put again. The index lives in
memory and comes from names and sizes at start. A medium that breaks under a write makes the store
read-only until the process starts anew: what a failed sync left behind is not known.
Source: docs/protocol/storage.md#node, INV-STO-13, INV-STO-14.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.field import FIELD_BYTES, Elements
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import K
from offchain.core.matrix.runs import is_run, require_aligned
from offchain.core.merkle import CosetTree, Digests
from offchain.core.wire import HEADER_BYTES, Header, Row
from offchain.node.disk import Chunk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.storage.errors import (
    BackendUnreachable,
    FormatUnknown,
    ShardCorrupt,
    ShardNotHeld,
    ShardRejected,
)
from offchain.storage.medium import ASIDE, Medium
from offchain.storage.ports import HeldShard, Run, ScrubOutcome, Shard, ShardKey
from offchain.storage.shard_file import (
    FRONT_BYTES,
    ShardFront,
    columns_in,
    file_bytes,
    header_offset,
    key_named,
    name_of,
    pack_shard,
    parse_front,
    parse_header,
    parse_roots,
    require_key,
    roots_offset,
    row_offset,
    run_siblings_in,
)

VERIFY_BYTES: Final = 4 << 20  # read at once while a shard is read again
log = logging.getLogger(__name__)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class _Tree:
    """The front of a shard file and the tree over its rows, both folded to D."""

    front: ShardFront
    tree: CosetTree

    @property
    def roots(self) -> Digests:
        return self.tree.levels[0]


class Shards:
    """A `ShardStore` over one `Medium`."""

    def __init__(self, medium: Medium, engine: ErasureEngine) -> None:
        self._medium = medium
        self._engine = engine
        self._columns: dict[bytes, dict[ShardKey, int]] = {}
        self._contained: set[ShardKey] = set()
        self._locks: dict[ShardKey, asyncio.Lock] = {}
        self._users: Counter[ShardKey] = Counter()
        self._is_broken = False
        self._kept = 0

    @property
    def is_read_only(self) -> bool:
        """Whether a write failed in a way that only a new start may look into."""
        return self._is_broken

    def contained(self) -> frozenset[ShardKey]:
        """Shards that were found bad and not put again since."""
        return frozenset(self._contained)

    def open(self) -> list[str]:
        """Read names and sizes; the names of files that cannot be used, which are set aside."""
        unusable = []
        sizes = self._medium.sizes()
        for name, size in sizes.items():
            key = key_named(name.removesuffix(ASIDE))
            if key is None:
                continue
            columns = columns_in(size, key.rows)
            if name.endswith(ASIDE):
                if name.removesuffix(ASIDE) not in sizes:
                    self._contained.add(key)
            elif columns is None:
                log.error("shard_corrupt", extra={"shard": name, "reason": "size"})
                self._medium.set_aside(name)
                self._contained.add(key)
                unusable.append(name)
            else:
                self._index(key, columns)
        return unusable

    async def put(self, shard: Shard) -> None:
        require_key(shard.key)
        async with self._alone_with(shard.key):
            if self._columns_of(shard.key) is not None:
                return
            if self._is_broken:
                raise StoreBroken(reason="read-only since a write failed")
            try:
                await asyncio.to_thread(self._write, shard)
            except StoreBroken:
                self._is_broken = True
                log.critical("store_broken", extra={"shard": name_of(shard.key)})
                raise
            self._index(shard.key, shard.header.columns)
            self._contained.discard(shard.key)

    async def held(self, data_root: bytes | None = None) -> Sequence[HeldShard]:
        roots = list(self._columns) if data_root is None else [data_root]
        return [
            HeldShard(key, columns, file_bytes(key.rows, columns))
            for root in roots
            for key, columns in self._columns.get(root, {}).items()
        ]

    def kept_bytes(self) -> int:
        return self._kept

    async def run(self, data_root: bytes, first: int, count: int) -> Run:
        require_aligned(first, count)
        key = self._covering(data_root, first, count)
        return await self._checked(key, lambda: self._read_run(key, first, count))

    async def rows(self, data_root: bytes, indices: Sequence[int]) -> list[Row]:
        wanted: dict[ShardKey, list[int]] = {}
        for index in sorted(set(indices)):
            wanted.setdefault(self._covering(data_root, index, 1), []).append(index)
        rows: list[Row] = []
        for key, part in wanted.items():
            rows += await self._checked(key, lambda k=key, p=part: self._read_rows(k, p))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        return sorted(rows, key=lambda row: row.index)

    async def header(self, data_root: bytes) -> Header:
        keys = list(self._columns.get(data_root, {}))
        for key in keys[:-1]:
            try:
                return await self._checked(key, lambda k=key: self._read_header(k))  # type: ignore[misc]  # as above
            except ShardCorrupt:
                continue
        if not keys:
            raise ShardNotHeld(data_root=data_root.hex())
        return await self._checked(keys[-1], lambda: self._read_header(keys[-1]))

    async def verify(self, key: ShardKey) -> ScrubOutcome:
        if key in self._contained:
            return ScrubOutcome.CONTAINED
        if self._columns_of(key) is None:
            return ScrubOutcome.UNKNOWN
        try:
            await self._checked(key, lambda: self._read_all(key))
        except (ShardCorrupt, ShardNotHeld):
            return ScrubOutcome.FAILURE
        except (StoreBroken, BackendUnreachable):
            return ScrubOutcome.OFFLINE
        except FormatUnknown:
            return ScrubOutcome.UNKNOWN
        return ScrubOutcome.SUCCESS

    async def drop(self, key: ShardKey) -> None:
        async with self._alone_with(key):
            self._unindex(key)  # not served any more, whatever the medium does now
            await asyncio.to_thread(self._medium.remove, name_of(key))
            self._contained.discard(key)

    @asynccontextmanager
    async def _alone_with(self, key: ShardKey) -> AsyncIterator[None]:
        """One writer a shard; the lock goes with its last user."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]

    def _index(self, key: ShardKey, columns: int) -> None:
        self._columns.setdefault(key.data_root, {})[key] = columns
        self._kept += key.rows * FIELD_BYTES * columns

    def _unindex(self, key: ShardKey) -> bool:
        """Whether it was there."""
        known = self._columns.get(key.data_root, {})
        columns = known.pop(key, None)
        if columns is None:
            return False
        self._kept -= key.rows * FIELD_BYTES * columns
        if not known:
            del self._columns[key.data_root]
        return True

    def _columns_of(self, key: ShardKey) -> int | None:
        return self._columns.get(key.data_root, {}).get(key)

    def _covering(self, data_root: bytes, first: int, count: int) -> ShardKey:
        for key in self._columns.get(data_root, {}):
            if key.covers(first, count):
                return key
        raise ShardNotHeld(data_root=data_root.hex(), row=first, rows=count)

    async def _checked(self, key: ShardKey, read: Callable[[], Read]) -> Read:
        """What `read` found, unless the shard is bad: then it is set aside."""
        try:
            return await asyncio.to_thread(read)
        except FileNotFoundError as error:
            await self._contain(key, "missing")
            raise ShardCorrupt(reason="missing", shard=name_of(key)) from error
        except ShardCorrupt as error:
            await self._contain(key, str(error))
            raise

    async def _contain(self, key: ShardKey, reason: str) -> None:
        async with self._alone_with(key):
            if not self._unindex(key):
                return  # dropped, or contained by another reader
            self._contained.add(key)
            log.error("shard_corrupt", extra={"shard": name_of(key), "reason": reason})
            try:
                await asyncio.to_thread(self._medium.set_aside, name_of(key))
            except (StoreBroken, StoreFull, BackendUnreachable) as error:
                log.warning("shard_not_set_aside", extra={"code": error.code})

    def _write(self, shard: Shard) -> None:
        run, key = shard.run, shard.key
        roots = self._engine.row_roots(run.data) if shard.roots is None else shard.roots
        lies = is_run(
            roots,
            run.first,
            siblings=run.siblings,
            coset_roots=shard.header.coset_roots,
            hash_many=self._engine.keccak_many,
        )
        shape = (key.rows, shard.header.columns, FIELD_BYTES)
        is_named = (run.first, run.data.shape, len(roots)) == (key.first, shape, key.rows)
        if not lies or not is_named or shard.header.data_root != key.data_root:
            raise ShardRejected(data_root=key.data_root.hex(), shard=key.number)
        self._medium.write(name_of(key), pack_shard(shard, roots))

    def _read(self, key: ShardKey, start: int, size: int) -> Chunk:
        raw = self._medium.read(name_of(key), start, size)
        if len(raw) != size:
            raise ShardCorrupt(reason="short", shard=name_of(key))
        return raw

    def _tree(self, key: ShardKey) -> _Tree:
        columns = self._known_columns(key)
        front = self._read(key, 0, FRONT_BYTES)
        roots = self._read(key, roots_offset(key.rows, columns), key.rows * DIGEST_BYTES)
        return self._folded(key, front, roots)

    def _folded(self, key: ShardKey, front: Chunk, roots: Chunk) -> _Tree:
        """Front and roots of a shard file, judged. Raises: ShardCorrupt, FormatUnknown."""
        parsed = parse_front(bytes(front), key)
        if parsed.columns != self._known_columns(key):
            raise ShardCorrupt(reason="columns", shard=name_of(key))
        tree = parse_roots(bytes(roots), key, parsed, self._engine.keccak_many)
        return _Tree(parsed, tree)

    def _known_columns(self, key: ShardKey) -> int:
        columns = self._columns_of(key)
        if columns is None:
            raise ShardNotHeld(data_root=key.data_root.hex(), row=key.first)
        return columns

    def _data(self, key: ShardKey, tree: _Tree, position: int, count: int) -> Elements:
        """So many rows from this position in the shard, each with the root it must have."""
        columns = tree.front.columns
        size = count * FIELD_BYTES * columns
        raw = self._read(key, row_offset(position, columns), size)
        return self._judged(key, tree, position, raw)

    def _judged(self, key: ShardKey, tree: _Tree, position: int, raw: Chunk) -> Elements:
        """These bytes as the rows from this position on. Raises: ShardCorrupt."""
        data = np.frombuffer(raw, np.uint8).reshape(-1, tree.front.columns, FIELD_BYTES)
        count = len(data)
        roots = self._engine.row_roots(data)
        expected = tree.roots[position : position + count]
        if not np.array_equal(roots, expected):
            wrong = int(np.flatnonzero((roots != expected).any(axis=1))[0])
            raise ShardCorrupt(reason="row", shard=name_of(key), row=key.first + position + wrong)
        return data

    def _read_run(self, key: ShardKey, first: int, count: int) -> Run:
        if count == key.rows:
            tree, data = self._read_whole(key)
        else:
            tree = self._tree(key)
            data = self._data(key, tree, first - key.first, count)
        siblings = run_siblings_in(tree.tree, key, tree.front, first=first, count=count)
        return Run(first, siblings, tree.front.coset_roots, data)

    def _read_file(self, key: ShardKey) -> None:
        """A whole shard file in one read. Raises: ShardCorrupt."""
        columns = self._known_columns(key)
        raw = memoryview(self._read(key, 0, file_bytes(key.rows, columns)))
        self._judged_whole(key, raw)
        parse_header(bytes(raw[header_offset(key.rows, columns) :]), key)

    def _read_whole(self, key: ShardKey) -> tuple[_Tree, Elements]:
        """All rows of a shard, in one read with what proves them."""
        end = header_offset(key.rows, self._known_columns(key))
        return self._judged_whole(key, memoryview(self._read(key, 0, end)))

    def _judged_whole(self, key: ShardKey, raw: memoryview) -> tuple[_Tree, Elements]:
        """A shard file up to its header, or longer. Raises: ShardCorrupt."""
        columns = self._known_columns(key)
        rows_end, end = roots_offset(key.rows, columns), header_offset(key.rows, columns)
        tree = self._folded(key, raw[:FRONT_BYTES], raw[rows_end:end])
        return tree, self._judged(key, tree, 0, raw[row_offset(0, columns) : rows_end])

    def _read_rows(self, key: ShardKey, indices: Sequence[int]) -> list[Row]:
        tree = self._tree(key)
        rows = []
        for start, count in _stretches(indices):
            data = self._data(key, tree, start - key.first, count)
            for offset in range(count):
                position = start + offset - key.first
                path = tree.tree.path(position) + tree.front.siblings
                rows.append(Row(start + offset, path, data[offset]))
        return rows

    def _read_header(self, key: ShardKey) -> Header:
        start = header_offset(key.rows, self._known_columns(key))
        return parse_header(bytes(self._read(key, start, HEADER_BYTES + DIGEST_BYTES)), key)

    def _read_all(self, key: ShardKey) -> None:
        """Every byte of a shard once. Raises: ShardCorrupt."""
        columns = self._known_columns(key)
        if file_bytes(key.rows, columns) <= VERIFY_BYTES:
            self._read_file(key)
            return
        tree = self._tree(key)
        at_once = max(1, min(K, VERIFY_BYTES // (FIELD_BYTES * tree.front.columns)))
        for position in range(0, key.rows, at_once):
            self._data(key, tree, position, min(at_once, key.rows - position))
        self._read_header(key)


def _stretches(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Increasing indices as (first, count) of neighbours."""
    start = previous = indices[0]
    for index in indices[1:]:
        if index != previous + 1:
            yield start, previous + 1 - start
            start = index
        previous = index
    yield start, previous + 1 - start
