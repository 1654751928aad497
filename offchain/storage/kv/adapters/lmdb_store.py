"""A store in LMDB: reads without copies of pages, commits with one fsync.

LMDB takes keys of at most 511 bytes; longer ones are kept under their first 478 bytes and a hash,
with the whole key before the value, and are put in order when they are read.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

import lmdb

from offchain.core.hashing import DIGEST_BYTES, keccak
from offchain.storage.kv.errors import StoreFailed
from offchain.storage.kv.ports import Block, Changes, Reader

FOLDER: Final = "streams.lmdb"
MAP_BYTES: Final = 1 << 36
MAX_READERS: Final = 512
_MAX_KEY: Final = 511
_KEPT: Final = _MAX_KEY - DIGEST_BYTES - 1


class LmdbStore:
    """A `KVStore`; views may be taken in any thread."""

    def __init__(self, folder: Path, *, map_bytes: int = MAP_BYTES) -> None:
        """`map_bytes` is address space, not disk. Raises: StoreFailed."""
        path = folder / FOLDER
        path.mkdir(parents=True, exist_ok=True)
        try:
            self._environment = lmdb.open(
                str(path), map_size=map_bytes, max_readers=MAX_READERS, lock=True
            )
        except lmdb.Error as error:
            raise StoreFailed(file=FOLDER, reason=str(error)) from error

    @contextmanager
    def view(self) -> Iterator[Reader]:
        try:
            with self._environment.begin() as transaction:
                yield _LmdbReader(transaction)
        except lmdb.Error as error:
            raise StoreFailed(file=FOLDER, reason=str(error)) from error

    def commit(self, changes: Changes) -> None:
        try:
            with self._environment.begin(write=True) as transaction:
                for key, value in changes.items():
                    if value is None:
                        transaction.delete(_stored(key))
                    else:
                        transaction.put(_stored(key), _framed(key, value))
        except lmdb.Error as error:
            raise StoreFailed(file=FOLDER, reason=str(error)) from error

    def load(self, pairs: Iterable[tuple[bytes, bytes]], blocks: Iterable[Block] = ()) -> None:
        held = (pair for block in blocks for pair in block.pairs())
        try:
            with self._environment.begin(write=True) as transaction:
                cursor = transaction.cursor()
                cursor.putmulti(
                    (_stored(key), _framed(key, value)) for key, value in chain(held, pairs)
                )
        except lmdb.Error as error:
            raise StoreFailed(file=FOLDER, reason=str(error)) from error

    def close(self) -> None:
        self._environment.close()


class _LmdbReader:
    """A `Reader` inside one read transaction."""

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction

    def get(self, key: bytes) -> bytes | None:
        raw = self._transaction.get(_stored(key))
        return None if raw is None else _unframed(key, bytes(raw))

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        group: bytes | None = None  # keys too long to be in order share their first bytes
        with self._transaction.cursor() as cursor:
            start = first if len(first) <= _KEPT else first[:_KEPT]
            if not cursor.set_range(start):
                return found
            for place, raw in cursor:
                stored = bytes(place)
                kept = stored[:_KEPT] if len(stored) > _KEPT else None
                if len(found) >= limit and (group is None or kept != group):
                    break
                if stored[:_KEPT] >= end:
                    break
                group = kept
                key, value = _split(stored, bytes(raw))
                if first <= key < end:
                    found.append((key, value))
        found.sort()
        return found[:limit]


def _stored(key: bytes) -> bytes:
    return key if len(key) <= _KEPT else key[:_KEPT] + b"\xff" + keccak(key)


def _framed(key: bytes, value: bytes) -> bytes:
    return value if len(key) <= _KEPT else len(key).to_bytes(2, "big") + key + value


def _unframed(key: bytes, raw: bytes) -> bytes:
    return raw if len(key) <= _KEPT else raw[2 + len(key) :]


def _split(stored: bytes, raw: bytes) -> tuple[bytes, bytes]:
    if len(stored) <= _KEPT:
        return stored, raw
    size = int.from_bytes(raw[:2], "big")
    return raw[2 : 2 + size], raw[2 + size :]
