"""Storage for programs: put bytes, files and folders; get, read parts, renew and release them."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.core.hashing import keccak
from offchain.sdk.errors import NoAccount, SourceUnusable
from offchain.storage.adapters.arrival import Arrival
from offchain.storage.client_errors import FileUnknown
from offchain.storage.file_client import FileClient, PutOptions
from offchain.storage.model import FileState, profile_named
from offchain.storage.ports import FileView
from offchain.storage.put_model import PutProgress
from offchain.storage.read_file import Label
from offchain.storage.recipients import parse_recipient
from offchain.storage.sources import BytesSource

DAY: Final = 86_400
DEFAULT_DAYS: Final = 30
DEFAULT_PROFILE: Final = "durable"
Storable = bytes | bytearray | memoryview | str | os.PathLike[str]
Watcher = Callable[[PutProgress], None]


@dataclass(frozen=True, slots=True)
class StoreWish:
    """How something is kept. `readers`: reading keys, as hex digits, that may open it too."""

    profile: str = DEFAULT_PROFILE
    days: int = DEFAULT_DAYS
    max_price_wei: int | None = None
    is_public: bool = False
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in storage, as of one block. `ends`: chain time when its paid term is over."""

    id: bytes
    root: bytes
    state: str
    length: int
    profile: str
    owner: bytes
    group: int
    ends: int
    block: int
    chain_time: int

    @property
    def is_stored(self) -> bool:
        """Whether every seat of its group answers for it with stake."""
        return self.state == FileState.STORED.name

    def __str__(self) -> str:
        return self.id.hex()


