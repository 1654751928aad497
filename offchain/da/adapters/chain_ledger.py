"""What the contracts say of blobs, as one named block shows it.

Round trips of a view: the block, the record, the successor of the payment's block, the epoch's
table, the endpoints. What can never change is kept: a payment's event (the id is its hash) and the
signers of a table with their keys (table, epoch it was drawn for and seed name it: after a reorg an
epoch may have a drawn table instead of a carried one, under the same seed); a view under its own
block, by whose hash it was read.
"""

from dataclasses import dataclass
from typing import Final

from offchain.chain.kept import Kept
from offchain.chain.model import Block, BlockHash
from offchain.chain.ports import ChainReader
from offchain.core.bls import PublicKey
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak
from offchain.core.layout import Shape
from offchain.core.units import BlockNumber
from offchain.da.duties import BlobView, Duties, Moment, PaidBlob, duties_of
from offchain.da.model import Blob, BlobState, Record, blob_id, domain_separator
from offchain.da.onchain import BlobPaid, DAEntranceClient, DASignersClient, EpochTable
from offchain.da.quorums import Signer, assign, blob_seed
from offchain.da.refusals import BlobUnknown
from offchain.staking.onchain import StakeManagerClient

KEPT_PAYMENTS: Final = 4_096
KEPT_QUORUMS: Final = 64
KEPT_VIEWS: Final = 64
ENDPOINT_BLOCKS: Final = 4  # an operator that moves is followed after so many blocks
Seats = tuple[tuple[Signer, PublicKey], ...]


class PaymentContradicted(Corrupt):
    """A node of the chain showed a payment that is not the blob's."""

    code = "da.chain.payment_contradicted"
    next_step = "Ask another RPC node; this one does not tell the truth."


@dataclass(frozen=True, slots=True)
class ChainClients:
    """The contracts a ledger reads."""

    reader: ChainReader
    entrance: DAEntranceClient
    signers: DASignersClient
    stake: StakeManagerClient


class ChainLedger:
    """A `BlobLedger` over the contracts."""

    def __init__(self, clients: ChainClients) -> None:
        self._clients = clients
        self._payments: Kept[bytes, BlobPaid] = Kept(KEPT_PAYMENTS)
        self._seats: Kept[tuple[EpochTable, int], Seats] = Kept(KEPT_QUORUMS)
        self._views: Kept[tuple[bytes, BlockHash], BlobView] = Kept(KEPT_VIEWS)
        self._head: Block | None = None
        self._answering: tuple[tuple[int, ...], int, list[str]] = ((), 0, [])
        self._domain: bytes | None = None

    def head(self) -> Moment:
        block = self._head = self._clients.reader.block()
        return Moment(block.number, block.timestamp)

    def moment(self, block: int) -> Moment:
        found = self._clients.reader.block(BlockNumber(block))
        return Moment(found.number, found.timestamp)

    def domain(self) -> bytes:
        if self._domain is None:
            self._domain = domain_separator(
                chain_id=self._clients.reader.chain_id(), entrance=self._clients.entrance.address
            )
        return self._domain

    def view(self, blob_id: bytes, *, at: int) -> BlobView:
        block = self._head
        if block is None or block.number != at:
            block = self._clients.reader.block(BlockNumber(at))
        named = block
        return self._views.get((blob_id, named.hash), lambda: self._view(blob_id, named))

    def _view(self, blob_id: bytes, block: Block) -> BlobView:
        record = self._clients.entrance.record(blob_id, at=block.hash)
        if record.state is BlobState.NONE:
            raise BlobUnknown(blob_id=blob_id.hex(), block=block.number)
        paid = self._payments.get(blob_id, lambda: self._payment(blob_id, block.hash))
        duties = None
        if block.number > record.paid_block:
            duties = self._duties(blob_id, record, block)
        moment = Moment(block.number, block.timestamp)
        return BlobView(moment, _paid_blob(paid, record), duties)

    def _payment(self, identifier: bytes, at: BlockHash) -> BlobPaid:
        """The payment's event, which must hash to the id. Raises: PaymentContradicted."""
        paid = self._clients.entrance.payment_of(identifier, at=at)
        blob = Blob(
            payer=paid.payer,
            disperser=paid.disperser,
            data_root=paid.data_root,
            commitment_hash=keccak(paid.commitment),
            columns=paid.columns,
            length=paid.length,
            retention_days=paid.retention_days,
            salt=paid.salt,
        )
        chain_id = self._clients.reader.chain_id()
        entrance = self._clients.entrance.address
        if blob_id(blob, chain_id=chain_id, entrance=entrance) != identifier:
            raise PaymentContradicted(blob_id=identifier.hex())
        return paid

    def _duties(self, identifier: bytes, record: Record, block: Block) -> Duties:
        clients, at = self._clients, block.hash
        entropy = clients.reader.block(BlockNumber(record.paid_block + 1)).hash
        table = clients.signers.epoch_table(record.epoch, at=at)
        seed = blob_seed(table.seed, identifier, entropy)
        assignment = assign(seed, table.quorum_count)
        quorum_id = assignment.quorum_id
        seats = self._seats.get(
            (table, quorum_id),
            lambda: self._read_seats(record.epoch, table, quorum_id, at),
        )
        endpoints = self._endpoints(seats, block)
        rows = [(signer, key, where) for (signer, key), where in zip(seats, endpoints, strict=True)]
        return duties_of(record.epoch, seed, assignment, rows, record.confirm_slices)

    def _endpoints(self, seats: Seats, block: Block) -> list[str]:
        """Where the signers answer: no part of their duties, so a few blocks old is new enough."""
        ids = tuple(signer.operator_id for signer, _ in seats)
        known, read_at, found = self._answering
        if known != ids or not 0 <= block.number - read_at < ENDPOINT_BLOCKS:
            found = self._clients.signers.endpoints(ids, at=block.hash)
            self._answering = ids, block.number, found
        return found

    def _read_seats(self, epoch: int, table: EpochTable, quorum_id: int, at: BlockHash) -> Seats:
        """The signers of a quorum with the keys they had when the table was drawn."""
        signers = self._clients.signers.signers_of(epoch, quorum_id, at=at)
        keys = [
            PublicKey.parse(
                self._clients.stake.key_at(signer.operator_id, table.drawn_epoch, at=at)
            )
            for signer in signers
        ]
        return tuple(zip(signers, keys, strict=True))


def _paid_blob(paid: BlobPaid, record: Record) -> PaidBlob:
    return PaidBlob(
        blob_id=paid.blob_id,
        state=record.state,
        payer=paid.payer,
        disperser=paid.disperser,
        data_root=paid.data_root,
        commitment=paid.commitment,
        shape=Shape(paid.length, paid.columns),
        paid_block=record.paid_block,
        deadline=record.deadline,
        expiry=record.expiry,
    )
