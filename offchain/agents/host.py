"""An agent at its owner's host: who may ask now, what he may use, whose money it is, done once.

  owner    asks for anything; the agent's account pays
  renter   in `authorizedUsersOf` at this block; pays himself, by a delegation of the run's key;
           reads the memory, and may neither write it nor store at the owner's cost
  payer    a request to the agent's service, with a voucher; the agent's account pays what it takes

The chain is asked at every request, and by the run itself before every act. What an asker says is
data: it reaches neither purse nor permissions. Source: docs/protocol/agents.md#serving.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from offchain.agents.ask import MAX_SECONDS, Answer, Ask, LogWish, State, wanted_of
from offchain.agents.run import Report
from offchain.agents.runtime_errors import AgentStopped, HostBusy, IntentInvalid, NotAllowedToRun
from offchain.agents.standing import Guard, Standing, Stop

SLOTS: Final = 8
SLOTS_EACH: Final = 2
WAIT_SECONDS: Final = 60.0
log = logging.getLogger(__name__)


class Caller(Enum):
    """In which right somebody asks."""

    OWNER = "owner"
    RENTER = "renter"
    PAYER = "payer"

    @property
    def refused(self) -> frozenset[str]:
        """Tools that write what is the owner's, or cost him."""
        match self:
            case Caller.OWNER:
                return frozenset()
            case Caller.PAYER:
                return frozenset({"memory.remember"})
            case Caller.RENTER:
                return frozenset({"memory.remember", "storage.put"})


@dataclass(frozen=True, slots=True)
class Guest:
    """One ask with who asks, as the chain knows him at this block."""

    who: bytes
    caller: Caller
    ask: Ask
    standing: Standing


def name_of(caller: Caller, run: str) -> str:
    """What a run is called among all of its agent."""
    return f"{caller.value}-{run}"


Work = Callable[[], Awaitable[Report]]


class Works(Protocol):
    """The agent itself."""

    async def start(self, guest: Guest) -> Answer | Work:
        """What the guest has to do first, or the work. Raises: what a run's beginning raises."""
        ...

    async def recall(self, who: bytes, name: str) -> Answer:
        """How a run ended that was begun for him under this name. Raises: RunUnknown."""
        ...


class Host:
    """Serves one agent in one epoch of it."""

    def __init__(
        self,
        guard: Guard,
        works: Works,
        *,
        stopped: Callable[[Stop], None] = lambda _: None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """`guard`: of the owner's right to serve; `stopped` is told when that is over."""
        self._guard = guard
        self._works = works
        self._stopped = stopped
        self._wait_seconds = wait_seconds
        self._tasks: dict[tuple[bytes, str], asyncio.Task[Answer]] = {}
        self._turns: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def check(self) -> Standing:
        """Whether it may serve. Raises: AgentStopped."""
        try:
            return await self._guard.check()
        except AgentStopped as error:
            stop = Stop(str(error.fields["reason"]))
            if stop.is_final:
                self._stopped(stop)
            raise

    async def admit(self, who: bytes) -> tuple[Standing, Caller]:
        """In which right somebody asks without paying. Raises: AgentStopped, NotAllowedToRun."""
        standing = await self.check()
        if who == standing.owner:
            return standing, Caller.OWNER
        if who in standing.users:
            return standing, Caller.RENTER
        raise NotAllowedToRun(who="0x" + who.hex(), block=standing.block)

    async def answer(self, who: bytes, body: bytes) -> Answer:
        """The answer to an ask, or that it is being worked on.

        Raises: AgentStopped, NotAllowedToRun, AskMalformed, RunUnknown, HostBusy, and what the run
        raises.
        """
        standing, caller = await self.admit(who)
        ask = wanted_of(body)
        if isinstance(ask, LogWish):
            return await self._works.recall(who, name_of(caller, ask.run))
        if not standing.now < ask.deadline <= standing.now + MAX_SECONDS:
            raise IntentInvalid(field="deadline", deadline=ask.deadline, now=standing.now)
        task = self._task(Guest(who, caller, ask, standing))
        await asyncio.wait({task}, timeout=self._wait_seconds)
        if task.cancelled():
            raise HostBusy("The host stops; ask the same again when it serves.")
        return task.result() if task.done() else Answer(State.WORKING)

    async def sold(self, run: str) -> Answer:
        """How a run ended that somebody paid for. Raises: AgentStopped, RunUnknown."""
        standing = await self.check()
        return await self._works.recall(standing.owner, name_of(Caller.PAYER, run))

    async def own(self, ask: Ask, caller: Caller) -> Answer:
        """What the agent does at its own cost, to its end. Raises: as `answer`."""
        standing = await self.check()
        task = self._task(Guest(standing.owner, caller, ask, standing))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Leave every run where it is; the same ask goes on with it."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, guest: Guest) -> asyncio.Task[Answer]:
        name = guest.who, name_of(guest.caller, guest.ask.run)
        if name in self._tasks:
            return self._tasks[name]
        busy = Counter(who for who, _ in self._tasks)
        if busy.total() >= SLOTS or busy[guest.who] >= SLOTS_EACH:
            raise HostBusy(runs=busy.total(), yours=busy[guest.who])
        task = asyncio.create_task(self._work(guest))
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))
        return task

    async def _work(self, guest: Guest) -> Answer:
        """One run at a time for each who pays: his vouchers are counted in order."""
        async with self._turns[guest.who]:
            started = await self._works.start(guest)
            return started if isinstance(started, Answer) else Answer.of(await started())

    def _ended(self, name: tuple[bytes, str], task: asyncio.Task[Answer]) -> None:
        del self._tasks[name]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.info("ask_failed", extra={"code": getattr(error, "code", type(error).__name__)})
