"""Everything a user does with stored files, in one object that CLI and SDK share.

  put   source -> sealed unless public -> `PutFile`; what was begun and not finished goes on
  get   id or root -> `GetFile`;  list, state, price, renewal and release are asked of the chain

Source: docs/protocol/storage.md#client.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.core.errors import ApogeeError
from offchain.node.errors import told_code
from offchain.storage.client_errors import PlanUnknown, PriceAboveLimit, SourceChanged
from offchain.storage.client_ports import (
    FileKeys,
    OrderTill,
    Paid,
    PutRecord,
    PutStage,
    Quote,
    StorageTill,
    TermTill,
)
from offchain.storage.frames import segments_in
from offchain.storage.get import GetFile
from offchain.storage.model import Profile
from offchain.storage.ports import FileView, SeatView, StoredFile
from offchain.storage.put import PutFile
from offchain.storage.put_model import PutParts, PutRules, Stored, Watcher, Wish
from offchain.storage.read_file import ReadFile, ReadParts, ReadRules, is_there
from offchain.storage.read_range import ReadRange
from offchain.storage.recipients import wrap_key
from offchain.storage.sealed import KEY_BYTES, SALT_BYTES, Seal, SealHead, key_id_of
from offchain.storage.sources import SealedSource, Source, source_at
from offchain.storage.unseal import seal_of

HAVE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class PutOptions:
    """How something is stored. `recipients`: X25519 keys that may read it too. `is_fresh`: do not
    go on with an earlier put of the same path. `nonce`: names one of several files of one content.
    `root`: what a public file must come to; nothing is paid for other bytes.
    """

    profile: Profile
    term_epochs: int
    max_price_wei: int | None = None
    is_public: bool = False
    recipients: tuple[bytes, ...] = ()
    is_fresh: bool = False
    nonce: int | None = None
    root: bytes | None = None


@dataclass(frozen=True, slots=True)
class SeatAnswer:
    """What one seat says of a file: how many of its segments it holds, or why it says nothing."""

    seat: SeatView
    segments: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class FileClientParts:
    """`put` None for a client that only reads; `terms` and `orders` likewise."""

    read: ReadParts
    keys: FileKeys
    randomness: Callable[[int], bytes]
    put: PutParts | None = None
    terms: TermTill | None = None
    orders: OrderTill | None = None
    put_rules: PutRules = field(default_factory=PutRules)
    read_rules: ReadRules = field(default_factory=ReadRules)


class FileClient:
    """Stores, reads and looks after files."""

    def __init__(self, parts: FileClientParts) -> None:
        self._parts = parts
        read = parts.read
        reader = ReadFile(read, parts.read_rules)
        ranges = ReadRange(reader, read.client, read.engine)
        self.get = GetFile(reader, ranges, parts.keys)

    @property
    def _put(self) -> PutParts:
        assert self._parts.put is not None, "this client only reads"
        return self._parts.put

    @property
    def till(self) -> StorageTill:
        return self._put.till

    @property
    def terms(self) -> TermTill:
        assert self._parts.terms is not None, "this client only reads"
        return self._parts.terms

    @property
    def orders(self) -> OrderTill:
        assert self._parts.orders is not None, "this client only reads"
        return self._parts.orders

    async def put_path(
        self, path: Path, options: PutOptions, watch: Watcher = lambda _: None
    ) -> Stored:
        """Store a file or folder; what was begun for the same path and options goes on.

        Raises: SourceInvalid, MetadataInvalid, and as `PutFile.put`.
        """
        path = await asyncio.to_thread(path.absolute)
        known = None if options.is_fresh else await self.begun(path, options)
        if known is not None:
            try:
                return await self.resume(known.file_id, watch=watch)
            except SourceChanged:
                if known.stage is not PutStage.PLANNED:
                    raise
                await self._put.journal.advance(known.file_id, PutStage.OVER)  # nothing was paid
        plain = await asyncio.to_thread(source_at, path)
        return await self.put_source(plain, options, watch=watch, path=str(path))

    async def put_source(
        self,
        plain: Source,
        options: PutOptions,
        *,
        watch: Watcher = lambda _: None,
        path: str = "",
    ) -> Stored:
        """Store any source, sealed unless it is public. Raises: as `PutFile.put`."""
        source, head = plain, b""
        if not options.is_public:
            seal = await asyncio.to_thread(self._new_seal, plain.length, options.recipients)
            source, head = SealedSource(plain, seal), seal.head.to_bytes()
        wish = Wish(
            profile=options.profile,
            term_epochs=options.term_epochs,
            max_price_wei=options.max_price_wei,
            path=path,
            seal_head=head,
            nonce=options.nonce,
            root=options.root,
        )
        return await PutFile(self._put, self._parts.put_rules, watch).put(source, wish)

    async def put_named(
        self,
        name: str,
        plain: Source,
        options: PutOptions,
        *,
        watch: Watcher = lambda _: None,
    ) -> bytes:
        """The file that a name of this client stands for: stored and paid once, however often the
        same bytes are put under it, by whatever process. Raises: as `put_source` and `resume`.
        """
        known = [one for one in await self.puts() if one.path == name]
        if known and known[-1].stage is PutStage.STORED:
            return known[-1].file_id
        if known and known[-1].stage is not PutStage.OVER:
            return (await self.resume_source(known[-1], plain, watch=watch)).file_id
        return (await self.put_source(plain, options, watch=watch, path=name)).file_id

    async def resume(
        self, file_id: bytes, *, path: Path | None = None, watch: Watcher = lambda _: None
    ) -> Stored:
        """Go on with a put, from where its source lies or from `path`.

        Raises: PlanUnknown, SourceChanged, KeyMissing, and as `PutFile.put`.
        """
        record = await self._put.journal.load(file_id)
        if record is None or not (path or record.path):
            raise PlanUnknown(file_id=file_id.hex())
        plain = await asyncio.to_thread(source_at, path or Path(record.path))
        return await self.resume_source(record, plain, watch=watch)

    async def resume_source(
        self, record: PutRecord, plain: Source, *, watch: Watcher = lambda _: None
    ) -> Stored:
        """Go on with a put from a source that is open. Raises: as `resume`."""
        source = await asyncio.to_thread(self._sealed_again, record, plain)
        put = PutFile(self._put, self._parts.put_rules, watch)
        return await put.resume(record.file_id, source)

    async def begun(self, path: Path, options: PutOptions) -> PutRecord | None:
        """The newest open put of this path that stores it the same way."""
        wanted = (str(path), options.profile, options.term_epochs, options.is_public)
        for record in reversed(await self.open_puts()):
            order = record.order
            found = (record.path, order.profile, order.term_epochs, not record.seal_head)
            if found == wanted:
                return record
        return None

    async def open_puts(self) -> Sequence[PutRecord]:
        """What was begun and is not stored yet."""
        return [one for one in await self._put.journal.records() if not one.stage.is_final]

    async def puts(self) -> Sequence[PutRecord]:
        """Everything that was put from here."""
        return await self._put.journal.records()

    async def find_put(self, prefix: str) -> PutRecord:
        """The one put whose id begins so. Raises: PlanUnknown."""
        digits = prefix.removeprefix("0x").lower()
        found = [one for one in await self.puts() if one.file_id.hex().startswith(digits)]
        if len(found) != 1 or not digits:
            raise PlanUnknown(file_id=prefix[:80], matches=len(found))
        return found[0]

    async def price(self, length: int, options: PutOptions) -> Quote:
        """Of so many bytes, sealing included. Raises: NoGroup, PriceAboveLimit."""
        size = length
        if not options.is_public:
            wraps = tuple(bytes(80) for _ in options.recipients)
            head = SealHead(bytes(SALT_BYTES), length, bytes(16), wraps)
            size = head.sealed_length
        wish = Wish(options.profile, options.term_epochs, options.max_price_wei)
        return await PutFile(self._put, self._parts.put_rules).quote(size, wish)

    async def state(self, reference: bytes) -> FileView:
        """A file's record and its seats. Raises: FileUnknown."""
        return await self.get.view(reference)

    async def ask_seats(self, view: FileView) -> list[SeatAnswer]:
        """What every seat says of a file, all asked together."""
        if view.group is None:
            return []
        seats = [seat for seat in view.group.seats if is_there(seat)]
        return list(await asyncio.gather(*(self._answer(view, seat) for seat in seats)))

    async def files(self, owner: bytes | None = None) -> Sequence[StoredFile]:
        """Every submission of an owner, by default of this client's account."""
        read = self._parts.read
        whose = self.till.owner if owner is None else owner
        head = await asyncio.to_thread(read.ledger.head)
        return await asyncio.to_thread(read.index.files_of, whose, at=head.hash)

    async def renew(self, file_id: bytes, epochs: int, *, limit_wei: int | None = None) -> Paid:
        """Buy more epochs. Raises: PriceAboveLimit, Rejected, Conflict."""
        price = await asyncio.to_thread(self.terms.renewal_price, file_id, epochs)
        if limit_wei is not None and price > limit_wei:
            raise PriceAboveLimit(price_wei=price, limit_wei=limit_wei)
        return await asyncio.to_thread(self.terms.renew, file_id, epochs, value_wei=price)

    async def release(self, file_id: bytes) -> Paid:
        """End a file's term; what is left of its deposit comes back."""
        return await asyncio.to_thread(self.terms.release, file_id)

    async def _answer(self, view: FileView, seat: SeatView) -> SeatAnswer:
        try:
            async with asyncio.timeout(HAVE_SECONDS):
                bitmap = await self._parts.read.client.have(
                    seat.endpoint, view.file.file_id, seat.seat
                )
            return SeatAnswer(seat, len(segments_in(bitmap)))
        except TimeoutError:
            return SeatAnswer(seat, 0, "storage.seat.slow")
        except ApogeeError as error:
            return SeatAnswer(seat, 0, told_code(error))

    def _new_seal(self, length: int, recipients: Sequence[bytes]) -> Seal:
        """A seal under a key of its own, which is in the keystore before anything is sealed."""
        random = self._parts.randomness
        key, salt = random(KEY_BYTES), random(SALT_BYTES)
        wraps = tuple(wrap_key(key, one, salt=salt, randomness=random) for one in recipients)
        head = SealHead(salt, length, key_id_of(key), wraps)
        self._parts.keys.keep(head.key_id, key)
        return Seal(head, key)

    def _sealed_again(self, record: PutRecord, plain: Source) -> Source:
        """The source of a put as it was. Raises: SourceChanged, KeyMissing."""
        if not record.seal_head:
            return plain
        head = SealHead.parse(record.seal_head)
        if head.length != plain.length:
            raise SourceChanged(bytes=plain.length, expected=head.length)
        return SealedSource(plain, seal_of(head, self._parts.keys))
