"""Publish through a gateway without trusting it: our own D, our own blob id, the chain's word.

The matrix is encoded here first. A gateway that answers another root, another id or a receipt of
another key is refused, and a blob counts as published when the chain says so.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Unavailable
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.da.accept import read_view
from offchain.da.dispersals import DispersalRecord, Stage
from offchain.da.disperse import Dispersed, Planned, Progress, Watcher
from offchain.da.duties import BlobTerms, BlobView
from offchain.da.errors import Bottom
from offchain.da.model import BlobState
from offchain.da.ports import BlobLedger, Bytes
from offchain.da.receipts import ItemStatement, SignedItemReceipt, require_receipt
from offchain.da.refusals import BlobNotPaid, BlobUnknown, NotEnoughSignatures
from offchain.node.matrix_room import HeldMatrix, Lease, MatrixRoom
from offchain.sdk.errors import GatewayContradicted
from offchain.sdk.gateway_client import GatewayClient, Taken

LOOK_SECONDS = 0.3
ASK_EVERY = 10  # looks at the chain between two questions to the gateway
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """`blob_id` is the id that terms have on this chain; `threads` for encoding."""

    gateway: GatewayClient
    ledger: BlobLedger
    engine: ErasureEngine
    blob_id: Callable[[BlobTerms], bytes]
    watch: Watcher
    threads: int = 1


class GatewayDisperser:
    """Publishes matrices through a gateway, in the two steps of any disperser."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts
        self.room = MatrixRoom(2)

    async def plan(
        self, payload: Bytes, *, days: int, salt: bytes, lease: Lease | None = None
    ) -> Planned:
        """Have the gateway write a matrix down. Raises: GatewayContradicted, GatewayProblem."""
        lease = lease or await self.room.take()
        try:
            encoded = await asyncio.to_thread(
                encode, payload, self._parts.engine, threads=self._parts.threads
            )
            taken = await self._parts.gateway.publish(
                payload, key=salt.hex(), days=days, lane="own"
            )
            terms = _own_terms(encoded, taken, days=days)
            if self._parts.blob_id(terms) != taken.blob_id:
                raise GatewayContradicted("the blob id is not that of its terms")
        finally:
            lease.give_back()
        self._parts.watch(Progress(taken.blob_id, Stage.PLANNED))
        record = DispersalRecord(taken.blob_id, terms, Stage.PLANNED)
        return Planned(record, HeldMatrix(encoded, lease, _never))

    async def carry_out(self, planned: Planned) -> Dispersed:
        """Wait until the chain has the certificate. Raises: NotEnoughSignatures, BlobNotPaid."""
        planned.let_go()
        view = await self.confirmed(planned.record.blob_id)
        if view.record.data_root != planned.record.terms.data_root:
            raise GatewayContradicted("the chain has another root under this id")
        return Dispersed(planned.record.blob_id, view=view)

    async def confirmed(self, blob_id: bytes) -> BlobView:
        """The blob once it is confirmed. Raises: NotEnoughSignatures, BlobNotPaid, Bottom."""
        looks = 0
        while True:
            try:
                view = await asyncio.to_thread(read_view, self._parts.ledger, blob_id)
            except BlobUnknown:
                view = None
            if view is not None and view.record.state is not BlobState.PAID:
                return self._ended(view)
            if view is not None and view.moment.time > view.record.deadline:
                raise NotEnoughSignatures(blob_id=blob_id.hex(), deadline=view.record.deadline)
            looks += 1
            if looks % ASK_EVERY == 0:
                await self._require_progress(blob_id)
            await asyncio.sleep(LOOK_SECONDS)

    async def item(self, item: bytes, *, days: int, key: str) -> Taken:
        """Publish one item on the shared lane; its receipt is checked, then the chain is awaited.

        Raises: GatewayContradicted, GatewayProblem, as `confirmed`.
        """
        taken = await self._parts.gateway.publish(item, key=key, days=days, lane="shared")
        if taken.number is None:
            raise GatewayContradicted("an item without a receipt")
        said = ItemStatement(taken.blob_id, taken.number, taken.item_hash, taken.item_length)
        domain = await asyncio.to_thread(self._parts.ledger.domain)
        receipt = SignedItemReceipt(said, taken.signature)
        require_receipt(receipt, domain, disperser=taken.disperser, item=item)
        view = await self.confirmed(taken.blob_id)
        if view.record.disperser != taken.disperser or view.record.data_root != taken.data_root:
            raise GatewayContradicted("the chain has another disperser or root under this id")
        return taken

    def _ended(self, view: BlobView) -> BlobView:
        match view.record.state:
            case BlobState.CONFIRMED:
                self._parts.watch(Progress(view.record.blob_id, Stage.CONFIRMED))
                return view
            case BlobState.VOID:
                raise Bottom(blob_id=view.record.blob_id.hex())
            case BlobState.REFUNDED:  # too few signed in time, and the fee is back already
                raise NotEnoughSignatures(blob_id=view.record.blob_id.hex(), state="REFUNDED")
            case _:
                raise BlobNotPaid(state=view.record.state.name)

    async def _require_progress(self, blob_id: bytes) -> None:
        """Ask the gateway, who may know why nothing moves. Raises: NotEnoughSignatures."""
        try:
            problem = await self._parts.gateway.problem_with(blob_id)
        except Unavailable as error:
            log.warning("gateway_silent", extra={"code": error.code})
            return
        if problem:
            raise NotEnoughSignatures("the gateway gave up", blob_id=blob_id.hex(), why=problem)


def _own_terms(encoded: EncodedBlob, taken: Taken, *, days: int) -> BlobTerms:
    """What must be paid for, from our own matrix. Raises: GatewayContradicted."""
    header = encoded.header
    ours = (header.data_root, header.commitment, encoded.shape.length, days)
    theirs = (taken.data_root, taken.commitment, taken.matrix_bytes, taken.days)
    if ours != theirs:
        raise GatewayContradicted(
            "the gateway answered for other bytes",
            data_root=taken.data_root.hex(),
            expected=header.data_root.hex(),
        )
    return BlobTerms(
        payer=taken.payer,
        disperser=taken.disperser,
        data_root=header.data_root,
        commitment=header.commitment,
        shape=encoded.shape,
        days=days,
        salt=taken.salt,
    )


async def _never() -> tuple[EncodedBlob, Lease]:
    raise AssertionError("a matrix that a gateway has is not encoded again here")
