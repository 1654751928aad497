# pragma version 0.4.3
"""
@title What of a presented batch is owed
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an item moves money only within what its payer has signed and set aside, in the order of nonces, and
        never more than the provider's stake covers.
@dev An item that fails is passed over. What one item can burn is bounded: a recovery, and two calls of payers'
     contracts with a gas limit each.
"""
from ..interfaces import IComputeEscrow
from ..shared import typed_data
from . import buckets
from . import delegates
from . import vouchers

uses: buckets
uses: delegates

MAX_PROOFS: constant(uint256) = 16
MAX_LEAVES: constant(uint256) = 2**20  # of one item
LOW_160: constant(uint256) = 2**160 - 1
LOW_96: constant(uint256) = 2**96 - 1
LOW_64: constant(uint256) = 2**64 - 1
LOW_32: constant(uint256) = 2**32 - 1


struct Frame:  # what is the same for all items of a batch
    service: bytes32
    provider: address
    operator_id: uint256
    token: address
    rate: uint256  # of the token
    purse: bytes32  # where buckets of provider and token lie
    domain: bytes32
    limit: uint256  # base units that the stake still covers


@internal
@pure
def _leaf(row: IComputeEscrow.Row) -> bytes32:
    """
    @dev Over the fields of IComputeEscrow.Settled.
    """
    fields: Bytes[256] = abi_encode(
        row.party & LOW_160,
        row.party >> 160,
        row.span & LOW_64,
        (row.span >> 64) & LOW_64,
        row.moved & LOW_96,
        row.moved >> 96,
        row.span >> 128,
        row.leaves_root,
    )
    return keccak256(concat(0x02, fields))


@internal
@pure
def _payer(item: IComputeEscrow.Item) -> address:
    return convert(convert(item.party & LOW_160, uint160), address)


@internal
def _take(
    frame: Frame, item: IComputeEscrow.Item, proof: Bytes[vouchers.MAX_SIGNATURE], taken: uint256
) -> (IComputeEscrow.SkipReason, uint256):
    """
    @dev Take an item's money out of its bucket; why not, or amount u96 | claimed u96 << 96.
    """
    payer: address = convert(convert(item.party & LOW_160, uint160), address)
    word: uint256 = buckets.words[frame.purse][payer]
    spent: uint256 = (word >> 96) & LOW_96
    claim: uint256 = item.ask & LOW_96
    accepted: uint256 = item.limits & LOW_96
    cap: uint256 = (item.limits >> 96) & LOW_96
    if claim <= spent or claim > cap or accepted > cap:
        return IComputeEscrow.SkipReason.CLAIM, 0
    if block.timestamp > item.party >> 192:
        return IComputeEscrow.SkipReason.EXPIRED, 0
    first: uint256 = (item.ask >> 96) & LOW_64
    last: uint256 = (item.ask >> 160) & LOW_64
    if first <= word >> 192 or last < first or last > item.limits >> 192:
        return IComputeEscrow.SkipReason.NONCE, 0
    leaves: uint256 = item.ask >> 224
    if leaves == 0 or leaves > MAX_LEAVES or leaves > last - first + 1:
        return IComputeEscrow.SkipReason.LEAVES, 0
    amount: uint256 = claim - spent
    if amount > word & LOW_96:
        return IComputeEscrow.SkipReason.BALANCE, 0
    if taken + amount > frame.limit:
        return IComputeEscrow.SkipReason.STAKE, 0
    reason: IComputeEscrow.SkipReason = self._check_signature(frame, item, payer, proof, amount)
    if reason != empty(IComputeEscrow.SkipReason):
        return reason, 0

    buckets.words[frame.purse][payer] = (word & LOW_96) - amount | claim << 96 | last << 192
    claimed: uint256 = claim - min(claim, max(accepted, spent))
    return reason, amount | claimed << 96


@internal
def _check_signature(
    frame: Frame,
    item: IComputeEscrow.Item,
    payer: address,
    proof: Bytes[vouchers.MAX_SIGNATURE],
    amount: uint256,
) -> IComputeEscrow.SkipReason:
    """
    @dev By the payer, by a delegate, whose cap it counts against, or by the payer's contract.
    """
    struct_hash: bytes32 = keccak256(
        abi_encode(
            vouchers.VOUCHER_TYPE,
            payer,
            frame.provider,
            frame.service,
            (item.party >> 160) & LOW_32,
            frame.token,
            item.limits & LOW_96,
            (item.limits >> 96) & LOW_96,
            item.party >> 192,
            item.limits >> 192,
        )
    )
    digest: bytes32 = typed_data._digest(frame.domain, struct_hash)
    if item.vs == empty(bytes32):
        if not vouchers._is_vouched(payer, digest, proof):
            return IComputeEscrow.SkipReason.SIGNATURE
        return empty(IComputeEscrow.SkipReason)
    signer: address = vouchers._signer(digest, item.r, item.vs)
    if signer == empty(address):
        return IComputeEscrow.SkipReason.SIGNATURE
    if signer == payer:
        return empty(IComputeEscrow.SkipReason)
    return delegates._spend(payer, signer, frame.provider, frame.service, frame.token, amount)
