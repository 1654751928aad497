# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What relayers are asked to show
@license AGPL-3.0-only
@author Apogee
@notice Invariant: of a verdict each kind is asked for once at a time and never after it was shown, and its bond belongs to
        one account in the end: to who showed it, or to who asked.
@dev A bond is half as much again as the gas of the answer costs at the base fee of the block, and a minimum on top,
     rounded up to a gwei.
"""
from ..interfaces import IAttestationDemands

BYTES_GAS: constant(uint256) = 320_000  # whole transaction: 6 kB of calldata
PATH_GAS: constant(uint256) = 1_600_000  # two signatures without precompile
STEP: constant(uint256) = 10**9  # wei: bonds are whole gwei
LOW_160: constant(uint256) = 2**160 - 1
LOW_40: constant(uint256) = 2**40 - 1
SHOWN: constant(uint256) = max_value(uint256)

OPEN_WINDOW: immutable(uint256)  # seconds for an answer
MIN_BOND: immutable(uint256)  # wei

# challenger 160, deadline 40, bond in gwei 56, lowest first; all ones: shown
sheets: HashMap[bytes32, HashMap[IAttestationDemands.DemandKind, uint256]]


@deploy
def __init__(open_seconds: uint256, min_bond: uint256):
    assert open_seconds != 0, "verdict_demands: no window"
    assert min_bond != 0 and min_bond < 2**80, "verdict_demands: bond out of range"

    OPEN_WINDOW = open_seconds
    MIN_BOND = min_bond


# --- VIEWS


@external
@view
@reentrant
def bond(kind: IAttestationDemands.DemandKind) -> uint256:
    return self._bond(kind)


@external
@view
@reentrant
def open_seconds() -> uint256:
    return OPEN_WINDOW


@external
@view
@reentrant
def demand_of(
    attestation_id: bytes32, kind: IAttestationDemands.DemandKind
) -> IAttestationDemands.Demand:
    """
    @notice An open demand; all zero when none is open.
    """
    return self._read(attestation_id, kind)


# --- INTERNAL


@internal
@view
def _bond(kind: IAttestationDemands.DemandKind) -> uint256:
    gas: uint256 = BYTES_GAS if kind == IAttestationDemands.DemandKind.BYTES else PATH_GAS
    exact: uint256 = gas * block.basefee * 3 // 2 + MIN_BOND
    return (exact + STEP - 1) // STEP * STEP


@internal
@view
def _read(id: bytes32, kind: IAttestationDemands.DemandKind) -> IAttestationDemands.Demand:
    sheet: uint256 = self.sheets[id][kind]
    if sheet == SHOWN:
        return empty(IAttestationDemands.Demand)
    return IAttestationDemands.Demand(
        challenger=convert(convert(sheet & LOW_160, uint160), address),
        deadline=convert((sheet >> 160) & LOW_40, uint64),
        bond=(sheet >> 200) * STEP,
    )


@internal
@view
def _read_open(
    id: bytes32, kind: IAttestationDemands.DemandKind
) -> IAttestationDemands.Demand:
    demand: IAttestationDemands.Demand = self._read(id, kind)
    assert demand.challenger != empty(address), "verdict_demands: none is open"
    return demand


@internal
def _open(id: bytes32, kind: IAttestationDemands.DemandKind, bond: uint256):
    sheet: uint256 = self.sheets[id][kind]
    assert sheet != SHOWN, "verdict_demands: shown already"
    assert sheet == 0, "verdict_demands: one is open"

    deadline: uint256 = block.timestamp + OPEN_WINDOW
    steps: uint256 = convert(convert(bond // STEP, uint56), uint256)
    self.sheets[id][kind] = convert(msg.sender, uint256) | deadline << 160 | steps << 200
    log IAttestationDemands.Demanded(
        attestation_id=id, challenger=msg.sender, kind=kind, deadline=deadline, bond=bond
    )


@internal
def _show(id: bytes32, kind: IAttestationDemands.DemandKind, quote_hash: bytes32) -> uint256:
    """
    @return The bond, which is the caller's now.
    """
    demand: IAttestationDemands.Demand = self._read_open(id, kind)
    is_late: bool = block.timestamp > convert(demand.deadline, uint256)
    assert not is_late, "verdict_demands: too late"

    self.sheets[id][kind] = SHOWN
    log IAttestationDemands.Answered(
        attestation_id=id, by=msg.sender, kind=kind, quote_hash=quote_hash
    )
    return demand.bond


@internal
def _end(id: bytes32, kind: IAttestationDemands.DemandKind):
    self.sheets[id][kind] = 0
