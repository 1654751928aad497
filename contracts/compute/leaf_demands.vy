# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Leaves that payers ask for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an item has one open demand at most, and its bond belongs to one account in the end: the provider's
        when the leaf was shown, the payer's when it was not.
@dev A bond is half as much again as the gas of the answer costs at the base fee of the block, and a minimum on top,
     rounded up to a gwei so that a demand fills one slot.
"""
from ..interfaces import IReceiptCourt

ANSWER_GAS: constant(uint256) = 160_000  # whole transaction, twenty levels
LOW_160: constant(uint256) = 2**160 - 1
LOW_22: constant(uint256) = 2**22 - 1  # an item has 2^20 leaves at most
LOW_34: constant(uint256) = 2**34 - 1
STEP: constant(uint256) = 10**9  # wei: bonds are whole gwei

REVEAL: public(immutable(uint256))  # seconds for an answer
MIN_BOND: immutable(uint256)  # wei

# payer 160, leaf 22, deadline 34, bond in gwei 40, lowest first; 0: no open demand
sheets: HashMap[uint256, HashMap[uint256, uint256]]  # batch, item


@deploy
def __init__(reveal_seconds: uint256, min_bond: uint256):
    assert reveal_seconds != 0, "leaf_demands: no window"
    assert min_bond != 0 and min_bond < 2**64, "leaf_demands: bond out of range"

    REVEAL = reveal_seconds
    MIN_BOND = min_bond


# --- VIEWS


@external
@view
@reentrant
def demand_of(batch: uint256, index: uint256) -> IReceiptCourt.Demand:
    return self._read(batch, index)


@external
@view
@reentrant
def bond() -> uint256:
    return self._bond()


# --- INTERNAL


@internal
@view
def _bond() -> uint256:
    exact: uint256 = ANSWER_GAS * block.basefee * 3 // 2 + MIN_BOND
    return (exact + STEP - 1) // STEP * STEP


@internal
@view
def _read(batch: uint256, index: uint256) -> IReceiptCourt.Demand:
    sheet: uint256 = self.sheets[batch][index]
    return IReceiptCourt.Demand(
        payer=convert(convert(sheet & LOW_160, uint160), address),
        leaf=(sheet >> 160) & LOW_22,
        deadline=(sheet >> 182) & LOW_34,
        bond=(sheet >> 216) * STEP,
    )


@internal
@view
def _read_open(batch: uint256, index: uint256) -> IReceiptCourt.Demand:
    demand: IReceiptCourt.Demand = self._read(batch, index)
    assert demand.payer != empty(address), "leaf_demands: none is open"
    return demand


@internal
def _open(batch: uint256, index: uint256, payer: address, leaf: uint256, bond: uint256) -> uint256:
    """
    @return The deadline.
    """
    assert self.sheets[batch][index] == 0, "leaf_demands: one is open"

    deadline: uint256 = block.timestamp + REVEAL
    steps: uint256 = convert(convert(bond // STEP, uint40), uint256)
    self.sheets[batch][index] = convert(payer, uint256) | leaf << 160 | deadline << 182 | steps << 216
    return deadline


@internal
def _end(batch: uint256, index: uint256):
    self.sheets[batch][index] = 0
