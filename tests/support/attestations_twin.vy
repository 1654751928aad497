# pragma version 0.4.3
"""
@title A registry of attestations, as a test of services needs it
@license AGPL-3.0-only
@author Apogee
@notice For tests only: says what it was told to say.
"""
from contracts.interfaces import IAttestationRegistry

lives: HashMap[address, IAttestationRegistry.Live]
spans: HashMap[bytes32, uint256[2]]
states: HashMap[bytes32, IAttestationRegistry.AttestationState]


@external
def set_live(signer: address, live: IAttestationRegistry.Live):
    self.lives[signer] = live


@external
@view
def live(signer: address, time: uint256) -> IAttestationRegistry.Live:
    return self.lives[signer]


@external
def set_stood(id: bytes32, first: uint256, last: uint256, state: IAttestationRegistry.AttestationState):
    """
    @notice Let an attestation have stood from a time to another.
    """
    self.spans[id] = [first, last]
    self.states[id] = state


@external
@view
def stood(attestation_id: bytes32, time: uint256) -> bool:
    span: uint256[2] = self.spans[attestation_id]
    return span[0] <= time and time <= span[1] and span[1] != 0


@external
@view
def verdict(attestation_id: bytes32) -> IAttestationRegistry.Record:
    record: IAttestationRegistry.Record = empty(IAttestationRegistry.Record)
    record.state = self.states[attestation_id]
    return record
