# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Orders to renew a file again and again
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what came in = funds of orders + credits + spent on renewals + withdrawn, to the wei. An order pays
        for nothing but its file's renewal and the tip for it; what is left is the file's owner's.
@dev StorageMarket.renew takes money from anybody; this contract is one such payer. One word an order: funds 88 | limit 88
     | tip 64 | epochs 16.
@custom:kill Nothing to stop: an order ends when its owner says so, or with its file.
@custom:security The market sends back what a renewal does not need within the same call; nobody else may pay in here.
"""
from ..interfaces import IStandingOrders
from ..interfaces import IStorageMarket

implements: IStandingOrders

PRICE_UNIT: constant(uint256) = 2**30  # byte-seconds that a price is for
DUE_PART: constant(uint256) = 5  # an order acts in the last fifth of what it buys
LIMIT_AT: constant(uint256) = 88
TIP_AT: constant(uint256) = 176
EPOCHS_AT: constant(uint256) = 240
MASK_16: constant(uint256) = 2**16 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_88: constant(uint256) = 2**88 - 1

MARKET: public(immutable(address))
EPOCH: immutable(uint256)  # seconds

credit_of: public(HashMap[address, uint256])  # wei
orders: HashMap[bytes32, uint256]


@deploy
def __init__(market: address, epoch_seconds: uint256):
    """
    @param market StorageMarket.
    @param epoch_seconds Length of an epoch of the stake's clock.
    """
    assert market.is_contract, "standing_orders: no contract"
    assert epoch_seconds != 0, "standing_orders: no epoch"

    MARKET = market
    EPOCH = epoch_seconds


@external
@payable
@reentrant
def __default__():
    """
    @notice Takes what a renewal did not need; open while `renew_due` runs, since that is when it comes.
    """
    assert msg.sender == MARKET, "standing_orders: not the market"


# --- OWNER


@external
@payable
def set_order(id: bytes32, epochs: uint256, limit: uint256, tip: uint256):
    """
    @notice Order that a stored file be renewed by whoever comes; what is sent is added to the funds. 0 epochs end it.
    @param epochs To add at a time.
    @param limit Most wei that an epoch may cost at the prices of the day.
    @param tip Wei for whoever renews.
    """
    file: IStorageMarket.File = staticcall IStorageMarket(MARKET).file(id)
    assert file.state == IStorageMarket.FileState.STORED, "standing_orders: not stored"
    assert msg.sender == file.owner, "standing_orders: not the owner"
    funds: uint256 = (self.orders[id] & MASK_88) + msg.value
    if epochs == 0:
        self._end(id, msg.sender, funds)
        return
    assert epochs <= MASK_16 and limit <= MASK_88, "standing_orders: out of range"
    assert tip <= MASK_64 and funds <= MASK_88, "standing_orders: out of range"

    self.orders[id] = funds | (limit << LIMIT_AT) | (tip << TIP_AT) | (epochs << EPOCHS_AT)
    log IStandingOrders.OrderSet(id=id, epochs=epochs, limit=limit, tip=tip, funds=funds)


# --- PERMISSIONLESS


@external
def renew_due(id: bytes32) -> uint256:
    """
    @notice Renew a file out of its order's funds, from the last fifth of the order's length on.
    @return The tip, credited to the caller.
    """
    order: IStandingOrders.Standing = self._order(id)
    assert order.epochs != 0, "standing_orders: no order"
    file: IStorageMarket.File = staticcall IStorageMarket(MARKET).file(id)
    assert file.state == IStorageMarket.FileState.STORED, "standing_orders: not stored"
    assert block.timestamp + order.epochs * EPOCH // DUE_PART >= file.end, "standing_orders: not due"
    rate: uint256 = (staticcall IStorageMarket(MARKET).group(file.group)).rate
    assert file.bytes * rate * EPOCH <= order.limit * PRICE_UNIT, "standing_orders: above the limit"
    assert order.funds >= order.tip, "standing_orders: too little funds"

    # the market asks for less than this, or refuses; what it does not take is here again when it returns
    paid: uint256 = extcall IStorageMarket(MARKET).renew(id, order.epochs, value=order.funds - order.tip)

    left: uint256 = order.funds - order.tip - paid
    self.orders[id] = (self.orders[id] & ~MASK_88) | left
    if order.tip != 0:
        self.credit_of[msg.sender] += order.tip
    log IStandingOrders.OrderUsed(id=id, by=msg.sender, paid=paid, tip=order.tip)
    return order.tip


@external
def end_order(id: bytes32):
    """
    @notice Credit the funds of an order whose file is stored no more to the file's owner.
    """
    assert self.orders[id] != 0, "standing_orders: no order"
    file: IStorageMarket.File = staticcall IStorageMarket(MARKET).file(id)
    assert file.state != IStorageMarket.FileState.STORED, "standing_orders: file is stored"
    self._end(id, file.owner, self.orders[id] & MASK_88)


@external
def withdraw(to: address) -> uint256:
    """
    @notice Take what is credited to the caller: tips, funds of ended orders.
    @param to Receives it.
    @return Amount in wei.
    """
    amount: uint256 = self.credit_of[msg.sender]
    assert amount != 0, "standing_orders: nothing to withdraw"
    assert to != empty(address), "standing_orders: no receiver"

    self.credit_of[msg.sender] = 0
    log IStandingOrders.Withdrawn(account=msg.sender, to=to, amount=amount)

    success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
    assert success, "standing_orders: receiver refused"
    return amount


# --- VIEWS


@external
@view
def order(id: bytes32) -> IStandingOrders.Standing:
    """
    @notice The order of a file; all zero when there is none.
    """
    return self._order(id)


# --- INTERNAL


@internal
def _end(id: bytes32, owner: address, funds: uint256):
    self.orders[id] = 0
    self.credit_of[owner] += funds
    log IStandingOrders.OrderSet(id=id, epochs=0, limit=0, tip=0, funds=0)


@internal
@view
def _order(id: bytes32) -> IStandingOrders.Standing:
    word: uint256 = self.orders[id]
    return IStandingOrders.Standing(
        epochs=word >> EPOCHS_AT,
        limit=(word >> LIMIT_AT) & MASK_88,
        tip=(word >> TIP_AT) & MASK_64,
        funds=word & MASK_88,
    )
