# pragma version 0.4.3
"""
@title The slots and keys of a quorum
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the signers of a finished quorum hold consecutive ranges that begin at 0 and end at N, each of at
        least one slot, and the quorum's key is the sum of their keys.
@dev A signer takes two slots: its packed range, for readers, and its seal, the hash of key and range. Whoever subtracts
     a key brings key and range along, which is cheaper to check against the seal than to store and read.
     A quorum's key takes three slots: x and y have 48 bytes each.
"""
from ..interfaces import IDASigners
from . import assignment

MAX_SIGNERS: constant(uint256) = 1_024  # of one quorum; 1,023 members still make one quorum
MAX_ABSENT: constant(uint256) = 170  # a third of 512; memory for more would cost every certificate
WIDE_ABSENT: constant(uint256) = 1_022  # all signers of the largest quorum but one
ABSENT_BYTES: constant(uint256) = 102  # index 2, first slot 2, end slot 2, x 48, y 48
SEARCH_STEPS: constant(uint256) = 10  # 2^10 = MAX_SIGNERS
SLOT_BITS: constant(uint256) = 16
SLOT_MASK: constant(uint256) = 2**16 - 1
SLOTS_BITS: constant(uint256) = 32
HALF: constant(uint256) = 128
LOW_HALF: constant(uint256) = 2**128 - 1


struct SignerSlot:
    packed: uint256  # operator id << 32 | first slot << 16 | end slot
    seal: bytes32


struct KeySlots:
    high: uint256  # upper 16 bytes of x, then of y
    x_low: bytes32
    y_low: bytes32


signers: HashMap[uint256, SignerSlot[MAX_SIGNERS]]  # quorum key -> range by range
counts: HashMap[uint256, uint256]  # quorum key -> signers, 0 until the quorum is finished
keys: HashMap[uint256, KeySlots]  # quorum key -> sum of the signers' keys


@internal
@pure
def _quorum_key(table: uint256, quorum_id: uint256) -> uint256:
    return (table << 32) | quorum_id


@internal
def _append(quorum: uint256, index: uint256, operator_id: uint256, slots: uint256, key: Bytes[128]):
    """
    @param slots First slot << 16 | end slot.
    """
    self.signers[quorum][index] = SignerSlot(
        packed=(operator_id << SLOTS_BITS) | slots,
        seal=keccak256(concat(key, convert(convert(slots, uint32), bytes4))),
    )


@internal
@view
def _signer(quorum: uint256, index: uint256) -> IDASigners.Signer:
    assert index < self.counts[quorum], "quorum_table: no such signer"
    slot: SignerSlot = self.signers[quorum][index]
    return IDASigners.Signer(
        operator_id=slot.packed >> SLOTS_BITS,
        first_slot=(slot.packed >> SLOT_BITS) & SLOT_MASK,
        end_slot=slot.packed & SLOT_MASK,
        seal=slot.seal,
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


@internal
@view
def _key(quorum: uint256) -> Bytes[128]:
    slots: KeySlots = self.keys[quorum]
    return concat(
        convert(slots.high >> HALF, bytes32),
        slots.x_low,
        convert(slots.high & LOW_HALF, bytes32),
        slots.y_low,
    )


@internal
@view
def _index_of_slot(quorum: uint256, slot: uint256) -> uint256:
    """
    @dev Binary search for the signer whose range holds `slot`.
    """
    low: uint256 = 0
    high: uint256 = self.counts[quorum]
    assert high > 0 and slot < assignment.N, "quorum_table: no such slot"
    for _: uint256 in range(SEARCH_STEPS):
        if high - low <= 1:
            break
        middle: uint256 = (low + high) // 2
        if (self.signers[quorum][middle].packed >> SLOT_BITS) & SLOT_MASK <= slot:
            low = middle
        else:
            high = middle
    return low


@internal
@view
def _operator_at(quorum: uint256, index: uint256) -> uint256:
    return self.signers[quorum][index].packed >> SLOTS_BITS


@internal
@view
def _open_absent(quorum: uint256, entry: Bytes[ABSENT_BYTES]) -> (uint256, uint256, Bytes[128]):
    """
    @dev Index, slices and key that an entry of an absent list shows; reverts unless they are in the table.
    """
    index: uint256 = convert(slice(entry, 0, 2), uint256)
    first_slot: uint256 = convert(slice(entry, 2, 2), uint256)
    end_slot: uint256 = convert(slice(entry, 4, 2), uint256)
    key: Bytes[128] = concat(empty(bytes16), slice(entry, 6, 48), empty(bytes16), slice(entry, 54, 48))
    assert index < MAX_SIGNERS, "quorum_table: no such signer"
    seal: bytes32 = self.signers[quorum][index].seal
    assert keccak256(concat(key, slice(entry, 2, 4))) == seal, "quorum_table: not that signer"
    return index, end_slot - first_slot, key
