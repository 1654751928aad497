"""Subjects as the relayers of one process see them: what one of them fetched serves the others.

A process that relays for eight operators would fetch every offer eight times a round. Each relayer
still judges by itself; only the bytes are shared, for less time than a round takes.
Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

from offchain.attestation.bundle import Bundle
from offchain.attestation.relay_ports import Offer, SignedVerdict, SubjectPlace, Subjects

SHARED_SECONDS: Final = 0.5
MOST: Final = 4_096  # answers of subjects, more than are visited in half a second


class SharedSubjects:
    """Of one process and event loop; `now` is in seconds of any clock that runs forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._fetched: dict[SubjectPlace, tuple[float, asyncio.Task[Sequence[Offer]]]] = {}

    def seen_by(self, relayer: Subjects) -> Subjects:
        """Subjects for one relayer, who asks them as itself when nobody has just done so."""
        return _SeenBy(self, relayer)

    async def offers(self, place: SubjectPlace, relayer: Subjects) -> Sequence[Offer]:
        """Raises as `Subjects.offers` does, for everybody who waits for the same answer."""
        now = self._now()
        at, fetching = self._fetched.get(place, (-math.inf, None))
        if fetching is None or now - at >= SHARED_SECONDS:
            fetching = asyncio.create_task(relayer.offers(place))
            self._fetched[place] = now, fetching
            if len(self._fetched) > MOST:
                del self._fetched[next(iter(self._fetched))]
        return await asyncio.shield(fetching)


class _SeenBy:
    """A `Subjects`."""

    def __init__(self, shared: SharedSubjects, relayer: Subjects) -> None:
        self._shared = shared
        self._relayer = relayer

    async def offers(self, place: SubjectPlace) -> Sequence[Offer]:
        return await self._shared.offers(place, self._relayer)

    async def deliver(self, place: SubjectPlace, signed: SignedVerdict) -> None:
        await self._relayer.deliver(place, signed)

    async def bundle(self, place: SubjectPlace, evidence_id: bytes) -> Bundle:
        return await self._relayer.bundle(place, evidence_id)
