# pragma version 0.4.3
"""
@title A quorum without its absent signers
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is left is the whole quorum less exactly the signers that were left out, each once.
"""
from ..interfaces import IDASigners
from ..shared import bls12_381
from . import assignment
from . import quorum_table

uses: quorum_table

WORD_BITS: constant(uint256) = 256


struct Tally:
    count: uint256  # signers left out so far
    next_index: uint256  # the least that may be left out next
    slices: uint256
    key: Bytes[128]  # sum of their keys; empty while there are none
    bits: uint256[4]  # bit i: signer i is left out


@internal
@view
def _whole(quorum: uint256, quorum_id: uint256, seed: bytes32) -> IDASigners.Presence:
    return IDASigners.Presence(
        quorum_id=quorum_id,
        seed=seed,
        key=quorum_table._key(quorum),
        slices=assignment.N,
        operators=quorum_table.counts[quorum],
        absent=empty(uint256[4]),
    )


@internal
@view
def _leave_out(quorum: uint256, tally: Tally, entry: Bytes[quorum_table.ABSENT_BYTES]) -> Tally:
    """
    @dev One entry more; indices rise, so nobody is left out twice.
    """
    index: uint256 = 0
    slices: uint256 = 0
    key: Bytes[128] = b""
    index, slices, key = quorum_table._open_absent(quorum, entry)
    assert index >= tally.next_index, "da_signers: absent not rising"
    more: Tally = tally
    more.next_index = index + 1
    more.slices += slices
    more.key = key if tally.count == 0 else bls12_381._add(tally.key, key)
    more.count += 1
    more.bits[index // WORD_BITS] |= 1 << (index % WORD_BITS)
    return more


@internal
@view
def _less(whole: IDASigners.Presence, tally: Tally) -> IDASigners.Presence:
    if tally.count == 0:
        return whole
    rest: IDASigners.Presence = whole
    rest.operators -= tally.count
    rest.slices -= tally.slices
    rest.absent = tally.bits
    rest.key = bls12_381._add(whole.key, bls12_381._negate(tally.key))
    return rest


@internal
@pure
def _is_absent(bits: uint256[4], index: uint256) -> bool:
    return (bits[index // WORD_BITS] >> (index % WORD_BITS)) & 1 == 1
