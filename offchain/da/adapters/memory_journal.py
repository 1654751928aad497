"""Decisions in this process's memory: for tests and throw-away nodes, never for staked keys."""

from collections.abc import Sequence

from offchain.da.ports import Decision
from offchain.da.refusals import AlreadySigned


class MemoryJournal:
    """A `DecisionJournal` that forgets with its process."""

    def __init__(self) -> None:
        self._decisions: dict[tuple[bytes, bytes], Decision] = {}

    async def decided(self, blob_id: bytes, seed: bytes) -> Decision | None:
        return self._decisions.get((blob_id, seed))

    async def decisions(self) -> Sequence[Decision]:
        return list(self._decisions.values())

    async def record(self, decision: Decision) -> None:
        known = self._decisions.setdefault((decision.blob_id, decision.seed), decision)
        if known.digest != decision.digest:
            raise AlreadySigned(blob_id=decision.blob_id.hex())

    async def forget(self, blob_ids: Sequence[bytes]) -> None:
        gone = set(blob_ids)
        self._decisions = {key: d for key, d in self._decisions.items() if key[0] not in gone}
