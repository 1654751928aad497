"""The frames between a storage node and its callers, big-endian; every length follows from counts.

  shard body      "ASB1" || path of the segment in the file (p x 32) || header (32,960)
                  || siblings of the run || rows x 32m bytes
  run             "ASR1" || u32 first || u32 rows || u32 m || siblings || b0 b1 b2 || rows x 32m
  segment table   for each segment in order: D (32) || keccak(C) (32)
  have            128 bytes; bit j, from the top of byte 0, is set when segment j is held

A run's siblings are 10 - log2(rows) x 32 bytes. Source: docs/protocol/storage.md#node.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from offchain.core.errors import InvalidInput
from offchain.core.field import FIELD_BYTES
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import COSET_DEPTH, K, columns_for
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.matrix.runs import require_aligned, run_depth, run_siblings
from offchain.core.wire import HEADER_BYTES, Header
from offchain.node.body import Body
from offchain.storage.model import (
    MAX_SEGMENTS,
    FileShape,
    Profile,
    Segment,
    file_root,
    path_length,
    rows_of,
)
from offchain.storage.ports import Run

SHARD_MAGIC: Final = b"ASB1"
RUN_MAGIC: Final = b"ASR1"
HAVE_BYTES: Final = MAX_SEGMENTS // 8
SEGMENT_ENTRY_BYTES: Final = 2 * DIGEST_BYTES
_RUN: Final = struct.Struct(">4sIII")
_ROOTS: Final = 3


class FrameInvalid(InvalidInput):
    """These bytes are no frame of a storage node."""

    code = "storage.frame.malformed"
    next_step = "Send the frame as docs/protocol/storage.md#node lays it out."


@dataclass(frozen=True, slots=True, eq=False)
class ShardBody:
    """What one upload carries; rows are views of the body."""

    path: tuple[bytes, ...]
    header: Header = field(repr=False)
    run: Run = field(repr=False)


def siblings_of(rows: int) -> int:
    """How many siblings lead from `rows` aligned rows to their coset root."""
    return COSET_DEPTH - run_depth(rows)


def shard_body_bytes(shape: FileShape, index: int, profile: Profile) -> int:
    """How long the body with one shard of segment `index` is. Raises: FileInvalid."""
    rows = profile.rows_per_seat
    digests = path_length(shape.segments, index) + siblings_of(rows)
    row_bytes = FIELD_BYTES * columns_for(shape.length_of(index))
    return len(SHARD_MAGIC) + digests * DIGEST_BYTES + HEADER_BYTES + rows * row_bytes


def shard_body(encoded: EncodedBlob, path: Sequence[bytes], profile: Profile, seat: int) -> Body:
    """The upload of one seat's rows of an encoded segment; rows are views of the matrix."""
    header = encoded.header.to_bytes()
    return shard_body_of(path, header, run_of(encoded, rows_of(profile, seat)))


def shard_body_of(path: Sequence[bytes], header: bytes, run: Run) -> Body:
    """The upload of a run, whoever made it."""
    front = SHARD_MAGIC + b"".join(path)
    data = np.ascontiguousarray(run.data).reshape(-1).data
    return Body.of(front, header, b"".join(run.siblings), data)


