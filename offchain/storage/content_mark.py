"""A mark by which this machine knows its own bytes again: AES-256-GMAC under a key of its own.

  mark   key 32 | tag 16

Who does not know the mark cannot find other bytes that fit it, for a tenth of what SHA-256 costs.
Who may read it can: it is no name for content, and stays where the content itself could be changed.
"""

import hashlib
import secrets
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import GCM

from offchain.storage.sources import Buffer

KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 32
MARK_BYTES: Final = KEY_BYTES + 16
_NONCE: Final = bytes(12)  # a key marks one content


class Marker:
    """Marks a stream piece by piece, under a new key unless one is given."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(KEY_BYTES) if key is None else key
        self._sponge = Cipher(AES256(self._key), GCM(_NONCE)).encryptor()

    @classmethod
    def again(cls, mark: bytes) -> Self:
        """Under the key of a mark, to compare with it; of a malformed one under no known key."""
        return cls(mark[:KEY_BYTES] if len(mark) == MARK_BYTES else None)

    def update(self, piece: Buffer) -> None:
        """Take the next bytes."""
        self._sponge.authenticate_additional_data(piece)

    def mark(self) -> bytes:
        """The mark of everything taken; once."""
        self._sponge.finalize()
        return self._key + self._sponge.tag


def mark_of(content: Buffer) -> bytes:
    """A new mark of these bytes."""
    marker = Marker()
    marker.update(content)
    return marker.mark()


def is_marked(content: Buffer, mark: bytes) -> bool:
    """Whether these are the bytes of which this is the mark, or the SHA-256."""
    if len(mark) == DIGEST_BYTES:  # what plans of earlier versions have
        return hashlib.sha256(content).digest() == mark
    marker = Marker.again(mark)
    marker.update(content)
    return secrets.compare_digest(marker.mark(), mark)
