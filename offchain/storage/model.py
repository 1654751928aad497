"""A file, its segments and who keeps which rows of it, as contracts see them; pure.

  segment leaf   keccak(0x00 || u32 j || D_j || keccak(C_j) || u32 m_j || u64 len_j)
  tree node      keccak(0x01 || left || right); an odd node is carried up as it is
  file root      keccak(T_FILE || u32 segments || u64 length || tree root), also with one segment
  id             keccak(T_SUBMISSION || chain id || StorageLog || owner || root || nonce), words
  held           EIP-712, domain (Apogee Storage, 1, chain id, StorageMarket):
                 Held(bytes32 id,bytes32 root,uint64 group,uint64 expiry)

All segments but the last carry 32,505,856 bytes. Source: docs/protocol/storage.md#files.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.core.errors import InvalidInput, NotFound
from offchain.core.hashing import (
    DIGEST_BYTES,
    TAG_STORAGE_FILE,
    TAG_STORAGE_SUBMISSION,
    Digest,
    keccak,
)
from offchain.core.layout import MAX_PAYLOAD_BYTES, K, Shape, columns_for
from offchain.core.typed_data import domain_of, typed_digest, words
from offchain.core.wire import Header

MAX_SEGMENTS: Final = 1_024
SEGMENT_BYTES: Final = MAX_PAYLOAD_BYTES
MAX_FILE_BYTES: Final = MAX_SEGMENTS * SEGMENT_BYTES
MAX_GROUP_BYTES: Final = 64 << 30  # kept bytes of one seat in one group
PRICE_UNIT: Final = 1 << 30  # a price is wei for so many byte-seconds
HELD_TYPE: Final = keccak(b"Held(bytes32 id,bytes32 root,uint64 group,uint64 expiry)")
_LEAF: Final = struct.Struct(">cI32s32sIQ")
_ROOT: Final = struct.Struct(">32sIQ32s")


class FileInvalid(InvalidInput):
    """The segments are no file of this protocol."""

    code = "storage.file.invalid"
    next_step = "Cut the file into segments of 32,505,856 bytes; only the last may be shorter."


class ProfileUnknown(NotFound):
    """There is no such profile or seat."""

    code = "storage.profile.unknown"
    next_step = "Use solo, local, standard, durable, hot or replica, and a seat below its number."


class FileState(IntEnum):
    """Numbers are the flag values of StorageMarket; NONE is an id that was never paid."""

    NONE = 0
    SUBMITTED = 1  # paid, no group yet
    PLACED = 2  # in a group, receipts awaited
    STORED = 4  # receipts on chain
    CLOSED = 8  # term over or released, settled
    REFUNDED = 16  # no receipts in time
    LOST = 32  # too few seats for too long
    VOID = 64  # a segment is no codeword


class GroupState(IntEnum):
    """Numbers are the flag values of StorageSeats."""

    NONE = 0
    REQUESTED = 1
    OPEN = 2
    FULL = 4
    DRAINED = 8
    FAILED = 16


class SeatState(IntEnum):
    """Numbers are the flag values of StorageSeats."""

    NONE = 0
    DRAWN = 1
    SERVING = 2
    SUSPECT = 4
    VACANT = 8
    LEAVING = 16


@dataclass(frozen=True, slots=True)
class Profile:
    """`seats` n keep `rows_per_seat` rows of each segment; any `enough` of them rebuild it.

    STORED needs the receipts of `receipts` seats. A row kept by every seat is a copy.
    """

    number: int
    name: str
    seats: int
    enough: int
    receipts: int
    rows_per_seat: int

    @property
    def is_copy(self) -> bool:
        """Whether every seat keeps the same rows: all data rows."""
        return self.rows_per_seat == K


PROFILES: Final = (
    Profile(0, "solo", 1, 1, 1, K),
    Profile(1, "local", 3, 2, 3, 512),
    Profile(2, "standard", 24, 16, 22, 64),
    Profile(3, "durable", 32, 16, 28, 64),
    Profile(4, "hot", 48, 16, 40, 64),
    Profile(5, "replica", 5, 1, 4, K),
)


def profile_of(number: int) -> Profile:
    """The profile with this number. Raises: ProfileUnknown."""
    if not 0 <= number < len(PROFILES):
        raise ProfileUnknown(profile=number)
    return PROFILES[number]


def profile_named(name: str) -> Profile:
    """The profile with this name. Raises: ProfileUnknown."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise ProfileUnknown(profile=name[:40])


def shard_of(profile: Profile, seat: int) -> int:
    """The number of the shard that a seat keeps. Raises: ProfileUnknown past the last seat."""
    if not 0 <= seat < profile.seats:
        raise ProfileUnknown(profile=profile.name, seat=seat)
    return 0 if profile.is_copy else seat


def rows_of(profile: Profile, seat: int) -> range:
    """The rows of every segment that a seat keeps. Raises: ProfileUnknown past the last seat."""
    first = shard_of(profile, seat) * profile.rows_per_seat
    return range(first, first + profile.rows_per_seat)


def kept_bytes(profile: Profile, length: int) -> int:
    """What one seat keeps, and is paid for, of a file of `length` bytes. Raises: FileInvalid."""
    columns = sum(columns_for(size) for size in segment_lengths(length))
    return profile.rows_per_seat * 32 * columns


def segment_lengths(length: int) -> list[int]:
    """How many payload bytes each segment carries. Raises: FileInvalid."""
    if not 1 <= length <= MAX_FILE_BYTES:
        raise FileInvalid(length=length, maximum=MAX_FILE_BYTES)
    whole, rest = divmod(length, SEGMENT_BYTES)
    return [SEGMENT_BYTES] * whole + ([rest] if rest else [])


