"""Client of ReceiptCourt: what settled receipts prove, and leaves that payers ask for.

Method and field names are the contract's; addresses are 20 raw bytes, amounts of receipts base
units of the batch's token, bonds wei, times seconds.
Source: docs/protocol/compute.md#receipt-court.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.compute.model import Receipt, SignedReceipt
from offchain.compute.reverts_courts import RECEIPTS
from offchain.compute.shown import HashedLeaf, ShownItem, ShownLeaf, receipt_fields
from offchain.core.units import Wei


class ComputeOffence(IntEnum):
    """Types of the compute market, as contracts/shared/constants.vy numbers them."""

    BAD_PRICE = 16
    BAD_SIGNER = 17
    EQUIVOCATION = 18
    WRONG_MODEL = 19
    OVERCLAIM = 20
    BAD_COUNT = 21
    UNAVAILABLE = 22
    AUDIT_FAIL = 23
    AUDITOR_SILENT = 24
    AUDITOR_MINORITY = 25
    DECLARED = 26
    SILENT_AUDIT = 27


@dataclass(frozen=True, slots=True)
class LeafDemand:
    """An open demand; `payer` is zero where none is open."""

    payer: bytes
    leaf: int
    deadline: int
    bond: int


@dataclass(frozen=True, slots=True)
class OffenceProven:
    """`amount`: wei of stake asked for, 0 where none answers any more."""

    offence: int
    batch: int
    service: bytes
    index: int
    leaf: int
    payer: bytes
    refunded: int
    amount: int


@dataclass(frozen=True, slots=True)
class LeafDemanded:
    batch: int
    payer: bytes
    index: int
    leaf: int
    deadline: int
    bond: int


@dataclass(frozen=True, slots=True)
class DemandLapsed:
    batch: int
    payer: bytes
    index: int
    leaf: int


class ReceiptCourtClient(ContractClient):
    """Anyone proves, the payer demands, the provider answers and declares."""

    contract = "ReceiptCourt"
    reverts = RECEIPTS

    def demand_of(self, batch: int, index: int, *, at: BlockRef) -> LeafDemand:
        return self._read(LeafDemand, "demand_of", batch, index, at=at)

    def is_proven(self, fact: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_proven", fact, at=at)

    def fact_of(self, offence: ComputeOffence, subject: bytes, *, at: BlockRef) -> bytes:
        """The name of an offence; its subject is a leaf's key (audit_draw.leaf_key)."""
        return self._read(bytes, "fact_of", int(offence), subject, at=at)

    def penalty(self, batch: int, *, at: BlockRef) -> Wei:
        """What one failed draw of the batch, or one proven lie in it, costs."""
        return Wei(self._read(int, "penalty", batch, at=at))

    def bond(self, *, at: BlockRef) -> Wei:
        """What a demand costs at this block's base fee."""
        return Wei(self._read(int, "bond", at=at))

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def prove(self, offence: ComputeOffence, item: ShownItem, leaf: ShownLeaf) -> TypedCall:
        """BAD_PRICE, BAD_SIGNER, WRONG_MODEL or OVERCLAIM."""
        return self._build("prove", int(offence), item.fields(), leaf.fields())

    def prove_count(
        self, item: ShownItem, leaf: ShownLeaf, header: bytes, leaves: int, path: Sequence[bytes]
    ) -> TypedCall:
        """BAD_COUNT, with leaf 0 of the answer's commitment and its siblings."""
        joined = b"".join(path)
        return self._build("prove_count", item.fields(), leaf.fields(), header, leaves, joined)

    def prove_sums(self, item: ShownItem, leaf: HashedLeaf) -> TypedCall:
        """OVERCLAIM: the item's tree does not add up on the way to this leaf."""
        return self._build("prove_sums", item.fields(), leaf.hash, leaf.index, leaf.path)

    def prove_repeat(self, item: ShownItem, first: ShownLeaf, second: ShownLeaf) -> TypedCall:
        """OVERCLAIM: nonces do not rise from the first to the second."""
        return self._build("prove_repeat", item.fields(), first.fields(), second.fields())

    def prove_equivocation(
        self, item: ShownItem, leaf: ShownLeaf, other: SignedReceipt
    ) -> TypedCall:
        """The provider signed `other` for the same request."""
        fields = receipt_fields(other.receipt)
        return self._build(
            "prove_equivocation", item.fields(), leaf.fields(), fields, other.signature
        )

    def demand(self, item: ShownItem, leaf: int, *, bond: Wei) -> TypedCall:
        """By the payer of the item. Send a little more than `bond`: the rest is credited."""
        return self._build("demand", item.fields(), leaf, value_wei=bond)

    def answer(self, item: ShownItem, leaf: ShownLeaf) -> TypedCall:
        return self._build("answer", item.fields(), leaf.fields())

    def close(self, item: ShownItem) -> TypedCall:
        """End a demand that nobody answered in time."""
        return self._build("close", item.fields())

    def declare_fault(self, item: ShownItem, leaf: ShownLeaf) -> TypedCall:
        """By the provider, within two blocks of settling."""
        return self._build("declare_fault", item.fields(), leaf.fields())

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)

    def receipt_digest(self, receipt: Receipt, *, at: BlockRef) -> bytes:
        return self._read(bytes, "receipt_digest", receipt_fields(receipt), at=at)
