"""Blobs on the real contracts, good and bad on purpose, with the rows at nodes in this process."""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.core.matrix.encode import EncodedBlob
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.chain_till import ChainTill
from offchain.da.adapters.memory_journal import MemoryJournal
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.adapters.memory_rows import MemoryRows
from offchain.da.aggregate import certificate_of
from offchain.da.duties import BlobTerms, BlobView, Duty
from offchain.da.model import attestation_digest
from offchain.da.onchain import DAEntranceClient
from offchain.da.ports import Share
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.serve import ServeLimits, ServeRows
from tests.support.da_chain import DaChain
from tests.support.da_network import the_engine


@dataclass(frozen=True, slots=True)
class ABlob:
    """A paid blob as its quorum knows it, and the nodes that keep it."""

    blob_id: bytes
    encoded: EncodedBlob
    view: BlobView
    client: MemoryNodeClient
    stores: dict[int, MemoryRows]

    def duty(self, row: int) -> Duty:
        assert self.view.duties is not None
        return self.view.duties.owners()[row]


def entrance_of(chain: DaChain) -> DAEntranceClient:
    return DAEntranceClient(chain.deployments, chain.node)


def pay_and_sign(
    chain: DaChain, encoded: EncodedBlob, *, salt: bytes, absent: Sequence[int] = ()
) -> bytes:
    """Pay as the disperser, have everybody but `absent` sign whatever it is, confirm; the id."""
    address = chain.signers[-1].address
    terms = BlobTerms(
        payer=address,
        disperser=address,
        data_root=encoded.header.data_root,
        commitment=encoded.header.commitment,
        shape=encoded.shape,
        days=1,
        salt=salt,
    )
    till = ChainTill(chain.node, entrance_of(chain), chain.senders[-1])
    till.pay(terms)
    for _ in range(3):
        chain.mine()
    ledger = chain.ledger()
    blob_id = till.blob_id(terms)
    view = ledger.view(blob_id, at=ledger.head().block)
    assert view.duties is not None
    digest = attestation_digest(view.attestation(), ledger.domain())
    signatures = {
        duty.operator: chain.secrets[duty.operator].sign(digest)
        for duty in view.duties.members
        if duty.operator not in absent
    }
    till.confirm(terms, certificate_of(view.duties, signatures))
    return blob_id


async def kept_blob(
    chain: DaChain, encoded: EncodedBlob, *, salt: bytes, absent: Sequence[int] = ()
) -> ABlob:
    """A confirmed blob whose owners hold exactly what was encoded."""
    blob_id = pay_and_sign(chain, encoded, salt=salt, absent=absent)
    ledger = chain.ledger()
    view = ledger.view(blob_id, at=ledger.head().block)
    assert view.duties is not None
    nodes: dict[str, MemoryNode] = {}
    stores: dict[int, MemoryRows] = {}
    for duty in view.duties.members:
        store = stores[duty.operator] = MemoryRows()
        signer = BlsSigner(chain.secrets[duty.operator])
        parts = NodeParts(duty.operator, ledger, store, MemoryJournal(), signer, the_engine())
        serve = ServeRows(store, ServeLimits(readers=64))
        nodes[duty.endpoint] = MemoryNode(AcceptRows(parts, NodeLimits()), serve)
        await store.put(
            Share(
                blob_id,
                view.duties.seed,
                view.record.deadline,
                encoded.shape.columns,
                duty.rows,
                encoded.header.to_bytes(),
                encoded.rows_frame(blob_id, duty.rows),
            )
        )
    return ABlob(blob_id, encoded, view, MemoryNodeClient(nodes), stores)


def reader_of(chain: DaChain, blob: ABlob) -> RetrieveBlob:
    return RetrieveBlob(chain.ledger(), blob.client, the_engine(), rules=RetrievalRules())
