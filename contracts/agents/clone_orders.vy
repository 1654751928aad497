# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Clones that are paid for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a fee goes to the owner and at most three ancestors, or back to the buyer, once; to them only after a
        delivery of the very data that were ordered, which nobody has proven false in time.
"""
from ..interfaces import IAgentLeases
from ..interfaces import IAgentNFT
from ..interfaces import IKeyDeliveryVerifier
from . import clone_licences
from . import collection
from . import credits
from . import delivery_key

uses: clone_licences
uses: collection
uses: credits

ANCESTORS: constant(uint256) = 3
MAX_ENTRIES: constant(uint256) = 4

DELIVER: immutable(uint256)
OBJECT: immutable(uint256)

orders: HashMap[uint256, IAgentLeases.CloneOrder]
order_count: reentrant(public(uint256))


@deploy
def __init__(deliver_seconds: uint256, object_seconds: uint256):
    assert deliver_seconds != 0 and object_seconds != 0, "leases: no window"

    DELIVER = deliver_seconds
    OBJECT = object_seconds


@external
@view
@reentrant
def windows() -> (uint256, uint256):
    """
    @notice Seconds for a delivery, and for the buyer's look at it.
    """
    return DELIVER, OBJECT


@external
@view
@reentrant
def order(order: uint256) -> IAgentLeases.CloneOrder:
    """
    @notice An order of a clone.
    """
    return self.orders[order]


@external
@payable
def order_clone(
    token: uint256, key: Bytes[delivery_key.KEY_BYTES], licence: IAgentLeases.Licence, data_root: bytes32
) -> uint256:
    """
    @notice Pay for a clone, out of the value sent and then of the caller's credit.
    @param key B: the clone's key is sealed to it.
    @param licence As it was shown to the caller: an owner changes nothing of it on the way.
    @param data_root AgentNFT's, of what the caller has looked at.
    @return The order's id.
    """
    collection._check_free(token)
    key_hash: bytes32 = delivery_key._hash(key)
    epoch: uint256 = collection._epoch(token)
    clone_licences._take(token, epoch, licence)
    assert self._data_root(token) == data_root, "leases: data changed"
    fee: uint256 = convert(licence.fee, uint256)

    credits._pay(msg.sender, licence.currency, fee)
    self.order_count += 1
    id: uint256 = self.order_count
    deadline: uint256 = block.timestamp + DELIVER
    self.orders[id] = IAgentLeases.CloneOrder(
        state=IAgentLeases.OrderState.ORDERED,
        token=token,
        epoch=epoch,
        owner=staticcall IAgentNFT(collection.NFT).ownerOf(token),
        buyer=msg.sender,
        currency=licence.currency,
        fee=fee,
        royalty_bps=convert(licence.royalty_bps, uint256),
        may_clone_again=licence.may_clone_again,
        key_hash=key_hash,
        deadline=deadline,
        seal=data_root,
    )
    log IAgentLeases.CloneOrdered(
        order=id,
        token=token,
        buyer=msg.sender,
        fee=fee,
        currency=licence.currency,
        key=key,
        deadline=deadline,
    )
    return id


@external
def deliver_clone(
    order: uint256, proofs: DynArray[IAgentNFT.TransferValidityProof, MAX_ENTRIES]
) -> uint256:
    """
    @notice Have the oracles' proofs verified and the clone made.
    @return The clone's id.
    """
    entry: IAgentLeases.CloneOrder = self.orders[order]
    assert entry.state == IAgentLeases.OrderState.ORDERED, "leases: not ordered"
    assert block.timestamp < entry.deadline, "leases: too late"
    assert collection._epoch(entry.token) == entry.epoch, "leases: token has moved"
    assert self._data_root(entry.token) == entry.seal, "leases: data changed"

    clone: uint256 = extcall IAgentNFT(collection.NFT).clone_for(
        entry.token, entry.buyer, entry.key_hash, entry.royalty_bps, entry.may_clone_again, proofs
    )
    digests: DynArray[bytes32, MAX_ENTRIES] = staticcall IKeyDeliveryVerifier(collection.VERIFIER).delivered(
        collection.NFT
    )
    self.orders[order].state = IAgentLeases.OrderState.DELIVERED
    self.orders[order].deadline = block.timestamp + OBJECT
    self.orders[order].seal = keccak256(abi_encode(digests))
    log IAgentLeases.CloneDelivered(order=order, clone=clone, digests=digests)
    return clone


@external
def settle_clone(order: uint256):
    """
    @notice Pay the owner and the royalties of up to three ancestors: by the buyer at once, by anybody after his time.
    """
    entry: IAgentLeases.CloneOrder = self.orders[order]
    assert entry.state == IAgentLeases.OrderState.DELIVERED, "leases: not delivered"
    is_due: bool = msg.sender == entry.buyer or block.timestamp >= entry.deadline
    assert is_due, "leases: buyer's time runs"

    self.orders[order].state = IAgentLeases.OrderState.SETTLED
    rest: uint256 = self._pay_ancestors(order, entry)
    credits._credit(entry.owner, entry.currency, rest)
    log IAgentLeases.ClonePaid(order=order, owner=entry.owner, amount=rest)


@external
def refund_clone(order: uint256):
    """
    @notice Pay the buyer back what was not delivered in time, or cannot be any more as the token or its data changed.
    """
    entry: IAgentLeases.CloneOrder = self.orders[order]
    assert entry.state == IAgentLeases.OrderState.ORDERED, "leases: not ordered"
    is_other: bool = collection._epoch(entry.token) != entry.epoch or self._data_root(entry.token) != entry.seal
    assert is_other or block.timestamp >= entry.deadline, "leases: may still come"

    clone_licences._give_back(entry.token, entry.epoch)
    self._refund(order, entry, False)


@external
def refund_false_clone(order: uint256, digests: DynArray[bytes32, MAX_ENTRIES]):
    """
    @notice Pay the buyer back once one of the deliveries is proven false.
    @param digests As `CloneDelivered` told them.
    """
    entry: IAgentLeases.CloneOrder = self.orders[order]
    assert entry.state == IAgentLeases.OrderState.DELIVERED, "leases: not delivered"
    assert keccak256(abi_encode(digests)) == entry.seal, "leases: other digests"
    is_false: bool = False
    for digest: bytes32 in digests:
        if staticcall IKeyDeliveryVerifier(collection.VERIFIER).is_false(digest):
            is_false = True
    assert is_false, "leases: not proven false"

    self._refund(order, entry, True)


@internal
@view
def _data_root(token: uint256) -> bytes32:
    return staticcall IAgentNFT(collection.NFT).data_root(token)


@internal
def _refund(order: uint256, entry: IAgentLeases.CloneOrder, is_false: bool):
    self.orders[order].state = IAgentLeases.OrderState.REFUNDED
    credits._credit(entry.buyer, entry.currency, entry.fee)
    log IAgentLeases.CloneRefunded(order=order, is_false=is_false)


@internal
def _pay_ancestors(order: uint256, entry: IAgentLeases.CloneOrder) -> uint256:
    """
    @dev Each of the token and its ancestors pays its royalty out of the fee.
    @return What is left.
    """
    rest: uint256 = entry.fee
    token: uint256 = entry.token
    for i: uint256 in range(ANCESTORS):
        receiver: address = empty(address)
        amount: uint256 = 0
        receiver, amount = staticcall IAgentNFT(collection.NFT).royaltyInfo(token, entry.fee)
        amount = min(amount, rest)
        if amount != 0:
            rest -= amount
            credits._credit(receiver, entry.currency, amount)
            log IAgentLeases.RoyaltyPaid(order=order, receiver=receiver, amount=amount)
        token = (staticcall IAgentNFT(collection.NFT).traits_of(token))[1]
        if token == 0:
            break
    return rest
