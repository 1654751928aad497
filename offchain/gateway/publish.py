"""Take an upload, write it down, answer, and see it through to its certificate.

  own lane      quote, plan, keep the answer, answer; pay, send, confirm in the background
  shared lane   the same for a matrix of many items, each answered with a signed receipt

The answer is kept under the request's key before money moves, and the salt of a blob follows from
that key: a repeated request, before or after a crash, is the same blob. What was answered for is
gone on with after a restart. Source: docs/how-to/use-da-over-http.md.
"""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from offchain.core.errors import ApogeeError, Unavailable
from offchain.core.hashing import keccak
from offchain.da.batch import BatchRules, ItemBatcher
from offchain.da.dispersals import Stage
from offchain.da.disperse import DisperseBlob, Dispersed, Planned, Progress
from offchain.da.duties import BlobTerms
from offchain.da.errors import Bottom
from offchain.da.ports import Bytes, RequestSigner
from offchain.da.receipts import ItemStatement, sign_item_receipt
from offchain.da.refusals import BlobNotPaid, BlobUnknown, NotEnoughSignatures
from offchain.gateway.answers import AnswerBook, Given
from offchain.gateway.errors import GatewayBusy, KeyUsedForOther
from offchain.gateway.lease import PublisherLease
from offchain.gateway.model import Accepted, Lane, Receipt, show
from offchain.gateway.room import Place, Room

REMEMBERED: Final = 4_096  # blobs whose progress is shown
LONGEST_PAUSE_SECONDS: Final = 30.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeskRules:
    """`open_blobs`, `open_bytes`: payloads between answer and certificate. `plan_seconds`: an
    upload waits so long for a free matrix of the publisher. `batch`: how shared matrices fill.
    `again_seconds`: before another try to have the publisher at a restart.
    """

    open_blobs: int = 64
    open_bytes: int = 512_000_000
    plan_seconds: float = 60.0
    batch: BatchRules = field(default_factory=lambda: BatchRules(wait_seconds=1.0))
    again_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class DeskParts:
    """`quote`: fee in wei of (length, days), read from the chain; `signer`: the disperser's key,
    for receipts under `domain`.
    """

    lease: PublisherLease
    answers: AnswerBook
    quote: Callable[[int, int], int]
    signer: RequestSigner
    domain: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Upload:
    """One request to publish; `digest` is the SHA-256 of the payload."""

    key: str
    lane: Lane
    days: int
    payload: Bytes
    digest: bytes

    @property
    def fingerprint(self) -> bytes:
        """What a request with the same key must have in common with the first."""
        return hashlib.sha256(f"{self.lane.value} {self.days} ".encode() + self.digest).digest()


@dataclass(frozen=True, slots=True)
class Live:
    """What this process knows of a blob that it publishes."""

    answer: Accepted
    progress: Progress
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedMatrix:
    """A matrix that is written down, and the publisher that is held for it."""

    publisher: DisperseBlob
    planned: Planned
    live: Live
    place: Place

    @property
    def blob_id(self) -> bytes:
        return self.planned.record.blob_id


