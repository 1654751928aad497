"""Read a chain's events in order, once each, across restarts and reorganisations.

`poll` answers what to take back and what to apply; `commit` remembers that it was applied. What
happens between the two may happen again after a crash, so applying is idempotent.
"""

import bisect
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from offchain.chain.errors import BlockUnknown, ReorgTooDeep, TooManyResults
from offchain.chain.event_cursor import Advance, EventCursor
from offchain.chain.model import Block, BlockHash, Log, LogFilter
from offchain.chain.ports import ChainReader
from offchain.core.units import BlockNumber

log = logging.getLogger(__name__)

MAX_RANGE_BLOCKS: Final = 2_000
MEMORY_BLOCKS: Final = 64
POLL_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What changed: take `removed` back (newest first), then apply `added` (oldest first).

    `upto` is the last block looked at; None when nothing is new.
    """

    removed: tuple[Log, ...]
    added: tuple[Log, ...]
    upto: Block | None
    step: Advance | None

    @property
    def is_empty(self) -> bool:
        return not self.removed and not self.added


class _ChainMoved(Exception):
    """The chain changed while it was being read."""


class EventSource:
    """The logs of one filter behind one cursor.

    `confirmations`: how many blocks must lie on top of an event's block. `memory_blocks`: how deep
    a reorganisation may be, counted from the newest block applied.
    """

    def __init__(  # noqa: PLR0913 - each knob has a unit and a default
        self,
        reader: ChainReader,
        cursor: EventCursor,
        wanted: LogFilter,
        *,
        start_block: int,
        confirmations: int = 0,
        max_range_blocks: int = MAX_RANGE_BLOCKS,
        memory_blocks: int = MEMORY_BLOCKS,
    ) -> None:
        self._reader = reader
        self._cursor = cursor
        self._wanted = wanted
        self._start_block = start_block
        self._confirmations = confirmations
        self._range_blocks = max_range_blocks
        self._max_range_blocks = max_range_blocks
        self._memory_blocks = memory_blocks

    def poll(self) -> EventBatch:
        """The next range; the same one until it is committed.

        Raises: ReorgTooDeep, TooManyResults when even one block holds too many, Unavailable.
        """
        for _ in range(POLL_ROUNDS):
            try:
                return self._poll_once()
            except (_ChainMoved, BlockUnknown):
                log.info("chain_moved_while_reading")
        return self._poll_once_or_nothing()

    def commit(self, batch: EventBatch) -> None:
        """Remember that a batch was applied."""
        if batch.step is not None:
            self._cursor.advance(batch.step)

    # Internal

    def _poll_once_or_nothing(self) -> EventBatch:
        """A chain that moves faster than it can be read is read next time."""
        try:
            return self._poll_once()
        except (_ChainMoved, BlockUnknown):
            return EventBatch((), (), None, None)

    def _poll_once(self) -> EventBatch:
        head = self._reader.block()
        committed = self._cursor.next_block()
        known = self._cursor.blocks()
        first = self._start_block if committed is None else committed
        standing = self._standing(known, head)
        removed: tuple[Log, ...] = ()
        if standing is not None and standing < first:
            first = standing
            removed = tuple(self._cursor.logs_from(first))
            log.warning(
                "reorganisation_seen", extra={"from_block": first, "taken_back": len(removed)}
            )
        last = head.number - self._confirmations
        if last < first:
            return self._only_removed(removed, first, head) if removed else _nothing()
        return self._read_range(removed, first, last, head)

    def _standing(self, known: Sequence[tuple[BlockNumber, BlockHash]], head: Block) -> int | None:
        """The first block to read again; None when everything remembered still stands."""
        if not known or self._stands(*known[0], head):
            return None
        # Below a block that stands everything stands, so the border is found by halving.
        oldest_first = known[::-1]
        border = bisect.bisect_left(
            range(len(oldest_first)),
            1,
            key=lambda index: int(not self._stands(*oldest_first[index], head)),
        )
        if border == 0:
            number = oldest_first[0][0]
            if number <= self._start_block:
                return self._start_block
            raise ReorgTooDeep(oldest_block=number, head=head.number)
        return oldest_first[border - 1][0] + 1

    def _stands(self, number: BlockNumber, block_hash: BlockHash, head: Block) -> bool:
        if number > head.number:
            return False
        if number == head.number:
            return head.hash == block_hash
        return self._reader.block(number).hash == block_hash

    def _read_range(
        self, removed: tuple[Log, ...], first: int, last: int, head: Block
    ) -> EventBatch:
        end, logs = self._logs_from(first, last)
        upto = head if end == head.number else self._reader.block(BlockNumber(end))
        remembered_from = max(first, head.number - self._confirmations - self._memory_blocks + 1)
        marks = self._marks(first, remembered_from, upto)
        hashes = {one.number: one.hash for one in marks}
        for one in logs:
            if hashes.get(one.block_number, one.block_hash) != one.block_hash:
                raise _ChainMoved
        before = self._cursor.hash_of(marks[0].number - 1)
        is_joined = before in {None, marks[0].parent_hash}
        if marks[0].number == first and not is_joined:
            raise _ChainMoved
        # The range is only worth something if it belongs to one chain from end to end.
        if self._reader.block(upto.number).hash != upto.hash:
            raise _ChainMoved
        step = Advance(
            keep_below=first,
            blocks=tuple((one.number, one.hash) for one in marks),
            logs=tuple(one for one in logs if one.block_number >= remembered_from),
            next_block=end + 1,
            forget_below=head.number - self._confirmations - self._memory_blocks,
        )
        return EventBatch(removed, tuple(logs), upto, step)

    def _marks(self, first: int, remembered_from: int, upto: Block) -> list[Block]:
        """The blocks to remember, oldest first; each is the parent of the next."""
        marks = [upto]
        while marks[-1].number > max(first, remembered_from):
            marks.append(self._reader.block(marks[-1].parent_hash))
        return marks[::-1]

    def _logs_from(self, first: int, last: int) -> tuple[int, list[Log]]:
        """Logs of as many blocks as the node answers at once, and the last of them."""
        while True:
            end = min(last, first + self._range_blocks - 1)
            try:
                logs = self._reader.logs(replace(self._wanted, first_block=first, last_block=end))
            except TooManyResults:
                if end == first:
                    raise
                self._range_blocks = max((end - first + 1) // 2, 1)
            else:
                self._range_blocks = min(self._range_blocks * 2, self._max_range_blocks)
                return end, logs

    def _only_removed(self, removed: tuple[Log, ...], first: int, head: Block) -> EventBatch:
        """The chain became shorter: take back, and go on from there later."""
        forget_below = head.number - self._confirmations - self._memory_blocks
        step = Advance(first, (), (), first, forget_below)
        return EventBatch(removed, (), head, step)


def _nothing() -> EventBatch:
    return EventBatch((), (), None, None)
