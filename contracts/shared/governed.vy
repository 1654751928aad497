# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Governance with a two-step hand-over
@license AGPL-3.0-only
@author Apogee
@notice Invariant: governance moves only to an address that has accepted it itself.
@dev A deployable says `initializes: governed`, calls `governed.__init__(governance)` and exports
     `governed.governance, governed.pending_governance, governed.offer_governance,
     governed.accept_governance`. Guarded functions start with `governed._check_governance()`.
"""

event GovernanceOffered:
    governance: indexed(address)
    candidate: indexed(address)


event GovernanceAccepted:
    former: indexed(address)
    governance: indexed(address)


governance: reentrant(public(address))
pending_governance: reentrant(public(address))


@deploy
def __init__(governance: address):
    assert governance != empty(address), "governed: no governance"

    self.governance = governance
    log GovernanceAccepted(former=empty(address), governance=governance)


@external
def offer_governance(candidate: address):
    """
    @notice Name who may take over; the offer stands until it is accepted or replaced.
    @param candidate The next governance; the zero address withdraws the offer.
    """
    self._check_governance()

    self.pending_governance = candidate
    log GovernanceOffered(governance=self.governance, candidate=candidate)


@external
def accept_governance():
    """
    @notice Take over, as the candidate that governance has named.
    """
    assert msg.sender == self.pending_governance, "governed: not the candidate"

    former: address = self.governance
    self.governance = msg.sender
    self.pending_governance = empty(address)
    log GovernanceAccepted(former=former, governance=msg.sender)


@internal
@view
def _check_governance():
    assert msg.sender == self.governance, "governed: not governance"
