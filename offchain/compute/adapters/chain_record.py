"""Where an answer left marks on the chain: its verdict's registration and its batch."""

from dataclasses import dataclass

from offchain.attestation.onchain_registry import AttestationRegistryClient, Registered
from offchain.chain.model import BlockRef, Log
from offchain.chain.ports import ChainReader
from offchain.compute.model import Receipt
from offchain.compute.onchain_escrow import BatchPosted, ComputeEscrowClient
from offchain.compute.record import Settled, Vouched


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """A `RecordLedger`. `first_block`: nothing was written before it."""

    escrow: ComputeEscrowClient
    registry: AttestationRegistryClient
    node: ChainReader
    first_block: int = 0

    def settled(self, receipt: Receipt, *, at: BlockRef) -> Settled | None:
        """Of all items of its service's batches, its payer's with its nonce."""
        of: dict[str, object] = {"service": receipt.service, "provider": receipt.provider}
        for log in self._logs(self.escrow, BatchPosted, of, at):
            posted = self.escrow.decode_event(BatchPosted, log)
            for item in (row.item() for row in posted.items):
                in_range = item.first_nonce <= receipt.nonce <= item.last_nonce
                if item.payer == receipt.payer and in_range:
                    return Settled(
                        batch=posted.batch,
                        block=log.block_number,
                        transaction=log.transaction_hash,
                        root=posted.root,
                        data_root=posted.data_root,
                        leaves_root=item.leaves_root,
                        first_nonce=item.first_nonce,
                        last_nonce=item.last_nonce,
                        state=self.escrow.batch(posted.batch, at=at).state.name,
                        release_at=posted.release_at,
                    )
        return None

    def vouched(self, attestation_id: bytes, *, at: BlockRef) -> Vouched | None:
        logs = self._logs(self.registry, Registered, {"attestation_id": attestation_id}, at)
        return Vouched(logs[0].block_number, logs[0].transaction_hash) if logs else None

    def _logs(
        self,
        contract: ComputeEscrowClient | AttestationRegistryClient,
        kind: type,
        indexed: dict[str, object],
        at: BlockRef,
    ) -> list[Log]:
        last = self.node.block(at).number
        wanted = contract.event_filter(
            kind, first_block=self.first_block, last_block=last, indexed=indexed
        )
        return self.node.logs(wanted)
