"""The batches a provider has posted: each file with all its leaves, and what became of its items.

  <root>.json      the batch file (batch.py), written before it is presented
  batches.journal  POSTED  u64 batch id || data root (32) || service (32) || token (20) ||
                           the positions that were skipped, u8 each
                   GONE    u64 batch id: released, and its leaves were forgotten

A file whose batch is not known yet was presented before a crash, or not at all; presenting it again
sends nothing twice. Source: docs/protocol/compute.md#receipts.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.compute.batch import BatchItem, data_root, parse_batch
from offchain.compute.errors import BatchUnknown
from offchain.compute.ports import Settlement
from offchain.compute.sum_tree import SumTree
from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably
from offchain.node.journal import Entry, Journal, JournalBroken

POSTED: Final = 1
GONE: Final = 2
_POSTED: Final = struct.Struct(">Q32s32s20s")


@dataclass(frozen=True, slots=True)
class Posted:
    """One batch that is on chain: its items in order, without those that were skipped."""

    id: int
    root: bytes
    service: bytes
    token: bytes
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A posted batch with its items: what openings are made of."""

    posted: Posted
    items: tuple[BatchItem, ...]
    tree: SumTree

    @classmethod
    def of(cls, posted: Posted, items: tuple[BatchItem, ...]) -> "Opened":
        """From all items presented."""
        taken = tuple(item for position, item in enumerate(items) if position not in posted.skipped)
        return cls(posted, taken, SumTree.of([item.leaf() for item in taken]))


class BatchShelf:
    """Batch files in a folder, their fates in a journal."""

    def __init__(self, disk: Disk, folder: Path, journal: Journal) -> None:
        self._disk = disk
        self._folder = folder
        self._journal = journal
        self._posted: dict[int, Posted] = {}

    def open(self) -> None:
        """Take up what earlier runs posted. Raises: JournalBroken."""
        remove_leftovers(self._disk, self._folder)
        for entry in self._journal.entries():
            self._take(entry)

    def write(self, file: bytes) -> bytes:
        """Keep a batch file; its root. Raises: StoreFull, StoreBroken."""
        root = data_root(file)
        write_durably(self._disk, self._path(root), [file])
        return root

    def drop_file(self, root: bytes) -> None:
        """Forget a file of which nothing was taken."""
        remove_durably(self._disk, self._path(root))

    def loose(self) -> list[bytes]:
        """Roots of files whose fate is not known."""
        known = {one.root for one in self._posted.values()}
        found = []
        for name in self._disk.names(self._folder):
            if name.endswith(".json") and len(name) == 69:
                root = bytes.fromhex(name[:64])
                found += [root] if root not in known else []
        return found

    async def record(
        self, settlement: Settlement, *, root: bytes, service: bytes, token: bytes
    ) -> Posted:
        """Keep what became of a presented file."""
        skipped = tuple(sorted(settlement.skipped))
        posted = Posted(settlement.batch, root, service, token, skipped)
        body = _POSTED.pack(posted.id, root, service, token) + bytes(skipped)
        await self._journal.append(Entry(POSTED, body))
        self._posted[posted.id] = posted
        return posted

    async def forget(self, batch: int) -> None:
        """Drop a batch that nobody can ask about any more."""
        posted = self._posted.get(batch)
        if posted is not None:
            await self._journal.append(Entry(GONE, batch.to_bytes(8, "big")))
            del self._posted[batch]
            self.drop_file(posted.root)

    def batches(self) -> list[Posted]:
        """Every batch that can still be opened, oldest first."""
        return [self._posted[batch] for batch in sorted(self._posted)]

    def items(self, root: bytes) -> tuple[BatchItem, ...]:
        """The items of a file. Raises: BatchUnknown, BatchFileBroken, StoreBroken."""
        path = self._path(root)
        try:
            raw = self._disk.read(path)
        except FileNotFoundError as error:
            raise BatchUnknown(root=root.hex()) from error
        except OSError as error:
            raise refused(error, path) from error
        return parse_batch(raw, root=root)[1]

    def opened(self, batch: int) -> Opened:
        """A posted batch with its items. Raises: BatchUnknown, BatchFileBroken, StoreBroken."""
        posted = self._posted.get(batch)
        if posted is None:
            raise BatchUnknown(batch=batch)
        return Opened.of(posted, self.items(posted.root))

    def _path(self, root: bytes) -> Path:
        return self._folder / f"{root.hex()}.json"

    def _take(self, entry: Entry) -> None:
        if entry.kind == POSTED:
            batch, root, service, token = _POSTED.unpack(entry.body[: _POSTED.size])
            skipped = tuple(entry.body[_POSTED.size :])
            self._posted[batch] = Posted(batch, root, service, token, skipped)
        elif entry.kind == GONE:
            self._posted.pop(int.from_bytes(entry.body, "big"), None)
        else:
            raise JournalBroken(reason="entry", kind=entry.kind)