def run_of(encoded: EncodedBlob, rows: range) -> Run:
    """Aligned rows of an encoded matrix with what leads to D. Raises: IndexOutOfRange."""
    first, count = rows.start, len(rows)
    require_aligned(first, count)
    return Run(
        first,
        run_siblings(encoded.trees[first // K], first, count),
        encoded.header.coset_roots,
        encoded.rows[first : first + count],
    )


def parse_shard_body(
    raw: bytes | bytearray | memoryview, shape: FileShape, index: int, *, rows: range
) -> ShardBody:
    """Read an upload for segment `index` of a file. Raises: FrameInvalid, FrameError."""
    view = memoryview(raw)
    count = len(rows)
    digests = path_length(shape.segments, index)
    columns = columns_for(shape.length_of(index))
    start = len(SHARD_MAGIC) + digests * DIGEST_BYTES
    above = start + HEADER_BYTES
    data = above + siblings_of(count) * DIGEST_BYTES
    expected = data + count * FIELD_BYTES * columns
    if len(view) != expected or bytes(view[: len(SHARD_MAGIC)]) != SHARD_MAGIC:
        raise FrameInvalid(bytes=len(view), expected=expected)
    header = Header.parse(bytes(view[start:above]))
    elements = np.frombuffer(view, np.uint8, offset=data).reshape(count, columns, FIELD_BYTES)
    siblings = _digests(view, above, siblings_of(count))
    run = Run(rows.start, siblings, header.coset_roots, elements)
    return ShardBody(_digests(view, len(SHARD_MAGIC), digests), header, run)


def run_frame(run: Run) -> Body:
    """A run as it is sent; rows are a view."""
    count, columns, _ = run.data.shape
    head = _RUN.pack(RUN_MAGIC, run.first, count, columns)
    digests = (*run.siblings, *run.coset_roots)
    data = np.ascontiguousarray(run.data).reshape(-1).data
    return Body.of(b"".join((head, *digests)), data)


def run_frame_bytes(count: int, columns: int) -> int:
    """How long the frame of a run is."""
    digests = siblings_of(count) + _ROOTS
    return _RUN.size + digests * DIGEST_BYTES + count * FIELD_BYTES * columns


def parse_run(raw: bytes | bytearray | memoryview, *, first: int, count: int, columns: int) -> Run:
    """Read the frame of exactly this run. Raises: FrameInvalid."""
    expected = run_frame_bytes(count, columns)
    if len(raw) != expected or _RUN.unpack_from(raw) != (RUN_MAGIC, first, count, columns):
        raise FrameInvalid(bytes=len(raw), expected=expected)
    digests = _digests(memoryview(raw), _RUN.size, siblings_of(count) + _ROOTS)
    b0, b1, b2 = digests[-_ROOTS:]
    offset = _RUN.size + len(digests) * DIGEST_BYTES
    data = np.frombuffer(raw, np.uint8, offset=offset).reshape(count, columns, FIELD_BYTES)
    return Run(first, digests[:-_ROOTS], (b0, b1, b2), data)


def segment_table(segments: Sequence[Segment]) -> bytes:
    """All segments of a file in order."""
    return b"".join(segment.data_root + segment.commitment_hash for segment in segments)


def parse_segment_table(raw: bytes, root: bytes, shape: FileShape) -> list[Segment]:
    """The segments of a file, checked against its root. Raises: FrameInvalid."""
    if len(raw) != shape.segments * SEGMENT_ENTRY_BYTES:
        raise FrameInvalid(bytes=len(raw), expected=shape.segments * SEGMENT_ENTRY_BYTES)
    segments = []
    for index in range(shape.segments):
        length = shape.length_of(index)
        start = index * SEGMENT_ENTRY_BYTES
        data_root = raw[start : start + DIGEST_BYTES]
        commitment = raw[start + DIGEST_BYTES : start + SEGMENT_ENTRY_BYTES]
        segments.append(Segment(index, data_root, commitment, columns_for(length), length))
    if file_root(segments) != root:
        raise FrameInvalid(reason="another root", root=root.hex())
    return segments


def have_bitmap(segments: Iterable[int]) -> bytes:
    """128 bytes with a bit for each of these segments."""
    bits = bytearray(HAVE_BYTES)
    for index in segments:
        bits[index // 8] |= 0x80 >> index % 8
    return bytes(bits)


def segments_in(bitmap: bytes) -> set[int]:
    """The segments a bitmap marks. Raises: FrameInvalid."""
    if len(bitmap) != HAVE_BYTES:
        raise FrameInvalid(bytes=len(bitmap), expected=HAVE_BYTES)
    return {index for index in range(MAX_SEGMENTS) if bitmap[index // 8] & 0x80 >> index % 8}


def _digests(view: memoryview, start: int, count: int) -> tuple[bytes, ...]:
    end = start + count * DIGEST_BYTES
    return tuple(bytes(view[at : at + DIGEST_BYTES]) for at in range(start, end, DIGEST_BYTES))
