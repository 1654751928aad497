# pragma version 0.4.3
"""
@title Leaves that somebody demands
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a demand is open at most once at a time, and the number that waits for an operator is exactly the
        number of open ones that name it.
"""
from ..interfaces import IStorageProofs

MAX_OPEN: constant(uint256) = 256  # that wait for one operator

# --- layout of the words, low bits first: demander 160, opened at 40, operator 40 | bond 128, epoch 64
TIME_AT: constant(uint256) = 160
OPERATOR_AT: constant(uint256) = 200
EPOCH_AT: constant(uint256) = 128
MASK_40: constant(uint256) = 2**40 - 1
MASK_128: constant(uint256) = 2**128 - 1
MASK_160: constant(uint256) = 2**160 - 1

words: HashMap[bytes32, uint256[2]]
waiting: HashMap[uint256, uint256]  # operator id -> open demands that name it


@internal
@pure
def _id(wanted: IStorageProofs.Wanted) -> bytes32:
    return keccak256(abi_encode(wanted))


@internal
def _open(demand_id: bytes32, demand: IStorageProofs.Demand):
    assert self.words[demand_id][0] == 0, "open_demands: open already"
    waiting: uint256 = self.waiting[demand.operator_id]
    assert waiting < MAX_OPEN, "open_demands: too many open"

    self.waiting[demand.operator_id] = waiting + 1
    self.words[demand_id] = [
        (demand.operator_id << OPERATOR_AT) | (demand.opened_at << TIME_AT) | convert(demand.demander, uint256),
        (demand.epoch << EPOCH_AT) | demand.bond,
    ]


@internal
def _end(demand_id: bytes32, demand: IStorageProofs.Demand):
    """
    @param demand As `_read` gave it.
    """
    self.waiting[demand.operator_id] -= 1
    self.words[demand_id] = [0, 0]


@internal
@view
def _read(demand_id: bytes32, window: uint256) -> IStorageProofs.Demand:
    """
    @dev All zero, but for the deadline, when no such demand is open.
    """
    words: uint256[2] = self.words[demand_id]
    opened_at: uint256 = (words[0] >> TIME_AT) & MASK_40
    return IStorageProofs.Demand(
        demander=convert(words[0] & MASK_160, address),
        operator_id=words[0] >> OPERATOR_AT,
        epoch=words[1] >> EPOCH_AT,
        opened_at=opened_at,
        deadline=opened_at + window,
        bond=words[1] & MASK_128,
    )


@internal
@view
def _read_open(demand_id: bytes32, window: uint256) -> IStorageProofs.Demand:
    demand: IStorageProofs.Demand = self._read(demand_id, window)
    assert demand.demander != empty(address), "open_demands: not open"
    return demand
