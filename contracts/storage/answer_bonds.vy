# pragma version 0.4.3
"""
@title What a demand costs
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an answerer earns more than the answer's gas costs at the base fee of the block that demanded it.
@dev Half as much again, and a minimum on top. Each further STEP_OPEN demands that wait for one operator double it:
     flooding costs more and more, and an operator that demands of itself cannot keep others out.
"""

STEP_OPEN: constant(uint256) = 16  # demands of one operator at the plain bond
ANSWER_GAS: constant(uint256) = 110_000  # whole transaction

MIN_BOND: immutable(uint256)  # wei


@deploy
def __init__(min_bond: uint256):
    assert min_bond != 0 and min_bond < 2**96, "answer_bonds: minimum out of range"

    MIN_BOND = min_bond


@internal
@view
def _bond(waiting: uint256) -> uint256:
    return (ANSWER_GAS * block.basefee * 3 // 2 + MIN_BOND) << (waiting // STEP_OPEN)
