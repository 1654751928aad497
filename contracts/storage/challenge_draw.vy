# pragma version 0.4.3
"""
@title Which byte of a seat the beacon asks for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: every byte that a group ever kept is as likely as any other, and the place a byte lies at is the
        one that upload, repair and proof agree on.
@dev A seat keeps the files of its group one after the other, of a file segment after segment, of a segment row after
     row. chance = keccak256(R_e || u256 group || u256 seat), attempt a falls on keccak256(chance || u256 a) mod
     (bytes kept so far).
"""
from ..shared import row_path
from ..shared import segment_path
from . import profiles

MAX_ATTEMPTS: constant(uint256) = 16
ALL_ROWS: constant(uint256) = 1_024  # kept by each seat of a profile of copies

struct Place:
    segment: uint256
    columns: uint256
    row: uint256
    leaf: uint256


@internal
@pure
def _chance(randomness: bytes32, group: uint256, seat: uint256) -> bytes32:
    return keccak256(abi_encode(randomness, group, seat))


@internal
@pure
def _is_drawn(chance: bytes32, kept: uint256, bytes_per_challenge: uint256) -> bool:
    """
    @dev With probability kept / bytes_per_challenge. Both are below 2^128.
    """
    return (convert(chance, uint256) >> 128) * bytes_per_challenge < kept << 128


@internal
@pure
def _position(chance: bytes32, attempt: uint256, kept: uint256) -> uint256:
    assert kept != 0, "challenge_draw: nothing is kept"
    return convert(keccak256(abi_encode(chance, attempt)), uint256) % kept


@internal
@pure
def _first_row(rows: uint256, seat: uint256) -> uint256:
    """
    @param rows Of each segment that the seat keeps.
    """
    return 0 if rows == ALL_ROWS else rows * seat


@internal
@pure
def _place(offset: uint256, length: uint256, profile: uint256, seat: uint256) -> Place:
    """
    @param offset Byte of what the seat keeps of one file.
    """
    rows: uint256 = profiles.ROWS[profile]
    full: uint256 = rows * profiles.ROW_UNIT * profiles.SEGMENT_COLUMNS  # of all segments but the last
    segment: uint256 = offset // full
    columns: uint256 = segment_path._columns_of(segment, length)
    width: uint256 = profiles.ROW_UNIT * columns
    inside: uint256 = offset % full
    return Place(
        segment=segment,
        columns=columns,
        row=self._first_row(rows, seat) + inside // width,
        leaf=inside % width // row_path.LEAF_BYTES,
    )
