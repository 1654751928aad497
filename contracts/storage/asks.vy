# pragma version 0.4.3
"""
@title What operators ask, and what they have committed
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an operator's seats and their prices here are those of all seats and successions that name it, and
        when one was added they fitted the capacity that it asked and the stake that the draw showed.
@dev One word an operator, so a draw reads and writes one slot: epoch 32 | capacity 16 | longest 16 | seats 16 | price 48 |
     shed 64 | committed 64. Capacity counts seats. Older words, in `checkpoints`, mean their ask alone.
"""
from ..interfaces import IStorageDraws
from ..shared import checkpoints

uses: checkpoints

SEAT_BYTES: constant(uint256) = 2**36  # 64 GiB, what a seat keeps at most
SEAT_UNITS: constant(uint256) = 2**6  # of 2^30 bytes, as prices count
PRICE_STEP: constant(uint256) = 256  # wei per 2^30 byte-seconds
MAX_PRICE: constant(uint256) = PRICE_STEP * (2**36 - 1)
PRICE_MASK: constant(uint256) = 2**48 - 1
MAX_OPERATORS: constant(uint256) = 2**28  # ids are below
LOW_16: constant(uint256) = 2**16 - 1
LOW_64: constant(uint256) = 2**64 - 1
CAPACITY_SHIFT: constant(uint256) = 208
LONGEST_SHIFT: constant(uint256) = 192
SEATS_SHIFT: constant(uint256) = 176
PRICE_SHIFT: constant(uint256) = 128
SHED_SHIFT: constant(uint256) = 64
LOAD: constant(uint256) = LOW_16 << SEATS_SHIFT | 2**128 - 1  # the bits that an ask leaves alone

COLLATERAL_SECONDS: immutable(uint256)  # of its full price that a seat commits

heads: HashMap[uint256, uint256]  # operator id -> newest word
steps: HashMap[uint256, uint256]  # -> older words kept
holders: uint256  # operators with a seat, or drawn for one


@deploy
def __init__(collateral_seconds: uint256):
    COLLATERAL_SECONDS = collateral_seconds


@internal
def _set(operator_id: uint256, epoch: uint256, price: uint256, capacity: uint256, longest: uint256):
    assert operator_id < MAX_OPERATORS, "asks: id too large"
    assert price > 0 and price <= MAX_PRICE and price % PRICE_STEP == 0, "asks: no such price"
    assert capacity // SEAT_BYTES <= LOW_16, "asks: too much capacity"
    assert longest > 0 and longest <= LOW_16, "asks: no such term"

    head: uint256 = self.heads[operator_id]
    steps: uint256 = self.steps[operator_id]
    kept: uint256 = checkpoints._keep(convert(operator_id, bytes32), head, steps, epoch)
    if kept != steps:
        self.steps[operator_id] = kept
    terms: uint256 = (capacity // SEAT_BYTES) << CAPACITY_SHIFT | longest << LONGEST_SHIFT | price << PRICE_SHIFT
    self.heads[operator_id] = epoch << checkpoints.EPOCH_SHIFT | terms | (head & LOAD)


@internal
@view
def _at(operator_id: uint256, epoch: uint256) -> uint256:
    """
    @dev The word whose ask is in force at an epoch; 0 before the first.
    """
    head: uint256 = self.heads[operator_id]
    if head >> checkpoints.EPOCH_SHIFT <= epoch:
        return head
    return checkpoints._at(convert(operator_id, bytes32), head, self.steps[operator_id], epoch)


@internal
@view
def _ask(operator_id: uint256, epoch: uint256) -> IStorageDraws.Ask:
    word: uint256 = self._at(operator_id, epoch)
    return IStorageDraws.Ask(
        epoch=word >> checkpoints.EPOCH_SHIFT,
        price=self._price(word),
        capacity=((word >> CAPACITY_SHIFT) & LOW_16) * SEAT_BYTES,
        longest_epochs=self._longest(word),
    )


@internal
@view
def _load(operator_id: uint256) -> IStorageDraws.Load:
    head: uint256 = self.heads[operator_id]
    return IStorageDraws.Load(
        seats=(head >> SEATS_SHIFT) & LOW_16,
        collateral=self._collateral(head & LOW_64),
        leaving=self._collateral((head >> SHED_SHIFT) & LOW_64),
    )


@internal
@view
def _collateral(price: uint256) -> uint256:
    """
    @dev Wei of stake that seats at these prices together commit.
    """
    return price * SEAT_UNITS * COLLATERAL_SECONDS


@internal
@pure
def _price(word: uint256) -> uint256:
    return (word >> PRICE_SHIFT) & PRICE_MASK


@internal
@pure
def _longest(word: uint256) -> uint256:
    return (word >> LONGEST_SHIFT) & LOW_16


@internal
def _claim(
    operator_id: uint256, epoch: uint256, stake: uint256, max_price: uint256, least_epochs: uint256
) -> (uint256, uint256):
    """
    @dev Take one more seat if it fits.
    @param epoch Whose ask counts.
    @param stake What the draw showed, wei.
    @return Price and longest term, 0 and 0 if it does not fit.
    """
    head: uint256 = self.heads[operator_id]
    ask: uint256 = head
    if head >> checkpoints.EPOCH_SHIFT > epoch:
        ask = checkpoints._at(convert(operator_id, bytes32), head, self.steps[operator_id], epoch)
    price: uint256 = self._price(ask)
    longest: uint256 = self._longest(ask)
    if price == 0 or price > max_price or longest < least_epochs:
        return 0, 0
    seats: uint256 = (head >> SEATS_SHIFT) & LOW_16
    if seats >= (ask >> CAPACITY_SHIFT) & LOW_16:
        return 0, 0
    if self._collateral((head & LOW_64) + price) > stake:
        return 0, 0
    if seats == 0:
        self.holders += 1
    self.heads[operator_id] = head + (1 << SEATS_SHIFT) + price
    return price, longest


@internal
def _release(operator_id: uint256, price: uint256, is_leaving: bool):
    head: uint256 = self.heads[operator_id] - (1 << SEATS_SHIFT) - price
    if is_leaving:
        head -= price << SHED_SHIFT
    if (head >> SEATS_SHIFT) & LOW_16 == 0:
        self.holders -= 1
    self.heads[operator_id] = head


@internal
def _shed(operator_id: uint256, price: uint256):
    """
    @dev The seat is on its way to another operator.
    """
    self.heads[operator_id] += price << SHED_SHIFT
