"""Rows in this process's memory: the store of tests and of throw-away nodes."""

from collections.abc import Sequence

from offchain.core.wire import Header, Row, parse_rows
from offchain.da.ports import HeldShare, Share
from offchain.da.refusals import BlobUnknown, RowNotHeld


class MemoryRows:
    """A `RowStore` that is gone with its process."""

    def __init__(self) -> None:
        self._shares: dict[bytes, dict[tuple[object, ...], Share]] = {}

    async def put(self, share: Share) -> None:
        key = (share.seed, share.rows) if share.is_inherited else (share.seed,)
        self._shares.setdefault(share.blob_id, {})[key] = share

    async def held(self) -> Sequence[HeldShare]:
        return [
            HeldShare(
                share.blob_id,
                share.seed,
                share.deadline,
                frozenset(share.rows),
                len(share.frame),
                share.is_inherited,
            )
            for shares in self._shares.values()
            for share in shares.values()
        ]

    async def rows_held(self, blob_id: bytes) -> frozenset[int]:
        shares = self._shares.get(blob_id, {}).values()
        return frozenset(row for share in shares for row in share.rows)

    async def header(self, blob_id: bytes) -> Header:
        for share in self._shares.get(blob_id, {}).values():
            return Header.parse(bytes(share.header))
        raise BlobUnknown(blob_id=blob_id.hex())

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> list[Row]:
        found: dict[int, Row] = {}
        for share in self._shares.get(blob_id, {}).values():
            frame = parse_rows(bytes(share.frame), columns=share.columns)
            found |= {row.index: row for row in frame.rows}
        missing = [index for index in indices if index not in found]
        if missing:
            raise RowNotHeld(blob_id=blob_id.hex(), row=missing[0])
        return [found[index] for index in sorted(set(indices))]

    async def drop(self, blob_id: bytes) -> None:
        self._shares.pop(blob_id, None)
