"""Verified rows of one segment from many seats at once, until there are enough.

A unit is a run of aligned rows: a seat's whole shard, or half of a copy. Data units come first,
because they need no decoding. A request that is late no longer counts as coming, so another one
starts elsewhere; what fails is noted against its seat and asked of somebody else. Every run is
judged by its own path to D before it counts. Source: docs/protocol/storage.md#client.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.field import FIELD_BYTES, Elements
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import K, N
from offchain.core.merkle import Digests
from offchain.storage.client_errors import InsufficientShards
from offchain.storage.errors import SeatSlow
from offchain.storage.judge import roots_under
from offchain.storage.model import Profile, SeatState, Segment, rows_of
from offchain.storage.ports import GroupView, Run, SeatClient, SeatView
from offchain.storage.seat_book import SeatBook

MAX_UNIT_ROWS: Final = 512


def _no_roots() -> Digests:
    return np.zeros((N, DIGEST_BYTES), np.uint8)


@dataclass(frozen=True, slots=True)
class GatherRules:
    """`hedge_seconds`: a request slower than this, and than twice what nearly all others take,
    starts another. `request_seconds`: hard end of one. `per_seat`, `in_flight`: requests at a time.
    `tries`: how often one seat is asked for one unit. `pause_seconds`: after a failure.
    """

    hedge_seconds: float = 0.3
    request_seconds: float = 20.0
    per_seat: int = 3
    in_flight: int = 32
    tries: int = 2
    pause_seconds: float = 0.05


@dataclass(frozen=True, slots=True)
class Unit:
    """Aligned rows that one seat keeps."""

    seat: SeatView
    first: int
    count: int

    @property
    def is_parity(self) -> bool:
        return self.first >= K

    @property
    def asked(self) -> str:
        return f"rows {self.first}..{self.first + self.count - 1}"


@dataclass(slots=True, eq=False)
class Hunt:
    """What one segment's read has; `full` takes the rows, `have` says which units are in it.

    `roots` has the roots of the rows in it, as they were hashed when each run was judged.
    """

    segment: Segment
    group: GroupView
    book: SeatBook
    full: Elements = field(repr=False)
    roots: Digests = field(default_factory=_no_roots, repr=False)
    have: dict[int, int] = field(default_factory=dict)  # first row -> rows
    coset_roots: tuple[bytes, bytes, bytes] | None = None
    bytes_received: int = 0
    judging: set[Unit] = field(default_factory=set)

    @property
    def rows(self) -> int:
        return sum(self.have.values())

    @property
    def has_all_data(self) -> bool:
        return sum(count for first, count in self.have.items() if first < K) == K


@dataclass(slots=True, eq=False)
class _Running:
    """The requests under way, and how often each unit was asked for."""

    tasks: dict[asyncio.Task[bool], tuple[Unit, float]] = field(default_factory=dict)
    tries: dict[Unit, int] = field(default_factory=dict)


def units_of(group: GroupView, last_row: int) -> list[Unit]:
    """Everything that can be asked for, up to a row; copies are cut to share the work."""
    profile = group.profile
    return [
        Unit(seat, first, _unit_rows(profile))
        for seat in group.seats
        if seat.operator and seat.state not in {SeatState.NONE, SeatState.VACANT}
        for first in range(
            rows_of(profile, seat.seat).start, rows_of(profile, seat.seat).stop, _unit_rows(profile)
        )
        if first < last_row
    ]


class GatherUnits:
    """Fills hunts, any number at a time."""

    def __init__(self, client: SeatClient, engine: ErasureEngine, rules: GatherRules) -> None:
        self._client = client
        self._engine = engine
        self._rules = rules
        self._places = asyncio.Semaphore(rules.in_flight)

    async def gather(self, hunt: Hunt) -> None:
        """Fill `hunt.full` with K verified rows or a few more. Raises: InsufficientShards."""
        units = units_of(hunt.group, len(hunt.full))
        running = _Running()
        try:
            while hunt.rows < K:
                self._start(hunt, units, running)
                if not running.tasks:
                    raise InsufficientShards(
                        segment=hunt.segment.index,
                        rows=hunt.rows,
                        needed=K,
                        seats=hunt.book.troubled(),
                    )
                await self._settle(hunt, running)
        finally:
            for task, (unit, _) in running.tasks.items():
                if unit not in hunt.judging:  # a thread that reads memory ends before it is lent
                    task.cancel()
            await asyncio.gather(*running.tasks, return_exceptions=True)

    def _start(self, hunt: Hunt, units: Sequence[Unit], running: _Running) -> None:
        """Start requests until the rows that come in time are enough."""
        now = asyncio.get_running_loop().time()
        hedge = hunt.book.hedge_seconds(self._rules.hedge_seconds)
        in_time = {
            unit.first: unit.count
            for unit, started in running.tasks.values()
            if now - started < hedge and unit.seat.operator not in hunt.book.liars
        }
        coming = hunt.rows + sum(
            count for first, count in in_time.items() if first not in hunt.have
        )
        asked = {unit for unit, _ in running.tasks.values()}
        while coming < K:
            ready = [
                unit
                for unit in units
                if unit.first not in hunt.have
                and unit.first not in in_time
                and unit not in asked
                and running.tries.get(unit, 0) < self._rules.tries
            ]
            if not ready:
                return
            best = min(ready, key=lambda unit: self._rank(hunt, unit, running))
            running.tries[best] = running.tries.get(best, 0) + 1
            running.tasks[asyncio.create_task(self._ask(hunt, best))] = (best, now)
            asked.add(best)
            in_time[best.first] = best.count
            coming += best.count

    def _rank(self, hunt: Hunt, unit: Unit, running: _Running) -> tuple[object, ...]:
        is_liar, strikes, busy = hunt.book.rank(unit.seat)
        return is_liar, running.tries.get(unit, 0), strikes, unit.is_parity, busy, unit.first

    async def _settle(self, hunt: Hunt, running: _Running) -> None:
        """Wait until something ended or became late."""
        hedge = hunt.book.hedge_seconds(self._rules.hedge_seconds)
        done, _ = await asyncio.wait(
            running.tasks, timeout=hedge, return_when=asyncio.FIRST_COMPLETED
        )
        now = asyncio.get_running_loop().time()
        for task in done:
            _, started = running.tasks.pop(task)
            if task.result():
                hunt.book.took(now - started)

    async def _ask(self, hunt: Hunt, unit: Unit) -> bool:
        """Ask for one unit and keep it when it verifies."""
        book = hunt.book
        book.begin(unit.seat)
        try:
            async with self._places, asyncio.timeout(self._rules.request_seconds):
                run = await self._client.run(
                    unit.seat.endpoint,
                    hunt.segment.data_root,
                    first=unit.first,
                    count=unit.count,
                    columns=hunt.segment.columns,
                )
            return await self._keep(hunt, unit, run)
        except TimeoutError:
            slow = SeatSlow(seconds=self._rules.request_seconds)
            book.note(unit.seat, slow, request=unit.asked)
        except ApogeeError as error:
            book.note(unit.seat, error, request=unit.asked)
            await asyncio.sleep(self._rules.pause_seconds)
        finally:
            book.end(unit.seat)
        return False

    async def _keep(self, hunt: Hunt, unit: Unit, run: Run) -> bool:
        hunt.bytes_received += run.data.nbytes
        hunt.judging.add(unit)
        try:
            roots = await asyncio.to_thread(self._judged, hunt, unit, run)
        finally:
            hunt.judging.discard(unit)
        if roots is None:
            hunt.book.convict(unit.seat, request=unit.asked, reason="storage.shard.rejected")
        elif unit.first not in hunt.have:
            hunt.roots[unit.first : unit.first + unit.count] = roots
            hunt.have[unit.first] = unit.count
            hunt.coset_roots = run.coset_roots
        return roots is not None

    def _judged(self, hunt: Hunt, unit: Unit, run: Run) -> Digests | None:
        """The roots of a run that holds, which then lies in `full`; twice the same bytes if so."""
        shape = (unit.count, hunt.segment.columns, FIELD_BYTES)
        if run.first != unit.first or run.data.shape != shape:
            return None
        roots = roots_under(hunt.segment.data_root, run, self._engine)
        if roots is not None:
            hunt.full[unit.first : unit.first + unit.count] = run.data
        return roots


def _unit_rows(profile: Profile) -> int:
    return min(profile.rows_per_seat, MAX_UNIT_ROWS)
