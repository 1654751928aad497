"""DAFraudProofs as a place to prove a bad encoding; the sender is the reporter."""

from offchain.chain.event_ranges import events_between
from offchain.chain.model import TypedCall
from offchain.chain.ports import ChainReader
from offchain.core.hashing import keccak
from offchain.da.adapters.chain_blobs import ChainBlobs
from offchain.da.adapters.chain_till import settlement_of
from offchain.da.errors import ElementNotCanonical
from offchain.da.fraud import BadLeaf, FraudProof
from offchain.da.model import BlobState
from offchain.da.onchain import DAEntranceClient
from offchain.da.onchain_challenges import BadEncodingProven, DAFraudProofsClient, ShownRow
from offchain.da.ports import Settlement
from offchain.node.leased_sender import Sends


class ChainFraud:
    """A `FraudDesk`."""

    def __init__(
        self,
        reader: ChainReader,
        entrance: DAEntranceClient,
        proofs: DAFraudProofsClient,
        sender: Sends,
    ) -> None:
        self._reader = reader
        self._proofs = proofs
        self._sender = sender
        self._blobs = ChainBlobs(reader, entrance)

    @property
    def reporter(self) -> bytes:
        return self._sender.account

    def committed_block(self, commitment: bytes) -> int | None:
        return self._proofs.commitments(commitment, at=self._reader.block().hash) or None

    def commit(self, commitment: bytes) -> Settlement:
        key = f"da.fraud.commit:{commitment.hex()}"
        return settlement_of(self._sender.execute(self._proofs.commit(commitment), key=key))

    def prove(self, blob_id: bytes, proof: FraudProof, salt: bytes) -> Settlement:
        call = self._call(blob_id, proof, salt)
        key = f"da.fraud.prove:{blob_id.hex()}:{keccak(call.data)[:8].hex()}"
        return settlement_of(self._sender.execute(call, key=key))

    def is_worthwhile(self, blob_id: bytes, row: int) -> bool:
        record = self._blobs.record(blob_id)
        if record.state is not BlobState.VOID:
            return True
        return any(record.certificate_hash) and not self._is_row_proven(
            blob_id, row, since=record.paid_block
        )

    def _is_row_proven(self, blob_id: bytes, row: int, *, since: int) -> bool:
        blocks, indexed = (since, self._reader.block().number), {"blob_id": blob_id}
        return any(
            one.row == row
            for one in events_between(
                self._reader, self._proofs, BadEncodingProven, blocks, indexed
            )
        )

    def _call(self, blob_id: bytes, proof: FraudProof, salt: bytes) -> TypedCall:
        blob, signed_by = self._blobs.blob(blob_id), self._blobs.signed_by(blob_id)
        if isinstance(proof, BadLeaf):
            frame = proof.leaf.to_bytes()
            return self._proofs.prove_bad_leaf(blob, frame, signed_by=signed_by, salt=salt)
        opened = proof.header.commitment + proof.value.to_bytes(32, "big") + proof.opening
        shown = ShownRow(
            row=proof.row.index,
            data=proof.row.data.tobytes(),
            path=b"".join((*proof.row.path, *proof.header.coset_roots)),
            opening=b"" if proof.fault == ElementNotCanonical.code else opened,
        )
        return self._proofs.prove_bad_row(blob, shown, signed_by=signed_by, salt=salt)
