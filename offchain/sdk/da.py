"""Data availability for programs: put, get, status, sample; every answer checked here.

`put` goes through a gateway, which has the money; everything else asks nodes and chain directly.
Source: docs/how-to/use-da-from-python.md.
"""

import asyncio
import io
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import SystemRandom
from typing import BinaryIO, Final

from offchain.core.erasure import ErasureEngine
from offchain.core.hashing import keccak
from offchain.da.accept import read_view
from offchain.da.adapters.part_file import PartFile
from offchain.da.disperse import Progress, Watcher
from offchain.da.duties import BlobTerms
from offchain.da.ports import BlobLedger, NodeClient
from offchain.da.read_part import PartReader
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.sample import SampleBlob, SampleRules
from offchain.da.split import FetchFile, FileReference, PublishFile
from offchain.sdk.errors import NoGateway, SourceUnusable
from offchain.sdk.gateway_client import GatewayClient
from offchain.sdk.publish import GatewayDisperser, GatewayParts
from offchain.sdk.references import AnyReference, ItemReference, parse_reference

Source = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
READ_SECONDS: Final = 120.0
DEFAULT_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class BlobStatus:
    """Where a blob stands on the chain; times in chain seconds."""

    blob_id: bytes
    state: str
    data_root: bytes
    length: int
    block: int
    chain_time: int
    deadline: int
    expiry: int
    signers: int

    @property
    def is_available(self) -> bool:
        """Whether its signers answer with their stake for every byte now."""
        return self.state == "CONFIRMED" and self.chain_time < self.expiry


@dataclass(frozen=True, slots=True)
class Sampling:
    """What random rows said; `doubt` bounds the chance to see this of a blob that is lost."""

    asked: int
    good: int
    operators: int
    doubt: float
    is_reached: bool
    blame: tuple[str, ...] = field(repr=False)

    @property
    def confidence(self) -> float:
        return 1 - self.doubt


@dataclass(frozen=True, slots=True)
class DaParts:
    """What the client works with; `gateway` is None for a reader."""

    ledger: BlobLedger
    client: NodeClient
    engine: Callable[[], ErasureEngine]
    blob_id: Callable[[BlobTerms], bytes]
    gateway: GatewayClient | None
    threads: int = 1


