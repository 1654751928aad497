"""What one says of a blob to the contracts: its terms, and who signed for it.

Both stand in events: the terms in the payment's, seed and absent signers in the certificate's. They
can never change while the blob stays in the chain, so they are read once.
"""

from typing import Final

from offchain.chain.event_ranges import events_between
from offchain.chain.kept import Kept
from offchain.chain.ports import ChainReader
from offchain.da.model import Blob, BlobState, Record
from offchain.da.onchain import BlobConfirmed, DAEntranceClient
from offchain.da.onchain_challenges import NOBODY_SIGNED, SignedBy
from offchain.da.refusals import BlobUnknown

KEPT: Final = 4_096
CONFIRM_BLOCKS: Final = 8_191  # the contract reads no block hash from further back


class ChainBlobs:
    """Reads the entrance's events."""

    def __init__(self, reader: ChainReader, entrance: DAEntranceClient) -> None:
        self._reader = reader
        self._entrance = entrance
        self._blobs: Kept[bytes, Blob] = Kept(KEPT)
        self._signed: Kept[tuple[bytes, bytes], SignedBy] = Kept(KEPT)

    def record(self, blob_id: bytes) -> Record:
        """How the blob stands in the newest block. Raises: BlobUnknown."""
        record = self._entrance.record(blob_id, at=self._reader.block().hash)
        if record.state is BlobState.NONE:
            raise BlobUnknown(blob_id=blob_id.hex())
        return record

    def blob(self, blob_id: bytes) -> Blob:
        """What was paid for. Raises: BlobUnknown."""
        return self._blobs.get(blob_id, lambda: self._read_blob(blob_id))

    def signed_by(self, blob_id: bytes) -> SignedBy:
        """Seed and absent signers of the certificate; `NOBODY_SIGNED` without one."""
        record = self.record(blob_id)
        if not any(record.certificate_hash):
            return NOBODY_SIGNED
        key = (blob_id, record.certificate_hash)
        return self._signed.get(key, lambda: self._read_signed(blob_id, record.paid_block))

    def _read_blob(self, blob_id: bytes) -> Blob:
        return self._entrance.payment_of(blob_id, at=self._reader.block().hash).blob()

    def _read_signed(self, blob_id: bytes, paid_block: int) -> SignedBy:
        last = min(self._reader.block().number, paid_block + CONFIRM_BLOCKS)
        blocks, indexed = (paid_block, last), {"blob_id": blob_id}
        for found in events_between(self._reader, self._entrance, BlobConfirmed, blocks, indexed):
            return SignedBy(found.seed, tuple(found.absent))
        raise BlobUnknown(blob_id=blob_id.hex(), reason="no certificate in the chain")