StoredReference = StoredFile | bytes | str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came to a path. `lies`: seats that answered what contradicts the root."""

    path: Path
    kind: str
    length: int
    resumed: int
    label: str
    lies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """At the prices of now, and the most it can cost, grace included; wei."""

    cost_wei: int
    deposit_wei: int


@dataclass(frozen=True, slots=True)
class StorageParts:
    """What the client works with; `can_store` says whether it has an account."""

    files: FileClient
    epoch_seconds: int
    can_store: bool = field(default=False)


class AsyncStorage:
    """Storage, for asynchronous programs."""

    def __init__(self, opening: Callable[[], Awaitable[StorageParts]]) -> None:
        """`opening` is called once, when storage is first used."""
        self._opening = opening
        self._opened: StorageParts | None = None
        self._turn = asyncio.Lock()

    async def put(
        self,
        source: Storable,
        wish: StoreWish | None = None,
        *,
        key: str | None = None,
        on_progress: Watcher = lambda _: None,
    ) -> StoredFile:
        """Store bytes, a file or a folder; returns when enough seats have signed on chain.

        Sealed unless public. A path that was begun with the same options goes on. The same `key`
        with the same bytes is the same file, however often it is repeated: it is paid once.
        Raises: NoAccount, SourceUnusable, SourceInvalid, PriceAboveLimit, SourceChanged,
        FileNotStored, NoGroup.
        """
        parts = await self._able()
        wish = wish or StoreWish()
        options = PutOptions(
            profile=profile_named(wish.profile),
            term_epochs=_epochs(parts, wish.days),
            max_price_wei=wish.max_price_wei,
            is_public=wish.is_public,
            recipients=tuple(parse_recipient(one) for one in wish.readers),
            nonce=None if key is None else _nonce_of(key),
        )
        files = parts.files
        if isinstance(source, str | os.PathLike):
            stored = await files.put_path(Path(source), options, on_progress)
            return _shown(stored.view)
        if not len(source):
            raise SourceUnusable(bytes=0)
        plain = BytesSource(bytes(source))
        if key is not None:
            return await self.stat(
                await files.put_named(f"key:{key}", plain, options, watch=on_progress)
            )
        return _shown((await files.put_source(plain, options, watch=on_progress)).view)

    async def get(self, reference: StoredReference) -> bytes:
        """The plain bytes, decoded, encoded again and compared with the root.

        Raises: FileUnknown, FileNotStored, InsufficientShards, Bottom, KeyMissing, FrameTampered.
        """
        getter = (await self._parts()).files.get
        content = await getter.content(_id_of(reference))
        return b"".join([bytes(piece) async for piece in getter.plain(content)])

    async def get_to(
        self,
        reference: StoredReference,
        path: str | os.PathLike[str],
        *,
        label: Label = Label.CONSISTENT,
    ) -> Fetched:
        """Fetch to a path, which appears whole: a file, or a folder. Interrupted, a repeat goes on.

        Raises: as `get`; TargetUnusable, ArtefactMalformed, FileContradicted.
        """
        target = Path(path)

        def arrive(file_id: bytes, length: int) -> Arrival:
            return Arrival(target, file_id, length=length, is_raw=False)

        got = await (await self._parts()).files.get.land(_id_of(reference), arrive, label=label)
        lies = tuple(sorted({one.seat for one in got.blame if one.is_lie}))
        return Fetched(target, got.kind, got.length, got.resumed, got.label.value, lies)

    async def read(self, reference: StoredReference, start: int, stop: int) -> bytes:
        """Plain bytes start .. stop-1 for the price of what they touch. Raises: RangeInvalid."""
        getter = (await self._parts()).files.get
        return await getter.part(await getter.content(_id_of(reference)), start, stop)

    async def stat(self, reference: StoredReference) -> StoredFile:
        """Where a file stands. Raises: FileUnknown."""
        return _shown(await (await self._parts()).files.state(_id_of(reference)))

    async def files(self) -> list[StoredFile]:
        """Every file of this account, oldest first. Raises: NoAccount."""
        parts = await self._able()
        return [await self.stat(one.file_id) for one in await parts.files.files()]

    async def quote(
        self, length: int, *, profile: str = DEFAULT_PROFILE, days: int = DEFAULT_DAYS
    ) -> Price:
        """What so many bytes cost, sealed. Raises: NoGroup, NoAccount."""
        parts = await self._able()
        options = PutOptions(profile_named(profile), _epochs(parts, days))
        found = await parts.files.price(length, options)
        return Price(found.cost_wei, found.deposit_wei)

    async def renew(
        self,
        reference: StoredReference,
        *,
        days: int = DEFAULT_DAYS,
        max_price_wei: int | None = None,
    ) -> StoredFile:
        """Buy more time. Raises: NoAccount, PriceAboveLimit, Conflict."""
        parts = await self._able()
        file_id = (await self.stat(reference)).id
        await parts.files.renew(file_id, _epochs(parts, days), limit_wei=max_price_wei)
        return await self.stat(file_id)

    async def release(self, reference: StoredReference) -> StoredFile:
        """End a file's term; what is left of its deposit comes back. Raises: NoAccount."""
        parts = await self._able()
        file_id = (await self.stat(reference)).id
        await parts.files.release(file_id)
        return await self.stat(file_id)

    async def parts(self) -> StorageParts:
        """What this client works with, opened on first use; for layers above storage."""
        return await self._parts()

    async def _parts(self) -> StorageParts:
        async with self._turn:
            if self._opened is None:
                self._opened = await self._opening()
            return self._opened

    async def _able(self) -> StorageParts:
        """The parts of a client with an account. Raises: NoAccount."""
        parts = await self._parts()
        if not parts.can_store:
            raise NoAccount
        return parts


def _epochs(parts: StorageParts, days: int) -> int:
    return -(-days * DAY // parts.epoch_seconds)


def _id_of(reference: StoredReference) -> bytes:
    """An id or root. Raises: FileUnknown when it is neither."""
    if isinstance(reference, StoredFile):
        return reference.id
    try:
        raw = (
            bytes.fromhex(reference.removeprefix("0x")) if isinstance(reference, str) else reference
        )
    except ValueError as error:
        raise FileUnknown(reference=str(reference)[:80]) from error
    if len(raw) != 32:
        raise FileUnknown(reference=raw.hex()[:80])
    return raw


def _nonce_of(key: str) -> int:
    return int.from_bytes(keccak(b"apogee.sdk.storage.v1", key.encode())[:8], "big")


def _shown(view: FileView) -> StoredFile:
    file = view.file
    return StoredFile(
        id=file.file_id,
        root=file.root,
        state=file.state.name,
        length=file.shape.length,
        profile=file.profile.name,
        owner=file.owner,
        group=file.group,
        ends=file.expiry,
        block=view.block.number,
        chain_time=view.block.timestamp,
    )
