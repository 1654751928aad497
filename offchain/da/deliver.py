"""Each row of a blob goes to its one owner, in parallel, in bounded memory, and is signed for.

A body is views of the matrix and a few chunks on their way, so all nodes are sent to at once, and
one that reads nothing keeps nobody waiting. Each node has `lanes` for blobs that are sent together.
A node that fails is tried again until the others suffice; before a second try it is asked what it
already has, so nothing is sent twice that arrived.
A signature that is not the node's is a blame, not an end. Source: docs/protocol/da.md#dispersal.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from offchain.core.bls import Signature
from offchain.core.errors import ApogeeError, NotFound, Unavailable
from offchain.core.matrix.encode import EncodedBlob
from offchain.da.accept import read_view
from offchain.da.aggregate import parse_signature
from offchain.da.authenticate import SignedRequest, request_digest
from offchain.da.duties import BlobView, Duties, Duty, rows_in_bitmap
from offchain.da.ports import BlobLedger, NodeClient, RequestSigner
from offchain.da.refusals import AnswerInvalid, NodeRefused
from offchain.node.body import Body
from offchain.node.errors import told_code

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """`lanes`: uploads to one node at a time, of all blobs; no more than a node takes of one
    disperser (`NodeLimits.disperser_uploads`). Seconds: between two tries at one node; for late
    signatures once there are enough; how long a signed request counts (chain time); how often the
    chain's time is read, and how often its duties; how long before the deadline collecting ends
    (chain time).
    """

    lanes: int = 2
    retry_seconds: float = 0.5
    grace_seconds: float = 1.0
    request_seconds: int = 600
    poll_seconds: float = 0.25
    duties_seconds: float = 2.0
    margin_seconds: int = 2


@dataclass(slots=True)
class Delivery:
    """What one round of sending brought: signatures by operator, failures by operator; `now` is
    the chain's time as last read.
    """

    now: int
    signatures: dict[int, Signature] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One blob on its way: what is sent, to whom, and the digest that must come back signed."""

    view: BlobView
    duties: Duties
    encoded: EncodedBlob
    header: bytes = field(repr=False)
    digest: bytes
    is_resumed: bool


class DeliverRows:
    """Sends one parcel and collects signatures."""

    def __init__(
        self,
        ledger: BlobLedger,
        client: NodeClient,
        signer: RequestSigner,
        *,
        rules: DeliveryRules,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._signer = signer
        self._rules = rules
        self._lanes: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def deliver(
        self, parcel: Parcel, *, on_signature: Callable[[Delivery], None] = lambda _: None
    ) -> Delivery:
        """Send until everybody signed, enough did and the grace is over, time is short, or a reorg
        gave the blob other duties.
        """
        delivery = Delivery(parcel.view.moment.time)
        tasks = {
            asyncio.create_task(self._until_signed(parcel, duty, delivery))
            for duty in parcel.duties.members
            if duty.rows
        }
        try:
            await self._wait(parcel, delivery, tasks, on_signature)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return delivery

    async def _wait(
        self,
        parcel: Parcel,
        delivery: Delivery,
        tasks: set[asyncio.Task[None]],
        on_signature: Callable[[Delivery], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        enough_at: float | None = None
        looked_at = loop.time()
        pending = tasks
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=self._rules.poll_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
            if done:
                on_signature(delivery)
            signed = parcel.duties.slices(set(delivery.signatures))
            if signed >= parcel.duties.confirm_slices:
                enough_at = enough_at or loop.time()
                if loop.time() - enough_at >= self._rules.grace_seconds:
                    return
            delivery.now = (await asyncio.to_thread(self._ledger.head)).time
            if delivery.now >= parcel.view.record.deadline - self._rules.margin_seconds:
                return
            if loop.time() - looked_at >= self._rules.duties_seconds:
                if not await self._is_due(parcel):
                    return
                looked_at = loop.time()

    async def _is_due(self, parcel: Parcel) -> bool:
        """Whether the chain still names these duties; a reorg moves them or takes the payment."""
        try:
            view = await asyncio.to_thread(read_view, self._ledger, parcel.view.record.blob_id)
        except NotFound:
            return False
        return parcel.duties.is_same_work(view.duties)

    async def _until_signed(self, parcel: Parcel, duty: Duty, delivery: Delivery) -> None:
        """Try one node again and again; returns when it signed or will never sign."""
        may_hold = parcel.is_resumed
        while True:
            try:
                raw = await self._once(parcel, duty, delivery, may_hold=may_hold)
                delivery.signatures[duty.operator] = await asyncio.to_thread(
                    parse_signature, duty, parcel.digest, raw
                )
            except AnswerInvalid as error:
                self._note(delivery, duty, error)
                return
            except NodeRefused as error:
                self._note(delivery, duty, error)
                if error.is_permanent:
                    return
            except Unavailable as error:
                self._note(delivery, duty, error)
            else:
                delivery.failures.pop(duty.operator, None)
                return
            may_hold = True
            await asyncio.sleep(self._rules.retry_seconds)

    async def _once(
        self, parcel: Parcel, duty: Duty, delivery: Delivery, *, may_hold: bool
    ) -> bytes:
        blob_id = parcel.view.record.blob_id
        if may_hold:
            held = rows_in_bitmap(await self._client.have(duty.endpoint, blob_id))
            if held.issuperset(duty.rows):
                return await self._client.signature(duty.endpoint, blob_id)
        async with self._lane(duty.endpoint):
            body, digest = await asyncio.to_thread(_body_for, parcel, duty)
            request = self._signed(blob_id, duty, digest, delivery.now)
            delivery.bytes_sent += body.size
            return await self._client.send_rows(duty.endpoint, blob_id, request, body)

    def _lane(self, endpoint: str) -> asyncio.Semaphore:
        """The places for uploads to one node, shared by all who hold one or wait."""
        lane = self._lanes.get(endpoint)
        if lane is None:
            lane = self._lanes[endpoint] = asyncio.Semaphore(self._rules.lanes)
        return lane

    def _signed(self, blob_id: bytes, duty: Duty, digest: bytes, now: int) -> SignedRequest:
        expiry = now + self._rules.request_seconds
        to_sign = request_digest(
            self._ledger.domain(),
            operator=duty.operator,
            blob_id=blob_id,
            body=digest,
            expiry=expiry,
        )
        return SignedRequest(digest, expiry, self._signer.sign_digest(to_sign))

    def _note(self, delivery: Delivery, duty: Duty, error: ApogeeError) -> None:
        code = told_code(error)
        if delivery.failures.get(duty.operator) != code:
            log.info("node_did_not_sign", extra={"operator": duty.operator, "code": code})
        delivery.failures[duty.operator] = code


def _body_for(parcel: Parcel, duty: Duty) -> tuple[Body, bytes]:
    """What one node is sent, and its digest."""
    blob_id = parcel.view.record.blob_id
    body = Body.of_rows(parcel.encoded, blob_id, duty.rows, header=parcel.header)
    return body, body.digest()
