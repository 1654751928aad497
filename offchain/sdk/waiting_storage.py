"""Storage for programs that wait for each answer; each method as in `AsyncStorage`."""

import os

from offchain.sdk.loop_thread import LoopThread
from offchain.sdk.storage import (
    DEFAULT_DAYS,
    DEFAULT_PROFILE,
    AsyncStorage,
    Fetched,
    Price,
    Storable,
    StoredFile,
    StoredReference,
    StoreWish,
    Watcher,
)
from offchain.storage.read_file import Label


class Storage:
    """Storage over a loop on another thread."""

    def __init__(self, storage: AsyncStorage, loop: LoopThread) -> None:
        self._storage = storage
        self._loop = loop

    def put(
        self,
        source: Storable,
        wish: StoreWish | None = None,
        *,
        key: str | None = None,
        on_progress: Watcher = lambda _: None,
    ) -> StoredFile:
        """Store bytes, a file or a folder; returns when enough seats have signed on chain."""
        return self._loop.run(self._storage.put(source, wish, key=key, on_progress=on_progress))

    def get(self, reference: StoredReference) -> bytes:
        """The plain bytes."""
        return self._loop.run(self._storage.get(reference))

    def get_to(
        self,
        reference: StoredReference,
        path: str | os.PathLike[str],
        *,
        label: Label = Label.CONSISTENT,
    ) -> Fetched:
        """Fetch to a path, which appears whole; interrupted, a repeat goes on."""
        return self._loop.run(self._storage.get_to(reference, path, label=label))

    def read(self, reference: StoredReference, start: int, stop: int) -> bytes:
        """Plain bytes start .. stop-1 for the price of what they touch."""
        return self._loop.run(self._storage.read(reference, start, stop))

    def stat(self, reference: StoredReference) -> StoredFile:
        """Where a file stands."""
        return self._loop.run(self._storage.stat(reference))

    def files(self) -> list[StoredFile]:
        """Every file of this account."""
        return self._loop.run(self._storage.files())

    def quote(
        self, length: int, *, profile: str = DEFAULT_PROFILE, days: int = DEFAULT_DAYS
    ) -> Price:
        """What so many bytes cost, sealed."""
        return self._loop.run(self._storage.quote(length, profile=profile, days=days))

    def renew(
        self,
        reference: StoredReference,
        *,
        days: int = DEFAULT_DAYS,
        max_price_wei: int | None = None,
    ) -> StoredFile:
        """Buy more time."""
        renewing = self._storage.renew(reference, days=days, max_price_wei=max_price_wei)
        return self._loop.run(renewing)

    def release(self, reference: StoredReference) -> StoredFile:
        """End a file's term."""
        return self._loop.run(self._storage.release(reference))
