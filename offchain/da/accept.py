"""A node takes its rows of one blob, keeps them, and signs: cheapest check first, once for ever.

  1 chain, one block   PAID, before the deadline, the seed's block deep enough, a duty of ours
  2 sender             signed by the disperser in the id, fresh, over this very body
  3 room               body as long as the paid shape says, payer's quota, free upload place
  4 header, rows       as paid; exactly our rows; offchain/da/check.py
  5 durable            rows, then the decision, then the signature

The chain is read again before the decision, because an upload takes time. A second delivery returns
the same signature. Source: docs/protocol/da.md#node-check, INV-DA-6.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from offchain.chain.errors import BlockUnknown
from offchain.core.bls import Signature
from offchain.core.erasure import ErasureEngine
from offchain.core.kzg import prepare
from offchain.core.layout import COSET_DEPTH, Shape
from offchain.core.matrix.check import CheckedHeader, check_rows
from offchain.core.wire import HEADER_BYTES, Header, Row, parse_rows
from offchain.da.authenticate import SignedRequest, request_digest, require_sender
from offchain.da.duties import BlobView, Duty
from offchain.da.errors import EncodingFault
from offchain.da.fraud import BottomProven, find_fraud
from offchain.da.model import BlobState, attestation_digest
from offchain.da.ports import (
    AttestationSigner,
    BlobLedger,
    Decision,
    DecisionJournal,
    RowStore,
    Share,
)
from offchain.da.refusals import (
    AlreadySigned,
    BlobNotPaid,
    BodyDigest,
    BodySize,
    DeadlinePassed,
    HeaderNotPaid,
    NodeBusy,
    NoDuty,
    PayerQuota,
    TooEarly,
    UploadSlow,
    WrongRows,
)
from offchain.node.header_desk import HeaderDesk

ROWS_HEAD_BYTES: Final = 44
ROW_HEAD_BYTES: Final = 4 + 32 * COSET_DEPTH
HEAD_ROUNDS: Final = 5  # heads that may leave the chain while one view is read
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What one node is willing to do.

    `confirmations`: blocks that must exist from the seed's block on, itself counted; 1 where blocks
    are final at once. `uploads`, `disperser_uploads`: bodies in memory at the same time, of all and
    of one disperser. `upload_seconds`, `upload_rate`: a body is here after so long, and so many
    bytes a second; places are few, and who is slow must not keep them. `payer_bytes`: stored bytes
    of one payer's unconfirmed blobs.
    """

    confirmations: int = 1
    uploads: int = 4
    disperser_uploads: int = 2
    upload_seconds: float = 10.0
    upload_rate: int = 1 << 18
    payer_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What a node is made of; `operator` is its id in StakeManager."""

    operator: int
    ledger: BlobLedger
    store: RowStore
    journal: DecisionJournal
    signer: AttestationSigner
    engine: ErasureEngine
    on_fraud: Callable[[bytes, BottomProven], None] = lambda _, __: None  # blocking; keeps it


def body_bytes(shape: Shape, rows: int) -> int:
    """How long the body with a header and `rows` rows of a matrix of this shape is."""
    return HEADER_BYTES + ROWS_HEAD_BYTES + rows * (ROW_HEAD_BYTES + shape.row_bytes)


class AcceptRows:
    """The one door through which rows and decisions enter a node."""

    def __init__(self, parts: NodeParts, limits: NodeLimits) -> None:
        self._parts = parts
        self._limits = limits
        self._desk = HeaderDesk(parts.engine)
        self._uploads: Counter[bytes] = Counter()
        self._unconfirmed: dict[bytes, tuple[bytes, int]] = {}
        self._busy: set[bytes] = set()

    async def restore(self) -> None:
        """Count what earlier runs decided and did not see confirmed against its payers.

        What the first header check would prepare is prepared here, so that no sender waits for it.
        """
        await asyncio.to_thread(prepare, use_ifma=self._parts.engine.uses_ifma)
        for decision in await self._parts.journal.decisions():
            self.count(decision.blob_id, decision.payer, decision.reserved_bytes)

    def count(self, blob_id: bytes, payer: bytes, size_bytes: int) -> None:
        """Count stored bytes of an unconfirmed blob against its payer."""
        self._unconfirmed[blob_id] = (payer, size_bytes)

    def discount(self, blob_id: bytes) -> None:
        """The blob is confirmed or gone: it no longer counts."""
        self._unconfirmed.pop(blob_id, None)

    def is_busy_with(self, blob_id: bytes) -> bool:
        """Whether an upload of this blob is under way."""
        return blob_id in self._busy

    async def accept(
        self,
        blob_id: bytes,
        request: SignedRequest,
        body: AsyncIterator[bytes],
        *,
        declared_bytes: int,
    ) -> Signature:
        """Take a body of header and rows; the signature once everything is durable.

        Raises: the refusals of offchain/da/refusals.py and offchain/da/errors.py.
        """
        view = await self._view(blob_id)
        duty = self._require_duty(view)
        await self._require_sender(view, request)
        signature = await self._earlier(view, duty)
        if signature is not None:
            return signature
        self._require_open(view)
        expected = body_bytes(view.record.shape, len(duty.rows))
        if declared_bytes != expected:
            raise BodySize(bytes=declared_bytes, expected=expected)
        with self._place(view, expected):
            raw = await self._read_in_time(body, expected, request.body_digest)
            share = await self._checked_share(view, duty, raw)
            await self._parts.store.put(share)
            del raw, share
            return await self._decide(view)

    async def signature(self, blob_id: bytes) -> Signature:
        """The signature over rows that are already durable here, for a disperser that resumes.

        Raises: RowNotHeld, and what `accept` raises of the chain.
        """
        view = await self._view(blob_id)
        duty = self._require_duty(view)
        signature = await self._earlier(view, duty)
        if signature is not None:
            return signature
        self._require_open(view)
        await self._parts.store.rows(blob_id, duty.rows)  # every row is still what it was
        return await self._decide(view)

    async def _view(self, blob_id: bytes) -> BlobView:
        return await asyncio.to_thread(read_view, self._parts.ledger, blob_id)

    def _require_duty(self, view: BlobView) -> Duty:
        depth = view.seed_depth
        if view.duties is None or depth < self._limits.confirmations:
            raise TooEarly(depth=depth, needed=self._limits.confirmations)
        duty = view.duties.of(self._parts.operator)
        if duty is None or not duty.rows:
            raise NoDuty(operator=self._parts.operator, blob_id=view.record.blob_id.hex())
        return duty

    def _require_open(self, view: BlobView) -> None:
        record = view.record
        if record.state is not BlobState.PAID:
            raise BlobNotPaid(state=record.state.name)
        if view.moment.time >= record.deadline:
            raise DeadlinePassed(deadline=record.deadline, now=view.moment.time)

    async def _require_sender(self, view: BlobView, request: SignedRequest) -> None:
        digest = request_digest(
            self._parts.ledger.domain(),
            operator=self._parts.operator,
            blob_id=view.record.blob_id,
            body=request.body_digest,
            expiry=request.expiry,
        )
        require_sender(digest, request, disperser=view.record.disperser, now=view.moment.time)

    async def _earlier(self, view: BlobView, duty: Duty) -> Signature | None:
        """The signature decided on before, when its rows are still here."""
        assert view.duties is not None
        decision = await self._parts.journal.decided(view.record.blob_id, view.duties.seed)
        if decision is None:
            return None
        if decision.digest != attestation_digest(view.attestation(), self._parts.ledger.domain()):
            raise AlreadySigned(blob_id=view.record.blob_id.hex())
        held = await self._parts.store.rows_held(view.record.blob_id)
        if not held.issuperset(duty.rows):
            return None
        return await asyncio.to_thread(self._parts.signer.sign_attestation, decision.digest)

    @contextmanager
    def _place(self, view: BlobView, size_bytes: int) -> Iterator[None]:
        """Hold a place for one upload, and the payer's bytes unless they are kept in the end."""
        record = view.record
        taken, own = self._uploads.total(), self._uploads[record.disperser]
        is_full = taken >= self._limits.uploads or own >= self._limits.disperser_uploads
        if is_full or record.blob_id in self._busy:
            raise NodeBusy(uploads=taken, of_this_disperser=own)
        known = self._unconfirmed.get(record.blob_id)
        used = sum(size for payer, size in self._unconfirmed.values() if payer == record.payer)
        used -= known[1] if known else 0
        if used + size_bytes > self._limits.payer_bytes:
            raise PayerQuota(
                payer=record.payer.hex(), bytes=used + size_bytes, maximum=self._limits.payer_bytes
            )
        self.count(record.blob_id, record.payer, size_bytes)
        self._uploads[record.disperser] += 1
        self._busy.add(record.blob_id)
        try:
            yield
        except BaseException:
            self._unconfirmed.pop(record.blob_id, None)
            if known:
                self._unconfirmed[record.blob_id] = known
            raise
        finally:
            self._uploads -= Counter({record.disperser: 1})
            self._busy.discard(record.blob_id)

    async def _read_in_time(
        self, body: AsyncIterator[bytes], expected: int, digest: bytes
    ) -> bytearray:
        """The body. Raises: BodySize, BodyDigest, UploadSlow."""
        seconds = self._limits.upload_seconds + expected / self._limits.upload_rate
        try:
            async with asyncio.timeout(seconds):
                return await _read_body(body, expected, digest)
        except TimeoutError as error:
            raise UploadSlow(bytes=expected, seconds=seconds) from error

    async def _checked_share(self, view: BlobView, duty: Duty, raw: bytearray) -> Share:
        header = Header.parse(bytes(raw[:HEADER_BYTES]))
        if not view.record.is_header(header):
            raise HeaderNotPaid(blob_id=view.record.blob_id.hex())
        frame = await asyncio.to_thread(
            parse_rows,
            memoryview(raw)[HEADER_BYTES:],
            columns=header.columns,
            max_rows=len(duty.rows),
        )
        rows = tuple(row.index for row in frame.rows)
        if frame.blob_id != view.record.blob_id or rows != duty.rows:
            raise WrongRows(rows=len(rows), expected=len(duty.rows))
        checked = await self._desk.check(header)
        await asyncio.to_thread(self._check_rows, view.record.blob_id, checked, frame.rows)
        assert view.duties is not None
        view_of = memoryview(raw)
        return Share(
            blob_id=view.record.blob_id,
            seed=view.duties.seed,
            deadline=view.record.deadline,
            columns=header.columns,
            rows=rows,
            header=view_of[:HEADER_BYTES],
            frame=view_of[HEADER_BYTES:],
        )

    def _check_rows(self, blob_id: bytes, checked: CheckedHeader, rows: Sequence[Row]) -> None:
        """Raises: RowRejected; what proves the encoding bad is handed to `on_fraud` before."""
        triples = [(row.index, row.path, row.data) for row in rows]
        try:
            check_rows(checked, triples, self._parts.engine)
        except EncodingFault:
            proven = find_fraud(checked, rows, self._parts.engine)
            if proven is not None:
                self._parts.on_fraud(blob_id, proven)
            raise

    async def _decide(self, before: BlobView) -> Signature:
        """Journal and sign, if the chain still says what it said before the upload."""
        assert before.duties is not None
        view = await self._view(before.record.blob_id)
        duty = self._require_duty(view)
        self._require_open(view)
        assert view.duties is not None
        if view.duties.seed != before.duties.seed:
            raise TooEarly(reason="the duties changed during the upload")
        digest = attestation_digest(view.attestation(), self._parts.ledger.domain())
        await self._parts.journal.record(
            Decision(
                blob_id=view.record.blob_id,
                seed=view.duties.seed,
                digest=digest,
                epoch=view.duties.epoch,
                deadline=view.record.deadline,
                expiry=view.record.expiry,
                payer=view.record.payer,
                reserved_bytes=body_bytes(view.record.shape, len(duty.rows)),
            )
        )
        signature = await asyncio.to_thread(self._parts.signer.sign_attestation, digest)
        log.info(
            "blob_attested",
            extra={"blob_id": view.record.blob_id.hex(), "rows": len(duty.rows)},
        )
        return signature


def read_view(ledger: BlobLedger, blob_id: bytes) -> BlobView:
    """The blob at the newest block, everything from that one block.

    Raises: BlobUnknown; BlockUnknown when each block read left the chain under the reader.
    """
    for _ in range(HEAD_ROUNDS - 1):
        try:
            return ledger.view(blob_id, at=ledger.head().block)
        except BlockUnknown:
            log.info("head_replaced", extra={"blob_id": blob_id.hex()})
    return ledger.view(blob_id, at=ledger.head().block)


async def _read_body(body: AsyncIterator[bytes], expected: int, digest: bytes) -> bytearray:
    """Exactly `expected` bytes with this SHA-256. Raises: BodySize, BodyDigest."""
    raw = bytearray(expected)
    sponge = hashlib.sha256()
    filled = 0
    async for piece in body:
        if filled + len(piece) > expected:
            raise BodySize(bytes=filled + len(piece), expected=expected)
        raw[filled : filled + len(piece)] = piece
        sponge.update(piece)
        filled += len(piece)
    if filled != expected:
        raise BodySize(bytes=filled, expected=expected)
    if sponge.digest() != digest:
        raise BodyDigest(bytes=filled)
    return raw
