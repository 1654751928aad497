"""Where a blob stands: what the chain says, and what this gateway is doing about it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from offchain.core.errors import InvalidInput
from offchain.da.accept import read_view
from offchain.da.adapters.chain_trail import Trail
from offchain.da.duties import BlobView
from offchain.da.ports import BlobLedger
from offchain.da.refusals import BlobUnknown
from offchain.gateway.model import Certificate, Standing, show
from offchain.gateway.publish import Live, PublishDesk

PLANNED = "PLANNED"


@dataclass(frozen=True, slots=True)
class Standings:
    """Answers where blobs stand; `trail` names the transactions of a paid blob."""

    ledger: BlobLedger
    trail: Callable[[BlobView], Trail]
    desk: PublishDesk

    async def of(self, blob_id: bytes) -> Standing:
        """Raises: BlobUnknown when neither the chain nor this gateway knows it."""
        live = self.desk.live(blob_id)
        try:
            view = await asyncio.to_thread(read_view, self.ledger, blob_id)
        except BlobUnknown:
            if live is None:
                raise
            return _planned(blob_id, live)
        try:
            trail = await asyncio.to_thread(self.trail, view)
        except InvalidInput:  # a node that answers fewer logs: the transactions stay unnamed
            trail = None
        return _on_chain(view, trail, live)


def _planned(blob_id: bytes, live: Live) -> Standing:
    return Standing(
        blob_id=show(blob_id),
        state=PLANNED,
        data_root=live.answer.data_root,
        length=live.answer.matrix_bytes,
        fee_wei=live.answer.fee_wei,
        problem=live.problem,
    )


def _on_chain(view: BlobView, trail: Trail | None, live: Live | None) -> Standing:
    record, progress = view.record, live.progress if live else None
    slices = progress.slices_signed if progress and progress.slices_needed else None
    certificate = None
    if trail and trail.confirmed_transaction and trail.certificate_hash and trail.seed:
        slices = trail.slices
        certificate = Certificate(
            transaction=show(trail.confirmed_transaction),
            certificate_hash=show(trail.certificate_hash),
            seed=show(trail.seed),
            slices=trail.slices,
            operators=trail.operators,
        )
    return Standing(
        blob_id=show(record.blob_id),
        state=record.state.name,
        data_root=show(record.data_root),
        length=record.shape.length,
        block=view.moment.block,
        chain_time=view.moment.time,
        deadline=record.deadline,
        expiry=record.expiry,
        fee_wei=str(trail.fee_wei) if trail else None,
        slices_signed=slices,
        slices_needed=view.duties.confirm_slices if view.duties else None,
        bytes_sent=progress.bytes_sent if progress else None,
        paid_transaction=show(trail.paid_transaction) if trail and trail.paid_transaction else None,
        certificate=certificate,
        problem=live.problem if live else None,
    )
