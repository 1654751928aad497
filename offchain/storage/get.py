"""Fetch a stored file or folder: verified, opened, unpacked, and resumed where it stopped.

  record -> segments -> (sealed? key) -> segments in order -> frames opened -> file or folder

Where to go on follows from what is durable at the target, never from a journal elsewhere.
Source: docs/protocol/storage.md#client.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

from offchain.storage.artefact import TreeKind
from offchain.storage.client_ports import FileKeys
from offchain.storage.model import SEGMENT_BYTES
from offchain.storage.ports import FileView
from offchain.storage.read_file import Label, OpenFile, ReadFile
from offchain.storage.read_range import RangeInvalid, ReadRange
from offchain.storage.sealed import FRAME_BYTES, HEAD_BYTES, Seal, head_bytes, is_sealed
from offchain.storage.seat_book import Blame
from offchain.storage.sources import Buffer
from offchain.storage.unseal import Unsealer, read_head, seal_of

PEEK_BYTES: Final = HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Got:
    """What was fetched. `length` in plain bytes, of which `resumed` were here already.

    `kind`: file, folder, model or dataset. `blame`: what seats did instead of answering.
    """

    file_id: bytes
    root: bytes
    length: int
    resumed: int
    kind: str
    files: int
    is_sealed: bool
    label: Label
    bytes_received: int
    blame: tuple[Blame, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class GetProgress:
    """`done` of `total` plain bytes are at the target."""

    done: int
    total: int
    seats_blamed: int = 0


Watcher = Callable[[GetProgress], None]


class Landing(Protocol):
    """Where plain bytes go, in order; blocking. `Arrival` is one on a disk."""

    @property
    def files(self) -> int: ...

    @property
    def kind(self) -> TreeKind | None: ...

    def begin(self) -> int:
        """From which byte on it needs them."""
        ...

    def write(self, piece: Buffer) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


Arrive = Callable[[bytes, int], Landing]  # file id and plain length


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """An opened file and what its plain bytes are; `seal` None when it is not sealed, or raw."""

    opened: OpenFile
    seal: Seal | None

    @property
    def length(self) -> int:
        return self.seal.head.length if self.seal else self.opened.length


class GetFile:
    """Fetches files by id or root."""

    def __init__(self, reader: ReadFile, ranges: ReadRange, keys: FileKeys) -> None:
        self._reader = reader
        self._ranges = ranges
        self._keys = keys

    async def view(self, reference: bytes) -> FileView:
        """The record of the file with this id, or root. Raises: FileUnknown."""
        return await self._reader.view(reference)

    async def content(self, reference: bytes, *, is_raw: bool = False) -> Content:
        """Open a file; `is_raw` leaves a sealed one sealed.

        Raises: FileUnknown, FileNotStored, InsufficientShards, KeyMissing, ArtefactMalformed.
        """
        opened = await self._reader.open(reference)
        if is_raw or opened.length < PEEK_BYTES:
            return Content(opened, None)
        start = await self._ranges.read(opened, 0, PEEK_BYTES)
        if not is_sealed(start):
            return Content(opened, None)
        size = head_bytes(start)
        if size > len(start):
            start = await self._ranges.read(opened, 0, min(size, opened.length))
        head = read_head(start, opened.length)
        return Content(opened, await asyncio.to_thread(seal_of, head, self._keys))

    async def land(
        self,
        reference: bytes,
        arrive: Arrive,
        *,
        label: Label = Label.CONSISTENT,
        is_raw: bool = False,
        watch: Watcher = lambda _: None,
    ) -> Got:
        """Fetch to where `arrive` takes it; it appears there whole.

        Raises: as `content` and `plain`, and what the landing raises.
        """
        content = await self.content(reference, is_raw=is_raw)
        opened = content.opened
        arrival = arrive(opened.file.file_id, content.length)
        resumed = await asyncio.to_thread(arrival.begin)
        done = resumed
        try:
            watch(GetProgress(done, content.length))
            async with aclosing(self.plain(content, start=resumed, label=label)) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(arrival.write, piece)
                    done += len(piece)
                    blamed = len({one.seat for one in opened.book.records})
                    watch(GetProgress(done, content.length, blamed))
            await asyncio.to_thread(arrival.finish)
        finally:
            arrival.close()
        return Got(
            file_id=opened.file.file_id,
            root=opened.file.root,
            length=content.length,
            resumed=resumed,
            kind=arrival.kind.value if arrival.kind else "file",
            files=arrival.files,
            is_sealed=content.seal is not None,
            label=label,
            bytes_received=opened.bytes_received,
            blame=tuple(opened.book.records),
        )

    async def plain(
        self, content: Content, *, start: int = 0, label: Label = Label.CONSISTENT
    ) -> AsyncGenerator[Buffer, None]:
        """The plain bytes from `start` on, in order.

        Raises: InsufficientShards, Bottom, FrameTampered.
        """
        if start >= content.length:
            return
        unsealer, skip, stored = None, 0, start
        if content.seal is not None:
            unsealer = Unsealer(content.seal, start)
            stored, skip = unsealer.stored_start, start % FRAME_BYTES
        first, inside = divmod(stored, SEGMENT_BYTES)
        payloads = self._reader.payloads(content.opened, first=first, label=label)
        async with aclosing(payloads) as segments:
            async for payload in segments:
                piece: Buffer = payload[inside:] if inside else payload
                inside = 0
                if unsealer is not None:
                    piece = await asyncio.to_thread(unsealer.feed, piece)
                if skip:
                    piece, skip = piece[skip:], max(0, skip - len(piece))
                if piece:
                    yield piece

    async def part(self, content: Content, start: int, stop: int) -> bytes:
        """Plain bytes start .. stop-1 for the price of the leaves they touch.

        Raises: RangeInvalid, InsufficientShards, Bottom, FrameTampered.
        """
        if not 0 <= start < stop <= content.length:
            raise RangeInvalid(start=start, stop=stop, length=content.length)
        if content.seal is None:
            return await self._ranges.read(content.opened, start, stop)
        seal = content.seal
        first, last = start // FRAME_BYTES, (stop - 1) // FRAME_BYTES
        begin, end = seal.head.frame_at(first)[0], seal.head.frame_at(last)[1]
        stored = await self._ranges.read(content.opened, begin, end)
        spans = [seal.head.frame_at(index) for index in range(first, last + 1)]
        plain = b"".join(
            seal.open(first + number, stored[a - begin : b - begin])
            for number, (a, b) in enumerate(spans)
        )
        return plain[start - first * FRAME_BYTES : stop - first * FRAME_BYTES]
