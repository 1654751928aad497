# pragma version 0.4.3
"""
@title Which group a file goes to
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the beacon and the block after the submission name where the search begins; nobody knew either while the
        submission was sent, and only groups that cannot take the file are passed over.
"""
from ..interfaces import IRandomBeacon
from ..shared import block_history
from . import file_records
from . import group_terms
from . import integrals
from . import pricing
from . import profiles
from . import term_clock

uses: group_terms
uses: integrals
uses: term_clock

MAX_PROBES: constant(uint256) = 32  # groups that are looked at

BEACON: public(immutable(address))


@deploy
def __init__(beacon: address):
    assert beacon.is_contract, "placement: no contract"
    BEACON = beacon


@internal
@view
def _seed(id: bytes32, entry: file_records.Entry) -> uint256:
    """
    @dev Unknown to everybody while the submission is sent.
    """
    entropy: bytes32 = block_history._block_hash(entry.submitted_block + 1)
    assert entropy != empty(bytes32), "placement: no block hash"
    epoch: uint256 = term_clock._epoch_of(entry.submitted_at)
    randomness: bytes32 = staticcall IRandomBeacon(BEACON).randomness(epoch)
    return convert(keccak256(abi_encode(randomness, entropy, id)), uint256)


@internal
@view
def _find(entry: file_records.Entry, profile: uint256, seed: uint256) -> (uint256, uint256):
    """
    @dev The first listed group from the drawn one on that can take the file, and what it may cost there.
    """
    count: uint256 = group_terms.listed_count[profile]
    assert count != 0, "placement: no group"
    end: uint256 = term_clock._start_of(entry.end_epoch)
    seconds: uint256 = term_clock._seconds_to_leave(entry.end_epoch)
    for probe: uint256 in range(MAX_PROBES):
        if probe == count:
            break
        group: uint256 = group_terms.listed[profile][(seed % count + probe) % count]
        terms: group_terms.Terms = group_terms._terms(group)
        deposit: uint256 = pricing._in_wei(entry.bytes * terms.max_rate * seconds)
        if (
            deposit <= entry.deposit
            and terms.paid_seats >= profiles.RECEIPTS[profile]
            and end <= block.timestamp + terms.longest_epochs * term_clock.EPOCH
            and integrals._flow(group).taken + entry.bytes <= group_terms.CAPACITY
        ):
            return group, deposit
    raise "placement: no room"
