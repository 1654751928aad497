"""What the chain has begun and not finished: blobs, cases of the court, stored files and groups.

Follows events behind a durable cursor. The matters are written before the cursor moves, and adding
or removing one again changes nothing, so a kill between the two loses nothing.

  <folder>/events.sqlite   cursor
  <folder>/open.json       {"blobs": [hex], "cases": [hex], "files": [hex], "groups": [number]}
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.chain.event_cursor import EventCursor
from offchain.chain.events import EventSource
from offchain.chain.model import Log, LogFilter
from offchain.chain.ports import ChainReader
from offchain.da.onchain import BlobConfirmed, BlobPaid, BlobRefunded, DAEntranceClient
from offchain.staking.court_events import CaseClosed, CaseOpened
from offchain.staking.onchain import SlashingCourtClient
from offchain.storage.log_entries import EntryKind
from offchain.storage.onchain_log import Appended, StorageLogClient
from offchain.storage.onchain_market import FileEnded, FileRefunded, StorageMarketClient
from offchain.storage.onchain_seats import (
    GroupDrained,
    GroupFailed,
    GroupRequested,
    StorageSeatsClient,
)

MAX_ROUNDS: Final = 64  # ranges of blocks read in one look; the rest comes with the next


@dataclass(frozen=True, slots=True)
class WatchedContracts:
    """Whose events are followed, from which block on, and whose blobs are ours."""

    entrance: DAEntranceClient
    court: SlashingCourtClient
    log: StorageLogClient
    market: StorageMarketClient
    seats: StorageSeatsClient
    start_block: int
    accounts: frozenset[bytes]


@dataclass(slots=True)
class OpenMatters:
    """Ids of everything that is open; grows and shrinks with the chain's events."""

    blobs: set[bytes] = field(default_factory=set)
    cases: set[bytes] = field(default_factory=set)
    files: set[bytes] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)

    def apply(self, watched: WatchedContracts, logs: Iterable[Log], *, is_removed: bool) -> None:
        """Take events in; a removed opening is no longer open, a removed end is open again."""
        batch = list(logs)
        begun, over = _begun(watched, batch), _over(watched, batch)
        if is_removed:
            begun, over = over, begun
        self.blobs = (self.blobs | begun.blobs) - over.blobs
        self.cases = (self.cases | begun.cases) - over.cases
        self.files = (self.files | begun.files) - over.files
        self.groups = (self.groups | begun.groups) - over.groups


def _begun(watched: WatchedContracts, logs: list[Log]) -> OpenMatters:
    """What these events open."""
    return OpenMatters(
        blobs={
            one.blob_id
            for one in watched.entrance.events_in(BlobPaid, logs)
            if watched.accounts & {one.payer, one.disperser}
        },
        cases={one.offence_id for one in watched.court.events_in(CaseOpened, logs)},
        files={
            one.id
            for one in watched.log.events_in(Appended, logs)
            if one.kind == EntryKind.FILE.value
        },
        groups={one.group for one in watched.seats.events_in(GroupRequested, logs)},
    )


def _over(watched: WatchedContracts, logs: list[Log]) -> OpenMatters:
    """What these events end."""
    entrance, market, seats = watched.entrance, watched.market, watched.seats
    ended = {one.blob_id for one in entrance.events_in(BlobConfirmed, logs)}
    gone = {one.group for one in seats.events_in(GroupDrained, logs)}
    return OpenMatters(
        blobs=ended | {one.blob_id for one in entrance.events_in(BlobRefunded, logs)},
        cases={one.offence_id for one in watched.court.events_in(CaseClosed, logs)},
        files={one.id for one in market.events_in(FileRefunded, logs)}
        | {one.id for one in market.events_in(FileEnded, logs)},
        groups=gone | {one.group for one in seats.events_in(GroupFailed, logs)},
    )


class MatterWatch:
    """Keeps the open matters of one home up to date."""

    def __init__(self, reader: ChainReader, watched: WatchedContracts, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._watched = watched
        self._file = folder / "open.json"
        cursor = EventCursor.open(folder / "events.sqlite", name="jobs")
        self._source = EventSource(
            reader, cursor, _filter_of(watched), start_block=watched.start_block
        )
        self._matters = self._load() if cursor.next_block() is not None else OpenMatters()

    def look(self) -> OpenMatters:
        """Follow the chain up to its head; what is open then."""
        for _ in range(MAX_ROUNDS):
            batch = self._source.poll()
            if batch.upto is None:
                break
            self._matters.apply(self._watched, batch.removed, is_removed=True)
            self._matters.apply(self._watched, batch.added, is_removed=False)
            if not batch.is_empty:
                self._save()
            self._source.commit(batch)
        return self._matters

    def _load(self) -> OpenMatters:
        if not self._file.exists():
            return OpenMatters()
        value = json.loads(self._file.read_text())
        blobs, cases, files = (
            set(map(bytes.fromhex, value.get(name, []))) for name in ("blobs", "cases", "files")
        )
        return OpenMatters(blobs, cases, files, set(value.get("groups", [])))

    def _save(self) -> None:
        value = {
            "blobs": sorted(one.hex() for one in self._matters.blobs),
            "cases": sorted(one.hex() for one in self._matters.cases),
            "files": sorted(one.hex() for one in self._matters.files),
            "groups": sorted(self._matters.groups),
        }
        beside = self._file.with_suffix(".tmp")
        beside.write_text(json.dumps(value))
        beside.replace(self._file)


def _filter_of(watched: WatchedContracts) -> LogFilter:
    """Every kind of event that opens or ends something, of all contracts in one filter."""
    each = (
        watched.entrance.event_filter(BlobPaid, BlobConfirmed, BlobRefunded),
        watched.court.event_filter(CaseOpened, CaseClosed),
        watched.log.event_filter(Appended),
        watched.market.event_filter(FileRefunded, FileEnded),
        watched.seats.event_filter(GroupRequested, GroupDrained, GroupFailed),
    )
    addresses = tuple(address for one in each for address in one.addresses)
    topics = tuple(topic for one in each for topic in one.topics[0])
    return LogFilter(0, 0, addresses, (topics,))
