"""A store in memory: for tests, examples and caches that may be lost."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

from offchain.storage.kv.ports import Block, Changes, Reader


class MemoryStore:
    """A `KVStore` of a dictionary; a view keeps commits waiting."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._order: list[bytes] = []
        self._lock = RLock()

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        start, stop = bisect_left(self._order, first), bisect_left(self._order, end)
        keys = self._order[start : min(stop, start + limit)]
        return [(key, self._values[key]) for key in keys]

    @contextmanager
    def view(self) -> Iterator[Reader]:
        with self._lock:
            yield self

    def commit(self, changes: Changes) -> None:
        with self._lock:
            for key, value in changes.items():
                self._set(key, value)

    def load(self, pairs: Iterable[tuple[bytes, bytes]], blocks: Iterable[Block] = ()) -> None:
        whole = dict(pair for block in blocks for pair in block.pairs())
        whole |= dict(pairs)
        with self._lock:
            self._values |= whole
            self._order = sorted(self._values)

    def close(self) -> None:
        """Nothing is held."""

    def _set(self, key: bytes, value: bytes | None) -> None:
        if value is not None:
            if key not in self._values:
                insort(self._order, key)
            self._values[key] = value
        elif self._values.pop(key, None) is not None:
            del self._order[bisect_left(self._order, key)]
