"""Storage behind the gateway: prices, files, verified bytes, and uploads that cost once.

Bytes are stored as they are sent and given back as they are stored: whoever wants them secret seals
them before they come here (the CLI and the SDK do), and the home's keys open nothing for strangers.
What was asked under an idempotency key stands in the put's own record, so that a repeat goes on
with it, also after a kill. Uploads are carried out one after the other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from offchain.core.errors import InvalidInput, Unavailable
from offchain.core.hashing import keccak
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.gateway.errors import KeyUsedForOther
from offchain.storage.client_ports import PutRecord, Quote
from offchain.storage.content_mark import is_marked
from offchain.storage.file_client import FileClient, PutOptions
from offchain.storage.get import Content
from offchain.storage.model import Profile, profile_named
from offchain.storage.ports import StoredFile
from offchain.storage.sources import Buffer, BytesSource

DAY: Final = 86_400
Opening = Callable[[], AbstractAsyncContextManager["OpenedFiles"]]


class NoStorage(Unavailable):
    """No storage is open behind the gateway."""

    code = "gateway.no_storage"
    next_step = "Start it with `apogee up`, in a home whose network has storage."


class RangeTooLong(InvalidInput):
    """More bytes than one answer may have."""

    code = "gateway.range_too_long"
    next_step = f"Ask for ranges of at most {MAX_PAYLOAD_BYTES} bytes."


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """A storage client, ready; seconds of the chain."""

    files: FileClient
    epoch_seconds: int


@dataclass(frozen=True, slots=True)
class FileUpload:
    """What was sent, under which key of which caller."""

    key: str
    caller: str
    profile: str
    days: int
    payload: bytearray = field(repr=False)

    @property
    def name(self) -> str:
        """How the put's record names it; a key counts per caller."""
        told = keccak(b"apogee.gateway.storage.v1", self.caller.encode(), b"\0", self.key.encode())
        return f"gateway:{told.hex()}"


class StorageDoor:
    """Opened at its first use while the gateway lives; every method raises NoStorage outside."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._life: AsyncExitStack | None = None
        self._opened: OpenedFiles | None = None
        self._turn = asyncio.Lock()
        self._begin = asyncio.Lock()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """For as long as the block lasts; what was opened is closed with it."""
        async with AsyncExitStack() as life:
            self._life = life
            try:
                yield
            finally:
                self._life = self._opened = None

    async def quote(self, length: int, profile: str, days: int) -> tuple[Profile, int, Quote]:
        """Profile, epochs and price. Raises: ProfileUnknown, NoGroup."""
        opened = await self._open()
        options = _options(opened, profile, days)
        found = await opened.files.price(length, options)
        return options.profile, options.term_epochs, found

    async def files_of(self, owner: bytes | None) -> Sequence[StoredFile]:
        """Submissions of an owner, by default of this home's account."""
        return await (await self._open()).files.files(owner)

    async def file(self, reference: bytes) -> StoredFile:
        """Raises: FileUnknown."""
        return (await (await self._open()).files.state(reference)).file

    async def content(self, reference: bytes) -> Content:
        """A file's bytes as stored. Raises: FileUnknown, FileNotStored, InsufficientShards."""
        return await (await self._open()).files.get.content(reference, is_raw=True)

    async def part(self, content: Content, start: int, stop: int) -> bytes:
        """Bytes that lie under the file's root. Raises: RangeTooLong, InsufficientShards."""
        if stop - start > MAX_PAYLOAD_BYTES:
            raise RangeTooLong(bytes=stop - start)
        return await (await self._open()).files.get.part(content, start, stop)

    async def put(self, upload: FileUpload) -> StoredFile:
        """Store until enough seats have signed. Raises: KeyUsedForOther, and as a put."""
        opened = await self._open()
        options, files = _options(opened, upload.profile, upload.days), opened.files
        source = BytesSource(upload.payload)
        async with self._turn:
            known = next((one for one in await files.puts() if one.path == upload.name), None)
            if known is None:
                stored = await files.put_source(source, options, path=upload.name)
            else:
                _require_same(known, options, upload.payload)
                stored = await files.resume_source(known, source)
        return stored.view.file

    async def _open(self) -> OpenedFiles:
        async with self._begin:
            if self._life is None:
                raise NoStorage
            if self._opened is None:
                self._opened = await self._life.enter_async_context(self._opening())
            return self._opened


def _options(opened: OpenedFiles, profile: str, days: int) -> PutOptions:
    epochs = -(-days * DAY // opened.epoch_seconds)
    return PutOptions(profile_named(profile), epochs, is_public=True)


def _require_same(known: PutRecord, options: PutOptions, body: Buffer) -> None:
    """Raises: KeyUsedForOther. One upload is one segment, so its mark is the body's."""
    order = known.order
    is_same = (order.profile, order.term_epochs) == (options.profile, options.term_epochs)
    if not is_same or len(known.marks) != 1 or not is_marked(body, known.marks[0]):
        raise KeyUsedForOther
