"""Snapshots that a replica keeps for others: one file a stream, written at a root that is posted.

  <stream>-<seq>.aks     an AKS1 file (snapshot.py); the newest of a stream replaces the others

Source: docs/protocol/storage.md#key-value-streams.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from offchain.node.disk import Disk, remove_durably, remove_leftovers, write_durably
from offchain.storage.kv.errors import SnapshotMissing
from offchain.storage.kv.follow import Replica
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.kv.snapshot import write_snapshot

ENDING: Final = ".aks"
log = logging.getLogger(__name__)


class SnapshotShelf:
    """One folder of snapshots; `every_seconds` of `now` between two of a stream."""

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        replica: Replica,
        *,
        every_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._replica = replica
        self._every = every_seconds
        self._now = now
        self._written: dict[bytes, float] = {}

    def open(self) -> None:
        """Make the folder and remove what was half written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._disk, self._folder)

    async def keep(self, root: StreamRoot) -> None:
        """Write the state under this root, when it is time and the replica still stands there."""
        last = self._written.get(root.stream)
        if last is not None and self._now() - last < self._every:
            return
        if await asyncio.to_thread(self._keep, root):
            self._written[root.stream] = self._now()

    def newest(self, stream: bytes) -> tuple[int, Path]:
        """Entry and file. Raises: SnapshotMissing."""
        found = self._kept(stream)
        if not found:
            raise SnapshotMissing(stream=stream.hex())
        seq = found[-1]
        return seq, self._path(stream, seq)

    def _keep(self, root: StreamRoot) -> bool:
        with self._replica.moment(final=True) as moment:
            view = moment.stream(root.stream)
            if view.root_at(root.seq) != root or view.meta.next_seq > root.seq + 1:
                return False
            path = self._path(root.stream, root.seq)
            write_durably(self._disk, path, write_snapshot(view, root.seq))
        for seq in self._kept(root.stream)[:-1]:
            remove_durably(self._disk, self._path(root.stream, seq))
        told = {"stream": root.stream.hex(), "seq": root.seq, "keys": root.keys}
        log.info("snapshot_written", extra=told)
        return True

    def _kept(self, stream: bytes) -> list[int]:
        """Entries at which snapshots of a stream are kept, rising."""
        head = stream.hex() + "-"
        names = [name for name in self._disk.names(self._folder) if name.endswith(ENDING)]
        return sorted(
            int(name[len(head) : -len(ENDING)]) for name in names if name.startswith(head)
        )

    def _path(self, stream: bytes, seq: int) -> Path:
        return self._folder / f"{stream.hex()}-{seq}{ENDING}"
