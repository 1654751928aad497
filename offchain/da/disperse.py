r"""Publish one payload: encode, pay, send, collect, confirm; killed anywhere, it goes on.

  PLANNED -> PAID -> ATTESTED -> CONFIRMED
                 \-> REFUNDABLE -> REFUNDED           after a deadline without certificate

The loop asks the chain where the blob stands and does the next step, so a crash, a second call and
a reorg all look alike. The blob id is the idempotency key: the plan is durable before money moves,
and a paid blob is never paid again. Source: docs/protocol/da.md#life-of-a-blob.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from offchain.chain.errors import BlockUnknown, ContractReverted
from offchain.chain.reverts import OUT_OF_GAS
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Conflict, Rejected, Unavailable
from offchain.core.layout import Shape
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.da.accept import read_view
from offchain.da.aggregate import certificate_of
from offchain.da.deliver import DeliverRows, Delivery, Parcel
from offchain.da.dispersals import DispersalJournal, DispersalRecord, Stage
from offchain.da.duties import BlobTerms, BlobView
from offchain.da.errors import Bottom
from offchain.da.head_watch import HeadWatch
from offchain.da.model import BlobState, attestation_digest
from offchain.da.ports import BlobLedger, BlobTill, Bytes, Settlement
from offchain.da.refusals import BlobNotPaid, BlobUnknown, NotEnoughSignatures
from offchain.da.reverts import AlreadyPaid
from offchain.da.till_desk import TillDesk
from offchain.node.matrix_room import HeldMatrix, Lease, MatrixRoom

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DispersalRules:
    """Depths count the block itself. `confirmations`: of the seed's block before rows are sent; a
    reorg of it costs the sending, no money. `settled_depth`: of the certificate's block before the
    payload is let go; at least the sender's `finality_blocks` + 1, since a payment that moves needs
    a new certificate and so the payload. `poll_seconds`: between looks at the chain.
    `again_seconds`: before another round when too few signed. `threads`: for encoding. `matrices`:
    encoded at a time, about 100 MB each at most; one is made while others are on their way.
    """

    confirmations: int = 1
    settled_depth: int = 1
    poll_seconds: float = 0.1
    again_seconds: float = 1.0
    threads: int = 1
    matrices: int = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a dispersal is, for whoever watches."""

    blob_id: bytes
    stage: Stage
    slices_signed: int = 0
    slices_needed: int = 0
    bytes_sent: int = 0


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Dispersed:
    """A confirmed blob. Settlements are None when an earlier run of this dispersal made them."""

    blob_id: bytes
    view: BlobView | None = None
    paid: Settlement | None = None
    confirmed: Settlement | None = None
    absent: tuple[int, ...] = ()
    failures: dict[int, str] = field(default_factory=dict)
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """A dispersal that is written down; `is_resumed` when an earlier run had planned it.

    It holds a matrix, which others wait for: carry it out, or let go of it.
    """

    record: DispersalRecord
    matrix: HeldMatrix = field(repr=False)
    is_resumed: bool = False

    def let_go(self) -> None:
        """Give the matrix to others; carried out later, this is encoded again."""
        self.matrix.let_go()


@dataclass(frozen=True, slots=True)
class DisperserParts:
    """What a disperser is made of; `payer` and `disperser` are 20-byte addresses."""

    ledger: BlobLedger
    till: BlobTill
    deliver: DeliverRows
    journal: DispersalJournal
    engine: ErasureEngine
    payer: bytes
    disperser: bytes


