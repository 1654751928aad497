"""Read every kept shard again, slowly: rot is found before a challenge or a reader finds it.

  SUCCESS    every byte is what its root says
  FAILURE    it is not: the shard is set aside, never served, and has to be rebuilt
  CONTAINED  failed before and not rebuilt yet
  OFFLINE    the medium does not answer
  UNKNOWN    anything else; unknown is not healthy

One round visits each shard once, spread over `round_seconds`, never faster than `bytes_per_second`.
Each change of a shard's standing is one log line with its cause, and the figures of the last round
are kept. Source: docs/protocol/storage.md#node.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from offchain.storage.ports import HeldShard, ScrubOutcome, ShardKey, ShardStore
from offchain.storage.shard_file import name_of

HEALTHY: Final = frozenset({ScrubOutcome.SUCCESS})
DAY: Final = 86_400
log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]


class Keeps(Protocol):
    """A shard store that names what it has set aside."""

    def contained(self) -> frozenset[ShardKey]: ...


@dataclass(frozen=True, slots=True)
class ScrubRules:
    """How long a round takes at least, and how fast it reads at most (a tenth of a disk)."""

    round_seconds: float = 30 * DAY
    bytes_per_second: float = 20e6


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """One round: shards by outcome, bytes read, and which shards are not healthy."""

    outcomes: Mapping[ScrubOutcome, int]
    bytes_read: int
    sick: tuple[ShardKey, ...] = field(repr=False)

    @property
    def is_healthy(self) -> bool:
        return not self.sick


class ScrubShards:
    """Goes through a store again and again."""

    def __init__(
        self,
        store: ShardStore,
        keeps: Keeps,
        rules: ScrubRules,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._keeps = keeps
        self._rules = rules
        self._sleep = sleep
        self.last: ScrubReport | None = None

    async def round(self) -> ScrubReport:
        """Visit every shard once; the waits are counted in `sleep`."""
        held = sorted(await self._store.held(), key=lambda one: one.key)
        outcomes: Counter[ScrubOutcome] = Counter()
        sick = sorted(self._keeps.contained())
        outcomes[ScrubOutcome.CONTAINED] = len(sick)
        read = 0
        for shard in held:
            outcome = await self._store.verify(shard.key)
            if outcome is ScrubOutcome.UNKNOWN and not await self._is_held(shard.key):
                continue  # dropped since the round began
            outcomes[outcome] += 1
            read += shard.size_bytes
            if outcome not in HEALTHY:
                sick.append(shard.key)
                log.error(
                    "shard_not_healthy",
                    extra={"shard": name_of(shard.key), "outcome": outcome.value},
                )
            await self._sleep(self._pause(shard, len(held)))
        self.last = ScrubReport(dict(outcomes), read, tuple(sick))
        log.info("scrub_done", extra={"shards": len(held), "bytes": read, "sick": len(sick)})
        return self.last

    async def _is_held(self, key: ShardKey) -> bool:
        return any(one.key == key for one in await self._store.held(key.data_root))

    def _pause(self, shard: HeldShard, shards: int) -> float:
        return max(
            shard.size_bytes / self._rules.bytes_per_second, self._rules.round_seconds / shards
        )