class AsyncDa:
    """The data availability layer, for asynchronous programs."""

    def __init__(self, parts: DaParts) -> None:
        self._parts = parts

    async def put(
        self,
        source: Source,
        *,
        days: int = DEFAULT_DAYS,
        key: str | None = None,
        on_progress: Watcher = lambda _: None,
    ) -> FileReference:
        """Publish bytes, a file or a stream of any size; returns when the chain has confirmed it.

        The same `key` with the same bytes is the same publication, however often and from however
        many processes it is repeated: it is paid once. Without a key each call is a new one.
        Raises: SourceUnusable, NoGateway, GatewayContradicted, GatewayProblem, NotEnoughSignatures.
        """
        disperser = await self._disperser(on_progress)
        salt = keccak(b"apogee.sdk.salt.v1", (key or secrets.token_hex(32)).encode())
        async with _opened(source) as (stream, length):
            published = await PublishFile(disperser).publish(
                stream.read, length, days=days, salt=salt
            )
        return published.reference

    async def put_item(
        self, item: bytes, *, days: int = DEFAULT_DAYS, key: str | None = None
    ) -> ItemReference:
        """Publish a small item in a matrix that many share; cheap. Raises: as `put`."""
        if not item:
            raise SourceUnusable(bytes=0)
        disperser = await self._disperser(lambda _: None)
        taken = await disperser.item(bytes(item), days=days, key=key or secrets.token_hex(32))
        assert taken.number is not None
        return ItemReference(taken.blob_id, taken.number)

    async def get(self, reference: AnyReference) -> bytes:
        """The bytes, decoded from verified rows and compared with D; an item by inclusion under D.

        Raises: BlobUnknown, Bottom, InsufficientRows, PartMismatch, ItemMissing, ItemInvalid.
        """
        wanted = parse_reference(reference)
        if isinstance(wanted, ItemReference):
            reader = await self._reader()
            part = await reader.item(await reader.view(wanted.blob_id), wanted.number)
            return bytes(part.data)
        pieces: list[bytes] = []
        await FetchFile(await self._retriever()).fetch(wanted, pieces.append)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def get_to(self, reference: AnyReference, path: str | os.PathLike[str]) -> int:
        """Fetch into a file, which appears whole; its length. Interrupted, a repeat goes on.

        Raises: as `get`; SourceUnusable when the folder is not there.
        """
        wanted, target = parse_reference(reference), Path(path)
        await asyncio.to_thread(_require_place, target)
        if isinstance(wanted, ItemReference):
            item = await self.get(wanted)
            return await asyncio.to_thread(_write_whole, target, item)
        fetch = FetchFile(await self._retriever())
        with PartFile(target) as file:
            length = await fetch.fetch(wanted, file.write, skip=file.held)
            file.finish()
        return length

    async def status(self, reference: AnyReference) -> BlobStatus:
        """Where a blob, a file's manifest or an item's matrix stands. Raises: BlobUnknown."""
        blob_id = parse_reference(reference).blob_id
        view = await asyncio.to_thread(read_view, self._parts.ledger, blob_id)
        record = view.record
        return BlobStatus(
            blob_id=blob_id,
            state=record.state.name,
            data_root=record.data_root,
            length=record.shape.length,
            block=view.moment.block,
            chain_time=view.moment.time,
            deadline=record.deadline,
            expiry=record.expiry,
            signers=len(view.duties.members) if view.duties else 0,
        )

    async def sample(self, reference: AnyReference, confidence: float = 0.999999) -> Sampling:
        """Ask random rows of their owners until this sure, without downloading the blob.

        Raises: BlobUnknown, BlobNotPaid, InsufficientRows, Bottom.
        """
        parts = self._parts
        sampler = SampleBlob(
            parts.ledger,
            parts.client,
            await self._engine(),
            reader=await self._retriever(),
            randomness=SystemRandom(),
            rules=SampleRules(),
        )
        blob_id = parse_reference(reference).blob_id
        found = await sampler.sample(blob_id, Fraction(str(confidence)))
        return Sampling(
            asked=len(found.rows),
            good=len(found.good),
            operators=len(found.operators),
            doubt=float(found.doubt),
            is_reached=found.is_reached,
            blame=tuple(f"operator {one.operator}: {one.reason}" for one in found.blame.records),
        )

    async def _engine(self) -> ErasureEngine:
        return await asyncio.to_thread(self._parts.engine)

    async def _retriever(self) -> RetrieveBlob:
        rules = RetrievalRules(deadline_seconds=READ_SECONDS, threads=self._parts.threads)
        engine = await self._engine()
        return RetrieveBlob(self._parts.ledger, self._parts.client, engine, rules=rules)

    async def _reader(self) -> PartReader:
        whole = await self._retriever()
        return PartReader(self._parts.ledger, self._parts.client, await self._engine(), whole)

    async def _disperser(self, watch: Callable[[Progress], None]) -> GatewayDisperser:
        parts = self._parts
        if parts.gateway is None:
            raise NoGateway
        return GatewayDisperser(
            GatewayParts(
                gateway=parts.gateway,
                ledger=parts.ledger,
                engine=await self._engine(),
                blob_id=parts.blob_id,
                watch=watch,
                threads=parts.threads,
            )
        )


@asynccontextmanager
async def _opened(source: Source) -> AsyncIterator[tuple[BinaryIO, int]]:
    """A source as a stream with its length. Raises: SourceUnusable."""
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            stream: BinaryIO = io.BytesIO(source)
            length = len(source)
        elif isinstance(source, str | os.PathLike):
            stream = await asyncio.to_thread(Path(source).open, "rb")
            length = os.fstat(stream.fileno()).st_size
        else:
            stream = source
            start = stream.tell()
            length = stream.seek(0, os.SEEK_END) - start
            stream.seek(start)
    except (OSError, ValueError) as error:
        raise SourceUnusable(reason=str(error)) from error
    try:
        if not length:
            raise SourceUnusable(bytes=0)
        yield stream, length
    finally:
        if stream is not source:
            stream.close()


def _require_place(target: Path) -> None:
    if not target.parent.is_dir() or target.is_dir():
        raise SourceUnusable(path=str(target))


def _write_whole(target: Path, content: bytes) -> int:
    with PartFile(target) as file:
        file.write(content)
        file.finish()
    return len(content)
