"""From ids to pieces of text, the same way while serving and while replaying; pure.

A tokenizer's ids are not texts: a character may need several, and a stop text may end inside one.
So ids are held back until their text is certain, and text is held back while it may be the start
of a stop text. Joined texts of pieces are the answer; nothing is ever taken back.

  feed("Hel") -> piece "Hel"      feed(half a character) -> none      feed(rest) -> piece, both ids
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.compute.engine import Piece

REPLACEMENT: Final = "\ufffd"
MAX_HELD_IDS: Final = 16  # a text that stays broken this long is sent as it is


@dataclass(slots=True)
class TextAssembler:
    """Makes pieces of the ids of one answer.

    `decode` is the tokenizer's, special tokens left out; `end_ids` end the answer without text.
    """

    decode: Callable[[Sequence[int]], str]
    end_ids: frozenset[int]
    stops: tuple[str, ...] = ()
    is_stopped: bool = False
    _before: list[int] = field(default_factory=list)  # ids whose text is out, for context
    _held: list[int] = field(default_factory=list)  # ids whose text is not certain
    _unsent: list[int] = field(default_factory=list)  # ids of the next piece
    _text: str = ""  # certain text that may begin a stop text

    def feed(self, token: int) -> Piece | None:
        """The next piece, once there is one; `is_stopped` when the answer ends with this token."""
        self._unsent.append(token)
        if token in self.end_ids:
            self.is_stopped = True
            return self.flush()
        self._held.append(token)
        fresh = self._certain(is_forced=len(self._held) >= MAX_HELD_IDS)
        if fresh is None:
            return None
        self._text += fresh
        return self._release()

    def flush(self) -> Piece | None:
        """What is still held, when no more tokens come."""
        fresh = self._certain(is_forced=True) if self._held else ""
        self._text += fresh or ""
        cut = self._stop_at()
        self.is_stopped = self.is_stopped or cut is not None
        return self._piece(self._text[:cut])

    def _certain(self, *, is_forced: bool) -> str | None:
        """The text of the held ids, in the context of those before."""
        known = self.decode(self._before)
        text = self.decode(self._before + self._held)
        if not is_forced and (text.endswith(REPLACEMENT) or len(text) < len(known)):
            return None
        self._before, self._held = self._held, []
        return text[len(known) :]

    def _release(self) -> Piece | None:
        cut = self._stop_at()
        if cut is not None:
            self.is_stopped = True
            return self._piece(self._text[:cut])
        if not self._text or self._may_begin_stop():
            return None
        return self._piece(self._text)

    def _stop_at(self) -> int | None:
        found = [at for stop in self.stops if (at := self._text.find(stop)) >= 0]
        return min(found, default=None)

    def _may_begin_stop(self) -> bool:
        return any(
            self._text.endswith(stop[:length])
            for stop in self.stops
            for length in range(1, len(stop))
        )

    def _piece(self, text: str) -> Piece | None:
        ids, self._unsent, self._text = tuple(self._unsent), [], ""
        return Piece(ids, text) if ids else None


def assemble(ids: Sequence[int], assembler: TextAssembler, *, is_cut: bool) -> str | None:
    """The text that these ids make; None when the answer would have ended before the last.

    A cut answer ends at a piece's end, so nothing held is flushed into it.
    """
    text = ""
    for position, token in enumerate(ids):
        piece = assembler.feed(token)
        text += piece.text if piece else ""
        if assembler.is_stopped and position + 1 < len(ids):
            return None
    if is_cut or assembler.is_stopped:
        return text
    last = assembler.flush()
    return text + last.text if last else text
