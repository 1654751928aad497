# pragma version 0.4.3
"""
@title Bytes of a stored file, by its storage leaves
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is read at a place is what the file with this root has there, or it has no reading at all.
@dev A leaf is eight elements of a zero byte and 31 bytes of the file; leaves of a data row, and data rows, lie one after
     the other. An element that does not begin with zero makes the file unreadable for everyone.
"""
from ..interfaces import IDeliveryFraudProofs
from ..shared import constants as C
from ..shared import row_code
from ..shared import row_path
from ..shared import segment_path

WINDOW: constant(uint256) = row_code.LEAF_ELEMENTS * row_code.PAYLOAD_BYTES  # 248 bytes
MAX_READ: constant(uint256) = 2 * WINDOW
LOW_248: constant(uint256) = 2**248 - 1


@internal
@pure
def _check_length(root: bytes32, length: uint64, top: bytes32):
    """
    @dev Reverts unless the file with this root has so many bytes.
    """
    segments: uint256 = segment_path._segments(convert(length, uint256))
    bound: bytes32 = keccak256(
        concat(C.TAG_STORAGE_FILE, convert(convert(segments, uint32), bytes4), convert(length, bytes8), top)
    )
    assert bound == root, "stored_bytes: other file"


@internal
@pure
def _read(
    root: bytes32,
    length: uint256,
    at: uint256,
    size: uint256,
    pieces: DynArray[IDeliveryFraudProofs.Piece, 4],
    first: uint256,
) -> (Bytes[MAX_READ], uint256, bool):
    """
    @param size At most a window.
    @param first The piece in which the bytes begin.
    @return The bytes, the piece behind them, and whether the file can be read there.
    """
    assert first < len(pieces), "stored_bytes: piece missing"
    begin: uint256 = 0
    window: Bytes[WINDOW] = b""
    is_readable: bool = False
    begin, window, is_readable = self._window(root, length, at, pieces[first])
    joined: Bytes[MAX_READ] = window
    next: uint256 = first + 1
    behind: uint256 = begin + WINDOW
    if at + size > behind:
        assert next < len(pieces), "stored_bytes: piece missing"
        other: Bytes[WINDOW] = b""
        is_other_readable: bool = False
        behind, other, is_other_readable = self._window(root, length, behind, pieces[next])
        is_readable = is_readable and is_other_readable
        joined = concat(window, other)
        next += 1
    return slice(joined, at - begin, size), next, is_readable


@internal
@pure
def _window(
    root: bytes32, length: uint256, at: uint256, piece: IDeliveryFraudProofs.Piece
) -> (uint256, Bytes[WINDOW], bool):
    """
    @dev Where the leaf around a place begins, and its bytes of the file.
    """
    segment: uint256 = at // segment_path.SEGMENT_BYTES
    segment_path._check(root, length, segment, piece.data_root, piece.commitment_hash, piece.path)
    columns: uint256 = segment_path._columns_of(segment, length)
    row: uint256 = 0
    leaf: uint256 = 0
    row, leaf = row_path._check_leaf(piece.frame, columns, piece.data_root)
    element: uint256 = row * columns + leaf * row_code.LEAF_ELEMENTS
    begin: uint256 = segment * segment_path.SEGMENT_BYTES + element * row_code.PAYLOAD_BYTES
    is_there: bool = row < row_code.K and begin <= at and at < begin + WINDOW
    assert is_there, "stored_bytes: another place"

    words: uint256[8] = abi_decode(slice(piece.frame, row_path.DATA_AT, row_path.LEAF_BYTES), uint256[8])
    largest: uint256 = 0
    for word: uint256 in words:
        largest = max(largest, word)
    window: Bytes[WINDOW] = concat(
        self._payload(words[0]),
        self._payload(words[1]),
        self._payload(words[2]),
        self._payload(words[3]),
        self._payload(words[4]),
        self._payload(words[5]),
        self._payload(words[6]),
        self._payload(words[7]),
    )
    return begin, window, largest <= LOW_248


@internal
@pure
def _payload(word: uint256) -> bytes31:
    return convert(convert(word << 8, bytes32), bytes31)
