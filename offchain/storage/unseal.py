"""A stored stream, piece by piece, back to the plain one: opened when it is sealed.

What begins with a sealed head is sealed; only whole frames that opened come out, in order, so a
frame that was tampered with ends the stream before a byte of it is handed on.
"""

from typing import Final

from offchain.storage.client_errors import ArtefactMalformed, KeyMissing
from offchain.storage.client_ports import FileKeys
from offchain.storage.recipients import unwrap_key
from offchain.storage.sealed import (
    FRAME_BYTES,
    MAX_RECIPIENTS,
    SEALED_FRAME_BYTES,
    TAG_BYTES,
    WRAP_BYTES,
    Seal,
    SealHead,
    head_bytes,
)
from offchain.storage.sources import Buffer

HEAD_MOST: Final = 46 + WRAP_BYTES * MAX_RECIPIENTS


def seal_of(head: SealHead, keys: FileKeys) -> Seal:
    """The key to a head: kept here, or wrapped to one of ours. Raises: KeyMissing."""
    key = keys.find(head.key_id) or unwrap_key(head, keys.reading_secrets())
    if key is None:
        raise KeyMissing(key_id=head.key_id.hex(), recipients=len(head.wraps))
    return Seal(head, key)


def read_head(start: bytes, stored_length: int) -> SealHead:
    """The head at the start of a sealed stream of this length. Raises: ArtefactMalformed."""
    head = SealHead.parse(start[: head_bytes(start)])
    if head.sealed_length != stored_length:
        raise ArtefactMalformed(
            reason="sealed length", bytes=stored_length, expected=head.sealed_length
        )
    return head


class Unsealer:
    """Opens frames from the one with plain byte `start` on; feed it from `stored_start`."""

    def __init__(self, seal: Seal, start: int = 0) -> None:
        self._seal = seal
        self._next = start // FRAME_BYTES
        self._waiting = bytearray()
        self._room = bytearray()

    @property
    def stored_start(self) -> int:
        """Where the stored stream has to begin."""
        return self._seal.head.frame_at(self._next)[0]

    def feed(self, stored: Buffer) -> Buffer:
        """The plain bytes that are whole now, there until the next call. Raises: FrameTampered."""
        head, view = self._seal.head, memoryview(stored)
        have, at = len(self._waiting) + len(view), 0
        last = self._next
        while last < head.frames and head.frame_at(last)[1] - self.stored_start <= have:
            last += 1
        size = head.plain_span(last)[0] - head.plain_span(self._next)[0]
        if len(self._room) < size:
            self._room = bytearray(size)
        plain, done = memoryview(self._room)[:size], 0
        while self._next < last:
            first, end = head.frame_at(self._next)
            missing = end - first - len(self._waiting)
            frame: bytes | memoryview = view[at : at + missing]
            if self._waiting:
                frame = bytes(self._waiting) + bytes(frame)
                self._waiting.clear()
            at += missing
            length = end - first - TAG_BYTES
            self._seal.open_into(self._next, frame, plain[done : done + length])
            done += length
            self._next += 1
        self._waiting += view[at:]
        assert len(self._waiting) < SEALED_FRAME_BYTES
        return plain
