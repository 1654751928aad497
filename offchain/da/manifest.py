"""What names the parts of a file that is larger than one matrix; itself published as a blob.

  0  "APM1"   4 u32 version = 1   8 u64 length of the file   16 u32 part size   20 u32 count
  24 count x ( keccak(part) (32) || blob id (32) )                          big-endian

Every part but the last is exactly the part size; count = ceil(length / part size). A manifest is
recognised by being asked for as a file: any payload may start with these four bytes.
Source: docs/protocol/da.md#files.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.da.refusals import ManifestMalformed

MAGIC: Final = b"APM1"
VERSION: Final = 1
_HEAD: Final = struct.Struct(">4sIQII")
_PART: Final = struct.Struct(">32s32s")
MAX_PARTS: Final = (MAX_PAYLOAD_BYTES - _HEAD.size) // _PART.size


@dataclass(frozen=True, slots=True)
class Part:
    """One part: the keccak-256 of its bytes and the blob that carries it."""

    digest: bytes
    blob_id: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file's length and its parts, in order."""

    length: int
    part_bytes: int
    parts: tuple[Part, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.part_bytes <= MAX_PAYLOAD_BYTES or self.length < 1:
            raise ManifestMalformed(length=self.length, part_bytes=self.part_bytes)
        expected = -(-self.length // self.part_bytes)
        if len(self.parts) != expected or expected > MAX_PARTS:
            raise ManifestMalformed(parts=len(self.parts), expected=expected, maximum=MAX_PARTS)

    def part_length(self, number: int) -> int:
        """Bytes in part `number`."""
        return min(self.part_bytes, self.length - number * self.part_bytes)

    def to_bytes(self) -> bytes:
        head = _HEAD.pack(MAGIC, VERSION, self.length, self.part_bytes, len(self.parts))
        return head + b"".join(_PART.pack(part.digest, part.blob_id) for part in self.parts)

    @classmethod
    def parse(cls, raw: bytes) -> "Manifest":
        """Read a manifest. Raises: ManifestMalformed."""
        if len(raw) < _HEAD.size or raw[:4] != MAGIC:
            raise ManifestMalformed(length=len(raw))
        _, version, length, part_bytes, count = _HEAD.unpack_from(raw)
        if version != VERSION or len(raw) != _HEAD.size + count * _PART.size:
            raise ManifestMalformed(version=version, parts=count, bytes=len(raw))
        parts = tuple(Part(*fields) for fields in _PART.iter_unpack(raw[_HEAD.size :]))
        return cls(length, part_bytes, parts)
