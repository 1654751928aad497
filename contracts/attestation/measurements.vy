# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Measured code that may be vouched for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an entry is added by governance only, never changes, and ends for ever when it is taken off; a verdict
        rests on one entry.
"""
from ..interfaces import IAttestationRegistry
from ..shared import governed

uses: governed

REGISTERS: constant(uint256) = 192  # mr_td, rtmr0, rtmr1, rtmr2
CLASSES: constant(uint8) = 5
WORST_STATUS: constant(uint8) = 2  # SWHardeningNeeded
DEBUG: constant(uint256) = 2**56  # bit 0 of the first byte
LOW_64: constant(uint256) = 2**64 - 1
LOW_34: constant(uint256) = 2**34 - 1  # seconds until the year 2514
# bits of a sheet, lowest first: attributes 64, xfam 64, class 3, status 2, gpu 1, valid until 34, listed at 34,
# delisted at 34, number 20
SHIFT_XFAM: constant(uint256) = 64
SHIFT_CLASS: constant(uint256) = 128
SHIFT_STATUS: constant(uint256) = 131
SHIFT_GPU: constant(uint256) = 133
SHIFT_VALID: constant(uint256) = 134
SHIFT_LISTED: constant(uint256) = 168
SHIFT_DELISTED: constant(uint256) = 202
SHIFT_NUMBER: constant(uint256) = 236

guardian: reentrant(public(address))  # zero: nobody
measurement_count: reentrant(public(uint256))
newest: HashMap[bytes32, uint256]  # the sheet of its newest entry, so that a verdict reads one slot
sheets: HashMap[uint256, uint256]
ids: HashMap[uint256, bytes32]
images: HashMap[uint256, bytes32]
composes: HashMap[uint256, bytes32]


# --- GOVERNANCE


@external
def list_measurement(
    registers: Bytes[REGISTERS],
    os_image: bytes32,
    compose_hash: bytes32,
    measurement_class: uint8,
    td_attributes: bytes8,
    xfam: bytes8,
    max_status: uint8,
    needs_gpu: bool,
    valid_until: uint64,
) -> bytes32:
    """
    @notice Let relayers vouch for this code, under exactly these attributes.
    @param registers mr_td, rtmr0, rtmr1, rtmr2.
    @param compose_hash sha256 of the compose text.
    @param max_status Worst TCB status that passes: 1 UpToDate, 2 SWHardeningNeeded.
    @return The measurement's id.
    """
    governed._check_governance()
    assert len(registers) == REGISTERS, "measurements: not 192 bytes"
    assert measurement_class != 0 and measurement_class <= CLASSES, "measurements: no such class"
    assert max_status != 0 and max_status <= WORST_STATUS, "measurements: status too low"
    attributes: uint256 = convert(td_attributes, uint256)
    assert attributes & DEBUG == 0, "measurements: debug"
    until: uint256 = convert(valid_until, uint256)
    assert block.timestamp < until and until <= LOW_34, "measurements: ends too soon or late"
    id: bytes32 = keccak256(concat(registers, os_image, compose_hash))
    assert not self._is_listed(self.newest[id], block.timestamp), "measurements: listed already"

    number: uint256 = self.measurement_count + 1
    assert number < 2**20  # dev: twenty bits
    self.measurement_count = number
    sheet: uint256 = attributes | convert(xfam, uint256) << SHIFT_XFAM
    sheet |= convert(measurement_class, uint256) << SHIFT_CLASS
    sheet |= convert(max_status, uint256) << SHIFT_STATUS | convert(needs_gpu, uint256) << SHIFT_GPU
    sheet |= until << SHIFT_VALID | block.timestamp << SHIFT_LISTED
    self._put(id, number, sheet)
    self.ids[number] = id
    self.images[number] = os_image
    self.composes[number] = compose_hash
    log IAttestationRegistry.MeasurementListed(measurement_id=id, number=number, entry=self._entry(number))
    return id


@external
def set_guardian(guardian: address):
    """
    @notice Name who else may take measurements off the list; the zero address for nobody.
    """
    governed._check_governance()

    self.guardian = guardian
    log IAttestationRegistry.GuardianChanged(guardian=guardian)


# --- GOVERNANCE OR GUARDIAN


@external
def delist_measurement(measurement_id: bytes32):
    """
    @notice End an entry, at once, and with it every verdict that rests on it.
    """
    is_guardian: bool = msg.sender == self.guardian and msg.sender != empty(address)
    assert is_guardian or msg.sender == governed.governance, "measurements: not the guardian"
    sheet: uint256 = self.newest[measurement_id]
    is_ended: bool = (sheet >> SHIFT_DELISTED) & LOW_34 != 0
    assert sheet != 0 and not is_ended, "measurements: not listed"

    number: uint256 = sheet >> SHIFT_NUMBER
    self._put(measurement_id, number, sheet | block.timestamp << SHIFT_DELISTED)
    log IAttestationRegistry.MeasurementDelisted(
        measurement_id=measurement_id, number=number, by=msg.sender
    )


# --- VIEWS


@external
@view
@reentrant
def measurement(measurement_id: bytes32) -> IAttestationRegistry.Measurement:
    return self._entry(self.newest[measurement_id] >> SHIFT_NUMBER)


@external
@view
@reentrant
def measurement_at(number: uint256) -> IAttestationRegistry.Measurement:
    return self._entry(number)


# --- INTERNAL


@internal
@pure
def _is_listed(sheet: uint256, time: uint256) -> bool:
    """
    @dev Whether an entry holds at a time.
    """
    if sheet == 0 or time > (sheet >> SHIFT_VALID) & LOW_34:
        return False
    ended: uint256 = (sheet >> SHIFT_DELISTED) & LOW_34
    return ended == 0 or time < ended


@internal
@view
def _class(number: uint256) -> uint8:
    return convert((self.sheets[number] >> SHIFT_CLASS) & 7, uint8)


@internal
@view
def _check_listed(verdict: IAttestationRegistry.Verdict) -> uint256:
    """
    @dev The number of the entry that the verdict rests on.
    """
    sheet: uint256 = self.newest[verdict.measurement_id]
    assert self._is_listed(sheet, block.timestamp), "measurements: not listed"
    until: uint256 = (sheet >> SHIFT_VALID) & LOW_34
    assert convert(verdict.not_after, uint256) <= until, "measurements: ends before"
    status: uint256 = convert(verdict.tcb_status, uint256)
    assert status != 0 and status <= (sheet >> SHIFT_STATUS) & 3, "measurements: status refused"
    has_gpu: bool = verdict.gpu_hash != empty(bytes32)
    assert has_gpu or (sheet >> SHIFT_GPU) & 1 == 0, "measurements: no gpu evidence"
    return sheet >> SHIFT_NUMBER


@internal
@view
def _ended_at(number: uint256) -> uint256:
    """
    @dev When an entry was taken off; 0: never.
    """
    return (self.sheets[number] >> SHIFT_DELISTED) & LOW_34


@internal
def _put(id: bytes32, number: uint256, sheet: uint256):
    numbered: uint256 = sheet & (2**SHIFT_NUMBER - 1) | number << SHIFT_NUMBER
    self.sheets[number] = numbered
    self.newest[id] = numbered


@internal
@view
def _entry(number: uint256) -> IAttestationRegistry.Measurement:
    sheet: uint256 = self.sheets[number]
    return IAttestationRegistry.Measurement(
        measurement_id=self.ids[number],
        os_image=self.images[number],
        compose_hash=self.composes[number],
        measurement_class=convert((sheet >> SHIFT_CLASS) & 7, uint8),
        td_attributes=convert(convert(sheet & LOW_64, uint64), bytes8),
        xfam=convert(convert((sheet >> SHIFT_XFAM) & LOW_64, uint64), bytes8),
        max_status=convert((sheet >> SHIFT_STATUS) & 3, uint8),
        needs_gpu=(sheet >> SHIFT_GPU) & 1 == 1,
        valid_until=convert((sheet >> SHIFT_VALID) & LOW_34, uint64),
        listed_at=convert((sheet >> SHIFT_LISTED) & LOW_34, uint64),
        delisted_at=convert((sheet >> SHIFT_DELISTED) & LOW_34, uint64),
    )