class PublishDesk:
    """Everything that is published through one gateway."""

    def __init__(self, parts: DeskParts, rules: DeskRules) -> None:
        self._parts = parts
        self._rules = rules
        self._room = Room("blobs under way", rules.open_blobs, rules.open_bytes)
        self._asked: dict[str, tuple[bytes, asyncio.Task[Accepted]]] = {}
        self._batchers: dict[int, ItemBatcher] = {}
        self._live: OrderedDict[bytes, Live] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._recovery: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what an earlier process had answered for."""
        self._parts.answers.prune()
        found = self._parts.answers.unfinished()
        for answer in found:
            self._remember(answer.raw_id, Live(answer, Progress(answer.raw_id, Stage.PLANNED)))
        self._recovery = asyncio.create_task(self._recover([one.raw_id for one in found]))

    async def stop(self) -> None:
        """Stop at once; everything answered for is durable and goes on with the next start."""
        asked = [task for _, task in self._asked.values()]
        tasks = [*asked, *self._running.values(), *([self._recovery] if self._recovery else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._parts.lease.close()
        self._parts.answers.close()

    def require_room(self, size: int) -> None:
        """Before a body is read. Raises: GatewayBusy."""
        self._room.require(size)

    def live(self, blob_id: bytes) -> Live | None:
        return self._live.get(blob_id)

    def open_blobs(self) -> int:
        return self._room.count

    @property
    def is_publishing(self) -> bool:
        """Whether this process has the home's publisher, so that no other can."""
        return self._parts.lease.is_open

    def watch(self, progress: Progress) -> None:
        """Where a dispersal is: what the publisher tells."""
        known = self._live.get(progress.blob_id)
        if known is not None:
            self._live[progress.blob_id] = replace(known, progress=progress)

    async def publish(self, upload: Upload) -> Accepted:
        """The answer to an upload, once it is durable; the same one to the same request.

        Raises: KeyUsedForOther, GatewayBusy, PublisherBusy, PayloadEmpty, PayloadTooLarge,
        SharedMatrixTooLarge, StoreFull, and what the contract says to the quote.
        """
        find = self._parts.answers.find
        earlier = await asyncio.to_thread(find, upload.key, upload.fingerprint)
        if earlier is not None:
            await self._go_on(earlier)
            return earlier
        asked = self._asked.get(upload.key)
        if asked is None:
            accept = self._accept_own if upload.lane is Lane.OWN else self._accept_item
            task = asyncio.create_task(accept(upload))
            asked = self._asked[upload.key] = (upload.fingerprint, task)
            task.add_done_callback(lambda _: self._asked.pop(upload.key, None))
        fingerprint, task = asked
        if fingerprint != upload.fingerprint:
            raise KeyUsedForOther
        return await asyncio.shield(task)

    async def plan(self, payload: Bytes, *, days: int, salt: bytes) -> PlannedMatrix:
        """Write a matrix down; what it holds is given back by `drop` or by `carry_out`."""
        place = self._room.take(len(payload))
        try:
            fee = await asyncio.to_thread(self._parts.quote, len(payload), days)
            publisher = await self._parts.lease.take()
        except BaseException:
            place.release()
            raise
        try:
            async with asyncio.timeout(self._rules.plan_seconds):
                planned = await publisher.plan(payload, days=days, salt=salt)
        except BaseException as error:
            self._parts.lease.give()
            place.release()
            if isinstance(error, TimeoutError):
                raise GatewayBusy(waited_seconds=self._rules.plan_seconds) from error
            raise
        record = planned.record
        answer = _accepted(record.blob_id, record.terms, fee)
        live = Live(answer, Progress(record.blob_id, record.stage))
        self._remember(record.blob_id, live)
        return PlannedMatrix(publisher, planned, live, place)

    def carry_out(self, matrix: PlannedMatrix) -> None:
        """Begin to publish what was planned; its end gives room and publisher back."""
        publisher, planned = matrix.publisher, matrix.planned
        work = self._see_through(matrix.blob_id, publisher, lambda: publisher.carry_out(planned))
        self._run(matrix.blob_id, work, matrix)

    def drop(self, matrix: PlannedMatrix) -> None:
        """Give back what a matrix holds, here and in the publisher."""
        matrix.planned.let_go()
        self._parts.lease.give()
        matrix.place.release()

    async def _accept_own(self, upload: Upload) -> Accepted:
        salt = keccak(b"apogee.gateway.salt.v1", upload.key.encode())
        matrix = await self.plan(upload.payload, days=upload.days, salt=salt)
        accepted = matrix.live.answer
        try:
            await self._parts.answers.keep(Given(upload.key, upload.fingerprint, accepted))
        except BaseException:
            self.drop(matrix)
            raise
        self.carry_out(matrix)
        return accepted

    async def _accept_item(self, upload: Upload) -> Accepted:
        """One item of a shared matrix, answered when that matrix is written down."""
        if upload.days not in self._batchers:
            rules = replace(self._rules.batch, days=upload.days)
            self._batchers[upload.days] = ItemBatcher(_SharedMatrices(self), rules, _new_salt)
        placed = await self._batchers[upload.days].publish(bytes(upload.payload))
        blob_id = placed.blob.blob_id
        statement = ItemStatement.about(blob_id, placed.number, upload.payload)
        domain = await asyncio.to_thread(self._parts.domain)
        signed = sign_item_receipt(statement, self._parts.signer, domain)
        receipt = Receipt(
            number=statement.number,
            item_hash=show(statement.item_hash),
            length=statement.length,
            signature=show(signed.signature),
        )
        item_id = f"{show(blob_id)}/items/{placed.number}"
        accepted = self._live[blob_id].answer.model_copy(
            update={"item_id": item_id, "receipt": receipt}
        )
        await self._parts.answers.keep(Given(upload.key, upload.fingerprint, accepted))
        return accepted

    async def _go_on(self, accepted: Accepted) -> None:
        """Take up again what was answered for and then failed, if there is room."""
        blob_id = accepted.raw_id
        is_open = await asyncio.to_thread(self._parts.answers.is_unfinished, blob_id)
        if is_open and blob_id not in self._running:
            with suppress(GatewayBusy):
                place = self._room.take(accepted.matrix_bytes)
                self._run(blob_id, self._resume(blob_id), place)

    def _run(
        self, blob_id: bytes, work: Coroutine[None, None, None], held: PlannedMatrix | Place
    ) -> None:
        task = asyncio.create_task(work)
        self._running[blob_id] = task

        def end(_: "asyncio.Task[None]") -> None:
            self._running.pop(blob_id, None)
            if isinstance(held, Place):
                held.release()
            else:
                self.drop(held)

        task.add_done_callback(end)

    async def _resume(self, blob_id: bytes) -> None:
        """Go on with an earlier dispersal, as soon as the publisher is free."""
        while True:
            try:
                publisher = await self._parts.lease.take()
                break
            except Unavailable:
                await asyncio.sleep(self._rules.again_seconds)
        try:
            await self._see_through(blob_id, publisher, lambda: publisher.resume(blob_id))
        finally:
            self._parts.lease.give()

    async def _see_through(
        self,
        blob_id: bytes,
        publisher: DisperseBlob,
        work: Callable[[], Coroutine[None, None, Dispersed]],
    ) -> None:
        """To the certificate, or to the fee's return, through times in which somebody is away; an
        end without it is noted for who asks.
        """
        pause = self._rules.again_seconds
        while True:
            try:
                await self._once(blob_id, publisher, work)
                break
            except Unavailable as error:
                log.warning("blob_waits", extra={"blob_id": blob_id.hex(), "code": error.code})
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                work = partial(publisher.resume, blob_id)
            except (BlobNotPaid, BlobUnknown, Bottom) as error:  # over: nothing is left to do
                self._note(blob_id, error)
                break
            except ApogeeError as error:  # kept open: a repeat of the request tries it again
                self._note(blob_id, error)
                return
        await asyncio.to_thread(self._parts.answers.finish, blob_id)

    async def _once(
        self,
        blob_id: bytes,
        publisher: DisperseBlob,
        work: Callable[[], Coroutine[None, None, Dispersed]],
    ) -> None:
        """One try; too few signatures by the deadline end in the fee's return."""
        try:
            await work()
        except NotEnoughSignatures as error:
            self._note(blob_id, error)
            await publisher.reclaim(blob_id)
        else:
            self._note(blob_id, None)

    async def _recover(self, blob_ids: Sequence[bytes]) -> None:
        """Resume every blob that was answered for, one after the other."""
        for blob_id in blob_ids:
            if blob_id not in self._running:
                self._running[blob_id] = asyncio.create_task(self._resume(blob_id))
                await asyncio.wait({self._running[blob_id]})
                self._running.pop(blob_id, None)

    def _remember(self, blob_id: bytes, live: Live) -> None:
        self._live[blob_id] = live
        self._live.move_to_end(blob_id)
        if len(self._live) > REMEMBERED:
            self._live.popitem(last=False)

    def _note(self, blob_id: bytes, error: ApogeeError | None) -> None:
        if error is not None:
            log.warning("blob_not_published", extra={"blob_id": blob_id.hex(), "code": error.code})
        known = self._live.get(blob_id)
        if known is not None:
            self._live[blob_id] = replace(known, problem=error.code if error else None)


@dataclass(frozen=True, slots=True)
class _SharedMatrices:
    """What a batch of items is published with: planned at once, carried out in the background."""

    desk: PublishDesk

    async def disperse(self, payload: Bytes, *, days: int, salt: bytes) -> Dispersed:
        matrix = await self.desk.plan(payload, days=days, salt=salt)
        self.desk.carry_out(matrix)
        return Dispersed(matrix.blob_id)


def _new_salt() -> bytes:
    return secrets.token_bytes(32)


def _accepted(blob_id: bytes, terms: BlobTerms, fee_wei: int) -> Accepted:
    return Accepted(
        blob_id=show(blob_id),
        data_root=show(terms.data_root),
        commitment=show(terms.commitment),
        matrix_bytes=terms.shape.length,
        days=terms.days,
        payer=show(terms.payer),
        disperser=show(terms.disperser),
        salt=show(terms.salt),
        fee_wei=str(fee_wei),
    )
