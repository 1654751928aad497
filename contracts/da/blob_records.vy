# pragma version 0.4.3
"""
@title What the chain remembers of a blob
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a blob goes from nothing to PAID once, from PAID to CONFIRMED or REFUNDED once, and
        from PAID or CONFIRMED to VOID once.
@dev Two slots. The detail is the fee while PAID and the certificate's hash once CONFIRMED, so that confirming writes
     no new slot. A blob voided after its certificate keeps the hash: who signed it stays known.
"""
from ..interfaces import IDAEntrance

# --- layout of a word, low bits first
STATE_BITS: constant(uint256) = 8
DAYS_AT: constant(uint256) = 8
CONFIRM_AT: constant(uint256) = 24
OPERATORS_AT: constant(uint256) = 40
DISPERSER_AT: constant(uint256) = 56
EPOCH_AT: constant(uint256) = 88
BLOCK_AT: constant(uint256) = 128
TIME_AT: constant(uint256) = 192
TERMS_AT: constant(uint256) = 232
MASK_8: constant(uint256) = 2**8 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_64: constant(uint256) = 2**64 - 1


struct Paid:
    epoch: uint256
    disperser_id: uint256
    confirm_slices: uint256
    retention_days: uint256
    fee: uint256
    terms_number: uint256  # which terms the fee was counted by


words: HashMap[bytes32, uint256]
details: HashMap[bytes32, bytes32]


@internal
def _create(blob_id: bytes32, paid: Paid):
    assert self.words[blob_id] == 0, "blob_records: already paid"

    self.words[blob_id] = (
        (paid.terms_number << TERMS_AT)
        | (block.timestamp << TIME_AT)
        | (block.number << BLOCK_AT)
        | (paid.epoch << EPOCH_AT)
        | (paid.disperser_id << DISPERSER_AT)
        | (paid.confirm_slices << CONFIRM_AT)
        | (paid.retention_days << DAYS_AT)
        | convert(IDAEntrance.BlobState.PAID, uint256)
    )
    self.details[blob_id] = convert(paid.fee, bytes32)


@internal
def _settle(blob_id: bytes32, state: IDAEntrance.BlobState, operators: uint256, certificate_hash: bytes32) -> uint256:
    """
    @dev Leave PAID for good; returns the fee that was held.
    """
    word: uint256 = self.words[blob_id]
    assert self._state(word) == IDAEntrance.BlobState.PAID, "blob_records: not paid"
    fee: uint256 = convert(self.details[blob_id], uint256)

    paid: uint256 = convert(IDAEntrance.BlobState.PAID, uint256)
    self.words[blob_id] = (word ^ paid) | convert(state, uint256) | (operators << OPERATORS_AT)
    self.details[blob_id] = certificate_hash
    return fee


@internal
def _void(blob_id: bytes32) -> uint256:
    """
    @dev Leave PAID or CONFIRMED for good; returns the fee that was still held.
    """
    word: uint256 = self.words[blob_id]
    state: IDAEntrance.BlobState = self._state(word)
    was_paid: bool = state == IDAEntrance.BlobState.PAID
    assert was_paid or state == IDAEntrance.BlobState.CONFIRMED, "blob_records: not voidable"

    self.words[blob_id] = (word & ~MASK_8) | convert(IDAEntrance.BlobState.VOID, uint256)
    if not was_paid:
        return 0
    fee: uint256 = convert(self.details[blob_id], uint256)
    self.details[blob_id] = empty(bytes32)
    return fee


@internal
@view
def _record(blob_id: bytes32, windows: IDAEntrance.Windows) -> IDAEntrance.Record:
    word: uint256 = self.words[blob_id]
    record: IDAEntrance.Record = empty(IDAEntrance.Record)
    if word == 0:
        return record
    record.state = self._state(word)
    record.paid_at = (word >> TIME_AT) & MASK_40
    record.paid_block = (word >> BLOCK_AT) & MASK_64
    record.deadline = record.paid_at + windows.confirm
    record.expiry = record.paid_at + ((word >> DAYS_AT) & MASK_16) * windows.day
    record.epoch = (word >> EPOCH_AT) & MASK_40
    record.disperser_id = (word >> DISPERSER_AT) & MASK_32
    record.confirm_slices = (word >> CONFIRM_AT) & MASK_16
    record.operators = (word >> OPERATORS_AT) & MASK_16
    if record.state == IDAEntrance.BlobState.PAID:
        record.fee = convert(self.details[blob_id], uint256)
    else:
        record.certificate_hash = self.details[blob_id]
    return record


@internal
@view
def _terms_number(blob_id: bytes32) -> uint256:
    """
    @dev 0 when the blob was never paid.
    """
    return self.words[blob_id] >> TERMS_AT


@internal
@pure
def _state(word: uint256) -> IDAEntrance.BlobState:
    return convert(word & MASK_8, IDAEntrance.BlobState)
