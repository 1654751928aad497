"""What a disperser signs for an item of a shared matrix, so that it cannot promise a place twice.

  ItemReceipt(bytes32 blobId,uint32 number,bytes32 itemHash,uint32 length)
  domain     (Apogee DA, 1, chainId, DAEntrance)
  itemHash   keccak-256 of the item
  signature  65 bytes r || s || v of the blob's disperser, v 27 or 28, s in the lower half

Two receipts of one disperser for one (blob id, number) with different content contradict each
other: whoever holds both shows them to DAChallenges. Source: docs/protocol/da.md#shared-matrix.
"""

from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import DIGEST_BYTES, Digest, keccak
from offchain.core.typed_data import words
from offchain.da.authenticate import SIGNATURE_BYTES, recover_sender
from offchain.da.errors import ItemInvalid
from offchain.da.ports import Bytes, RequestSigner
from offchain.da.refusals import RequestMalformed, SenderNotDisperser

ITEM_RECEIPT_TYPE: Final = keccak(
    b"ItemReceipt(bytes32 blobId,uint32 number,bytes32 itemHash,uint32 length)"
)
UINT32: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class ItemStatement:
    """Item `number` of a blob: its keccak-256 and its length in bytes."""

    blob_id: bytes
    number: int
    item_hash: bytes
    length: int

    def __post_init__(self) -> None:
        if len(self.blob_id) != DIGEST_BYTES or len(self.item_hash) != DIGEST_BYTES:
            raise RequestMalformed(blob_id=len(self.blob_id), item_hash=len(self.item_hash))
        if not (0 <= self.number < UINT32 and 0 <= self.length < UINT32):
            raise RequestMalformed(number=self.number, length=self.length)

    @classmethod
    def about(cls, blob_id: bytes, number: int, item: Bytes) -> "ItemStatement":
        """The statement that item `number` of a blob is exactly these bytes."""
        return cls(blob_id, number, keccak(bytes(item)), len(item))

    def contradicts(self, other: "ItemStatement") -> bool:
        """Whether both speak of one place and say different things."""
        is_one_place = (self.blob_id, self.number) == (other.blob_id, other.number)
        return is_one_place and self != other


@dataclass(frozen=True, slots=True)
class SignedItemReceipt:
    """A statement and its disperser's signature."""

    statement: ItemStatement
    signature: bytes


def item_receipt_digest(statement: ItemStatement, domain: bytes) -> Digest:
    """The EIP-712 digest that the disperser signs."""
    struct = words(
        ITEM_RECEIPT_TYPE,
        statement.blob_id,
        statement.number,
        statement.item_hash,
        statement.length,
    )
    return keccak(b"\x19\x01", domain, keccak(struct))


def sign_item_receipt(
    statement: ItemStatement, signer: RequestSigner, domain: bytes
) -> SignedItemReceipt:
    """A receipt under the disperser's key."""
    digest = item_receipt_digest(statement, domain)
    return SignedItemReceipt(statement, signer.sign_digest(digest))


def receipt_signer(receipt: SignedItemReceipt, domain: bytes) -> bytes:
    """The 20-byte address that signed. Raises: RequestMalformed."""
    if len(receipt.signature) != SIGNATURE_BYTES:
        raise RequestMalformed(signature=len(receipt.signature))
    return recover_sender(item_receipt_digest(receipt.statement, domain), receipt.signature)


def require_receipt(
    receipt: SignedItemReceipt, domain: bytes, *, disperser: bytes, item: Bytes
) -> None:
    """Refuse a receipt that another key signed, or that is about other bytes.

    Raises: SenderNotDisperser, ItemInvalid, RequestMalformed.
    """
    signer = receipt_signer(receipt, domain)
    if signer != disperser:
        raise SenderNotDisperser(sender=signer.hex(), disperser=disperser.hex())
    said = receipt.statement
    if said != ItemStatement.about(said.blob_id, said.number, item):
        raise ItemInvalid(reason="the receipt is about other bytes", number=said.number)
