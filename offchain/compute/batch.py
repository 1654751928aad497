"""What a provider settles at once: items, one a payer and price row, and the file of all leaves.

  item        (voucher, its signature, first nonce, last nonce, claim, leaf count, leaves root);
              `claim` is the total spent in the bucket once it is settled
  item leaf   keccak(0x02 || payer || u32 price version || u64 first nonce || u64 last nonce ||
              u96 amount || u96 claimed || u32 leaf count || leaves root), words, of taken items;
              the batch's root is a sum tree over them, `claimed` what no voucher acknowledged
  batch file  RFC 8785 JSON, of which `data_root` is the tagged hash:
              {"items": [{"claim", "cumulative", "first_nonce", "last_nonce", "payer",
               "price_version", "service", "token", "leaves": [{"receipt", "signature"}]}],
               "provider", "version": 1}

`receipt` is the 16 words, hexadecimal; a leaf's position in `leaves` is its index in the sum tree.
Source: docs/protocol/compute.md#receipts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import rfc8785
from pydantic_core import from_json

from offchain.compute.model import (
    Finish,
    Receipt,
    SignedReceipt,
    SignedVoucher,
)
from offchain.compute.sum_tree import SumNode, SumTree, receipt_leaf
from offchain.core.errors import Corrupt, InvalidInput
from offchain.core.hashing import TAG_COMPUTE_BATCH, keccak
from offchain.core.typed_data import words

MAX_ITEMS: Final = 64
FILE_VERSION: Final = 1
RECEIPT_FIELDS: Final = 16
RECEIPT_BYTES: Final = 32 * RECEIPT_FIELDS
_WORD: Final = 32
_WIDTHS: Final = (32, 20, 20, 32, 4, 32, 32, 32, 32, 4, 4, 12, 8, 8, 1, 32)  # bytes a field


class BatchFileBroken(Corrupt):
    """A batch file does not say what its root does."""

    code = "compute.batch.broken"
    next_step = "Take it from another source; with this one nothing can be opened."


ItemFields = tuple[bytes, int, int, int, int, int, int, bytes]


@dataclass(frozen=True, slots=True)
class SettledItem:
    """An accepted item as the batch's tree and the courts have it: eight words."""

    payer: bytes
    price_version: int
    first_nonce: int
    last_nonce: int
    amount: int
    claimed: int
    leaf_count: int
    leaves_root: bytes

    def fields(self) -> ItemFields:
        """As the contracts take it."""
        return (
            self.payer,
            self.price_version,
            self.first_nonce,
            self.last_nonce,
            self.amount,
            self.claimed,
            self.leaf_count,
            self.leaves_root,
        )

    def words(self) -> bytes:
        return words(*self.fields())

    def leaf(self) -> SumNode:
        """Its leaf in the batch's tree."""
        return SumNode(keccak(b"\x02", self.words()), self.amount)


@dataclass(frozen=True)
class BatchItem:
    """The receipts of one payer under one price row, in order of their nonces.

    `claim` is the total spent in the bucket after it; what it adds is the sum of the leaves.
    `cumulative`: what the voucher it is settled by acknowledges.
    """

    payer: bytes
    service: bytes
    price_version: int
    token: bytes
    claim: int
    cumulative: int
    leaves: tuple[SignedReceipt, ...]

    @cached_property
    def tree(self) -> SumTree:
        """The sum tree over its leaves."""
        return SumTree.of([receipt_leaf(one.receipt, one.signature) for one in self.leaves])

    @property
    def first_nonce(self) -> int:
        return self.leaves[0].receipt.nonce

    @property
    def last_nonce(self) -> int:
        return self.leaves[-1].receipt.nonce

    @property
    def amount(self) -> int:
        """What it moves: the sum of its prices."""
        return self.tree.root.total

    @property
    def claimed(self) -> int:
        """What of it no voucher acknowledged."""
        return max(0, self.claim - max(self.cumulative, self.claim - self.amount))

    @property
    def settled(self) -> SettledItem:
        """What of it a batch's tree holds."""
        return SettledItem(
            self.payer,
            self.price_version,
            self.first_nonce,
            self.last_nonce,
            self.amount,
            self.claimed,
            self.tree.count,
            self.tree.root.hash,
        )

    def leaf(self) -> SumNode:
        """Its leaf in the batch's tree."""
        return self.settled.leaf()


