"""A node makes whole what its operator's seats owe, and takes over the seats it is drawn for.

  load     groups, seats and files of the operator, at the newest block
  decide   which shards are owed and not here; whose seats are to be followed now (watch.py)
  apply    per file one acquisition for all of them; a followed seat that is whole is signed for

Nothing is remembered between passes: a kill loses at most the segment in hand, and the chain says
again what is due. A seat that was absent when its file was confirmed, one whose disk was replaced
and one that follows another are the same case.
Source: docs/protocol/storage.md#keeping, INV-STO-12.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from offchain.core.errors import ApogeeError, Conflict, Rejected
from offchain.core.matrix.errors import Bottom, InsufficientRows
from offchain.node.errors import StoreBroken, StoreFull
from offchain.storage.acquire import Acquired, AcquireShards
from offchain.storage.keep_ports import KeeperDesk, KeeperLedger
from offchain.storage.ports import GroupView, SeatView, StoredFile
from offchain.storage.watch import Patience, Surroundings, look_around

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RepairRules:
    """`patience` with vacant seats; no file is begun after `bytes_per_pass` were received."""

    patience: Patience = field(default_factory=Patience)
    bytes_per_pass: int = 4 << 30
    file_seconds: float = 3_600.0


@dataclass(slots=True)
class Repaired:
    """What one pass did. `void` are files whose rows break the code, `taken` seats now served.

    `unmade`: files that the other seats could not be made from; not those that only took too long.
    """

    acquired: Acquired = field(default_factory=Acquired)
    put_off: int = 0
    void: list[bytes] = field(default_factory=list)
    unmade: set[bytes] = field(default_factory=set)
    taken: list[tuple[int, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.acquired.copied + self.acquired.rebuilt + len(self.taken)


class RepairShards:
    """Passes over everything that one operator owes or is to owe."""

    def __init__(
        self,
        ledger: KeeperLedger,
        desk: KeeperDesk,
        acquire: AcquireShards,
        *,
        operator: int,
        rules: RepairRules,
    ) -> None:
        self._ledger = ledger
        self._desk = desk
        self._acquire = acquire
        self._operator = operator
        self._rules = rules

    async def repair(self) -> Repaired:
        """One pass. Raises: Unavailable when the chain or the disk does not answer."""
        report = Repaired()
        around = await asyncio.to_thread(self._look)
        following = list(around.to_follow(self._rules.patience))
        for group in around.groups:
            seats = around.owed_seats(group) | {s.seat for g, s in following if g is group}
            placed = await asyncio.to_thread(self._placed, group, around)
            is_whole = True
            for file in around.live_files(group) if seats else ():
                is_whole &= await self._make_whole(group, file, frozenset(seats), report)
            for _, seat in [one for one in following if one[0] is group]:
                if is_whole:
                    await self._take_over(group, seat, placed, report)
        return report

    def _look(self) -> Surroundings:
        return look_around(self._ledger, self._operator, at=self._ledger.head())

    def _placed(self, group: GroupView, around: Surroundings) -> int:
        return self._ledger.placed_in(group.group, at=around.block)

    async def _make_whole(
        self, group: GroupView, file: StoredFile, seats: frozenset[int], report: Repaired
    ) -> bool:
        """Whether all shards of these seats are here now; no file keeps another from its turn."""
        if report.acquired.bytes_received >= self._rules.bytes_per_pass:
            report.put_off += 1
            return False
        try:
            async with asyncio.timeout(self._rules.file_seconds):
                await self._acquire.acquire(group, file, seats, report.acquired)
        except (StoreFull, StoreBroken):
            raise
        except Bottom:
            log.critical("file_is_no_codeword", extra={"file_id": file.file_id.hex()})
            report.void.append(file.file_id)
            return False
        except (ApogeeError, TimeoutError) as error:
            code = error.code if isinstance(error, ApogeeError) else "timeout"
            named = {"file_id": file.file_id.hex(), "group": group.group, "code": code}
            log.warning("repair_put_off", extra=named)
            report.put_off += 1
            if isinstance(error, InsufficientRows):
                report.unmade.add(file.file_id)
            return False
        return True

    async def _take_over(
        self, group: GroupView, seat: SeatView, placed: int, report: Repaired
    ) -> None:
        named = {"group": group.group, "seat": seat.seat, "of": seat.operator}
        try:
            await asyncio.to_thread(self._desk.take_over, group.group, seat, placed=placed)
        except (Conflict, Rejected) as error:  # something was placed meanwhile, or it is taken
            log.info("take_over_refused", extra=named | {"code": error.code})
            return
        log.info("seat_taken_over", extra=named)
        report.taken.append((group.group, seat.seat))
