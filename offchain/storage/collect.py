"""What no seat of this operator answers for any more is removed, never early and at last always.

  file   submitted or placed   kept until its deadline for receipts is past
         stored                kept until its term and the grace after it are over
         anything else         nobody owes it
  seat   held, or to be followed   its shards are kept
         lost or left              kept until a successor serves it, or `hand_over_seconds` passed

A shard goes only when neither a final block nor the newest one asks for it, no upload is using it,
and that was so for `linger_seconds` of chain time: a submission that a reorganisation took back for
a while finds its shards where they were. Three phases: load, decide (pure), apply (idempotent).
Source: docs/protocol/storage.md#keeping, INV-STO-11.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from offchain.node.errors import StoreBroken, StoreFull
from offchain.storage.keep_ports import KeeperLedger, SegmentBook
from offchain.storage.model import FileState, SeatState, Segment, shard_of
from offchain.storage.ports import (
    GroupView,
    HeldShard,
    SeatView,
    ShardKey,
    ShardStore,
    StoredFile,
)
from offchain.storage.watch import Surroundings, look_around

AWAITED: Final = frozenset({FileState.SUBMITTED, FileState.PLACED, FileState.STORED})
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CollectRules:
    """Chain seconds: of a hand-over at most, and for which a shard is unwanted before it goes."""

    hand_over_seconds: int = 3 * 86_400
    linger_seconds: int = 3_600


@dataclass(frozen=True, slots=True)
class Wanted:
    """Roots of files that are wanted, and which seats' shards of each.

    `stored`: the roots of those that receipts cover; of others nothing may be here yet.
    """

    seats: dict[bytes, frozenset[tuple[int, int]]]  # file root -> (shard number, rows)
    stored: frozenset[bytes]

    def keys(self, root: bytes, segments: Iterable[Segment]) -> set[ShardKey]:
        return {
            ShardKey(segment.data_root, number, rows)
            for segment in segments
            for number, rows in self.seats[root]
        }


def is_kept_for(seat: SeatView, operator: int, now: int, rules: CollectRules) -> bool:
    """Whether an operator keeps the shards of a seat."""
    if seat.successor == operator:
        return True
    if seat.operator != operator:
        return False
    if seat.state is SeatState.VACANT:
        return now < seat.since + rules.hand_over_seconds
    return seat.state is not SeatState.NONE


def is_kept(file: StoredFile, now: int) -> bool:
    """Whether the seats of its group keep a file."""
    return file.state in AWAITED and now < file.keep_until


def wanted_by(around: Surroundings, rules: CollectRules) -> Wanted:
    """Everything one block asks this operator to keep."""
    now = around.block.timestamp
    seats: dict[bytes, frozenset[tuple[int, int]]] = {}
    stored: set[bytes] = set()
    for group in around.groups:
        kept = _shards_kept(group, around.operator, now, rules)
        for file in around.files[group.group]:
            if kept and is_kept(file, now):
                seats[file.root] = seats.get(file.root, frozenset()) | kept
                if file.state is FileState.STORED:
                    stored.add(file.root)
    return Wanted(seats, frozenset(stored))


def _shards_kept(
    group: GroupView, operator: int, now: int, rules: CollectRules
) -> frozenset[tuple[int, int]]:
    return frozenset(
        (shard_of(group.profile, seat.seat), group.profile.rows_per_seat)
        for seat in group.seats
        if is_kept_for(seat, operator, now, rules)
    )


@dataclass(frozen=True, slots=True)
class CollectParts:
    """What collecting works with. `is_busy`: whether an upload uses shards of this matrix."""

    operator: int
    ledger: KeeperLedger
    store: ShardStore
    book: SegmentBook
    is_busy: Callable[[bytes], bool] = lambda _: False


class CollectShards:
    """One pass over everything a node holds."""

    def __init__(self, parts: CollectParts, rules: CollectRules) -> None:
        self._parts = parts
        self._rules = rules
        self._unwanted: dict[ShardKey, int] = {}  # since which chain time

    async def collect(self) -> list[ShardKey]:
        """Remove what is over; what was removed.

        Raises: Unavailable when the chain or the disk does not answer; nothing is removed blindly.
        """
        final, newest = await asyncio.to_thread(self._look)
        wanted = await self._keys(final, newest)
        now = final.block.timestamp
        held = await self._parts.store.held()
        unwanted = [one for one in held if wanted is not None and one.key not in wanted]
        self._unwanted = {one.key: self._unwanted.get(one.key, now) for one in unwanted}
        return [one.key for one in unwanted if await self._drop(one, now)]

    def _look(self) -> tuple[Surroundings, Surroundings]:
        ledger, operator = self._parts.ledger, self._parts.operator
        final = look_around(ledger, operator, at=ledger.final())
        return final, look_around(ledger, operator, at=ledger.head())

    async def _keys(self, *views: Surroundings) -> set[ShardKey] | None:
        """What is wanted at any of the blocks; None while a stored file's segments are unknown.

        Without them it cannot be told which shards are its own. A file without receipts whose
        segments are unknown has no shard here: they come with the first one.
        """
        keys: set[ShardKey] = set()
        for around in views:
            wanted = wanted_by(around, self._rules)
            for root in wanted.seats:
                segments = await self._parts.book.segments(root)
                if segments is None and root not in wanted.stored:
                    continue
                if segments is None:
                    log.info("segments_unknown", extra={"root": root.hex()})
                    return None
                keys |= wanted.keys(root, segments)
        return keys

    async def _drop(self, shard: HeldShard, now: int) -> bool:
        key = shard.key
        is_early = now < self._unwanted[key] + self._rules.linger_seconds
        if is_early or self._parts.is_busy(key.data_root):
            return False
        named = {"data_root": key.data_root.hex(), "shard": key.number, "rows": key.rows}
        try:
            await self._parts.store.drop(key)
        except (StoreFull, StoreBroken):
            log.warning("shard_not_dropped", extra=named)
            raise
        log.info("shard_dropped", extra=named)
        return True
