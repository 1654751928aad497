"""Encryption at the client: AES-256-GCM in frames of 1 MiB, under a key of this file alone.

  head    0 "APS1" | 4 u16 recipients | 6 salt 16 | 22 u64 plain bytes | 30 key id 16
          46 per recipient: X25519 key of the wrapping 32 | wrapped key 48
  frame   f = 0, 1, ..: AES-256-GCM of plain bytes f * 2^20 .. (the last one shorter) | tag 16
  nonce   salt[0:8] | u32 f            associated data   keccak(head) | u32 f

The plain length stands in the head and so in every frame's associated data: no frame can be moved,
left out or added. The key id is derived from the key, so a key that is not the one is noticed. The
same source under the same key gives the same bytes, which is what lets a killed upload go on; other
content never leaves under it, because the root was fixed first. Source: docs/protocol/storage.md.
"""

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from offchain.core.hashing import keccak
from offchain.storage.client_errors import ArtefactMalformed, FrameTampered, KeyMissing

MAGIC: Final = b"APS1"
FRAME_BYTES: Final = 1 << 20
TAG_BYTES: Final = 16
SEALED_FRAME_BYTES: Final = FRAME_BYTES + TAG_BYTES
KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 16
SALT_BYTES: Final = 16
WRAP_BYTES: Final = 80
MAX_RECIPIENTS: Final = 256
MAX_PLAIN_BYTES: Final = 1 << 40
_HEAD: Final = struct.Struct(">4sH16sQ16s")
_WORD: Final = struct.Struct(">I")
HEAD_BYTES: Final = _HEAD.size
KEY_ID_TAG: Final = b"apogee.storage.key-id.v1"
Plain = bytes | bytearray | memoryview


def key_id_of(key: bytes) -> bytes:
    """The name of a key, which tells nothing about it."""
    assert len(key) == KEY_BYTES
    return keccak(KEY_ID_TAG, key)[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class SealHead:
    """What stands before the frames; `wraps` are the key sealed to others, 80 bytes each."""

    salt: bytes
    length: int
    key_id: bytes
    wraps: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.salt) == SALT_BYTES
        assert len(self.key_id) == KEY_ID_BYTES
        assert all(len(wrap) == WRAP_BYTES for wrap in self.wraps)
        assert len(self.wraps) <= MAX_RECIPIENTS
        assert 0 <= self.length <= MAX_PLAIN_BYTES

    def to_bytes(self) -> bytes:
        fixed = _HEAD.pack(MAGIC, len(self.wraps), self.salt, self.length, self.key_id)
        return fixed + b"".join(self.wraps)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the head at the start of `raw`. Raises: ArtefactMalformed."""
        size = head_bytes(raw)
        if len(raw) < size:
            raise ArtefactMalformed(reason="sealed head cut off", bytes=len(raw))
        _, _, salt, length, key_id = _HEAD.unpack_from(raw)
        if length > MAX_PLAIN_BYTES:
            raise ArtefactMalformed(reason="sealed length", bytes=length)
        ends = range(HEAD_BYTES, size, WRAP_BYTES)
        return cls(salt, length, key_id, tuple(raw[at : at + WRAP_BYTES] for at in ends))

    @property
    def size(self) -> int:
        return HEAD_BYTES + WRAP_BYTES * len(self.wraps)

    @property
    def frames(self) -> int:
        return -(-self.length // FRAME_BYTES)

    @property
    def sealed_length(self) -> int:
        """Bytes of the whole: head and frames."""
        return self.size + self.length + self.frames * TAG_BYTES

    def plain_span(self, index: int) -> tuple[int, int]:
        """Which plain bytes frame `index` carries; none past the last."""
        start = min(index * FRAME_BYTES, self.length)
        return start, min(start + FRAME_BYTES, self.length)

    def frame_at(self, index: int) -> tuple[int, int]:
        """Where frame `index` begins and ends in the sealed stream."""
        start = self.size + index * SEALED_FRAME_BYTES
        return start, min(start + SEALED_FRAME_BYTES, self.sealed_length)


def is_sealed(start: bytes) -> bool:
    """Whether these first bytes are those of a sealed stream."""
    return start[: len(MAGIC)] == MAGIC


def head_bytes(start: bytes) -> int:
    """The size of the head that begins here. Raises: ArtefactMalformed."""
    if len(start) < HEAD_BYTES or not is_sealed(start):
        raise ArtefactMalformed(reason="no sealed head", bytes=len(start))
    count = _HEAD.unpack_from(start)[1]
    if count > MAX_RECIPIENTS:
        raise ArtefactMalformed(reason="recipients", count=count, maximum=MAX_RECIPIENTS)
    return HEAD_BYTES + WRAP_BYTES * int(count)


@dataclass(frozen=True, slots=True)
class Seal:
    """A head with its key: seals and opens single frames, in any order."""

    head: SealHead
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if key_id_of(self.key) != self.head.key_id:
            raise KeyMissing(key_id=self.head.key_id.hex(), reason="another key")

    def seal(self, index: int, plain: Plain) -> bytes:
        """Frame `index` of the sealed stream."""
        return AESGCM(self.key).encrypt(self._nonce(index), plain, self._bound(index))

    def seal_into(self, index: int, plain: Plain, room: memoryview) -> None:
        """Write frame `index` into room of exactly its size."""
        AESGCM(self.key).encrypt_into(self._nonce(index), plain, self._bound(index), room)

    def open_into(self, index: int, sealed: bytes | memoryview, room: memoryview) -> None:
        """Write the plain bytes of frame `index` into room of their size. Raises: FrameTampered."""
        try:
            AESGCM(self.key).decrypt_into(self._nonce(index), sealed, self._bound(index), room)
        except InvalidTag as error:
            raise FrameTampered(frame=index, of=self.head.frames) from error

    def open(self, index: int, sealed: bytes | memoryview) -> bytes:
        """The plain bytes of frame `index`. Raises: FrameTampered."""
        try:
            return AESGCM(self.key).decrypt(self._nonce(index), sealed, self._bound(index))
        except InvalidTag as error:
            raise FrameTampered(frame=index, of=self.head.frames) from error

    def _nonce(self, index: int) -> bytes:
        return self.head.salt[:8] + _WORD.pack(index)

    def _bound(self, index: int) -> bytes:
        return keccak(self.head.to_bytes()) + _WORD.pack(index)
