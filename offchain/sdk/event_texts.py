"""Texts out of the events of a streamed answer, opened where they are sealed.

They are not proven before the whole answer is checked; those of a private answer come from who
opened its request, in their order, or nothing more is told.
"""

from collections.abc import Iterator

from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.private_buy import AnswerOpener, PrivateRequest
from offchain.compute.read_answer import MAX_ANSWER_BYTES
from offchain.sdk.asked import request_of, text_of


class EventTexts:
    """One stream, from its first byte; `raw` is all that came."""

    def __init__(self, sealed: PrivateRequest | None) -> None:
        self._sealed = sealed
        self._opener: AnswerOpener | None = None
        self._seen = 0
        self.raw = bytearray()

    def feed(self, piece: bytes) -> Iterator[str]:
        """The texts that are whole with this piece. Raises: UnverifiedAnswer."""
        self.raw += piece
        if len(self.raw) > MAX_ANSWER_BYTES:
            raise UnverifiedAnswer(Reason.ANSWER_MALFORMED, form="length")
        while (end := self.raw.find(b"\n\n", self._seen)) >= 0:
            event = bytes(self.raw[self._seen : end])
            self._seen = end + 2
            text = text_of(event)
            if text and self._sealed is not None:
                self._opener = self._opener or self._sealed.opener(request_of(event))
                text = "".join(self._opener.feed(text))
            if text:
                yield text
