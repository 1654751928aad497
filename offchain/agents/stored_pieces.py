"""A whole file as storage keeps it: its root, and any leaf of it with the path to the root.

One segment's matrix is in memory at a time, three times the segment.
Source: docs/protocol/storage.md#files, docs/protocol/agents.md#bundles-and-delivery.
"""

from functools import lru_cache

from offchain.agents.false_delivery import Piece
from offchain.core.erasure import ErasureEngine
from offchain.core.layout import ELEMENT_BYTES, LEAF_ELEMENTS, LEAF_PAYLOAD_BYTES
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.storage.model import (
    SEGMENT_BYTES,
    Segment,
    file_root,
    file_top,
    segment_path,
)


class StoredPieces:
    """Pieces of one file."""

    def __init__(self, file: bytes, engine: ErasureEngine) -> None:
        self._file = memoryview(file)
        self._engine = engine
        self._encoded = lru_cache(maxsize=1)(self._encode)
        starts = range(0, len(file), SEGMENT_BYTES)
        self._segments = tuple(
            Segment.of(index, self._encoded(index).header) for index in range(len(starts))
        )

    @property
    def root(self) -> bytes:
        return file_root(self._segments)

    @property
    def length(self) -> int:
        return len(self._file)

    @property
    def top(self) -> bytes:
        """The root of the tree over its segments, without their number and the length."""
        return file_top(self._segments)

    def pieces(self, at: int, size: int) -> tuple[Piece, ...]:
        """The leaves that hold some bytes."""
        first, last = at // LEAF_PAYLOAD_BYTES, (at + size - 1) // LEAF_PAYLOAD_BYTES
        return tuple(self._piece(window * LEAF_PAYLOAD_BYTES) for window in range(first, last + 1))

    def _piece(self, at: int) -> Piece:
        index, inside = divmod(at, SEGMENT_BYTES)
        segment = self._segments[index]
        row, column = divmod(inside // ELEMENT_BYTES, segment.columns)
        frame = self._encoded(index).leaf_frame(row, column // LEAF_ELEMENTS)
        path = b"".join(segment_path(self._segments, index))
        return Piece(segment.data_root, segment.commitment_hash, path, frame.to_bytes())

    def _encode(self, index: int) -> EncodedBlob:
        start = index * SEGMENT_BYTES
        return encode(self._file[start : start + SEGMENT_BYTES], self._engine)
