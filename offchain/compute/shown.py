"""A settled batch opened piece by piece, as both courts take it; pure.

Item and leaf paths hold 56 bytes a sibling, lowest first: its hash, its sum, and the sum on the way
up. Source: docs/protocol/compute.md#receipts, contracts/compute/openings.vy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.compute.batch import BatchItem, ItemFields
from offchain.compute.model import Receipt, SignedReceipt
from offchain.compute.sum_tree import SumTree


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An accepted item of a batch, and its path."""

    batch: int
    index: int
    item: ItemFields
    path: bytes

    def fields(self) -> tuple[object, ...]:
        """As the contracts take it."""
        return self.batch, self.index, self.item, self.path


@dataclass(frozen=True, slots=True)
class ShownLeaf:
    """A receipt of an item, and its path."""

    index: int
    signed: SignedReceipt
    path: bytes

    def fields(self) -> tuple[object, ...]:
        """As ReceiptCourt takes it."""
        return self.index, receipt_fields(self.signed.receipt), self.signed.signature, self.path


@dataclass(frozen=True, slots=True)
class HashedLeaf:
    """A leaf without its receipt, as AuditCourt takes it."""

    index: int
    hash: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """The accepted items of a batch in their order, of which openings are made."""

    id: int
    items: tuple[BatchItem, ...]
    tree: SumTree

    @classmethod
    def of(cls, batch: int, items: Sequence[BatchItem]) -> "SettledBatch":
        """From the accepted items, those that were skipped left out."""
        return cls(batch, tuple(items), SumTree.of([item.leaf() for item in items]))

    @property
    def total(self) -> int:
        return self.tree.root.total

    def item(self, index: int) -> ShownItem:
        fields = self.items[index].settled.fields()
        return ShownItem(self.id, index, fields, self.tree.path_bytes(index))

    def leaf(self, index: int, leaf: int) -> ShownLeaf:
        one = self.items[index]
        return ShownLeaf(leaf, one.leaves[leaf], one.tree.path_bytes(leaf))

    def hashed(self, index: int, leaf: int) -> HashedLeaf:
        tree = self.items[index].tree
        return HashedLeaf(leaf, tree.levels[0][leaf].hash, tree.path_bytes(leaf))

    def place_of(self, unit: int) -> tuple[int, int]:
        """The item and the leaf that unit `unit` of the batch pays for."""
        index = self.tree.leaf_at(unit)
        before = sum(item.amount for item in self.items[:index])
        return index, self.items[index].tree.leaf_at(unit - before)

    def first_unit(self, index: int, leaf: int) -> int:
        """The first unit of the item that pays for a leaf."""
        return sum(one.receipt.price for one in self.items[index].leaves[:leaf])


def receipt_fields(receipt: Receipt) -> tuple[object, ...]:
    """The sixteen fields as contracts take them."""
    return (
        receipt.request_id,
        receipt.payer,
        receipt.provider,
        receipt.service,
        receipt.price_version,
        receipt.request_hash,
        receipt.response_hash,
        receipt.model_hash,
        receipt.commitment,
        receipt.input_tokens,
        receipt.output_tokens,
        receipt.price,
        receipt.nonce,
        receipt.time,
        int(receipt.finish),
        receipt.attestation_id,
    )
