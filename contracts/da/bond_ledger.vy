# pragma version 0.4.3
"""
@title Bonds of challengers, and to whom they belong in the end
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what came in = bonds of open challenges + credits + withdrawn, to the wei. A credit is paid once, in
        full, where its owner says; nobody's refusal stops another.
@dev A bond is half as much again as the gas of the answer costs at the base fee of the block that opens the
     challenge, and a minimum on top, so the answerer earns. Each further STEP_OPEN challenges that wait for one operator
     double it: flooding a signer costs more and more, and a signer that challenges itself cannot keep others out.
"""
from ..interfaces import IDAChallenges
from . import challenge_book

STEP_OPEN: constant(uint256) = 16  # challenges of one operator at the plain bond
LEAF_ANSWER_GAS: constant(uint256) = 95_000  # whole transaction
ROW_ANSWER_GAS: constant(uint256) = 120_000  # whole transaction without the row
COLUMN_ANSWER_GAS: constant(uint256) = 1_280  # 40 gas a byte of calldata, EIP-7623

MIN_BOND: immutable(uint256)  # wei

credits: HashMap[address, uint256]


@deploy
def __init__(min_bond: uint256):
    assert min_bond != 0 and min_bond < 2**96, "bond_ledger: minimum out of range"

    MIN_BOND = min_bond


@internal
@view
def _bond(columns: uint256, leaf: uint256, waiting: uint256) -> uint256:
    gas: uint256 = LEAF_ANSWER_GAS
    if leaf == challenge_book.WHOLE_ROW:
        gas = ROW_ANSWER_GAS + COLUMN_ANSWER_GAS * columns
    return (gas * block.basefee * 3 // 2 + MIN_BOND) << (waiting // STEP_OPEN)


@internal
def _credit(account: address, amount: uint256):
    if amount != 0:
        self.credits[account] += amount


@internal
def _withdraw(account: address, to: address) -> uint256:
    amount: uint256 = self.credits[account]
    assert amount != 0, "bond_ledger: nothing to withdraw"
    assert to != empty(address), "bond_ledger: no receiver"

    self.credits[account] = 0
    log IDAChallenges.Withdrawn(account=account, to=to, amount=amount)

    success: bool = raw_call(to, b"", value=amount, revert_on_failure=False)
    assert success, "bond_ledger: receiver refused"
    return amount
