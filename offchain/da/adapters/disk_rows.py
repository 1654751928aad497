"""Rows on a disk: one file for each share, whole or absent, checked on every read.

  <blob id>.<first 8 bytes of the seed>.share                           its own rows
  <blob id>.<first 8 bytes of the seed>.<keccak(bitmap), 8 bytes>.heir  rows it inherited

The index of what is held lives in memory and is rebuilt from the files' fronts at start. A row that
no longer matches D is never served: it is reported as `ShareCorrupt` once and not held afterwards,
until the rows are put again. A file whose front cannot be read serves nothing, and goes with its
blob.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from offchain.core.hashing import keccak
from offchain.core.wire import HEADER_BYTES, Header, Row
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
from offchain.da.duties import bitmap_of
from offchain.da.ports import HeldShare, Share
from offchain.da.refusals import BlobUnknown, RowNotHeld, ShareCorrupt
from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably

_NAME: Final = re.compile(r"([0-9a-f]{64})\.[0-9a-f]{16}(\.share|\.[0-9a-f]{16}\.heir)", re.ASCII)
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """One share file: where it is, what it holds, which of its rows have rotted."""

    path: Path
    table: ShareTable
    lost: set[int] = field(default_factory=set)

    @property
    def is_inherited(self) -> bool:
        return self.path.name.endswith(".heir")

    @property
    def usable(self) -> frozenset[int]:
        return frozenset(self.table.rows) - self.lost


class DiskRows:
    """A `RowStore` in one folder, which is this process's alone."""

    def __init__(self, disk: Disk, folder: Path, row_roots: RowRoots) -> None:
        self._disk = disk
        self._folder = folder
        self._row_roots = row_roots
        self._entries: dict[bytes, dict[str, _Entry]] = {}
        self._unusable: dict[bytes, set[str]] = {}

    def open(self) -> list[str]:
        """Read the fronts of all share files; the names of those that cannot be used."""
        remove_leftovers(self._disk, self._folder)
        unusable = []
        for name in self._disk.names(self._folder):
            named = _NAME.fullmatch(name)
            if named is None:
                continue
            path = self._folder / name
            blob_id = bytes.fromhex(named[1])
            try:
                table = self._table(path, blob_id)
            except ShareCorrupt as error:
                log.error("share_corrupt", extra={"file": name, "reason": str(error)})
                self._unusable.setdefault(blob_id, set()).add(name)
                unusable.append(name)
                continue
            self._entries.setdefault(blob_id, {})[name] = _Entry(path, table)
        return unusable

    async def put(self, share: Share) -> None:
        name = _name_of(share)
        known = self._entries.get(share.blob_id, {}).get(name)
        if known and not known.lost and known.table.rows == share.rows:
            return
        path = self._folder / name
        parts = pack_share(share)
        await asyncio.to_thread(write_durably, self._disk, path, parts)
        table = parse_table(bytes(parts[0]) + bytes(parts[1]))
        self._entries.setdefault(share.blob_id, {})[name] = _Entry(path, table)
        self._unusable.get(share.blob_id, set()).discard(name)

    async def held(self) -> Sequence[HeldShare]:
        good = [
            HeldShare(
                entry.table.blob_id,
                entry.table.seed,
                entry.table.deadline,
                entry.usable,
                entry.table.size_bytes,
                entry.is_inherited,
            )
            for shares in self._entries.values()
            for entry in shares.values()
        ]
        bad = [
            HeldShare(blob_id, b"", 0, frozenset(), 0, name.endswith(".heir"))
            for blob_id, names in self._unusable.items()
            for name in names
        ]
        return good + bad

    async def rows_held(self, blob_id: bytes) -> frozenset[int]:
        shares = self._entries.get(blob_id, {}).values()
        return frozenset().union(*(entry.usable for entry in shares))

    async def header(self, blob_id: bytes) -> Header:
        entries = list(self._entries.get(blob_id, {}).values())
        for entry in entries[:-1]:
            try:
                return await asyncio.to_thread(self._header, entry)
            except ShareCorrupt as error:
                log.error("share_corrupt", extra={"file": entry.path.name, "reason": str(error)})
        if not entries:
            raise BlobUnknown(blob_id=blob_id.hex())
        return await asyncio.to_thread(self._header, entries[-1])

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> list[Row]:
        shares = list(self._entries.get(blob_id, {}).values())
        usable = [entry.usable for entry in shares]
        wanted: dict[int, list[int]] = {}
        for index in sorted(set(indices)):
            place = next((n for n, rows in enumerate(usable) if index in rows), None)
            if place is None:
                raise RowNotHeld(blob_id=blob_id.hex(), row=index)
            wanted.setdefault(place, []).append(index)
        rows: list[Row] = []
        for number, part in wanted.items():
            rows += await self._checked_rows(shares[number], part)
        return sorted(rows, key=lambda row: row.index)

    async def drop(self, blob_id: bytes) -> None:
        entries = self._entries.get(blob_id, {})
        unusable = self._unusable.get(blob_id, set())
        for name in [*entries, *unusable]:  # one that cannot be removed stays known
            await asyncio.to_thread(remove_durably, self._disk, self._folder / name)
            entries.pop(name, None)
            unusable.discard(name)
        if not entries:
            self._entries.pop(blob_id, None)
        if not unusable:
            self._unusable.pop(blob_id, None)

    def _table(self, path: Path, blob_id: bytes) -> ShareTable:
        table = parse_table(self._disk.read(path, 0, MAX_PROLOGUE_BYTES))
        if table.blob_id != blob_id:
            raise ShareCorrupt(reason="another blob", blob_id=blob_id.hex())
        return table

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


def _name_of(share: Share) -> str:
    own = f"{share.blob_id.hex()}.{share.seed[:8].hex()}"
    if not share.is_inherited:
        return own + ".share"
    return f"{own}.{keccak(bitmap_of(share.rows))[:8].hex()}.heir"
