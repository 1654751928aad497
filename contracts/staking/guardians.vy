# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Guardians' veto
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a veto passes exactly when `threshold` different members of the current set gave the same reason
        for the same case.
"""
from ..interfaces import ISlashingCourt
from ..shared import governed

uses: governed

MAX_GUARDIANS: constant(uint256) = 16

members: DynArray[address, MAX_GUARDIANS]
threshold: reentrant(public(uint256))
generation: uint256  # votes of an earlier set count for nothing
votes: HashMap[bytes32, uint256]  # bitmap of members by their place


@external
def set_guardians(members: DynArray[address, MAX_GUARDIANS], threshold: uint256):
    """
    @notice Replace the guardians. With none, every case runs its course.
    @param members Different accounts, strictly ascending.
    @param threshold How many must agree; 0 only without members.
    """
    governed._check_governance()
    assert threshold <= len(members), "guardians: threshold above members"
    assert (threshold == 0) == (len(members) == 0), "guardians: threshold is zero"
    last: uint160 = 0
    for member: address in members:
        number: uint160 = convert(member, uint160)
        assert number > last, "guardians: members not ascending"
        last = number

    self.members = members
    self.threshold = threshold
    self.generation += 1
    log ISlashingCourt.GuardiansChanged(members=members, threshold=threshold)


@external
@view
@reentrant
def guardian_set() -> DynArray[address, MAX_GUARDIANS]:
    return self.members


@internal
def _vote(offence_id: bytes32, reason: bytes32) -> bool:
    """@dev Whether this vote of msg.sender completes the veto."""
    place: uint256 = self._place(msg.sender)
    key: bytes32 = keccak256(abi_encode(offence_id, reason, self.generation))
    bits: uint256 = self.votes[key]
    assert (bits >> place) & 1 == 0, "guardians: voted already"

    bits |= 1 << place
    self.votes[key] = bits
    log ISlashingCourt.VetoVoted(offence_id=offence_id, guardian=msg.sender, reason=reason)
    return self._count(bits) >= self.threshold


@internal
@view
def _place(account: address) -> uint256:
    place: uint256 = 0
    for member: address in self.members:
        if member == account:
            return place
        place += 1
    raise "guardians: not a guardian"


@internal
@pure
def _count(bits: uint256) -> uint256:
    total: uint256 = 0
    for place: uint256 in range(MAX_GUARDIANS):
        total += (bits >> place) & 1
    return total
