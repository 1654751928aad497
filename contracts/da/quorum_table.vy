# pragma version 0.4.3
"""
@title The slots and keys of a quorum
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the signers of a finished quorum hold consecutive ranges that begin at 0 and end at N, each of at
        least one slot, and the quorum's key is the sum of their keys.
@dev A signer takes two slots: its packed range and the hash of its key. Whoever subtracts a key brings it along,
     which is cheaper to check than to store. A quorum's key takes three: x and y have 48 bytes each.
"""
from ..interfaces import IDASigners
from ..shared import bls12_381
from . import assignment

MAX_SIGNERS: constant(uint256) = 1_024  # of one quorum; 1,023 members still make one quorum
MAX_ABSENT: constant(uint256) = 340  # a third of them
ABSENT_BYTES: constant(uint256) = 98  # index 2, x 48, y 48
SEARCH_STEPS: constant(uint256) = 10  # 2^10 = MAX_SIGNERS
HALF: constant(uint256) = 128
LOW_HALF: constant(uint256) = 2**128 - 1


struct SignerSlot:
    packed: uint256  # operator id << 32 | first slot << 16 | end slot
    key_hash: bytes32


struct KeySlots:
    high: uint256  # upper 16 bytes of x, then of y
    x_low: bytes32
    y_low: bytes32


signers: HashMap[uint256, SignerSlot[MAX_SIGNERS]]  # quorum key -> range by range
counts: HashMap[uint256, uint256]  # quorum key -> signers, 0 until the quorum is finished
keys: HashMap[uint256, KeySlots]  # quorum key -> sum of the signers' keys


@pure
@internal
def _quorum_key(table: uint256, quorum_id: uint256) -> uint256:
    return (table << 32) | quorum_id


@internal
def _append(quorum: uint256, index: uint256, signer: IDASigners.Signer):
    packed: uint256 = (signer.operator_id << 32) | (signer.first_slot << 16) | signer.end_slot
    self.signers[quorum][index] = SignerSlot(packed=packed, key_hash=signer.key_hash)


@view
@internal
def _signer(quorum: uint256, index: uint256) -> IDASigners.Signer:
    assert index < self.counts[quorum], "quorum_table: no such signer"
    slot: SignerSlot = self.signers[quorum][index]
    return IDASigners.Signer(
        operator_id=slot.packed >> 32,
        first_slot=(slot.packed >> 16) & 65_535,
        end_slot=slot.packed & 65_535,
        key_hash=slot.key_hash,
    )


@internal
def _set_key(quorum: uint256, key: Bytes[128]):
    x_high: uint256 = convert(slice(key, 0, 32), uint256)
    y_high: uint256 = convert(slice(key, 64, 32), uint256)
    self.keys[quorum] = KeySlots(
        high=(x_high << HALF) | y_high,
        x_low=convert(slice(key, 32, 32), bytes32),
        y_low=convert(slice(key, 96, 32), bytes32),
    )


@view
@internal
def _key(quorum: uint256) -> Bytes[128]:
    slots: KeySlots = self.keys[quorum]
    return concat(
        convert(slots.high >> HALF, bytes32),
        slots.x_low,
        convert(slots.high & LOW_HALF, bytes32),
        slots.y_low,
    )


@view
@internal
def _owner_of_slot(quorum: uint256, slot: uint256) -> uint256:
    """
    @dev Binary search for the first range that ends behind `slot`.
    """
    low: uint256 = 0
    high: uint256 = self.counts[quorum]
    assert high > 0 and slot < assignment.N, "quorum_table: no such slot"
    for _: uint256 in range(SEARCH_STEPS):
        if high - low <= 1:
            break
        middle: uint256 = (low + high) // 2
        if (self.signers[quorum][middle].packed >> 16) & 65_535 <= slot:
            low = middle
        else:
            high = middle
    return self.signers[quorum][low].packed >> 32


@view
@internal
def _without(quorum: uint256, absent: Bytes[ABSENT_BYTES * MAX_ABSENT]) -> (Bytes[128], uint256, uint256):
    """
    @dev Key, slices and number of the signers that are not in `absent`, whose indices rise strictly.
    """
    signers: uint256 = self.counts[quorum]
    count: uint256 = len(absent) // ABSENT_BYTES
    assert len(absent) % ABSENT_BYTES == 0, "quorum_table: cut absent list"
    key: Bytes[128] = self._key(quorum)
    if count == 0:
        return key, assignment.N, signers

    missing: Bytes[128] = b""
    slices: uint256 = assignment.N
    next_index: uint256 = 0
    for position: uint256 in range(count, bound=MAX_ABSENT):
        offset: uint256 = position * ABSENT_BYTES
        index: uint256 = convert(slice(absent, offset, 2), uint256)
        assert index >= next_index and index < signers, "quorum_table: absent not rising"
        next_index = index + 1

        absent_key: Bytes[128] = concat(
            empty(bytes16), slice(absent, offset + 2, 48), empty(bytes16), slice(absent, offset + 50, 48)
        )
        slot: SignerSlot = self.signers[quorum][index]
        assert keccak256(absent_key) == slot.key_hash, "quorum_table: not that key"
        slices -= (slot.packed & 65_535) - ((slot.packed >> 16) & 65_535)
        missing = absent_key if position == 0 else bls12_381._add(missing, absent_key)
    return bls12_381._add(key, bls12_381._negate(missing)), slices, signers - count
