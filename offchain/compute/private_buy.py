"""Seal a request to a provider's attested key, and open the answer, whole or as it comes.

Each request has its own reply key, known to its sealed request only. A chunk opens in its place and
nowhere else: dropped, doubled, swapped, changed or foreign chunks end the answer with a reason, and
so does plain text where sealed text has to be.
Source: docs/protocol/attestation.md#private-inference.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from offchain.compute.answers import Route
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.model import request_hash
from offchain.compute.private_errors import KeyDoubt, SealBroken, SealKeyUntrusted
from offchain.compute.private_form import (
    LAST,
    MAX_CHUNKS,
    NEXT,
    SEAL_BYTES,
    Inside,
    Place,
    SealedBody,
    from_text,
    request_info,
    seal,
    sealed_body,
    unpack_vectors,
    unpad_text,
    unseal,
)
from offchain.compute.private_keys import SealKey

MAX_CHUNK_CHARS: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class PrivateRequest:
    """One sealed request; `body` is sent, `plain` is what it asks. Keep it to read the answer."""

    route: Route
    body: bytes = field(repr=False)
    plain: bytes = field(repr=False)
    key: SealKey
    reply: X25519PrivateKey = field(repr=False)

    @classmethod
    def of(
        cls, route: Route, plain: bytes, key: SealKey, *, service: bytes, now: int
    ) -> "PrivateRequest":
        """`now`: chain time. Raises: RequestMalformed, SealKeyUntrusted."""
        reply = X25519PrivateKey.generate()
        inside = Inside(now, reply.public_key().public_bytes_raw(), plain)
        sealed_body(route, plain, SealedBody(key.hash, b""))  # refuse before anything is sealed
        try:
            raw = seal(inside.to_bytes(), key.public, request_info(key.hash, service, route))
        except SealBroken as error:
            raise SealKeyUntrusted(KeyDoubt.MALFORMED) from error
        body = sealed_body(route, plain, SealedBody(key.hash, raw))
        return cls(route, body, plain, key, reply)

    def opener(self, request_id: bytes) -> "AnswerOpener":
        """Opens the answer that names this request id."""
        return AnswerOpener(self.reply, request_id, request_hash(self.body))

    def text(self, request_id: bytes, sealed: str) -> str:
        """All of an answer. Raises: UnverifiedAnswer (not_sealed, seal_broken, seal_cut)."""
        opener = self.opener(request_id)
        texts = opener.feed(sealed)
        opener.end()
        return "".join(texts)

    def vectors(self, request_id: bytes, shown: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """An embedding's vectors. Raises: UnverifiedAnswer."""
        if shown.shape[0] != 1:
            raise UnverifiedAnswer(Reason.NOT_SEALED)
        place = Place(request_id, request_hash(self.body), 0, is_last=True)
        try:
            raw = np.ascontiguousarray(shown, dtype="<f4").tobytes()
            return unpack_vectors(unseal(raw, self.reply, place.info()))
        except SealBroken as error:
            raise UnverifiedAnswer(Reason.SEAL_BROKEN, chunk=0) from error


class AnswerOpener:
    """Opens chunk after chunk of one answer, in order."""

    def __init__(self, reply: X25519PrivateKey, request_id: bytes, hash_of_request: bytes) -> None:
        self._reply = reply
        self._request_id = request_id
        self._hash = hash_of_request
        self._index = 0
        self._rest = ""
        self._is_over = False

    def feed(self, sealed: str) -> list[str]:
        """The texts of the chunks that are whole by now.

        Raises: UnverifiedAnswer (not_sealed, seal_broken).
        """
        texts = []
        self._rest += sealed
        while (end := _first_end(self._rest)) >= 0:
            chunk, mark = self._rest[:end], self._rest[end]
            self._rest = self._rest[end + 1 :]
            texts.append(self._open(chunk, is_last=mark == LAST))
        if len(self._rest) > MAX_CHUNK_CHARS:
            raise UnverifiedAnswer(Reason.SEAL_BROKEN, chunk=self._index, chars=len(self._rest))
        return texts

    def end(self) -> None:
        """The answer is over. Raises: UnverifiedAnswer (seal_cut) unless it came to its end."""
        if not self._is_over or self._rest:
            raise UnverifiedAnswer(Reason.SEAL_CUT, chunks=self._index)

    def _open(self, chunk: str, *, is_last: bool) -> str:
        if self._is_over or self._index >= MAX_CHUNKS:
            raise UnverifiedAnswer(Reason.SEAL_BROKEN, chunk=self._index, after="the last")
        place = Place(self._request_id, self._hash, self._index, is_last)
        try:
            raw = from_text(chunk)
        except SealBroken as error:
            raise UnverifiedAnswer(Reason.NOT_SEALED, chunk=self._index) from error
        if len(raw) < SEAL_BYTES:
            raise UnverifiedAnswer(Reason.NOT_SEALED, chunk=self._index)
        try:
            text = unpad_text(unseal(raw, self._reply, place.info()))
        except SealBroken as error:
            raise UnverifiedAnswer(Reason.SEAL_BROKEN, chunk=self._index) from error
        self._index += 1
        self._is_over = is_last
        return text


def _first_end(text: str) -> int:
    ends = [place for place in (text.find(NEXT), text.find(LAST)) if place >= 0]
    return min(ends, default=-1)
