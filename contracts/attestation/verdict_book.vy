# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Verdicts that were registered
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a piece of evidence makes one record for ever, a key rests on one record at a time, and nothing makes
        an ended record live again.
@dev A record is one slot. Whether it is live is computed when read, from it and from what it rests on.
"""
from ..interfaces import IAttestationRegistry
from . import measurements
from . import notices

uses: measurements
uses: notices

BROKER: constant(uint8) = 1
MODEL: constant(uint8) = 2
BROKER_IN_TEE: constant(uint8) = 2
MODEL_IN_TEE: constant(uint8) = 3
IS_SIMULATED: constant(uint256) = 1
IS_REVOKED: constant(uint256) = 2
IS_VOID: constant(uint256) = 4
# bits of a sheet, lowest first: flags 3, seats 5, status 3, evaluation 32, entry 20, epoch 28, registered at 34,
# not after 34, upper 96 of the collateral hash
SHIFT_SEATS: constant(uint256) = 3
SHIFT_STATUS: constant(uint256) = 8
SHIFT_EVALUATION: constant(uint256) = 11
SHIFT_ENTRY: constant(uint256) = 43
SHIFT_EPOCH: constant(uint256) = 63
SHIFT_REGISTERED: constant(uint256) = 91
SHIFT_NOT_AFTER: constant(uint256) = 125
SHIFT_COLLATERAL: constant(uint256) = 159
LOW_5: constant(uint256) = 2**5 - 1
LOW_20: constant(uint256) = 2**20 - 1
LOW_28: constant(uint256) = 2**28 - 1
LOW_32: constant(uint256) = 2**32 - 1
LOW_34: constant(uint256) = 2**34 - 1

sheets: HashMap[bytes32, uint256]
attestation_of: reentrant(public(HashMap[bytes32, bytes32]))  # evidence id -> attestation id
newest: HashMap[address, bytes32]  # signing key -> attestation id
services: HashMap[address, bytes32]


# --- VIEWS


@external
@view
@reentrant
def live(signer: address, time: uint256) -> IAttestationRegistry.Live:
    """
    @notice What a signing key ran at a time, by the newest verdict on it; all zero where that was not live.
    """
    id: bytes32 = self.newest[signer]
    sheet: uint256 = self.sheets[id]
    if not self._stood(sheet, time):
        return empty(IAttestationRegistry.Live)
    until: uint256 = min(self._not_after(sheet), notices._binds_on(self._evaluation(sheet)) - 1)
    return IAttestationRegistry.Live(
        attestation_id=id,
        measurement_class=measurements._class(self._entry(sheet)),
        simulated=sheet & IS_SIMULATED != 0,
        until=convert(until, uint64),
        service=self.services[signer],
    )


@external
@view
@reentrant
def level(signer: address, time: uint256) -> uint8:
    """
    @notice How far a key's answers can be verified, by its evidence alone: 0, 2 BROKER_IN_TEE, 3 MODEL_IN_TEE.
    """
    sheet: uint256 = self.sheets[self.newest[signer]]
    if not self._stood(sheet, time):
        return 0
    measurement_class: uint8 = measurements._class(self._entry(sheet))
    if measurement_class == MODEL:
        return MODEL_IN_TEE
    return BROKER_IN_TEE if measurement_class == BROKER else 0


@external
@view
@reentrant
def stood(attestation_id: bytes32, time: uint256) -> bool:
    """
    @notice Whether an attestation was live at a time, renewed since or not. What is void never was.
    """
    return self._stood(self.sheets[attestation_id], time)


@external
@view
@reentrant
def verdict(attestation_id: bytes32) -> IAttestationRegistry.Record:
    """
    @notice What is kept of a verdict; all zero where there is none.
    """
    sheet: uint256 = self.sheets[attestation_id]
    if sheet == 0:
        return empty(IAttestationRegistry.Record)
    return IAttestationRegistry.Record(
        state=self._state(sheet),
        measurement=convert(self._entry(sheet), uint32),
        measurement_class=measurements._class(self._entry(sheet)),
        simulated=sheet & IS_SIMULATED != 0,
        tcb_status=convert((sheet >> SHIFT_STATUS) & 7, uint8),
        tcb_eval_number=convert(self._evaluation(sheet), uint32),
        epoch=convert(self._epoch(sheet), uint64),
        seats=convert(self._seats(sheet), uint8),
        registered_at=convert(self._registered_at(sheet), uint64),
        not_after=convert(self._not_after(sheet), uint64),
    )


# --- INTERNAL


@internal
def _enter(
    id: bytes32,
    verdict: IAttestationRegistry.Verdict,
    entry: uint256,
    epoch: uint256,
    seats: uint256,
    simulated: bool,
):
    assert self.attestation_of[verdict.evidence_id] == empty(bytes32), "verdict_book: evidence is used"
    not_after: uint256 = convert(verdict.not_after, uint256)

    sheet: uint256 = seats << SHIFT_SEATS | convert(verdict.tcb_status, uint256) << SHIFT_STATUS
    if simulated:
        sheet |= IS_SIMULATED
    sheet |= convert(verdict.tcb_eval_number, uint256) << SHIFT_EVALUATION | entry << SHIFT_ENTRY
    sheet |= epoch << SHIFT_EPOCH | block.timestamp << SHIFT_REGISTERED | not_after << SHIFT_NOT_AFTER
    self.sheets[id] = sheet | notices._kept(verdict.collateral_hash) << SHIFT_COLLATERAL
    self.attestation_of[verdict.evidence_id] = id
    self.newest[verdict.signer] = id
    if self.services[verdict.signer] != verdict.service_id:
        self.services[verdict.signer] = verdict.service_id


@internal
def _revoke(id: bytes32):
    """
    @dev By the key of which it is the newest record. It was live until this block.
    """
    sheet: uint256 = self.sheets[id]
    assert id != empty(bytes32) and self.newest[msg.sender] == id, "verdict_book: not your newest"
    assert sheet & (IS_REVOKED | IS_VOID) == 0, "verdict_book: ended already"

    not_after: uint256 = min(self._not_after(sheet), block.timestamp - 1)
    sheet = sheet & ~(LOW_34 << SHIFT_NOT_AFTER) | not_after << SHIFT_NOT_AFTER
    self.sheets[id] = sheet | IS_REVOKED
    log IAttestationRegistry.Revoked(attestation_id=id, signer=msg.sender)


@internal
def _void(id: bytes32) -> uint256:
    """
    @return The record as it is now.
    """
    sheet: uint256 = self.sheets[id]
    assert sheet != 0, "verdict_book: no such verdict"
    assert sheet & IS_VOID == 0, "verdict_book: void already"

    self.sheets[id] = sheet | IS_VOID
    return sheet | IS_VOID


@internal
@view
def _stood(sheet: uint256, time: uint256) -> bool:
    if sheet == 0 or sheet & IS_VOID != 0:
        return False
    if time < self._registered_at(sheet) or time > self._not_after(sheet):
        return False
    if not measurements._is_listed(measurements.sheets[self._entry(sheet)], time):
        return False
    if notices._is_revoked(sheet >> SHIFT_COLLATERAL, time):
        return False
    return self._evaluation(sheet) >= notices._least(time)


@internal
@view
def _state(sheet: uint256) -> IAttestationRegistry.AttestationState:
    if sheet & IS_VOID != 0:
        return IAttestationRegistry.AttestationState.VOID
    is_revoked: bool = notices._is_revoked(sheet >> SHIFT_COLLATERAL, block.timestamp)
    if sheet & IS_REVOKED != 0 or measurements._ended_at(self._entry(sheet)) != 0 or is_revoked:
        return IAttestationRegistry.AttestationState.REVOKED
    if block.timestamp > self._not_after(sheet):
        return IAttestationRegistry.AttestationState.EXPIRED
    binds_on: uint256 = notices._binds_on(self._evaluation(sheet))
    if block.timestamp >= binds_on:
        return IAttestationRegistry.AttestationState.SUSPENDED
    if binds_on != max_value(uint256):
        return IAttestationRegistry.AttestationState.GRACE
    return IAttestationRegistry.AttestationState.LIVE


@internal
@pure
def _seats(sheet: uint256) -> uint256:
    return (sheet >> SHIFT_SEATS) & LOW_5


@internal
@pure
def _evaluation(sheet: uint256) -> uint256:
    return (sheet >> SHIFT_EVALUATION) & LOW_32


@internal
@pure
def _entry(sheet: uint256) -> uint256:
    return (sheet >> SHIFT_ENTRY) & LOW_20


@internal
@pure
def _epoch(sheet: uint256) -> uint256:
    return (sheet >> SHIFT_EPOCH) & LOW_28


@internal
@pure
def _registered_at(sheet: uint256) -> uint256:
    return (sheet >> SHIFT_REGISTERED) & LOW_34


@internal
@pure
def _not_after(sheet: uint256) -> uint256:
    return (sheet >> SHIFT_NOT_AFTER) & LOW_34
