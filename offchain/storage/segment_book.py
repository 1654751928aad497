"""What a node must know of files beside their shards: segments by file root, receipts it signed.

  SEGMENT   root (32) || u32 segments || u64 length || u32 j || D (32) || keccak(C) (32)
  HELD      file id (32) || digest (32), zero: its submission is over
  GONE      root (32)

Every entry is durable before anybody is told. A file's segments come one by one with its shards, or
all at once from a peer; only what was checked against the root gets here.
Source: docs/protocol/storage.md#node.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import columns_for
from offchain.node.journal import Entry, Journal, JournalBroken
from offchain.storage.model import FileShape, Segment

SEGMENT: Final = 1
HELD: Final = 2
GONE: Final = 3
_SEGMENT: Final = struct.Struct(">32sIQI32s32s")
NOTHING: Final = bytes(DIGEST_BYTES)
SLACK_ENTRIES: Final = 1_024  # useless entries that a start leaves in the journal


@dataclass(slots=True)
class _Known:
    """One file as far as it is known here."""

    shape: FileShape
    segments: dict[int, Segment] = field(default_factory=dict)


class SegmentBook:
    """Segments by root, and the digests of receipts, over a `Journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._files: dict[bytes, _Known] = {}
        self._held: dict[bytes, bytes] = {}

    def open(self) -> None:
        """Take up what earlier runs kept, without what is of no use now. Raises: JournalBroken."""
        entries = self._journal.entries()
        for entry in entries:
            self._take(entry)
        kept = self._all()
        if len(entries) > 2 * len(kept) + SLACK_ENTRIES:
            self._journal.replace(kept)

    def known(self, root: bytes) -> Mapping[int, Segment]:
        """The segments of a file that are known here, by index."""
        known = self._files.get(root)
        return MappingProxyType(known.segments) if known else {}

    def roots(self) -> tuple[bytes, ...]:
        """Every file of which a segment is known."""
        return tuple(self._files)

    def held(self, file_id: bytes) -> bytes | None:
        """The digest of the receipt that was last decided on for a submission."""
        return self._held.get(file_id)

    async def segments(self, root: bytes) -> tuple[Segment, ...] | None:
        """All segments of a file in order; None when one is missing."""
        known = self._files.get(root)
        if known is None or len(known.segments) != known.shape.segments:
            return None
        return tuple(known.segments[index] for index in range(known.shape.segments))

    async def keep(self, root: bytes, segments: tuple[Segment, ...]) -> None:
        """Keep all segments of a file, checked against its root."""
        shape = FileShape(len(segments), sum(segment.length for segment in segments))
        await self._add(root, shape, segments)

    async def add(self, root: bytes, shape: FileShape, segment: Segment) -> None:
        """Keep one segment of a file, checked against its root by its path."""
        await self._add(root, shape, (segment,))

    async def record_held(self, file_id: bytes, digest: bytes) -> None:
        """Keep that a receipt is going to be signed."""
        if self._held.get(file_id) == digest:
            return
        await self._append(Entry(HELD, file_id + digest))

    async def forget(self, root: bytes) -> None:
        """Drop what is known of a file that nobody asks for any more."""
        if root in self._files:
            await self._append(Entry(GONE, root))

    async def forget_held(self, file_id: bytes) -> None:
        """Drop the receipt of a submission that is over."""
        if file_id in self._held:
            await self._append(Entry(HELD, file_id + NOTHING))

    async def _add(self, root: bytes, shape: FileShape, segments: tuple[Segment, ...]) -> None:
        known = self._files.get(root)
        fresh = [s for s in segments if known is None or s.index not in known.segments]
        if fresh:
            await self._append(*(_segment_entry(root, shape, segment) for segment in fresh))

    async def _append(self, *entries: Entry) -> None:
        await self._journal.append(*entries)
        for entry in entries:
            self._take(entry)

    def _all(self) -> list[Entry]:
        kept = [
            _segment_entry(root, known.shape, segment)
            for root, known in self._files.items()
            for segment in known.segments.values()
        ]
        return kept + [Entry(HELD, file_id + digest) for file_id, digest in self._held.items()]

    def _take(self, entry: Entry) -> None:
        if entry.kind == SEGMENT and len(entry.body) == _SEGMENT.size:
            root, count, length, index, data_root, commitment = _SEGMENT.unpack(entry.body)
            shape = FileShape(count, length)
            size = shape.length_of(index)
            segment = Segment(index, data_root, commitment, columns_for(size), size)
            self._files.setdefault(root, _Known(shape)).segments[index] = segment
        elif entry.kind == HELD and len(entry.body) == 2 * DIGEST_BYTES:
            file_id, digest = entry.body[:DIGEST_BYTES], entry.body[DIGEST_BYTES:]
            if digest == NOTHING:
                self._held.pop(file_id, None)
            else:
                self._held[file_id] = digest
        elif entry.kind == GONE and len(entry.body) == DIGEST_BYTES:
            self._files.pop(entry.body, None)
        else:
            raise JournalBroken(reason="entry", kind=entry.kind, bytes=len(entry.body))


def _segment_entry(root: bytes, shape: FileShape, segment: Segment) -> Entry:
    body = _SEGMENT.pack(
        root,
        shape.segments,
        shape.length,
        segment.index,
        segment.data_root,
        segment.commitment_hash,
    )
    return Entry(SEGMENT, body)
