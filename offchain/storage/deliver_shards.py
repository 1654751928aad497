"""One round of sending: every seat gets what it lacks, and its receipts are collected.

  segment j -> matrix -> one PUT a seat, side by side -> durable there -> ... -> Held, signed

Matrices overlap: j+1 is made while j is on its way, at most as many as the encoder's room. A seat
that fails is tried again a few times, then left for the next round; one that is much slower than
the others is not waited for once enough have a segment. A signature counts once for each seat of
its operator. Source: docs/protocol/storage.md#client.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from offchain.core.bls import InvalidPoint, Signature, aggregate_signatures, verify
from offchain.core.errors import ApogeeError, Unavailable
from offchain.node.errors import PeerRefused, told_code
from offchain.storage.client_errors import NotEnoughHeld
from offchain.storage.client_ports import Quorum
from offchain.storage.errors import SeatAnswerInvalid, SeatSlow
from offchain.storage.frames import segments_in, shard_body
from offchain.storage.model import SeatState, Segment, segment_path
from offchain.storage.ports import GroupView, Place, SeatClient, SeatView, StoredFile
from offchain.storage.segment_encoder import Matrix

log = logging.getLogger(__name__)
Encode = Callable[[Segment], Awaitable[Matrix]]


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """`lanes`: bodies on their way at once, to one endpoint and in all. `tries` at one shard,
    `retry_seconds` apart. `grace_seconds`: how long slow seats are waited for once enough are done;
    at least twice the time that the others took. `have_seconds`: for a seat to say what it has.
    """

    lanes_per_seat: int = 2
    lanes: int = 16
    tries: int = 3
    retry_seconds: float = 0.5
    grace_seconds: float = 2.0
    have_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    """What goes out: a paid file, its group, its segments, and the digest that seats sign."""

    file: StoredFile
    group: GroupView
    segments: tuple[Segment, ...] = field(repr=False)
    digest: bytes
    is_resumed: bool

    @property
    def seats(self) -> tuple[SeatView, ...]:
        """The seats that somebody holds."""
        return tuple(
            seat
            for seat in self.group.seats
            if seat.operator and seat.state not in {SeatState.NONE, SeatState.VACANT}
        )


@dataclass(slots=True)
class Delivery:
    """What a round brought: which segments each seat lacks, who signed, who failed and how."""

    lacking: dict[int, set[int]]
    signatures: dict[int, Signature] = field(default_factory=dict)  # by operator
    failures: dict[int, str] = field(default_factory=dict)  # by seat
    bytes_sent: int = 0
    segments_done: int = 0

    def held(self, seats: Iterable[SeatView]) -> list[SeatView]:
        """The seats whose operators signed."""
        return [seat for seat in seats if seat.operator in self.signatures]

    def quorum(self, load: Load) -> Quorum:
        """The receipts as one. Raises: NotEnoughHeld."""
        held = self.held(load.seats)
        if len(held) < load.group.profile.receipts:
            failed = ", ".join(f"{seat}:{code}" for seat, code in sorted(self.failures.items()))
            raise NotEnoughHeld(
                seats=len(held), needed=load.group.profile.receipts, failed=failed[:400]
            )
        numbers = {seat.seat for seat in held}
        missing = [seat for seat in load.seats if seat.seat not in numbers]
        total = aggregate_signatures([self.signatures[seat.operator] for seat in held])
        return Quorum(
            load.group.group,
            frozenset(seat.seat for seat in missing),
            tuple(seat.key for seat in missing if seat.key is not None),
            total,
        )


class DeliverShards:
    """Sends files' shards to their groups."""

    def __init__(self, client: SeatClient, rules: DeliveryRules) -> None:
        self._client = client
        self._rules = rules
        self._lanes = asyncio.Semaphore(rules.lanes)
        self._own: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def deliver(
        self, load: Load, encode: Encode, *, on_change: Callable[[Delivery], None] = lambda _: None
    ) -> Delivery:
        """One round: whoever can be reached has everything and has signed.

        Raises: SourceChanged from `encode`; NotEnoughHeld is for `Delivery.quorum` to say.
        """
        delivery = await self._looked_at(load)
        running: set[asyncio.Task[None]] = set()
        try:
            for segment in load.segments:
                if not self._wanting(load, delivery, segment):
                    delivery.segments_done += 1
                    continue
                matrix = await encode(segment)
                sending = self._send_segment(load, delivery, segment, matrix)
                running.add(asyncio.create_task(sending))
                on_change(delivery)
                running = _raised({task for task in running if task.done()}, running)
            while running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running = _raised(done, running)
                on_change(delivery)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await self._sign(load, delivery)
        on_change(delivery)
        return delivery

    async def _looked_at(self, load: Load) -> Delivery:
        """What each seat lacks: everything at first, later what it does not say it has."""
        everything = {segment.index for segment in load.segments}
        delivery = Delivery({seat.seat: set(everything) for seat in load.seats})
        if load.is_resumed:
            await asyncio.gather(*(self._ask_have(load, delivery, one) for one in load.seats))
        return delivery

    async def _ask_have(self, load: Load, delivery: Delivery, seat: SeatView) -> None:
        try:
            async with asyncio.timeout(self._rules.have_seconds):
                bitmap = await self._client.have(seat.endpoint, load.file.file_id, seat.seat)
            delivery.lacking[seat.seat] -= segments_in(bitmap)
        except TimeoutError:
            self._note(delivery, seat, SeatSlow(seconds=self._rules.have_seconds))
        except ApogeeError as error:
            self._note(delivery, seat, error)

    def _wanting(self, load: Load, delivery: Delivery, segment: Segment) -> list[SeatView]:
        return [
            seat
            for seat in load.seats
            if seat.seat not in delivery.failures and segment.index in delivery.lacking[seat.seat]
        ]

    async def _send_segment(
        self, load: Load, delivery: Delivery, segment: Segment, matrix: Matrix
    ) -> None:
        """One segment to all who lack it; its matrix is let go when nobody reads it any more."""
        path = segment_path(load.segments, segment.index)
        tasks = {
            asyncio.create_task(self._send(load, delivery, seat, (segment, path, matrix))): seat
            for seat in self._wanting(load, delivery, segment)
        }
        try:
            late = await self._enough(load, delivery, segment, set(tasks))
            for task in late:
                delivery.failures.setdefault(tasks[task].seat, "late")
            delivery.segments_done += 1
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            matrix.let_go()

    async def _enough(
        self,
        load: Load,
        delivery: Delivery,
        segment: Segment,
        tasks: set[asyncio.Task[None]],
    ) -> set[asyncio.Task[None]]:
        """Wait for all, or for enough and a while; the tasks that are still under way then."""
        loop = asyncio.get_running_loop()
        started, ends = loop.time(), None
        pending = tasks
        while pending:
            rest = None if ends is None else max(0.0, ends - loop.time())
            done, pending = await asyncio.wait(
                pending, timeout=rest, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
            have = sum(segment.index not in lacking for lacking in delivery.lacking.values())
            if ends is None and have >= load.group.profile.receipts:
                now = loop.time()
                ends = now + max(self._rules.grace_seconds, 2 * (now - started))
            elif ends is not None and not done:
                break
        return pending

    async def _send(
        self,
        load: Load,
        delivery: Delivery,
        seat: SeatView,
        parcel: tuple[Segment, tuple[bytes, ...], Matrix],
    ) -> None:
        """One shard to one seat; what fails for good is noted, not raised."""
        segment, path, matrix = parcel
        place = Place(load.file.file_id, segment.index, seat.seat)
        body = shard_body(matrix.encoded, path, load.group.profile, seat.seat)
        for number in range(self._rules.tries):
            if seat.seat in delivery.failures:
                return
            if number:
                await asyncio.sleep(self._rules.retry_seconds)
            try:
                async with self._lane(seat.endpoint), self._lanes:
                    await self._client.put_shard(seat.endpoint, place, body)
            except ApogeeError as error:
                if number + 1 == self._rules.tries or not _may_pass(error):
                    self._note(delivery, seat, error)
                    return
            else:
                delivery.bytes_sent += body.size
                delivery.lacking[seat.seat].discard(segment.index)
                return

    async def _sign(self, load: Load, delivery: Delivery) -> None:
        """Collect Held from every operator whose seats all have everything."""
        whole: dict[int, SeatView] = {}
        for seat in load.seats:
            mine = [one for one in load.seats if one.operator == seat.operator]
            if not any(delivery.lacking[one.seat] for one in mine):
                whole.setdefault(seat.operator, seat)
        tasks = {asyncio.create_task(self._held(load, delivery, seat)) for seat in whole.values()}
        loop = asyncio.get_running_loop()
        started, pending, rest = loop.time(), tasks, None
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=rest, return_when=asyncio.FIRST_COMPLETED
                )
                if rest is not None and not done:
                    return
                if len(delivery.held(load.seats)) >= load.group.profile.receipts:
                    rest = max(self._rules.grace_seconds, 2 * (loop.time() - started))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _held(self, load: Load, delivery: Delivery, seat: SeatView) -> None:
        for number in range(self._rules.tries):
            if number:
                await asyncio.sleep(self._rules.retry_seconds)
            try:
                raw = await self._client.held(seat.endpoint, load.file.file_id)
                signature = await asyncio.to_thread(_checked, seat, load.digest, raw)
            except ApogeeError as error:
                if number + 1 == self._rules.tries or not _may_pass(error):
                    self._note(delivery, seat, error)
                    return
            else:
                delivery.signatures[seat.operator] = signature
                return

    def _lane(self, endpoint: str) -> asyncio.Semaphore:
        """The places for bodies to one endpoint, shared by all who hold one or wait."""
        lane = self._own.get(endpoint)
        if lane is None:
            lane = self._own[endpoint] = asyncio.Semaphore(self._rules.lanes_per_seat)
        return lane

    def _note(self, delivery: Delivery, seat: SeatView, error: ApogeeError) -> None:
        code = told_code(error)
        if delivery.failures.get(seat.seat) != code:
            log.info("seat_failed", extra={"seat": seat.seat, "code": code})
        delivery.failures[seat.seat] = code


def _may_pass(error: ApogeeError) -> bool:
    """Whether the same request may succeed a moment later."""
    is_permanent = isinstance(error, PeerRefused) and error.is_permanent
    return isinstance(error, Unavailable) and not is_permanent


def _checked(seat: SeatView, digest: bytes, raw: bytes) -> Signature:
    """The operator's signature over Held. Raises: SeatAnswerInvalid when it is anything else."""
    try:
        signature = Signature.parse(raw)
    except InvalidPoint as error:
        raise SeatAnswerInvalid(seat=seat.seat, reason=str(error)) from error
    if seat.key is None or not verify(seat.key, digest, signature):
        raise SeatAnswerInvalid(seat=seat.seat, reason="signature of something else")
    return signature


def _raised(
    done: set[asyncio.Task[None]], running: set[asyncio.Task[None]]
) -> set[asyncio.Task[None]]:
    """The tasks that still run; a failure of one that ended is raised here."""
    for task in done:
        task.result()
    return running - done
