# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The audits there are
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an audit is entered once, and only its state, round, deadline, draw and verdict change afterwards.
@dev An audit's own id is the batch's number; a request's has the highest bit.
"""
from ..interfaces import IAuditCourt
from ..shared import constants as C

REQUEST_BIT: constant(uint256) = 2**255
LOW_64: constant(uint256) = 2**64 - 1
LOW_48: constant(uint256) = 2**48 - 1
LOW_32: constant(uint256) = 2**32 - 1
LOW_16: constant(uint256) = 2**16 - 1
LOW_8: constant(uint256) = 2**8 - 1
ROUND: constant(uint256) = 16
DRAWS: constant(uint256) = 24
WHOLE: constant(uint256) = 32
SILENT: constant(uint256) = 33
SUSPECT: constant(uint256) = 34
PAID: constant(uint256) = 35
EPOCH: constant(uint256) = 48
SEED_BLOCK: constant(uint256) = 80
DEADLINE: constant(uint256) = 128

# state 16, round 8, draws 8, flags 16, epoch 32, seed block 48, deadline 48, lowest first
sheets: HashMap[uint256, uint256]
verdicts: HashMap[uint256, uint256]  # failed 64, decided 64
left: HashMap[uint256, uint256]  # failed draws not convicted yet
seeds: HashMap[uint256, bytes32]
bundles: HashMap[uint256, bytes32]
batches: HashMap[uint256, uint256]  # of requests
points: HashMap[uint256, uint256]  # of requests
items: HashMap[uint256, uint256]  # of requests: batch << 6 | item
charged: HashMap[uint256, bool]  # batch << 6 | item: a request of it has cost a failed draw
requesters: HashMap[uint256, address]
challengers: HashMap[uint256, address]
pots: HashMap[uint256, uint256]  # wei: deposits and lost bonds, for the auditors
bonds: HashMap[uint256, uint256]  # wei, of challengers, undecided


# --- VIEWS


@external
@view
@reentrant
def audit(id: uint256) -> IAuditCourt.Audit:
    return IAuditCourt.Audit(
        state=self._state(id),
        batch=self._batch(id),
        round=self._round(id),
        draws=self._draws(id),
        is_whole=self._has(id, WHOLE),
        is_silent=self._has(id, SILENT),
        is_suspect=self._has(id, SUSPECT),
        epoch=self._epoch(id),
        seed_block=self._seed_block(id),
        deadline=self._deadline(id),
        seed=self.seeds[id],
        bundle=self.bundles[id],
        failed=self._failed(id),
        left=self.left[id],
        decided=self._decided(id),
        requester=self.requesters[id],
        point=self.points[id],
        challenger=self.challengers[id],
        pot=self.pots[id],
        bond=self.bonds[id],
    )


# --- INTERNAL


@internal
@pure
def _request_id(batch: uint256, point: uint256) -> uint256:
    return convert(keccak256(abi_encode(C.TAG_AUDIT, batch, point)), uint256) | REQUEST_BIT


@internal
@pure
def _is_request(id: uint256) -> bool:
    return id >= REQUEST_BIT


@internal
@view
def _batch(id: uint256) -> uint256:
    return self.batches[id] if self._is_request(id) else id


@internal
@view
def _state(id: uint256) -> IAuditCourt.AuditState:
    return convert(self.sheets[id] & LOW_16, IAuditCourt.AuditState)


@internal
@view
def _round(id: uint256) -> uint256:
    return (self.sheets[id] >> ROUND) & LOW_8


@internal
@view
def _draws(id: uint256) -> uint256:
    return (self.sheets[id] >> DRAWS) & LOW_8


@internal
@view
def _full(id: uint256) -> uint256:
    """
    @return A bit for each draw.
    """
    return (1 << self._draws(id)) - 1


@internal
@view
def _has(id: uint256, flag_: uint256) -> bool:
    return (self.sheets[id] >> flag_) & 1 == 1


@internal
@view
def _epoch(id: uint256) -> uint256:
    return (self.sheets[id] >> EPOCH) & LOW_32


@internal
@view
def _seed_block(id: uint256) -> uint256:
    return (self.sheets[id] >> SEED_BLOCK) & LOW_48


@internal
@view
def _deadline(id: uint256) -> uint256:
    return self.sheets[id] >> DEADLINE


@internal
@view
def _failed(id: uint256) -> uint256:
    return self.verdicts[id] & LOW_64


@internal
@view
def _decided(id: uint256) -> uint256:
    return self.verdicts[id] >> 64


@internal
def _enter(id: uint256, epoch: uint256, seed_block: uint256):
    self.sheets[id] = 1 << ROUND | epoch << EPOCH | seed_block << SEED_BLOCK


@internal
def _again(id: uint256, epoch: uint256, seed_block: uint256):
    """
    @dev The second round, drawn anew.
    """
    kept: uint256 = self.sheets[id] & ((1 << EPOCH) - 1) & ~(LOW_8 << ROUND)
    self.sheets[id] = kept | 2 << ROUND | epoch << EPOCH | seed_block << SEED_BLOCK


@internal
def _set_draws(id: uint256, draws: uint256):
    self.sheets[id] |= draws << DRAWS


@internal
def _flip(id: uint256, flag_: uint256):
    self.sheets[id] ^= 1 << flag_


@internal
def _move(id: uint256, state: IAuditCourt.AuditState, deadline: uint256):
    kept: uint256 = self.sheets[id] & ((1 << DEADLINE) - 1) & ~LOW_16
    self.sheets[id] = kept | convert(state, uint256) | deadline << DEADLINE
    log IAuditCourt.StateChanged(
        audit=id, batch=self._batch(id), state=state, failed=self._failed(id), deadline=deadline
    )


@internal
def _judge(id: uint256, failed: uint256, decided: uint256):
    self.verdicts[id] = failed | decided << 64


@internal
def _charge(id: uint256) -> bool:
    """
    @dev Count a request that failed against its item; whether one did before.
    """
    item: uint256 = self.items[id]
    was_charged: bool = self.charged[item]
    self.charged[item] = True
    return was_charged


@internal
@view
def _is_final(id: uint256) -> bool:
    state: IAuditCourt.AuditState = self._state(id)
    if state == IAuditCourt.AuditState.PUNISHED or state == IAuditCourt.AuditState.CLEARED:
        return True
    return state == IAuditCourt.AuditState.VOID
