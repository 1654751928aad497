# pragma version 0.4.3
"""
@title Sums of the keys of a group
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a group's sum holds the key of every seat that is not vacant, once a seat, each proven by its operator.
@dev Of an operator with several seats in a group every seat counts the same key: that of `key_epochs`, or of the group's
     seed epoch where that is 0.
     Whoever is absent is subtracted by a key shown in the call. Any key that his operator has ever proven is sound: what
     is left is the keys of all others plus something whose secret he alone knows, so nobody signs for another.
"""
from ..interfaces import IOperatorRegistry
from ..shared import bls12_381
from ..shared import g1_words
from . import seat_book

uses: seat_book

MAX_SEATS: constant(uint256) = 48
KEY_BYTES: constant(uint256) = 96  # x and y, 48 bytes each
MAX_ABSENT: constant(uint256) = 16
MAX_ABSENT_BYTES: constant(uint256) = MAX_ABSENT * KEY_BYTES
HALF: constant(uint256) = 2**128 - 1
ALL: constant(uint256) = 2**64 - 1
PAIRS: constant(uint256) = ALL // 3  # every other bit
FOURS: constant(uint256) = ALL // 5
BYTES: constant(uint256) = ALL // 17
ONES: constant(uint256) = ALL // 255
LOW_8: constant(uint256) = 2**8 - 1

REGISTRY: immutable(address)

sums: HashMap[uint256, uint256[3]]
key_epochs: HashMap[uint256, uint256]  # group << 32 | operator id -> epoch


@deploy
def __init__(registry: address):
    REGISTRY = registry


@internal
@view
def _sum(group: uint256) -> Bytes[128]:
    return g1_words._unpack(self.sums[group])


@internal
def _put_sum(group: uint256, sum: Bytes[128]):
    self.sums[group] = g1_words._pack(sum)


@internal
def _add(group: uint256, key: Bytes[128]):
    self._put_sum(group, bls12_381._add(self._sum(group), key))


@internal
@view
def _key_epoch(group: uint256, operator_id: uint256, seed_epoch: uint256) -> uint256:
    epoch: uint256 = self.key_epochs[group << 32 | operator_id]
    return seed_epoch if epoch == 0 else epoch


@internal
def _include(group: uint256, operator_id: uint256, epoch: uint256, key: Bytes[128]):
    """
    @param epoch Whose key it is.
    """
    self._add(group, key)
    self.key_epochs[group << 32 | operator_id] = epoch


@internal
def _exclude(group: uint256, key: Bytes[128]):
    self._put_sum(group, bls12_381._add(self._sum(group), bls12_381._negate(key)))


@internal
def _replace(group: uint256, operator_id: uint256, epoch: uint256, former: Bytes[128], key: Bytes[128], times: uint256):
    """
    @dev The operator's key of `epoch` takes the place of its former one in all its seats.
    """
    change: Bytes[128] = bls12_381._add(key, bls12_381._negate(former))
    sum: Bytes[128] = self._sum(group)
    for _: uint256 in range(times, bound=MAX_SEATS):
        sum = bls12_381._add(sum, change)
    self._put_sum(group, sum)
    self.key_epochs[group << 32 | operator_id] = epoch


@internal
@view
def _check_quorum(
    group: uint256,
    seats: uint256,
    vacant: uint256,
    absent: uint256,
    digest: bytes32,
    signature: Bytes[256],
    needed: uint256,
    absent_keys: Bytes[MAX_ABSENT_BYTES],
) -> uint256:
    """
    @return Seats that signed.
    """
    assert absent >> seats == 0, "seat_keys: no such seat"
    signed: uint256 = seats
    if absent | vacant != 0:
        signed -= self._ones(absent | vacant)
    assert signed >= needed and signed > 0, "seat_keys: too few seats"

    sum: Bytes[128] = self._sum(group)
    if absent != 0:
        gone: Bytes[128] = self._gone(group, absent, vacant, absent_keys)
        if len(gone) != 0:
            sum = raw_call(
                bls12_381.G1_ADD,
                concat(sum, bls12_381._negate(gone)),
                max_outsize=128,
                gas=bls12_381.G1_ADD_GAS,
                is_static_call=True,
            )
    else:
        assert len(absent_keys) == 0, "seat_keys: key left over"
    valid: bool = bls12_381._verify(sum, digest, bls12_381.DST_SIGNATURE, signature)
    assert valid, "seat_keys: wrong signature"
    return signed


@internal
@view
def _gone(group: uint256, absent: uint256, vacant: uint256, keys: Bytes[MAX_ABSENT_BYTES]) -> Bytes[128]:
    """
    @return Sum of the keys of absent seats that the group's sum holds; nothing when there is none.
    """
    gone: Bytes[128] = b""
    left: uint256 = absent
    offset: uint256 = 0
    for _: uint256 in range(MAX_ABSENT):
        assert offset < len(keys), "seat_keys: key missing"
        bit: uint256 = left & unsafe_sub(0, left)  # the lowest
        left ^= bit
        if bit & vacant == 0:  # else the sum lacks its key already
            first: uint256 = extract32(keys, offset, output_type=uint256)
            second: uint256 = extract32(keys, unsafe_add(offset, 32), output_type=uint256)
            key: Bytes[128] = concat(
                convert(first >> 128, bytes32),
                convert(first << 128 | second >> 128, bytes32),
                convert(second & HALF, bytes32),
                extract32(keys, unsafe_add(offset, 64)),
            )
            owner: uint256 = staticcall IOperatorRegistry(REGISTRY).operator_of_key(keccak256(key))
            assert owner == seat_book._operator(group, self._ones(unsafe_sub(bit, 1))), "seat_keys: key of another"
            if len(gone) == 0:
                gone = key
            else:
                gone = raw_call(
                    bls12_381.G1_ADD,
                    concat(gone, key),
                    max_outsize=128,
                    gas=bls12_381.G1_ADD_GAS,
                    is_static_call=True,
                )
        offset = unsafe_add(offset, KEY_BYTES)
        if left == 0:
            break
    assert left == 0, "seat_keys: key missing"
    assert offset == len(keys), "seat_keys: key left over"
    return gone


@internal
@pure
def _ones(bits: uint256) -> uint256:
    """
    @return How many of the lower 64 bits are set: sums of pairs, of fours, of bytes, of all.
    """
    pairs: uint256 = unsafe_sub(bits, (bits >> 1) & PAIRS)
    fours: uint256 = unsafe_add(pairs & FOURS, (pairs >> 2) & FOURS)
    bytes_: uint256 = unsafe_add(fours, fours >> 4) & BYTES
    return unsafe_mul(bytes_, ONES) >> 56 & LOW_8
