# pragma version 0.4.3
"""
@title What audits have said of a service
@license AGPL-3.0-only
@author Apogee
@notice Invariant: only decided draws of batches count, each for six to seven sevenths of the window.
"""
from ..interfaces import IAuditView

PARTS: constant(uint256) = 7  # a window of seven days counts by the day
MIN_CLEARED: constant(uint256) = 30  # as ServiceRegistry wants for AUDITED

PART: immutable(uint256)  # seconds

cleared: HashMap[bytes32, HashMap[uint256, uint256]]  # service, part: draws
open_fails: HashMap[bytes32, uint256]  # audits
failed_until: HashMap[bytes32, uint256]  # seconds


@deploy
def __init__(window: uint256):
    assert window >= PARTS, "track_record: window too short"

    PART = window // PARTS


@internal
def _clear(service: bytes32, draws: uint256):
    self.cleared[service][block.timestamp // PART] += draws


@internal
def _suspect(service: bytes32):
    self.open_fails[service] += 1


@internal
def _settle(service: bytes32):
    self.open_fails[service] -= 1


@internal
def _fail(service: bytes32):
    self.failed_until[service] = block.timestamp + PART * PARTS


@internal
@view
def _standing(service: bytes32) -> IAuditView.Standing:
    now: uint256 = block.timestamp // PART
    draws: uint256 = 0
    until: uint256 = 0
    for back: uint256 in range(PARTS):
        if back > now:
            break
        draws += self.cleared[service][now - back]
        if until == 0 and draws >= MIN_CLEARED:
            until = (now - back + PARTS) * PART
    return IAuditView.Standing(
        cleared=convert(draws, uint32),
        open_cases=convert(self.open_fails[service], uint32),
        failed_until=convert(self.failed_until[service], uint64),
        until=convert(until, uint64),
    )
