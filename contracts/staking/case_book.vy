# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The cases of the court
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an offence id is entered once, moves EXECUTED | PENDING | QUEUED -> CLOSED | VETOED, and a final
        case never changes.
@dev A case that closes at once fills one slot; an open one two, and two more when somebody has a loss.
"""
from ..interfaces import ISlashingCourt
from ..shared import constants as C

# bits of an entry, lowest first: reporter 160, pool 40, epoch 32, offence 16, state 8
SHIFT_POOL: constant(uint256) = 160
SHIFT_EPOCH: constant(uint256) = 200
SHIFT_OFFENCE: constant(uint256) = 232
SHIFT_STATE: constant(uint256) = 248
# bits of the sheet of an open case: opened at 40, reporter's share 16, left 100, taken 100
SHIFT_SHARE: constant(uint256) = 40
SHIFT_LEFT: constant(uint256) = 56
SHIFT_TAKEN: constant(uint256) = 156

entries: HashMap[bytes32, uint256]
sheets: HashMap[bytes32, uint256]
victims: HashMap[bytes32, address]
losses: HashMap[bytes32, uint256]


@external
@view
@reentrant
def case_of(offence_id: bytes32) -> ISlashingCourt.Case:
    return self._read(offence_id)


@external
@view
@reentrant
def offence_id_of(offence: uint256, pool: uint256, subject: bytes32) -> bytes32:
    return self._id(offence, pool, subject)


@internal
@view
def _id(offence: uint256, pool: uint256, subject: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_OFFENCE, chain.id, self, offence, pool, subject))


@internal
@view
def _is_known(offence_id: bytes32) -> bool:
    return self.entries[offence_id] != 0


@internal
@view
def _read(offence_id: bytes32) -> ISlashingCourt.Case:
    entry: uint256 = self.entries[offence_id]
    sheet: uint256 = self.sheets[offence_id]
    return ISlashingCourt.Case(
        state=convert(entry >> SHIFT_STATE, ISlashingCourt.CaseState),
        offence=(entry >> SHIFT_OFFENCE) & 65_535,
        pool=(entry >> SHIFT_POOL) & (2**40 - 1),
        epoch=(entry >> SHIFT_EPOCH) & (2**32 - 1),
        reporter=convert(entry & (2**160 - 1), address),
        taken=sheet >> SHIFT_TAKEN,
        left=(sheet >> SHIFT_LEFT) & (2**100 - 1),
        reporter_bps=(sheet >> SHIFT_SHARE) & 65_535,
        opened_at=sheet & (2**40 - 1),
        victim=self.victims[offence_id],
        loss=self.losses[offence_id],
    )


@internal
@view
def _read_waiting(offence_id: bytes32) -> ISlashingCourt.Case:
    case: ISlashingCourt.Case = self._read(offence_id)
    waiting: ISlashingCourt.CaseState = ISlashingCourt.CaseState.PENDING | ISlashingCourt.CaseState.QUEUED
    assert case.state in waiting, "court: nothing waits"
    return case


@internal
def _enter_closed(offence_id: bytes32, case: ISlashingCourt.Case):
    self._write_entry(offence_id, case, ISlashingCourt.CaseState.CLOSED)
    log ISlashingCourt.CaseClosed(offence_id=offence_id, state=ISlashingCourt.CaseState.CLOSED)


@internal
def _write_open(offence_id: bytes32, case: ISlashingCourt.Case):
    self._write_entry(offence_id, case, case.state)
    sheet: uint256 = case.opened_at | case.reporter_bps << SHIFT_SHARE
    self.sheets[offence_id] = sheet | case.left << SHIFT_LEFT | case.taken << SHIFT_TAKEN
    if self.losses[offence_id] != case.loss:
        self.victims[offence_id] = case.victim
        self.losses[offence_id] = case.loss


@internal
def _close(offence_id: bytes32, case: ISlashingCourt.Case, state: ISlashingCourt.CaseState):
    self._write_entry(offence_id, case, state)
    self.sheets[offence_id] = 0
    if case.victim != empty(address):
        self.victims[offence_id] = empty(address)
        self.losses[offence_id] = 0
    log ISlashingCourt.CaseClosed(offence_id=offence_id, state=state)


@internal
def _write_entry(offence_id: bytes32, case: ISlashingCourt.Case, state: ISlashingCourt.CaseState):
    entry: uint256 = convert(case.reporter, uint256) | case.pool << SHIFT_POOL | case.epoch << SHIFT_EPOCH
    entry |= case.offence << SHIFT_OFFENCE
    self.entries[offence_id] = entry | convert(state, uint256) << SHIFT_STATE
