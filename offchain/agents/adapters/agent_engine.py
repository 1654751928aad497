"""An agent as an engine: a request to its service is an intent, its report the answer.

So an agent sells its work like any provider does: vouchers, receipts, settlement, courts. Numerics
are OPAQUE: its answer cannot be repeated, and auditors check it from signed bytes only. Its words
come together, when the work is done: until then it may take as long as a whole answer may, and who
breaks it off owes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from offchain.compute.adapters.queued_stream import QueuedStream, end_with
from offchain.compute.engine import Embedding, Health, Job, ModelFacts, Piece, Trace
from offchain.compute.engine_errors import (
    EngineFull,
    EngineStopped,
    FeatureUnsupported,
    PromptTooLong,
)
from offchain.compute.generation import Generation
from offchain.compute.model import Finish, Kind, Numerics

CONTEXT_TOKENS: Final = 8_192
UNKNOWN: Final = -1
Work = Callable[[str, str], Awaitable[str]]  # (request, its id: one sale is one run) -> report


class AgentEngine:
    """Does one intent for each request; `work` runs the agent within what the owner allows."""

    def __init__(self, name: str, agent_hash: bytes, work: Work, *, slots: int = 1) -> None:
        """`agent_hash`: the root of the agent's data, which the service is registered with."""
        self._facts = ModelFacts(
            name, Kind.CHAT, Numerics.OPAQUE, agent_hash, bytes(32), CONTEXT_TOKENS
        )
        self._work = work
        self._slots = slots
        self._free = asyncio.Semaphore(slots)
        self._tasks: set[asyncio.Task[Finish]] = set()
        self._is_open = True

    def facts(self) -> ModelFacts:
        return self._facts

    async def count(self, generation: Generation) -> tuple[int, ...]:
        tokens = len(_asked(generation).split())
        if tokens >= CONTEXT_TOKENS:
            raise PromptTooLong(tokens=tokens, maximum=CONTEXT_TOKENS - 1)
        return (UNKNOWN,) * max(1, tokens)

    def stream(self, job: Job) -> QueuedStream:
        if not self._is_open:
            raise EngineStopped
        if len(self._tasks) >= self._slots:
            raise EngineFull(waiting=len(self._tasks), limit=self._slots)
        stream = QueuedStream(
            replace(job.deadlines, first_token=job.deadlines.total),
            stop=lambda: _stop(task),
            trace=partial(_traced, job),
        )
        task = asyncio.create_task(self._run(job, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(end_with, stream))
        return stream

    async def embed(self, texts: Sequence[str]) -> Embedding:
        raise FeatureUnsupported("An agent does not embed.", texts=len(texts))

    def health(self) -> Health:
        return Health(self._is_open, len(self._tasks), 0, self._slots)

    async def close(self) -> None:
        self._is_open = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, job: Job, stream: QueuedStream) -> Finish:
        """The report, one word a token: what the buyer counts as well."""
        report = await self._work(_asked(job.generation), job.request_id.hex())
        words = report.split(" ")
        for place, word in enumerate(words[: job.max_tokens]):
            is_last = place + 1 == len(words)
            stream.put(Piece((UNKNOWN,), word if is_last else word + " "))
        return Finish.LENGTH if len(words) > job.max_tokens else Finish.STOP


def _traced(job: Job, tokens: int) -> Trace:
    """What was sold. Raises: EngineStopped for work that was broken off: it is not charged."""
    if not tokens:
        raise EngineStopped(cause="the agent was stopped before it had an answer")
    return Trace(job.prompt_ids, (UNKNOWN,) * tokens, 0, b"", ())


def _asked(generation: Generation) -> str:
    """What the buyer wants: his last message."""
    said = [one.content for one in generation.messages if one.role == "user"]
    return said[-1] if said else generation.prompt


def _stop(task: asyncio.Task[Finish]) -> None:
    task.cancel()
