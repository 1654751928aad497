# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What a settled batch consists of, shown piece by piece
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an opened item is the one ComputeEscrow accepted at that place, an opened leaf lies under the root that
        the item settled.
@dev item leaf = keccak256(0x02 || the eight words of IComputeEscrow.Settled), weight = amount
     receipt leaf = keccak256(0x00 || receipt struct hash || keccak256(signature)), weight = price
"""
from ..interfaces import IComputeEscrow
from ..interfaces import IReceiptCourt
from ..shared import constants as C
from . import sum_path

RECEIPT_TYPE: constant(bytes32) = keccak256(
    "Receipt(bytes32 requestId,address payer,address provider,bytes32 service,uint32 priceVersion,bytes32 requestHash,bytes32 responseHash,bytes32 modelHash,bytes32 commitment,uint32 inputTokens,uint32 outputTokens,uint96 price,uint64 nonce,uint64 time,uint8 finish,bytes32 attestationId)"
)

ESCROW: immutable(IComputeEscrow)


@deploy
def __init__(escrow: address):
    assert escrow.is_contract, "openings: no contract"

    ESCROW = IComputeEscrow(escrow)


# --- VIEWS


@external
@view
@reentrant
def refund_key(batch: uint256, index: uint256, leaf: uint256) -> bytes32:
    """
    @return The name under which a leaf pays back, once.
    """
    return self._leaf_key(batch, index, leaf)


# --- INTERNAL


@internal
@view
def _batch(id: uint256) -> IComputeEscrow.Batch:
    batch: IComputeEscrow.Batch = staticcall ESCROW.batch(id)
    assert batch.state != empty(IComputeEscrow.BatchState), "openings: no such batch"
    return batch


@internal
@view
def _check_item(batch: IComputeEscrow.Batch, shown: IReceiptCourt.ShownItem) -> uint256:
    """
    @return First unit of the item in the batch.
    """
    leaf: bytes32 = keccak256(concat(b"\x02", abi_encode(shown.item)))
    total: uint256 = convert(batch.total, uint256)
    count: uint256 = convert(batch.items, uint256)
    folded: sum_path.Folded = sum_path._fold(leaf, shown.index, count, shown.path, total)
    is_under: bool = folded.root == batch.root and folded.adds_up
    is_under = is_under and folded.weight == convert(shown.item.amount, uint256)
    assert is_under, "openings: not in the batch"
    return folded.first


@internal
@pure
def _check_leaf(
    item: IComputeEscrow.Settled, leaf_hash: bytes32, leaf: uint256, path: Bytes[sum_path.LEAF_PATH]
) -> sum_path.Folded:
    folded: sum_path.Folded = sum_path._fold(
        leaf_hash, leaf, convert(item.leaf_count, uint256), path, convert(item.amount, uint256)
    )
    assert folded.root == item.leaves_root, "openings: not in the item"
    return folded


@internal
@pure
def _struct_hash(receipt: IReceiptCourt.Receipt) -> bytes32:
    return keccak256(concat(RECEIPT_TYPE, abi_encode(receipt)))


@internal
@pure
def _leaf_hash(struct_hash: bytes32, signature: Bytes[65]) -> bytes32:
    return keccak256(concat(b"\x00", struct_hash, keccak256(signature)))


@internal
@pure
def _leaf_key(batch: uint256, index: uint256, leaf: uint256) -> bytes32:
    return keccak256(abi_encode(C.TAG_LEAF, batch, index, leaf))


@internal
def _refund(shown: IReceiptCourt.ShownItem, key: bytes32, amount: uint256) -> (uint256, uint256):
    """
    @dev Give a payer back what he paid, out of what is held.
    @return What was paid, and what he is still short of. Both 0 when the key or the whole item was made good before.
    """
    if staticcall ESCROW.is_refunded(key):
        return 0, 0
    before: uint256 = staticcall ESCROW.refunded_of(shown.batch, shown.index)
    due: uint256 = min(amount, convert(shown.item.amount, uint256) - before)
    if due == 0:
        return 0, 0
    paid: uint256 = convert(
        extcall ESCROW.refund(
            shown.batch, shown.index, shown.item.amount, key, shown.item.payer, convert(due, uint96)
        ),
        uint256,
    )
    return paid, due - paid
