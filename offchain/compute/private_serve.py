"""Open sealed requests and seal their answers, beside everything else that serving is.

A request opens once: the same sealed bytes under another voucher are refused, and those of longer
ago than FRESH_SECONDS too, so remembering that long is enough. The engine's stream is wrapped, so
what is counted, hashed, kept on disk and given away is the sealed text; plain text is in the
engine's memory only, and in no log or error.
Source: docs/protocol/attestation.md#private-inference.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.compute.answers import Route
from offchain.compute.engine import Piece, TokenStream, Trace
from offchain.compute.model import Finish, request_hash
from offchain.compute.private_errors import (
    PrivateNotOffered,
    SealBroken,
    SealedAgain,
    SealedRequestBroken,
    SealedTooMany,
)
from offchain.compute.private_form import (
    LAST,
    NEXT,
    SEAL_BYTES,
    Inside,
    Place,
    SealedBody,
    pack_vectors,
    pad_text,
    parse_sealed,
    request_info,
    seal,
    sealed_body,
    to_text,
)
from offchain.compute.private_keys import EnclaveKeys
from offchain.core.errors import InvalidInput

FRESH_SECONDS: Final = 600
MOST_FRESH: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed request as the engine reads it; answers go to `reply`."""

    body: bytes = field(repr=False)
    reply: bytes = field(repr=False)
    request_id: bytes
    request_hash: bytes

    def chunk(self, index: int, plain: bytes, *, is_last: bool) -> bytes:
        place = Place(self.request_id, self.request_hash, index, is_last)
        return seal(plain, self.reply, place.info())

    def stream(self, stream: TokenStream, *, is_streamed: bool) -> "SealedStream":
        return SealedStream(stream, self, is_streamed=is_streamed)

    def vectors(self, plain: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Sealed vectors, as one row of numbers that mean nothing."""
        sealed = self.chunk(0, pack_vectors(plain), is_last=True)
        return np.frombuffer(sealed, "<f4").astype(np.float32).reshape(1, -1)


class OpenSealed:
    """What a provider opens requests with; `now`: chain time. Never waits, so it needs no lock."""

    def __init__(
        self, keys: EnclaveKeys, now: Callable[[], int], *, most_fresh: int = MOST_FRESH
    ) -> None:
        self._keys = keys
        self._now = now
        self._most = most_fresh
        self._seen: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    @property
    def public(self) -> bytes:
        """The key to seal to."""
        return self._keys.public

    def open(self, route: Route, body: bytes, service: bytes, request_id: bytes) -> Opened | None:
        """What a body asks when it is sealed; None for a plain one.

        Raises: SealedRequestBroken, SealKeyUnknown, SealedAgain, SealedTooMany.
        """
        found = sealed_in(route, body)
        if found is None:
            return None
        if len(found.sealed) < SEAL_BYTES:
            raise SealedRequestBroken(part="length")
        info = request_info(found.key_hash, service, route)
        try:
            inside = Inside.from_bytes(self._keys.open(found.key_hash, found.sealed, info))
        except SealBroken as error:
            raise SealedRequestBroken(part=error.fields.get("part")) from None
        if _outside(route, inside.body, found) != body:
            raise SealedRequestBroken(part="beside")
        self._remember(found.sealed, inside.time, request_id)
        return Opened(inside.body, inside.reply, request_id, request_hash(body))

    def _remember(self, sealed: bytes, time: int, request_id: bytes) -> None:
        now = self._now()
        while self._seen and next(iter(self._seen.values()))[0] + 2 * FRESH_SECONDS < now:
            self._seen.popitem(last=False)
        if abs(now - time) > FRESH_SECONDS:
            raise SealedRequestBroken(part="time", seconds=now - time)
        name = sealed[:32]  # the ephemeral key: with another ciphertext it would not have opened
        known = self._seen.get(name)
        if known is not None and known[1] != request_id:
            raise SealedAgain
        if known is None:
            if len(self._seen) >= self._most:
                raise SealedTooMany(seconds=FRESH_SECONDS)
            self._seen[name] = now, request_id


class SealedStream:
    """A `TokenStream` whose texts are sealed chunks; the last chunk holds no text of a stream and
    all the text of a whole answer.
    """

    def __init__(self, stream: TokenStream, opened: Opened, *, is_streamed: bool) -> None:
        self._stream = stream
        self._opened = opened
        self._is_streamed = is_streamed
        self._kept: list[str] = []
        self._index = 0
        self._is_over = False

    def __aiter__(self) -> "SealedStream":
        return self

    async def __anext__(self) -> Piece:
        if self._is_over:
            raise StopAsyncIteration
        try:
            piece = await anext(self._stream)
        except StopAsyncIteration:
            self._is_over = True
            return Piece((), self._sealed("".join(self._kept), is_last=True))
        if self._is_streamed:
            return Piece(piece.ids, self._sealed(piece.text, is_last=False))
        self._kept.append(piece.text)
        return Piece(piece.ids, "")

    @property
    def finish(self) -> Finish | None:
        return self._stream.finish

    def cancel(self) -> None:
        self._stream.cancel()

    async def trace(self, tokens: int) -> Trace:
        return await self._stream.trace(tokens)

    def _sealed(self, text: str, *, is_last: bool) -> str:
        chunk = self._opened.chunk(self._index, pad_text(text), is_last=is_last)
        self._index += 1
        return to_text(chunk) + (LAST if is_last else NEXT)


def sealed_in(route: Route, body: bytes) -> SealedBody | None:
    """What a body holds sealed; None for a plain one. Raises: SealedRequestBroken."""
    try:
        return parse_sealed(route, body)
    except SealBroken as error:
        raise SealedRequestBroken(part=error.fields.get("part")) from None


def open_nothing(route: Route, body: bytes) -> None:
    """For a provider without a key. Raises: PrivateNotOffered, SealedRequestBroken."""
    if sealed_in(route, body) is not None:
        raise PrivateNotOffered


def _outside(route: Route, plain: bytes, found: SealedBody) -> bytes:
    """What this plain body looks like when it is sent. Raises: SealedRequestBroken."""
    try:
        return sealed_body(route, plain, found)
    except InvalidInput as error:  # its message may quote what was sealed
        raise SealedRequestBroken(part="body", refused=error.code) from None
