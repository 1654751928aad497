"""The body of one delivery as views of the matrix: nothing of it is copied before it is sent.

Header and rows frame of offchain/core/wire.py, in pieces. A body that is hashed and sent holds a
few chunks in memory, so any number of nodes can be sent to at once.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from offchain.core.matrix.encode import EncodedBlob
from offchain.core.wire import rows_frame_pieces

Piece = bytes | bytearray | memoryview
CHUNK_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes in pieces, `size` of them together."""

    pieces: Sequence[Piece] = field(repr=False)
    size: int

    @classmethod
    def of(cls, *pieces: Piece) -> Self:
        """A body of these pieces."""
        return cls(pieces, sum(len(piece) for piece in pieces))

    @classmethod
    def of_rows(
        cls, encoded: EncodedBlob, blob_id: bytes, rows: Iterable[int], *, header: bytes
    ) -> Self:
        """Header and these rows; the data are views of the encoded matrix."""
        frame = rows_frame_pieces(blob_id, encoded.shape.columns, [encoded.row(i) for i in rows])
        return cls.of(header, *frame)

    def digest(self) -> bytes:
        """SHA-256, as Content-Digest carries it."""
        sponge = hashlib.sha256()
        for piece in self.pieces:
            sponge.update(piece)
        return sponge.digest()

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The bytes in order, about `size` at a time."""
        waiting: list[Piece] = []
        length = 0
        for piece in self.pieces:
            waiting.append(piece)
            length += len(piece)
            if length >= size:
                yield b"".join(waiting)
                waiting, length = [], 0
        if waiting:
            yield b"".join(waiting)
