"""Store a file: plan, pay, place, send, collect receipts, confirm; killed anywhere, it goes on.

  PLANNED -> PAID -> PLACED -> HELD -> STORED             OVER: refunded, lost, void or closed

The loop asks the chain where the file stands and does the next step, so a crash, a second call and
a reorg all look alike. The id follows from owner, root and nonce, which are durable before money
moves: a paid file is never paid again. Source: docs/protocol/storage.md#client.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from offchain.chain.errors import BlockUnknown
from offchain.chain.model import Block
from offchain.core.errors import Conflict, Rejected, Unavailable
from offchain.storage.client_errors import (
    FileNotStored,
    NotEnoughHeld,
    PlanUnknown,
    PriceAboveLimit,
    SourceChanged,
)
from offchain.storage.client_ports import Paid, PutRecord, PutStage, Quote
from offchain.storage.deliver_shards import DeliverShards, Delivery, Load
from offchain.storage.errors import SubmissionUnknown
from offchain.storage.model import FileState, Profile, Segment, held_digest, rows_of
from offchain.storage.plan_put import PlanFile
from offchain.storage.ports import FileView
from offchain.storage.put_model import (
    Planned,
    PutParts,
    PutProgress,
    PutRules,
    Stored,
    Watcher,
    Wish,
)
from offchain.storage.segment_encoder import Matrix, SegmentEncoder
from offchain.storage.sources import Source

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Run:
    """One put being carried out."""

    planned: Planned
    paid: Paid | None = None
    confirmed: Paid | None = None
    delivery: Delivery | None = None
    bytes_sent: int = 0

    @property
    def record(self) -> PutRecord:
        return self.planned.record


class PutFile:
    """Stores files, one at a time or several; the encoder's room bounds the memory of all."""

    def __init__(self, parts: PutParts, rules: PutRules, watch: Watcher = lambda _: None) -> None:
        self._parts = parts
        self._rules = rules
        self._watch = watch
        self._encoder = SegmentEncoder(parts.engine, threads=rules.threads)
        self._deliver = DeliverShards(parts.client, rules.delivery)
        self._planning = PlanFile(parts, self._encoder, watch)

    async def quote(self, length: int, wish: Wish) -> Quote:
        """What it costs, before anything is read. Raises: PriceAboveLimit, NoGroup."""
        return await self._planning.quote(length, wish)

    async def put(self, source: Source, wish: Wish) -> Stored:
        """Store until the chain has the receipts.

        Raises: PriceAboveLimit, SourceChanged, FileNotStored after the deadline for receipts, and
        what the contracts refuse.
        """
        return await self.carry_out(await self.plan(source, wish))

    async def plan(self, source: Source, wish: Wish) -> Planned:
        """Encode everything and write the plan down; no money moves. Raises: as PlanFile.plan."""
        return await self._planning.plan(source, wish)

    async def resume(self, file_id: bytes, source: Source) -> Stored:
        """Go on with what an earlier process planned. Raises: PlanUnknown, and as `put`."""
        record = await self._parts.journal.load(file_id)
        if record is None:
            raise PlanUnknown(file_id=file_id.hex())
        if source.length != record.order.shape.length:
            raise SourceChanged(bytes=source.length, expected=record.order.shape.length)
        return await self.carry_out(Planned(record, source, is_resumed=True))

    async def carry_out(self, planned: Planned) -> Stored:
        """Pay, place, send and confirm what was planned. Raises: as `put`."""
        run = _Run(planned)
        try:
            return await self._drive(run)
        finally:
            planned.let_go()

    async def _drive(self, run: _Run) -> Stored:
        file_id = run.record.file_id
        while True:
            view = await self._view(file_id)
            match FileState.NONE if view is None else view.file.state:
                case FileState.NONE:
                    await self._pay(run)
                case FileState.SUBMITTED:
                    assert view is not None
                    await self._place(run, view)
                case FileState.PLACED:
                    assert view is not None
                    await self._store(run, view)
                case FileState.STORED:
                    assert view is not None
                    run.planned.let_go()
                    await self._advance(run, PutStage.HELD, is_stored=True)
                    if await self._is_settled(view):
                        await self._advance(run, PutStage.STORED)
                        return self._outcome(run, view)
                    await self._other_block(view.block)
                case state:
                    await self._advance(run, PutStage.OVER)
                    raise FileNotStored(file_id=file_id.hex(), state=state.name)

    async def _pay(self, run: _Run) -> None:
        """Pay once, at the prices of now, within the limit; that it was paid before is as good."""
        order = run.record.order
        quote = await asyncio.to_thread(
            self._parts.till.quote, order.shape.length, order.profile, order.term_epochs
        )
        limit = run.record.max_price_wei
        if limit is not None and quote.deposit_wei > limit:
            raise PriceAboveLimit(price_wei=quote.deposit_wei, limit_wei=limit)
        try:
            run.paid = await asyncio.to_thread(
                self._parts.till.submit, order, max_cost_wei=quote.deposit_wei
            )
        except BlockUnknown:  # a reorg under the question: look again
            await asyncio.sleep(self._rules.poll_seconds)
            return
        await self._advance(run, PutStage.PAID)

    async def _place(self, run: _Run, view: FileView) -> None:
        """Have the group named, once the block that decides it is there."""
        if view.block.timestamp > view.file.keep_until:
            await self._give_up(run, view)
        try:
            await asyncio.to_thread(self._parts.till.place, run.record.file_id)
        except (Conflict, Rejected, Unavailable) as error:
            if await self._is_as_before(view):
                log.info("file_not_placed_yet", extra={"code": error.code})
                await self._other_block(view.block)
            return
        except BlockUnknown:
            await asyncio.sleep(self._rules.poll_seconds)
            return
        await self._advance(run, PutStage.PLACED)

    async def _store(self, run: _Run, view: FileView) -> None:
        """One round of sending and, with enough receipts, the confirmation."""
        file, group = view.file, view.group
        if view.block.timestamp > file.keep_until:
            await self._give_up(run, view)
        if group is None or view.block.number - file.placed_block + 1 < self._rules.confirmations:
            await self._other_block(view.block)
            return
        load = Load(
            file=file,
            group=group,
            segments=run.record.segments,
            digest=held_digest(
                self._parts.ledger.domain(),
                file_id=file.file_id,
                root=file.root,
                group=file.group,
                expiry=file.expiry,
            ),
            is_resumed=run.planned.is_resumed,
        )
        run.planned.is_resumed = True
        run.delivery = await self._deliver.deliver(
            load, self._encode(run, group.profile), on_change=lambda now: self._tell(run, load, now)
        )
        run.bytes_sent += run.delivery.bytes_sent
        try:
            quorum = run.delivery.quorum(load)
        except NotEnoughHeld as error:
            log.warning("too_few_receipts", extra={"file_id": file.file_id.hex(), **error.fields})
            await asyncio.sleep(self._rules.again_seconds)
            return
        run.planned.let_go()
        await self._advance(run, PutStage.HELD)
        try:
            run.confirmed = await asyncio.to_thread(self._parts.till.confirm, file.file_id, quorum)
        except (Rejected, Conflict):
            if await self._is_as_before(view):
                raise
        except (Unavailable, BlockUnknown) as error:
            log.warning("receipts_not_mined", extra={"code": error.code})
            await asyncio.sleep(self._rules.again_seconds)

    def _encode(self, run: _Run, profile: Profile) -> Callable[[Segment], Awaitable[Matrix]]:
        rows = max(rows_of(profile, seat).stop for seat in range(profile.seats))
        record = run.record

        async def matrix_of(segment: Segment) -> Matrix:
            kept = run.planned.matrices.pop(segment.index, None)
            if kept is not None:
                return kept
            trace = await self._parts.journal.trace_of(record.file_id, segment.index)
            return await self._encoder.again(
                run.planned.source,
                segment,
                mark=record.marks[segment.index],
                trace=trace,
                rows=rows,
            )

        return matrix_of

    async def _give_up(self, run: _Run, view: FileView) -> None:
        """The time for receipts is over: have the money back. Raises: FileNotStored."""
        await asyncio.to_thread(self._parts.till.refund, run.record.file_id)
        await self._advance(run, PutStage.OVER)
        failures = run.delivery.failures if run.delivery else {}
        raise FileNotStored(
            file_id=run.record.file_id.hex(),
            state="REFUNDED",
            was=view.file.state.name,
            failed_seats=len(failures),
        )

    async def _view(self, file_id: bytes) -> FileView | None:
        """The file at the newest block; None when the chain does not know it."""
        while True:
            try:
                return await asyncio.to_thread(self._look_up, file_id)
            except SubmissionUnknown:
                return None
            except BlockUnknown:
                await asyncio.sleep(self._rules.poll_seconds)

    def _look_up(self, file_id: bytes) -> FileView:
        ledger = self._parts.ledger
        return ledger.view(file_id, at=ledger.head().hash)

    async def _is_as_before(self, view: FileView) -> bool:
        """Whether the chain still says what it said."""
        now = await self._view(view.file.file_id)
        return now is not None and now.file == view.file

    async def _is_settled(self, view: FileView) -> bool:
        """Whether the file was stored so many blocks ago too."""
        depth = self._rules.settled_depth - 1
        if depth <= 0:
            return True
        ledger, number = self._parts.ledger, max(0, view.block.number - depth)
        try:
            before = await asyncio.to_thread(
                ledger.view, view.file.file_id, at=type(view.block.number)(number)
            )
        except (SubmissionUnknown, BlockUnknown):
            return False
        return before.file.state is FileState.STORED

    async def _other_block(self, seen: Block) -> None:
        while True:
            await asyncio.sleep(self._rules.poll_seconds)
            if (await asyncio.to_thread(self._parts.ledger.head)).hash != seen.hash:
                return

    async def _advance(self, run: _Run, stage: PutStage, *, is_stored: bool = False) -> None:
        file_id, total = run.record.file_id, run.record.order.shape.length
        await self._parts.journal.advance(file_id, stage)
        done = total if stage in {PutStage.HELD, PutStage.STORED} else 0
        paid = run.paid.value_wei if run.paid else 0
        told = PutProgress(stage, done, total, file_id=file_id, paid_wei=paid, is_stored=is_stored)
        self._watch(told)

    def _tell(self, run: _Run, load: Load, now: Delivery) -> None:
        total = run.record.order.shape.length
        self._watch(
            PutProgress(
                PutStage.PLACED,
                total * now.segments_done // len(load.segments),
                total,
                seats_held=len(now.held(load.seats)),
                seats=len(load.group.seats),
                file_id=run.record.file_id,
                paid_wei=run.paid.value_wei if run.paid else 0,
            )
        )

    def _outcome(self, run: _Run, view: FileView) -> Stored:
        signed = run.delivery.held(view.group.seats) if run.delivery and view.group else []
        numbers = {seat.seat for seat in signed}
        everyone = {seat.seat for seat in view.group.seats} if view.group else set()
        outcome = Stored(
            run.record.file_id,
            run.record.order.root,
            view,
            run.paid,
            run.confirmed,
            bytes_sent=run.bytes_sent,
        )
        if run.delivery is None:
            return outcome
        absent = frozenset(everyone - numbers)
        return replace(outcome, absent=absent, failures=dict(run.delivery.failures))
