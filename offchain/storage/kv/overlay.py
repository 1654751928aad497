"""Changes above a reader: what is written but not committed, in the shape of a reader itself."""

from bisect import bisect_left
from collections.abc import Sequence
from heapq import merge

from offchain.storage.kv.ports import Reader


class Overlay:
    """A `Reader` with changes over another one; never touches what is below."""

    def __init__(self, base: Reader) -> None:
        self.base = base
        self.changes: dict[bytes, bytes | None] = {}
        self._order: list[bytes] = []
        self._new: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        if key in self.changes:
            return self.changes[key]
        return self.base.get(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        if key not in self.changes:
            self._new.append(key)
        self.changes[key] = value

    def scan(self, first: bytes, end: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        keys = self._between(first, end)
        if not keys:
            return self.base.scan(first, end, limit)
        hidden = sum(self.changes[key] is None for key in keys)
        below = self.base.scan(first, end, limit + hidden)
        kept = [(key, value) for key, value in below if key not in self.changes]
        own = [(key, value) for key in keys if (value := self.changes[key]) is not None]
        return list(merge(kept, own))[:limit]

    @classmethod
    def of(cls, changes: dict[bytes, bytes | None], order: list[bytes], base: Reader) -> "Overlay":
        """Changes that nobody alters any more, with their sorted keys, over a reader."""
        overlay = cls(base)
        overlay.changes, overlay._order = changes, order
        return overlay

    def _between(self, first: bytes, end: bytes) -> list[bytes]:
        if self._new:
            self._order += self._new
            self._order.sort()
            self._new.clear()
        return self._order[bisect_left(self._order, first) : bisect_left(self._order, end)]