class DisperseBlob:
    """Publishes payloads of one matrix each, any number at a time.

    While one is being certified, another is sent and a third encoded. `room` bounds the matrices;
    payments and certificates that come up together travel together; what fails fails alone.
    """

    def __init__(
        self,
        parts: DisperserParts,
        rules: DispersalRules,
        watch: Watcher = lambda _: None,
    ) -> None:
        self._parts = parts
        self._rules = rules
        self._watch = watch
        self._till = TillDesk(parts.till)
        self._heads = HeadWatch(parts.ledger, rules.poll_seconds)
        self._encoder = asyncio.Lock()
        self.room = MatrixRoom(rules.matrices)

    def under(self, rules: DispersalRules) -> "DisperseBlob":
        """The same disperser under other rules, with room of its own."""
        return DisperseBlob(self._parts, rules, self._watch)

    async def disperse(self, payload: Bytes, *, days: int, salt: bytes) -> Dispersed:
        """Publish until confirmed. The same payload, days and salt are the same blob.

        Raises: NotEnoughSignatures after the deadline (then `reclaim` brings the fee back),
        BlobNotPaid when it was refunded, Rejected from the contract, PayloadTooLarge.
        """
        planned = await self.plan(payload, days=days, salt=salt)
        del payload  # it is in the journal; the longest part is still to come
        return await self.carry_out(planned)

    async def plan(
        self, payload: Bytes, *, days: int, salt: bytes, lease: Lease | None = None
    ) -> Planned:
        """Encode and write the plan down, durable on return; no money moves.

        Waits for room for the matrix, unless a lease of it is brought.
        Raises: PayloadEmpty, PayloadTooLarge, StoreFull, StoreBroken.
        """
        lease = lease or await self.room.take()
        try:
            return await self._plan(payload, lease, days=days, salt=salt)
        except BaseException:
            lease.give_back()
            raise

    async def _plan(self, payload: Bytes, lease: Lease, *, days: int, salt: bytes) -> Planned:
        encoded = await self._encode(payload, lease)
        terms = BlobTerms(
            payer=self._parts.payer,
            disperser=self._parts.disperser,
            data_root=encoded.header.data_root,
            commitment=encoded.header.commitment,
            shape=encoded.shape,
            days=days,
            salt=salt,
        )
        blob_id = self._parts.till.blob_id(terms)
        matrix = HeldMatrix(encoded, lease, partial(self._encode_again, blob_id))
        record = await self._parts.journal.load(blob_id)
        if record is None:
            record = DispersalRecord(blob_id, terms, Stage.PLANNED)
            await self._parts.journal.plan(record, payload)
            return Planned(record, matrix, is_resumed=False)
        return Planned(record, matrix, is_resumed=True)

    async def carry_out(self, planned: Planned) -> Dispersed:
        """Pay, send, collect and confirm what was planned. Raises: as `disperse`."""
        try:
            return await self._drive(planned.record, planned.matrix, is_resumed=planned.is_resumed)
        finally:
            planned.let_go()

    async def resume(self, blob_id: bytes) -> Dispersed:
        """Go on with a dispersal that an earlier process planned. Raises: as `disperse`."""
        record = await self._parts.journal.load(blob_id)
        if record is None:
            raise BlobUnknown(blob_id=blob_id.hex())
        encoded, lease = await self._encode_again(blob_id)
        matrix = HeldMatrix(encoded, lease, partial(self._encode_again, blob_id))
        return await self.carry_out(Planned(record, matrix, is_resumed=True))

    async def resume_all(self) -> list[Dispersed]:
        """Go on with everything open, together; what cannot be confirmed any more is left for
        `reclaim`. Raises: the first other failure, when all have ended.
        """
        open_ids = await self._parts.journal.open_ids()
        outcomes = await asyncio.gather(
            *(self.resume(blob_id) for blob_id in open_ids), return_exceptions=True
        )
        done: list[Dispersed] = []
        failures: list[BaseException] = []
        for blob_id, outcome in zip(open_ids, outcomes, strict=True):
            if isinstance(outcome, Dispersed):
                done.append(outcome)
            elif isinstance(outcome, NotEnoughSignatures):
                log.warning("blob_unconfirmed", extra={"blob_id": blob_id.hex(), **outcome.fields})
            else:
                failures.append(outcome)
        if failures:
            raise failures[0]
        return done

    async def reclaim(self, blob_id: bytes) -> Settlement | None:
        """Have the fee of an unconfirmed blob credited; None when that was done before.

        Raises: BlobNotPaid while the deadline is not over or after a certificate, BlobUnknown.
        """
        view = await self._view(blob_id)
        planned = await self._parts.journal.load(blob_id)
        if view is None or planned is None:
            raise BlobUnknown(blob_id=blob_id.hex())
        record = view.record
        settlement = None
        if record.state is not BlobState.REFUNDED:
            is_over = view.moment.time > record.deadline
            if record.state is not BlobState.PAID or not is_over:
                raise BlobNotPaid(state=record.state.name, deadline=record.deadline)
            settlement = await asyncio.to_thread(self._parts.till.refund, planned.terms)
        await self._advance(blob_id, Stage.REFUNDED)
        return settlement

    async def _encode(self, payload: Bytes, lease: Lease) -> EncodedBlob:
        """Encode into the lease's memory, one blob at a time; a matrix is lent to nobody else
        before the thread that fills it has ended.
        """
        buffer = lease.buffer(Shape.of(len(payload)))
        async with self._encoder:
            work = asyncio.create_task(
                asyncio.to_thread(
                    encode,
                    payload,
                    self._parts.engine,
                    threads=self._rules.threads,
                    buffer=buffer,
                )
            )
            try:
                return await asyncio.shield(work)
            finally:
                if not work.done():
                    await asyncio.wait({work})

    async def _encode_again(self, blob_id: bytes) -> tuple[EncodedBlob, Lease]:
        """The matrix of a planned dispersal, from its journal. Raises: BlobUnknown."""
        lease = await self.room.take()
        try:
            return await self._encode(await self._parts.journal.payload(blob_id), lease), lease
        except BaseException:
            lease.give_back()
            raise

    async def _drive(
        self, record: DispersalRecord, matrix: HeldMatrix, *, is_resumed: bool
    ) -> Dispersed:
        outcome = Dispersed(record.blob_id)
        while True:
            view = await self._view(record.blob_id)
            if view is None:
                outcome = await self._pay(record, outcome)
                continue
            match view.record.state:
                case BlobState.CONFIRMED:
                    matrix.let_go()
                    if await self._is_settled(view):
                        await self._advance(record.blob_id, Stage.CONFIRMED)
                        return replace(outcome, view=view)
                    await self._deeper(view)
                case BlobState.PAID:
                    if view.moment.time > view.record.deadline:
                        await self._give_up(record.blob_id, view, outcome)
                    if view.duties is None or view.seed_depth < self._rules.confirmations:
                        await self._heads.other_than(view.moment)
                        continue
                    outcome = await self._certify(view, matrix, outcome, is_resumed=is_resumed)
                    is_resumed = True
                case BlobState.REFUNDED:
                    await self._advance(record.blob_id, Stage.REFUNDED)
                    raise BlobNotPaid(state=view.record.state.name)
                case BlobState.VOID:
                    raise Bottom(blob_id=record.blob_id.hex())
                case BlobState.NONE:
                    raise BlobUnknown(blob_id=record.blob_id.hex())

    async def _pay(self, record: DispersalRecord, outcome: Dispersed) -> Dispersed:
        """Pay once; that it was paid in the meantime, by an earlier run, is as good."""
        try:
            paid = await self._till.pay(record.terms)
        except (AlreadyPaid, BlockUnknown):  # or a reorg under the question: look again
            await asyncio.sleep(self._rules.poll_seconds)
            return outcome
        except ContractReverted as error:
            if error.reason != OUT_OF_GAS:
                raise
            # A reorg moved it to an epoch that it had to open; asked again, it gets the gas.
            log.warning("payment_out_of_gas", extra={"blob_id": record.blob_id.hex()})
            await asyncio.sleep(self._rules.again_seconds)
            return outcome
        await self._advance(record.blob_id, Stage.PAID)
        return replace(outcome, paid=paid)

    async def _certify(
        self, view: BlobView, matrix: HeldMatrix, outcome: Dispersed, *, is_resumed: bool
    ) -> Dispersed:
        """One round of sending and, with enough signatures, the certificate."""
        assert view.duties is not None
        duties, blob_id = view.duties, view.record.blob_id
        encoded = await matrix.get()
        record = await self._parts.journal.load(blob_id)
        assert record is not None
        parcel = Parcel(
            view=view,
            duties=duties,
            encoded=encoded,
            header=encoded.header.to_bytes(),
            digest=attestation_digest(view.attestation(), self._parts.ledger.domain()),
            is_resumed=is_resumed,
        )
        delivery = await self._parts.deliver.deliver(
            parcel, on_signature=lambda now: self._report(parcel, now)
        )
        outcome = replace(
            outcome,
            failures=dict(delivery.failures),
            bytes_sent=outcome.bytes_sent + delivery.bytes_sent,
        )
        try:
            certificate = await asyncio.to_thread(certificate_of, duties, delivery.signatures)
        except NotEnoughSignatures:
            await asyncio.sleep(self._rules.again_seconds)
            return outcome
        matrix.let_go()
        await self._advance(blob_id, Stage.ATTESTED)
        try:
            confirmed = await self._till.confirm(record.terms, certificate)
        except (Rejected, Conflict):
            if await self._is_as_before(view):
                raise
            return outcome
        except (Unavailable, BlockUnknown) as error:
            log.warning("certificate_not_mined", extra={"code": error.code})
            await asyncio.sleep(self._rules.again_seconds)
            return outcome
        return replace(
            outcome,
            confirmed=confirmed,
            absent=tuple(signer.index for signer in certificate.absent),
        )

    async def _is_as_before(self, before: BlobView) -> bool:
        """Whether the blob still waits for a certificate of the same duties, so that a refusal of
        one is a fault and not a reorg, a deadline or somebody else's certificate.
        """
        view = await self._view(before.record.blob_id)
        return (
            view is not None
            and view.record == before.record
            and view.duties == before.duties
            and view.moment.time <= view.record.deadline
        )

    async def _give_up(self, blob_id: bytes, view: BlobView, outcome: Dispersed) -> None:
        await self._advance(blob_id, Stage.REFUNDABLE)
        raise NotEnoughSignatures(
            blob_id=blob_id.hex(),
            deadline=view.record.deadline,
            now=view.moment.time,
            failures=", ".join(f"{who}:{why}" for who, why in sorted(outcome.failures.items())),
        )

    async def _is_settled(self, view: BlobView) -> bool:
        """Whether the certificate's block is deep enough to be believed."""
        block = view.moment.block - (self._rules.settled_depth - 1)
        if block == view.moment.block:
            return True
        try:
            deep = await asyncio.to_thread(
                self._parts.ledger.view, view.record.blob_id, at=max(block, 0)
            )
        except (BlobUnknown, BlockUnknown):
            return False
        return deep.record.state is BlobState.CONFIRMED

    async def _deeper(self, view: BlobView) -> None:
        """Wait for the block that may settle what is confirmed in this view; when the certificate
        is older than the view, some blocks more than needed.
        """
        await self._heads.at_least(view.moment.block + max(self._rules.settled_depth - 1, 1))

    async def _view(self, blob_id: bytes) -> BlobView | None:
        """The blob at the newest block; None when it is not paid there."""
        try:
            return await asyncio.to_thread(read_view, self._parts.ledger, blob_id)
        except BlobUnknown:
            return None

    async def _advance(self, blob_id: bytes, stage: Stage) -> None:
        await self._parts.journal.advance(blob_id, stage)
        self._watch(Progress(blob_id, stage))

    def _report(self, parcel: Parcel, delivery: Delivery) -> None:
        self._watch(
            Progress(
                parcel.view.record.blob_id,
                Stage.PAID,
                parcel.duties.slices(set(delivery.signatures)),
                parcel.duties.confirm_slices,
                delivery.bytes_sent,
            )
        )
