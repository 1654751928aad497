"""Encrypted bundles in Apogee storage, with a copy of each on this disk; ciphertext only.

<folder>/<data hash>-<keccak>.agb   the copy, checked by its name

A file is public to storage: it is encrypted already, and sealing it again would hide it from the
oracles. The copy keeps a bundle readable when whoever stored it lets its term end. A file is there
once the newest block says so, and a sale goes on with it; that it stays there is seen to beside.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from offchain.agents.delivery_ports import BundleNotStored
from offchain.agents.oracle_ports import MAX_FILE_BYTES
from offchain.core.errors import ApogeeError, InvalidInput
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk, refused, write_durably
from offchain.storage.client_errors import SourceChanged
from offchain.storage.client_ports import PutRecord, PutStage
from offchain.storage.file_client import FileClient, PutOptions
from offchain.storage.put_model import PutProgress, Stored, Watcher
from offchain.storage.sources import BytesSource

SETTLE_SECONDS: Final = 120.0  # what is not settled then, the next command goes on with
log = logging.getLogger(__name__)


class StoredFiles:
    """`BundleFiles` over storage; on leaving it, what was put is waited for until it is settled."""

    def __init__(self, files: FileClient, folder: Path, options: PutOptions) -> None:
        self._files = files
        self._folder = folder
        self._options = options
        self._disk = LocalDisk()
        self._settling: set[asyncio.Task[Stored]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        left = set(self._settling)
        if left and error is None:
            _, left = await asyncio.wait(left, timeout=SETTLE_SECONDS)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def put(self, file: bytes, data_hash: bytes, *, name: str) -> bytes:
        """Raises: BundleNotStored before anything is paid, and as storage's put."""
        if len(file) > MAX_FILE_BYTES:
            raise InvalidInput("the bundle is too large", bytes=len(file), maximum=MAX_FILE_BYTES)
        loop = asyncio.get_running_loop()
        there: asyncio.Future[bytes] = loop.create_future()

        def watch(now: PutProgress) -> None:
            if now.is_stored and not there.done():
                there.set_result(now.file_id)

        task = asyncio.create_task(self._store(file, data_hash, name, watch))
        self._settling.add(task)
        task.add_done_callback(partial(self._over, there))
        try:
            location = await there
        except asyncio.CancelledError:
            task.cancel()
            raise
        await asyncio.to_thread(self._keep, file, data_hash)
        return location

    async def get(self, location: bytes, data_hash: bytes) -> bytes:
        """Raises: BundleNotStored, and as storage's get."""
        kept = await asyncio.to_thread(self._kept, data_hash)
        if kept is not None:
            return kept
        content = await self._files.get.content(location, is_raw=True)
        if content.length > MAX_FILE_BYTES:
            raise BundleNotStored(bytes=content.length, maximum=MAX_FILE_BYTES)
        root = content.opened.file.root
        if root != data_hash:
            raise BundleNotStored(root=root.hex(), expected=data_hash.hex())
        file = b"".join([bytes(piece) async for piece in self._files.get.plain(content)])
        await asyncio.to_thread(self._keep, file, data_hash)
        return file

    async def _store(self, file: bytes, data_hash: bytes, name: str, watch: Watcher) -> Stored:
        """Go on with what was begun under this name, or begin; the chain says what is left."""
        path, source = f"agent:{name}:{data_hash.hex()}", BytesSource(file)
        known = _going_on(path, await self._files.puts())
        if known is not None:
            return await self._files.resume_source(known, source, watch=watch)
        options = replace(self._options, root=data_hash)
        try:
            return await self._files.put_source(source, options, path=path, watch=watch)
        except SourceChanged as error:
            raise BundleNotStored(expected=data_hash.hex(), why=str(error)) from error

    def _over(self, there: asyncio.Future[bytes], task: asyncio.Task[Stored]) -> None:
        """A put has ended: tell whoever waits, or the log where it was taken as stored before."""
        self._settling.discard(task)
        error = None if task.cancelled() else task.exception()
        if there.done():
            if error is not None:
                code = error.code if isinstance(error, ApogeeError) else type(error).__name__
                log.error("bundle_not_settled", extra={"code": code})
        elif error is not None:
            there.set_exception(error)
        elif task.cancelled():
            there.cancel()
        else:
            there.set_result(task.result().file_id)

    def _kept(self, data_hash: bytes) -> bytes | None:
        for path in self._folder.glob(f"{data_hash.hex()}-*.agb"):
            try:
                raw = path.read_bytes()
            except OSError as error:
                raise refused(error, path) from error
            if path.name == _name(raw, data_hash):
                return raw
        return None

    def _keep(self, file: bytes, data_hash: bytes) -> None:
        """Raises: StoreFull, StoreBroken."""
        path = self._folder / _name(file, data_hash)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refused(error, path) from error
        write_durably(self._disk, path, [file])


def _going_on(path: str, records: Sequence[PutRecord]) -> PutRecord | None:
    """The put of this path that is the furthest; none of those that came to nothing."""
    found = [one for one in records if one.path == path and one.stage is not PutStage.OVER]
    return max(found, key=lambda one: one.stage is PutStage.STORED, default=None)


def _name(file: bytes, data_hash: bytes) -> str:
    return f"{data_hash.hex()}-{keccak(file).hex()[:32]}.agb"
