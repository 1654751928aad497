"""Rows on a disk: one file for each (blob, seed), whole or absent, checked on every read.

The index of what is held lives in memory and is rebuilt from the files' fronts at start. A row that
no longer matches D is never served: it is reported as `ShareCorrupt` once and not held afterwards,
until its owner is sent the rows again.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from offchain.core.wire import HEADER_BYTES, Header, Row
from offchain.da.adapters.disk import Disk, refused, remove_durably, remove_leftovers, write_durably
from offchain.da.adapters.share_file import (
    MAX_PROLOGUE_BYTES,
    RowRoots,
    ShareTable,
    pack_share,
    parse_entries,
    parse_header,
    parse_table,
    require_under_root,
)
from offchain.da.ports import HeldShare, Share
from offchain.da.refusals import BlobUnknown, RowNotHeld, ShareCorrupt

SUFFIX: Final = ".share"
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """One share file: where it is, what it holds, which of its rows have rotted."""

    path: Path
    table: ShareTable
    lost: set[int] = field(default_factory=set)


class DiskRows:
    """A `RowStore` in one folder, which is this process's alone."""

    def __init__(self, disk: Disk, folder: Path, row_roots: RowRoots) -> None:
        self._disk = disk
        self._folder = folder
        self._row_roots = row_roots
        self._entries: dict[bytes, dict[bytes, _Entry]] = {}

    def open(self) -> list[str]:
        """Read the fronts of all share files; the names of those that cannot be used."""
        remove_leftovers(self._disk, self._folder)
        unusable = []
        for name in self._disk.names(self._folder):
            if not name.endswith(SUFFIX):
                continue
            path = self._folder / name
            try:
                table = parse_table(self._disk.read(path, 0, MAX_PROLOGUE_BYTES))
            except ShareCorrupt as error:
                log.error("share_corrupt", extra={"file": name, "reason": str(error)})
                unusable.append(name)
                continue
            self._entries.setdefault(table.blob_id, {})[table.seed] = _Entry(path, table)
        return unusable

    async def put(self, share: Share) -> None:
        known = self._entries.get(share.blob_id, {}).get(share.seed)
        if known and not known.lost and known.table.rows == share.rows:
            return
        path = self._folder / f"{share.blob_id.hex()}.{share.seed[:8].hex()}{SUFFIX}"
        parts = pack_share(share)
        await asyncio.to_thread(write_durably, self._disk, path, parts)
        table = parse_table(bytes(parts[0]) + bytes(parts[1]))
        self._entries.setdefault(share.blob_id, {})[share.seed] = _Entry(path, table)

    async def held(self) -> Sequence[HeldShare]:
        return [
            HeldShare(
                entry.table.blob_id,
                entry.table.seed,
                entry.table.deadline,
                frozenset(entry.table.rows) - entry.lost,
                entry.table.size_bytes,
            )
            for shares in self._entries.values()
            for entry in shares.values()
        ]

    async def rows_held(self, blob_id: bytes) -> frozenset[int]:
        shares = self._entries.get(blob_id, {}).values()
        return frozenset().union(*(set(e.table.rows) - e.lost for e in shares))

    async def header(self, blob_id: bytes) -> Header:
        return await asyncio.to_thread(self._header, self._any_entry(blob_id))

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> list[Row]:
        shares = list(self._entries.get(blob_id, {}).values())
        wanted: dict[int, list[int]] = {}
        for index in sorted(set(indices)):
            owner = next(
                (n for n, e in enumerate(shares) if index in e.table.rows and index not in e.lost),
                None,
            )
            if owner is None:
                raise RowNotHeld(blob_id=blob_id.hex(), row=index)
            wanted.setdefault(owner, []).append(index)
        rows: list[Row] = []
        for number, part in wanted.items():
            rows += await self._checked_rows(shares[number], part)
        return sorted(rows, key=lambda row: row.index)

    async def drop(self, blob_id: bytes) -> None:
        for entry in self._entries.pop(blob_id, {}).values():
            await asyncio.to_thread(remove_durably, self._disk, entry.path)

    async def _checked_rows(self, entry: _Entry, indices: list[int]) -> list[Row]:
        try:
            return await asyncio.to_thread(self._read_rows, entry, indices)
        except ShareCorrupt as error:
            row = error.fields.get("row")
            entry.lost |= {row} if isinstance(row, int) else set(entry.table.rows)
            log.error("share_corrupt", extra={"file": entry.path.name, "reason": str(error)})
            raise

    def _read_rows(self, entry: _Entry, indices: list[int]) -> list[Row]:
        table = entry.table
        header = self._header(entry)
        positions = [table.position_of(index) for index in indices]
        rows: list[Row] = []
        for _, run in groupby(enumerate(positions), lambda pair: pair[1] - pair[0]):
            places = [position for _, position in run]
            size = len(places) * table.entry_bytes
            raw = self._read(entry.path, table.entry_offset(places[0]), size)
            if len(raw) != size:
                raise ShareCorrupt(reason="short", blob_id=table.blob_id.hex())
            rows += parse_entries(table, places[0], raw)
        require_under_root(table.blob_id, header, rows, self._row_roots)
        return rows

    def _header(self, entry: _Entry) -> Header:
        raw = self._read(entry.path, entry.table.header_offset, HEADER_BYTES)
        return parse_header(entry.table, raw)

    def _read(self, path: Path, start: int, size: int) -> bytes:
        try:
            return self._disk.read(path, start, size)
        except FileNotFoundError as error:
            raise ShareCorrupt(reason="missing", file=path.name) from error
        except OSError as error:
            raise refused(error, path) from error

    def _any_entry(self, blob_id: bytes) -> _Entry:
        for entry in self._entries.get(blob_id, {}).values():
            return entry
        raise BlobUnknown(blob_id=blob_id.hex())