@dataclass(frozen=True, slots=True)
class SettleItem:
    """What one item says on chain; `voucher` covers its last nonce and its claim."""

    voucher: SignedVoucher
    first_nonce: int
    last_nonce: int
    claim: int
    leaf_count: int
    leaves_root: bytes

    @classmethod
    def of(cls, item: BatchItem, voucher: SignedVoucher) -> "SettleItem":
        """The chain's part of an item."""
        root, count = item.tree.root.hash, item.tree.count
        return cls(voucher, item.first_nonce, item.last_nonce, item.claim, count, root)


def pack_batch(provider: bytes, items: Sequence[BatchItem]) -> bytes:
    """The batch file. Raises: InvalidInput without items or with more than 64."""
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidInput("a batch has 1 to 64 items", items=len(items))
    return rfc8785.dumps(
        {
            "items": [_item_json(item) for item in items],
            "provider": provider.hex(),
            "version": FILE_VERSION,
        }
    )


def data_root(file: bytes) -> bytes:
    """What the chain keeps of a batch file."""
    return keccak(TAG_COMPUTE_BATCH, file)


def parse_batch(file: bytes, *, root: bytes) -> tuple[bytes, tuple[BatchItem, ...]]:
    """Provider and items of a file whose `data_root` this is. Raises: BatchFileBroken."""
    if data_root(file) != root:
        raise BatchFileBroken(reason="root")
    try:
        found = from_json(file)
        items = tuple(_item_of(one) for one in found["items"])
        return bytes.fromhex(found["provider"]), items
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BatchFileBroken(reason=type(error).__name__) from error


def parse_receipt(raw: bytes) -> Receipt:
    """A receipt from its 16 words. Raises: BatchFileBroken, also on bits past a field's width."""
    if len(raw) != RECEIPT_BYTES:
        raise BatchFileBroken(reason="receipt length", length=len(raw))
    fields: list[bytes] = []
    for position, width in enumerate(_WIDTHS):
        one = raw[position * _WORD : (position + 1) * _WORD]
        if any(one[: _WORD - width]):
            raise BatchFileBroken(reason="receipt field", field=position)
        fields.append(one[_WORD - width :])
    try:
        finish = Finish(fields[14][0])
    except ValueError as error:
        raise BatchFileBroken(reason="finish") from error
    number = [int.from_bytes(one, "big") for one in fields]
    return Receipt(
        request_id=fields[0],
        payer=fields[1],
        provider=fields[2],
        service=fields[3],
        price_version=number[4],
        request_hash=fields[5],
        response_hash=fields[6],
        model_hash=fields[7],
        commitment=fields[8],
        input_tokens=number[9],
        output_tokens=number[10],
        price=number[11],
        nonce=number[12],
        time=number[13],
        finish=finish,
        attestation_id=fields[15],
    )


def _item_json(item: BatchItem) -> dict[str, str | int | list[dict[str, str]]]:
    return {
        "claim": str(item.claim),
        "cumulative": str(item.cumulative),
        "first_nonce": str(item.first_nonce),
        "last_nonce": str(item.last_nonce),
        "leaves": [
            {"receipt": one.receipt.struct_words().hex(), "signature": one.signature.hex()}
            for one in item.leaves
        ],
        "payer": item.payer.hex(),
        "price_version": item.price_version,
        "service": item.service.hex(),
        "token": item.token.hex(),
    }


def _item_of(found: dict[str, object]) -> BatchItem:
    leaves = found["leaves"]
    if not isinstance(leaves, list) or not leaves:
        raise BatchFileBroken(reason="leaves")
    receipts = tuple(
        SignedReceipt(parse_receipt(bytes.fromhex(one["receipt"])), bytes.fromhex(one["signature"]))
        for one in leaves
    )
    version = found["price_version"]
    if not isinstance(version, int):
        raise BatchFileBroken(reason="price version")
    return BatchItem(
        payer=bytes.fromhex(str(found["payer"])),
        service=bytes.fromhex(str(found["service"])),
        price_version=version,
        token=bytes.fromhex(str(found["token"])),
        claim=int(str(found["claim"])),
        cumulative=int(str(found["cumulative"])),
        leaves=receipts,
    )
