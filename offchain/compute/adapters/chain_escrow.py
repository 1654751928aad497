"""Money and settlement over the contracts: `EscrowLedger` and `SettleDesk`.

A settlement is sent once a file: the key of its effect is the file's root. What became of it is
read from the transaction's own events, or, after a crash, from the chain's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from offchain.chain.due import execute_due
from offchain.chain.errors import CallReverted
from offchain.chain.event_ranges import events_between
from offchain.chain.model import Address, Block, BlockRef, Call
from offchain.chain.ports import ChainReader
from offchain.compute.batch import BatchItem, SettleItem
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_escrow import (
    BatchPosted,
    ComputeEscrowClient,
    ItemSkipped,
)
from offchain.compute.onchain_registry import ServiceRegistryClient
from offchain.compute.ports import Bucket, Delegate, PostedBatch, Settlement, SkipReason
from offchain.core.errors import Unavailable
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.node.leased_sender import Sends

ONE_COIN: Final = 10**18
FIND_BLOCKS: Final = 20_000  # how far back the fate of a file is looked for
VALID: Final = keccak(b"isValidSignature(bytes32,bytes)")[:4]
_WORD: Final = 32
T = TypeVar("T")


class SettlementUnseen(Unavailable):
    """A settlement is in the chain without the event that it writes."""

    code = "compute.settlement.unseen"


@dataclass(frozen=True, slots=True)
class EscrowClients:
    """The contracts, a node to read, and whose operator an address is."""

    node: ChainReader
    registry: ServiceRegistryClient
    escrow: ComputeEscrowClient
    operator_of: Callable[[bytes, BlockRef], int]


class ChainEscrow:
    """An `EscrowLedger`."""

    def __init__(self, clients: EscrowClients) -> None:
        self._clients = clients

    def head(self) -> Block:
        return self._clients.node.block()

    def domain(self) -> bytes:
        return self._clients.escrow.domain_separator(at=self.head().hash)

    def price_grace_seconds(self) -> int:
        return self._clients.registry.windows(at=self.head().hash).price_grace

    def bucket(self, payer: bytes, provider: bytes, token: bytes, *, at: BlockRef) -> Bucket:
        return self._clients.escrow.bucket(payer, provider, token, at=at)

    def delegate(self, payer: bytes, key: bytes, *, at: BlockRef) -> Delegate | None:
        return self._clients.escrow.delegate(payer, key, at=at)

    def batch(self, batch: int, *, at: BlockRef) -> PostedBatch:
        return self._clients.escrow.batch(batch, at=at)

    def room(self, provider: bytes, token: bytes, *, at: BlockRef) -> int:
        operator = self._clients.operator_of(provider, at)
        room_wei = self._clients.escrow.room_of(operator, at=at)
        if token == NATIVE_COIN:
            return room_wei
        rate = self._clients.escrow.wei_of(token, ONE_COIN, at=at)
        return room_wei * ONE_COIN // rate if rate else 0

    def takes_signature(
        self, payer: bytes, digest: bytes, signature: bytes, *, at: BlockRef
    ) -> bool:
        padded = signature + bytes(-len(signature) % _WORD)
        data = VALID + words(digest, 64, len(signature)) + padded
        try:
            [told] = self._clients.node.calls([Call(Address(payer), data)], at=at)
        except CallReverted:
            return False
        return told[:_WORD] == VALID.ljust(_WORD, b"\0")


class ChainSettleDesk:
    """A `SettleDesk` that sends from the provider's account."""

    def __init__(self, clients: EscrowClients, sender: Sends) -> None:
        self._clients = clients
        self._sender = sender

    def settle(
        self, service: bytes, token: bytes, items: Sequence[SettleItem], root: bytes
    ) -> Settlement:
        """Raises: SettlementUnseen; what the escrow and the sender say."""
        escrow = self._clients.escrow
        call = escrow.settle(service, token, items, root)
        receipt = execute_due(self._sender, call, key=f"compute.settle:{root.hex()}")
        skipped = {one.index: one.reason for one in escrow.events_in(ItemSkipped, receipt.logs)}
        if len(skipped) == len(items):
            return Settlement(0, skipped)
        for posted in escrow.events_in(BatchPosted, receipt.logs):
            return Settlement(posted.batch, skipped)
        raise SettlementUnseen(root=root.hex())

    def find(self, items: Sequence[BatchItem], root: bytes) -> Settlement | None:
        for posted in self._recent(BatchPosted, {"service": items[0].service}):
            if posted.data_root == root:
                settled = [row.item() for row in posted.items]
                taken = {(one.payer, one.first_nonce) for one in settled}
                skipped = {
                    position: SkipReason.CLAIM
                    for position, item in enumerate(items)
                    if (item.payer, item.first_nonce) not in taken
                }
                return Settlement(posted.batch, skipped)
        return None

    def _recent(self, kind: type[T], indexed: dict[str, object]) -> Iterable[T]:
        node = self._clients.node
        last = node.block().number
        blocks = max(0, last - FIND_BLOCKS), last
        return events_between(node, self._clients.escrow, kind, blocks, indexed)
