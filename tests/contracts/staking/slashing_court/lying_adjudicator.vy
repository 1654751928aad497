# pragma version 0.4.3
"""
@title An adjudicator that answers about another type of offence than it was asked for
@license AGPL-3.0-only
@author Apogee
"""
from contracts.interfaces import IAdjudicator


@view
@external
def adjudicate(offence: uint256, evidence: Bytes[4_096]) -> IAdjudicator.Finding:
    return IAdjudicator.Finding(
        offence=offence + 1,
        pool=abi_decode(slice(evidence, 0, 32), uint256),
        epoch=1,
        subject=empty(bytes32),
        amount=0,
        victim=empty(address),
        loss=0,
    )


@view
@external
def evidence_seconds(offence: uint256) -> uint256:
    return 864
