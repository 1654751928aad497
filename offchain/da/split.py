"""Files of any size: cut into blobs and a manifest, and joined again.

A file that fits one matrix is one blob. A larger one is published in parts, several on their way at
a time (offchain/da/pipeline.py), then its manifest; read, the next part is on its way while one is
written. Each part's salt follows from the file's salt and its place, so
publishing again after a crash finds the paid blobs and pays for none twice.
Source: docs/protocol/da.md#files.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.da.disperse import Dispersed
from offchain.da.manifest import Manifest, Part
from offchain.da.pipeline import DispersePipeline, PipelineRules, StagedDisperser
from offchain.da.ports import Bytes
from offchain.da.refusals import PartMismatch
from offchain.da.retrieve import Retrieved

BLOB_PREFIX: Final = "apogee:da:blob:"
FILE_PREFIX: Final = "apogee:da:file:"


class FileReferenceInvalid(InvalidInput):
    """A reference is `apogee:da:blob:` or `apogee:da:file:` and 64 hex digits."""

    code = "da.file.reference_invalid"


class Disperser(Protocol):
    """What publishes one matrix: `DisperseBlob`."""

    async def disperse(self, payload: Bytes, *, days: int, salt: bytes) -> Dispersed: ...


class Retriever(Protocol):
    """What reads one matrix: `RetrieveBlob`."""

    async def retrieve(
        self, blob_id: bytes, *, on_rows: Callable[[int], None] = ...
    ) -> Retrieved: ...


@dataclass(frozen=True, slots=True)
class FileReference:
    """Where a file is: one blob, or the blob of its manifest."""

    blob_id: bytes
    is_manifest: bool

    def __str__(self) -> str:
        return (FILE_PREFIX if self.is_manifest else BLOB_PREFIX) + self.blob_id.hex()

    @classmethod
    def parse(cls, text: str) -> "FileReference":
        """Read a reference. Raises: FileReferenceInvalid."""
        for prefix, is_manifest in ((BLOB_PREFIX, False), (FILE_PREFIX, True)):
            digits = text.removeprefix(prefix)
            if digits != text and len(digits) == 64 and set(digits) <= set("0123456789abcdef"):
                return cls(bytes.fromhex(digits), is_manifest)
        raise FileReferenceInvalid(reference=text[:120])


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that is published whole: where it is and the blobs that carry it, manifest last."""

    reference: FileReference
    length: int
    blobs: tuple[Dispersed, ...]


class PublishFile:
    """Publishes files; `part_bytes` is the size of a part, one whole matrix unless told less."""

    def __init__(
        self,
        disperser: StagedDisperser,
        *,
        part_bytes: int = MAX_PAYLOAD_BYTES,
        rules: PipelineRules | None = None,
    ) -> None:
        assert 0 < part_bytes <= MAX_PAYLOAD_BYTES
        self._pipeline = DispersePipeline(disperser, rules)
        self._part_bytes = part_bytes

    async def publish(
        self, read: Callable[[int], bytes], length: int, *, days: int, salt: bytes
    ) -> PublishedFile:
        """Publish `length` bytes that `read(n)` returns in order, n bytes a call.

        Raises: as `DisperseBlob.disperse`, the first part that fails, once the parts under way have
        ended; InvalidInput when the source ends early or goes on.
        """
        if length <= self._part_bytes:
            payload = await _exactly(read, length)
            await _require_end(read)
            done = await self._pipeline.disperse(payload, days=days, salt=salt)
            return PublishedFile(FileReference(done.blob_id, is_manifest=False), length, (done,))
        digests, blobs = await self._publish_parts(read, length, days=days, salt=salt)
        parts = tuple(
            Part(digest, done.blob_id) for digest, done in zip(digests, blobs, strict=True)
        )
        manifest = Manifest(length, self._part_bytes, parts)
        done = await self._pipeline.disperse(manifest.to_bytes(), days=days, salt=salt)
        reference = FileReference(done.blob_id, is_manifest=True)
        return PublishedFile(reference, length, (*blobs, done))

    async def _publish_parts(
        self, read: Callable[[int], bytes], length: int, *, days: int, salt: bytes
    ) -> tuple[list[bytes], list[Dispersed]]:
        """The parts' digests and blobs, in order. None begins after one has failed."""
        digests: list[bytes] = []
        running: list[asyncio.Task[Dispersed]] = []

        async def next_part() -> bytes:
            left = length - len(digests) * self._part_bytes
            payload = await _exactly(read, min(self._part_bytes, left))
            if left <= self._part_bytes:
                await _require_end(read)
            digests.append(await asyncio.to_thread(keccak, payload))
            return payload

        try:
            for number in range(-(-length // self._part_bytes)):
                running.append(
                    await self._pipeline.begin(next_part, days=days, salt=part_salt(salt, number))
                )
                if any(task.done() and (task.cancelled() or task.exception()) for task in running):
                    break
            return digests, [await task for task in running]
        except asyncio.CancelledError:
            await self._pipeline.stop()
            raise
        finally:
            await asyncio.gather(*running, return_exceptions=True)


class FetchFile:
    """Reads files; every part is verified twice, against its D and against the manifest."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def fetch(
        self,
        reference: FileReference,
        write: Callable[[bytes], object],
        *,
        skip: Callable[[Manifest], int] = lambda _: 0,
    ) -> int:
        """Hand the file's bytes to `write` in order, one part at a time; the length.

        `skip` says, once the manifest is known, how many first parts the caller holds already and
        has compared with it. Raises: as `RetrieveBlob.retrieve`; ManifestMalformed, PartMismatch. A
        caller that writes a file renames it into place only after this returns.
        """
        head = (await self._retriever.retrieve(reference.blob_id)).payload
        if not reference.is_manifest:
            await asyncio.to_thread(write, head)
            return len(head)
        manifest = Manifest.parse(head)
        held = await asyncio.to_thread(skip, manifest)
        following: asyncio.Task[bytes] | None = None
        try:
            for number in range(held, len(manifest.parts)):
                payload = await (following or self._part(manifest, number))
                following = None
                if number + 1 < len(manifest.parts):
                    following = asyncio.create_task(self._part(manifest, number + 1))
                await asyncio.to_thread(write, payload)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        return manifest.length

    async def _part(self, manifest: Manifest, number: int) -> bytes:
        """One part, compared with the manifest. Raises: PartMismatch."""
        part = manifest.parts[number]
        payload = (await self._retriever.retrieve(part.blob_id)).payload
        digest = await asyncio.to_thread(keccak, payload)
        if len(payload) != manifest.part_length(number) or digest != part.digest:
            raise PartMismatch(part=number, bytes=len(payload))
        return payload


def part_salt(salt: bytes, number: int) -> bytes:
    """The salt of part `number` of a file."""
    return keccak(b"apogee.da.part.v1", salt, number.to_bytes(4, "big"))


async def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    pieces: list[bytes] = []
    left = count
    while left:
        piece = await asyncio.to_thread(read, left)
        if not piece or len(piece) > left:
            raise InvalidInput("the source has another length than announced", missing=left)
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


async def _require_end(read: Callable[[int], bytes]) -> None:
    if await asyncio.to_thread(read, 1):
        raise InvalidInput("the source has another length than announced")
