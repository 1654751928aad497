"""What the beacon of an epoch asks of a seat, computed from views as the contract computes it.

Provers and those who punish silence ask the same object, so they never disagree on what was drawn.
Source: docs/protocol/storage.md#proofs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from offchain.chain.model import Block
from offchain.storage.adapters.chain_ledger import StorageClients
from offchain.storage.adapters.group_events import GroupEvents
from offchain.storage.challenge_draw import (
    MAX_ATTEMPTS,
    Fallen,
    KeptFile,
    chance_of,
    fall,
    is_drawn,
    place_of,
)
from offchain.storage.keep_ports import Challenge
from offchain.storage.model import FileState
from offchain.storage.onchain_market import File
from offchain.storage.onchain_proofs import Demanded, DrawnSeat
from offchain.storage.ports import GroupView


@dataclass(frozen=True, slots=True)
class Window:
    """The answer window of an epoch, chain seconds, both ends in it."""

    epoch: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Scene:
    """A group in an epoch: what its seats had kept when it began, and the beacon's value."""

    group: GroupView
    window: Window
    files: dict[bytes, File]
    kept: tuple[KeptFile, ...]
    kept_bytes: int
    randomness: bytes
    bytes_per_challenge: int


class ChallengeFinder:
    """Finds challenges at a block."""

    def __init__(self, clients: StorageClients, events: GroupEvents) -> None:
        self._clients = clients
        self._events = events
        self._answer_seconds: int | None = None

    def window(self, epoch: int, *, at: Block) -> Window:
        """When the challenges of an epoch may be answered."""
        if self._answer_seconds is None:
            self._answer_seconds = self._clients.proofs.answer_seconds(at=at.hash)
        start = self._clients.stake.epoch_start(epoch, at=at.hash)
        return Window(epoch, start, start + self._answer_seconds)

    def drawn_for(
        self, operator: int, groups: Sequence[GroupView], *, at: Block
    ) -> Iterator[Challenge]:
        """What an operator's seats have to show in the running epoch and have not shown."""
        window = self.window(self._clients.stake.current_epoch(at=at.hash), at=at)
        if at.timestamp > window.end:
            return
        for group in groups:
            seats = [one for one in group.seats if one.operator == operator and one.is_owed]
            scene = self._scene(group, window, at) if seats else None
            for seat in seats if scene else ():
                drawn = DrawnSeat(window.epoch, group.group, seat.seat)
                if not self._clients.proofs.is_proven(drawn, at=at.hash):
                    yield from self._challenge(scene, seat.seat, at)

    def missed(self, group: GroupView, epoch: int, *, at: Block) -> Iterator[tuple[int, Fallen]]:
        """Seats of a group that showed nothing in an epoch whose window is over, with their files.

        Whether the contract punishes one is for the contract to say: it may have been punished.
        """
        window = self.window(epoch, at=at)
        scene = self._scene(group, window, at) if at.timestamp > window.end else None
        for seat in range(len(group.seats)) if scene else ():
            drawn = DrawnSeat(epoch, group.group, seat)
            if not self._clients.proofs.is_proven(drawn, at=at.hash):
                found = self._fallen(scene, seat, at)
                if found is not None:
                    yield seat, found

    def demanded_of(self, operator: int, *, at: Block) -> Iterator[Challenge]:
        """Demands of an operator that are open."""
        for event in self._events.demands_of(operator, at):
            demand = self._clients.proofs.demand_of(event.demand_id, at=at.hash)
            is_this = demand.operator_id == operator and demand.deadline == event.deadline
            if is_this and at.timestamp <= demand.deadline:
                file = self._clients.market.file(event.id, at=at.hash)
                yield Challenge(
                    is_bonded=True,
                    number=int.from_bytes(event.demand_id, "big"),
                    group=event.group,
                    seat=event.seat,
                    file_id=event.id,
                    root=file.root,
                    segment=event.segment,
                    row=event.row,
                    leaf=event.leaf,
                    deadline=demand.deadline,
                )

    def unanswered(self, *, since: int, at: Block) -> Iterator[Demanded]:
        """Demands whose window ended after `since` and that nobody answered or closed."""
        for event in self._events.demands(at):
            if since < event.deadline < at.timestamp:
                demand = self._clients.proofs.demand_of(event.demand_id, at=at.hash)
                if demand.deadline == event.deadline:
                    yield event

    def _challenge(self, scene: _Scene | None, seat: int, at: Block) -> Iterator[Challenge]:
        found = self._fallen(scene, seat, at) if scene else None
        if scene is None or found is None:
            return
        file = scene.files[found.file.id]
        place = place_of(found.offset, file.length, scene.group.profile, seat)
        yield Challenge(
            is_bonded=False,
            number=scene.window.epoch,
            group=scene.group.group,
            seat=seat,
            file_id=found.file.id,
            root=file.root,
            segment=place.segment,
            row=place.row,
            leaf=place.leaf,
            deadline=scene.window.end,
            skipped=found.skipped,
        )

    def _scene(self, group: GroupView, window: Window, at: Block) -> _Scene | None:
        """None when nothing was kept as the epoch began."""
        clients = self._clients
        kept_bytes = clients.market.bytes_at(group.group, window.epoch, at=at.hash)
        if not kept_bytes:
            return None
        files = self._events.files(group.group, at)
        return _Scene(
            group,
            window,
            files,
            tuple(kept_file(file_id, file) for file_id, file in files.items() if file.started),
            kept_bytes,
            clients.beacon.randomness(window.epoch, at=at.hash),
            clients.proofs.bytes_per_challenge(window.epoch, at=at.hash),
        )

    def _fallen(self, scene: _Scene | None, seat: int, at: Block) -> Fallen | None:
        """The file that a seat's challenge falls on; None when it has none."""
        assert scene is not None
        chance = chance_of(scene.randomness, scene.group.group, seat)
        drawn = DrawnSeat(scene.window.epoch, scene.group.group, seat)
        if not self._clients.proofs.is_challenged(drawn, at=at.hash):
            return None
        is_once = is_drawn(
            chance, kept=scene.kept_bytes, bytes_per_challenge=scene.bytes_per_challenge
        )
        standing = self._clients.proofs.standing(scene.group.group, seat, at=at.hash)
        tries = 1 if is_once and not standing.is_suspect else MAX_ATTEMPTS
        return fall(
            chance,
            scene.kept,
            seat=seat,
            kept=scene.kept_bytes,
            owed_until=scene.window.end,
            tries=tries,
        )


def kept_file(file_id: bytes, file: File) -> KeptFile:
    """A file as the draw of challenges sees it; what is over is owed by nobody. Pure."""
    end = file.leaves if file.state is FileState.STORED else 0
    return KeptFile(file_id, file.first_byte, file.bytes, file.length, end, file.absent)
