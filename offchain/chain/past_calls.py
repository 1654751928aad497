"""What calls returned at blocks named by their hash: it never changes, so nobody asks twice.

Chores look at the newest block several times a second, and most of the time it is the same one.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from offchain.chain.model import Call

MOST_BYTES: Final = 2_000_000  # of data and answers, in one process
MOST_OF_ONE: Final = 16_384


class PastCalls:
    """Answers by block and call; those used longest ago are forgotten first. Any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._held = 0
        self._answers: OrderedDict[tuple[bytes, Call], bytes] = OrderedDict()
        self._lock = Lock()

    def find(self, block: bytes, call: Call) -> bytes | None:
        """The answer, if it is kept."""
        with self._lock:
            found = self._answers.get((block, call))
            if found is not None:
                self._answers.move_to_end((block, call))
            return found

    def keep(self, block: bytes, call: Call, answer: bytes) -> None:
        """Keep an answer that the chain gave, unless it is a large one."""
        size = len(call.data) + len(answer)
        if size > MOST_OF_ONE:
            return
        with self._lock:
            if (block, call) in self._answers:
                return
            self._answers[block, call] = answer
            self._held += size
            while self._held > self._most:
                (_, gone), told = self._answers.popitem(last=False)
                self._held -= len(gone.data) + len(told)
