"""Weights of every service and epoch, followed from the registry's `WeightSet` logs.

Kept in memory: a process that starts reads the logs again from the deployment on, and from then on
only what is new. What a reorganisation takes back is forgotten.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from offchain.chain.event_cursor import EventCursor
from offchain.chain.events import EventSource
from offchain.chain.model import Log
from offchain.chain.ports import ChainReader
from offchain.staking.events import WeightSet
from offchain.staking.model import Service, service_of
from offchain.staking.onchain import OperatorRegistryClient

IN_MEMORY: Final = Path(":memory:")  # SQLite's name for a database without a file


class WeightBook:
    """Who weighed what; one thread uses it."""

    def __init__(
        self, reader: ChainReader, registry: OperatorRegistryClient, *, first_block: int
    ) -> None:
        self._registry = registry
        self._cursor = EventCursor.open(IN_MEMORY, name="weights")
        self._source = EventSource(
            reader, self._cursor, registry.event_filter(WeightSet), start_block=first_block
        )
        self._logs: list[Log] = []  # in chain order

    def close(self) -> None:
        self._cursor.close()

    def look(self) -> None:
        """Follow the chain up to its head."""
        while True:
            batch = self._source.poll()
            if batch.upto is None:
                return
            gone = {(log.block_hash, log.log_index) for log in batch.removed}
            self._logs = [log for log in self._logs if (log.block_hash, log.log_index) not in gone]
            self._logs += batch.added
            self._source.commit(batch)

    def weights_at(self, epoch: int, service: Service = Service.RELAYER) -> dict[int, WeightSet]:
        """The leaf of every seat of a service's tree in force at an epoch."""
        return weights_at(self._registry.events_in(WeightSet, self._logs), epoch, service)


def weights_at(
    events: Iterable[WeightSet], epoch: int, service: Service = Service.RELAYER
) -> dict[int, WeightSet]:
    """The same of any events; they come in chain order."""
    leaves: dict[int, WeightSet] = {}
    for event in events:
        if service_of(event.pool) is service and event.epoch <= epoch:
            leaves[event.seat] = event
    return {seat: event for seat, event in leaves.items() if event.weight}
