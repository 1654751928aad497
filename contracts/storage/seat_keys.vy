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
MAX_ABSENT_BYTES: constant(uint256) = 16 * KEY_BYTES

sums: HashMap[uint256, uint256[3]]
key_epochs: HashMap[uint256, uint256]  # group << 32 | operator id -> epoch


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
    registry: address,
) -> uint256:
    """
    @return Seats that signed.
    """
    assert absent >> seats == 0, "seat_keys: no such seat"
    gone: Bytes[128] = b""
    signed: uint256 = seats
    offset: uint256 = 0  # in the keys shown
    rest: uint256 = absent | vacant
    for seat: uint256 in range(seats, bound=MAX_SEATS):
        if rest >> seat == 0:
            break
        if (rest >> seat) & 1 == 0:
            continue
        signed -= 1
        if (absent >> seat) & 1 == 0:
            continue
        assert offset < len(absent_keys), "seat_keys: key missing"
        if (vacant >> seat) & 1 == 0:  # the sum of the others lacks a vacant seat's key already
            key: Bytes[128] = concat(
                empty(bytes16),
                slice(absent_keys, offset, 48),
                empty(bytes16),
                slice(absent_keys, offset + 48, 48),
            )
            self._check_owner(group, seat, keccak256(key), registry)
            gone = key if len(gone) == 0 else bls12_381._add(gone, key)
        offset += KEY_BYTES
    assert offset == len(absent_keys), "seat_keys: key left over"
    assert signed >= needed and signed > 0, "seat_keys: too few seats"

    sum: Bytes[128] = self._sum(group)
    if len(gone) != 0:
        sum = bls12_381._add(sum, bls12_381._negate(gone))
    valid: bool = bls12_381._verify(sum, digest, bls12_381.DST_SIGNATURE, signature)
    assert valid, "seat_keys: wrong signature"
    return signed


@internal
@view
def _check_owner(group: uint256, seat: uint256, key_hash: bytes32, registry: address):
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = seat_book._seat(group, seat)
    owner: uint256 = staticcall IOperatorRegistry(registry).operator_of_key(key_hash)
    assert owner == operator_id, "seat_keys: key of another"
