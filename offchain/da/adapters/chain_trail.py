"""Which transactions moved a blob, as the chain's logs name them."""

from dataclasses import dataclass
from typing import Final

from offchain.chain.model import Log
from offchain.chain.ports import ChainReader
from offchain.core.units import BlockNumber
from offchain.da.duties import BlobView
from offchain.da.model import BlobState
from offchain.da.onchain import BlobConfirmed, BlobPaid, DAEntranceClient

MAX_BLOCKS: Final = 10_000  # looked through for a certificate, from the payment on


@dataclass(frozen=True, slots=True)
class Trail:
    """What is on the chain of one blob; hashes are 32 bytes, the certificate's None without one."""

    fee_wei: int
    paid_transaction: bytes
    confirmed_transaction: bytes | None = None
    seed: bytes | None = None
    slices: int = 0
    operators: int = 0
    certificate_hash: bytes | None = None


class ChainTrail:
    """Reads trails of blobs."""

    def __init__(self, reader: ChainReader, entrance: DAEntranceClient) -> None:
        self._reader = reader
        self._entrance = entrance

    def trail(self, view: BlobView) -> Trail:
        """The trail of a blob that is paid at the view's block."""
        record = self._entrance.record(
            view.record.blob_id, at=self._reader.block(BlockNumber(view.moment.block)).hash
        )
        paid = self._logs(BlobPaid, view, last_block=view.record.paid_block)
        transaction = paid[-1].transaction_hash if paid else b""
        if view.record.state is not BlobState.CONFIRMED:
            return Trail(record.fee, transaction)
        last = min(view.moment.block, view.record.paid_block + MAX_BLOCKS)
        found = self._logs(BlobConfirmed, view, last_block=last)
        if not found:
            return Trail(record.fee, transaction, certificate_hash=record.certificate_hash)
        [event] = self._entrance.events_in(BlobConfirmed, found[-1:])
        return Trail(
            fee_wei=record.fee,
            paid_transaction=transaction,
            confirmed_transaction=found[-1].transaction_hash,
            seed=event.seed,
            slices=event.slices,
            operators=event.operators,
            certificate_hash=record.certificate_hash,
        )

    def _logs(self, kind: type, view: BlobView, *, last_block: int) -> list[Log]:
        wanted = self._entrance.event_filter(
            kind,
            first_block=view.record.paid_block,
            last_block=last_block,
            indexed={"blob_id": view.record.blob_id},
        )
        return list(self._reader.logs(wanted))
