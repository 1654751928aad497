"""What the chain has begun and not finished: blobs paid and unconfirmed, cases not closed.

Follows events behind a durable cursor. The matters are written before the cursor moves, and adding
or removing one again changes nothing, so a kill between the two loses nothing.

  <folder>/events.sqlite   cursor          <folder>/open.json   {"blobs": [hex], "cases": [hex]}
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

MAX_ROUNDS: Final = 64  # ranges of blocks read in one look; the rest comes with the next


@dataclass(frozen=True, slots=True)
class WatchedContracts:
    """Whose events are followed, from which block on, and whose blobs are ours."""

    entrance: DAEntranceClient
    court: SlashingCourtClient
    start_block: int
    accounts: frozenset[bytes]


@dataclass(slots=True)
class OpenMatters:
    """Ids of everything that is open; grows and shrinks with the chain's events."""

    blobs: set[bytes] = field(default_factory=set)
    cases: set[bytes] = field(default_factory=set)

    def apply(self, watched: WatchedContracts, logs: Iterable[Log], *, is_removed: bool) -> None:
        """Take events in; a removed opening is no longer open, a removed end is open again."""
        batch = list(logs)
        entrance, court = watched.entrance, watched.court
        opened = {
            one.blob_id
            for one in entrance.events_in(BlobPaid, batch)
            if watched.accounts & {one.payer, one.disperser}
        }
        ended = {one.blob_id for one in entrance.events_in(BlobConfirmed, batch)}
        ended |= {one.blob_id for one in entrance.events_in(BlobRefunded, batch)}
        cases = {one.offence_id for one in court.events_in(CaseOpened, batch)}
        closed = {one.offence_id for one in court.events_in(CaseClosed, batch)}
        if is_removed:
            self.blobs = (self.blobs | ended) - opened
            self.cases = (self.cases | closed) - cases
        else:
            self.blobs = (self.blobs | opened) - ended
            self.cases = (self.cases | cases) - closed


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
        blobs, cases = (set(map(bytes.fromhex, value[name])) for name in ("blobs", "cases"))
        return OpenMatters(blobs, cases)

    def _save(self) -> None:
        value = {
            "blobs": sorted(one.hex() for one in self._matters.blobs),
            "cases": sorted(one.hex() for one in self._matters.cases),
        }
        beside = self._file.with_suffix(".tmp")
        beside.write_text(json.dumps(value))
        beside.replace(self._file)


def _filter_of(watched: WatchedContracts) -> LogFilter:
    """The five kinds of events of both contracts in one filter."""
    entrance = watched.entrance.event_filter(BlobPaid, BlobConfirmed, BlobRefunded)
    court = watched.court.event_filter(CaseOpened, CaseClosed)
    return LogFilter(
        0, 0, entrance.addresses + court.addresses, (entrance.topics[0] + court.topics[0],)
    )