@dataclass(frozen=True, slots=True)
class Segment:
    """One matrix of a file; `commitment_hash` is the keccak-256 of the 48 bytes of C."""

    index: int
    data_root: bytes
    commitment_hash: bytes
    columns: int
    length: int

    @classmethod
    def of(cls, index: int, header: Header) -> "Segment":
        """Segment `index` with this header."""
        return cls(
            index, header.data_root, keccak(header.commitment), header.columns, header.length
        )

    @property
    def shape(self) -> Shape:
        """Raises: LayoutError when length and columns do not agree."""
        return Shape(self.length, self.columns)

    def is_header(self, header: Header) -> bool:
        """Whether a header is this segment's."""
        return Segment.of(self.index, header) == self

    def leaf(self) -> Digest:
        """Its leaf in the file's tree."""
        return keccak(
            _LEAF.pack(
                b"\0",
                self.index,
                self.data_root,
                self.commitment_hash,
                self.columns,
                self.length,
            )
        )


@dataclass(frozen=True, slots=True)
class FileShape:
    """How many segments a file has and how many bytes they carry together."""

    segments: int
    length: int

    def __post_init__(self) -> None:
        expected = len(segment_lengths(self.length))
        if self.segments != expected:
            raise FileInvalid(segments=self.segments, expected=expected, length=self.length)

    @classmethod
    def of(cls, length: int) -> "FileShape":
        """Raises: FileInvalid."""
        return cls(len(segment_lengths(length)), length)

    def length_of(self, index: int) -> int:
        """Payload bytes of segment `index`. Raises: FileInvalid."""
        if not 0 <= index < self.segments:
            raise FileInvalid(segment=index, segments=self.segments)
        return min(SEGMENT_BYTES, self.length - index * SEGMENT_BYTES)


def shape_of_file(segments: Sequence[Segment]) -> FileShape:
    """The shape of a file from all its segments in order. Raises: FileInvalid."""
    length = sum(segment.length for segment in segments)
    shape = FileShape(len(segments), length)
    for index, segment in enumerate(segments):
        if segment.index != index or segment.length != shape.length_of(index):
            raise FileInvalid(segment=index, length=segment.length)
    return shape


def file_root(segments: Sequence[Segment]) -> Digest:
    """The root of a file from all its segments in order. Raises: FileInvalid."""
    return _bind(shape_of_file(segments), file_top(segments))


def file_top(segments: Sequence[Segment]) -> Digest:
    """The root of the tree over a file's segments, without their number and the length."""
    return _levels([segment.leaf() for segment in segments])[-1][0]


def segment_path(segments: Sequence[Segment], index: int) -> tuple[bytes, ...]:
    """The siblings of a segment's leaf, lowest first; a level where it is carried has none."""
    levels = _levels([segment.leaf() for segment in segments])
    path = []
    for depth, level in enumerate(levels[:-1]):
        beside = index >> depth ^ 1
        if beside < len(level):
            path.append(level[beside])
    return tuple(path)


def path_length(segments: int, index: int) -> int:
    """How many siblings the path of segment `index` has in a file of so many."""
    siblings, position, size = 0, index, segments
    while size > 1:
        siblings += (position ^ 1) < size
        position, size = position // 2, -(-size // 2)
    return siblings


def is_segment_of(root: bytes, shape: FileShape, segment: Segment, path: Sequence[bytes]) -> bool:
    """Whether a segment lies in the file with this root at its index, by exactly this path."""
    if not 0 <= segment.index < shape.segments:
        return False
    if segment.length != shape.length_of(segment.index):
        return False
    if segment.columns != columns_for(segment.length):
        return False
    digest: bytes = segment.leaf()
    left = list(path)
    position, size = segment.index, shape.segments
    while size > 1:
        beside = position ^ 1
        if beside < size:
            if not left or len(left[0]) != DIGEST_BYTES:
                return False
            sibling = left.pop(0)
            pair = (sibling, digest) if position & 1 else (digest, sibling)
            digest = keccak(b"\1", *pair)
        position, size = position // 2, -(-size // 2)
    return not left and _bind(shape, digest) == root


def submission_id(*, chain_id: int, log: bytes, owner: bytes, root: bytes, nonce: int) -> Digest:
    """The id of a submission before it is sent; `log` and `owner` are 20 bytes."""
    return keccak(words(TAG_STORAGE_SUBMISSION, chain_id, log, owner, root, nonce))


def held_domain(*, chain_id: int, market: bytes) -> Digest:
    """The EIP-712 domain separator of receipts."""
    return domain_of("Apogee Storage", "1", chain_id=chain_id, contract=market)


def held_digest(domain: bytes, *, file_id: bytes, root: bytes, group: int, expiry: int) -> Digest:
    """What the seats of a group sign, all the same, once their shards are durable."""
    return typed_digest(domain, HELD_TYPE, file_id, root, group, expiry)


def _levels(leaves: list[Digest]) -> list[list[Digest]]:
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [
            keccak(b"\1", left, right) for left, right in zip(below[::2], below[1::2], strict=False)
        ]
        levels.append(above + below[len(below) & ~1 :])
    return levels


def _bind(shape: FileShape, tree_root: bytes) -> Digest:
    return keccak(_ROOT.pack(TAG_STORAGE_FILE, shape.segments, shape.length, tree_root))
