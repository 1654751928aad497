"""An engine without a model: it says what a script says, one word a token, in memory.

Ids are hashes of words and fingerprints are of hashes of ids, so receipts, commitments and counts
behave as with a real model. `gate` lets a test hold the stream back before each token.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from offchain.compute.adapters.queued_stream import QueuedStream, end_with
from offchain.compute.engine import Embedding, Health, Job, ModelFacts, Piece, Trace
from offchain.compute.engine_errors import EngineFull, EngineStopped, PromptTooLong
from offchain.compute.fingerprint import CHUNK_TOKENS, Bits, chunk_fingerprints, fingerprint
from offchain.compute.generation import Generation
from offchain.compute.model import Finish, Kind, Numerics
from offchain.compute.sampler import GREEDY
from offchain.core.hashing import keccak

WIDTH: Final = 128  # of the made-up states
EMBEDDING_WIDTH: Final = 8
VOCABULARY: Final = 1 << 20


def scripted_facts(numerics: Numerics = Numerics.TORCH_FP32, kind: Kind = Kind.CHAT) -> ModelFacts:
    """Facts of a model that does not exist."""
    name = keccak(b"scripted")
    return ModelFacts("scripted", kind, numerics, name, keccak(name), 8_192)


async def _open_gate() -> None:
    return


@dataclass(frozen=True, slots=True)
class Script:
    """What is said: words for a request. An error among them is raised there."""

    words: Callable[[Job], Sequence[str | Exception]]
    gate: Callable[[], Awaitable[None]] = _open_gate


def echo(job: Job) -> Sequence[str]:
    """The script that says how many words it was given."""
    return ("I ", "read ", f"{len(job.prompt_ids)} ", "words.")


class ScriptedEngine:
    """Plays scripts; `slots` at once, the rest waits in order."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        facts: ModelFacts | None = None,
        slots: int = 8,
        queue: int = 64,
    ) -> None:
        self._script = script or Script(echo)
        self._facts = facts or scripted_facts()
        self._slots, self._limit = slots, queue
        self._free = asyncio.Semaphore(slots)
        self._running = 0
        self._tasks: set[asyncio.Task[Finish]] = set()
        self._is_open = True

    def facts(self) -> ModelFacts:
        return self._facts

    async def count(self, generation: Generation) -> tuple[int, ...]:
        texts = [one.content for one in generation.messages] or [generation.prompt]
        ids = tuple(_id(word) for text in texts for word in text.split())
        if len(ids) >= self._facts.context_tokens:
            raise PromptTooLong(tokens=len(ids), maximum=self._facts.context_tokens - 1)
        return ids

    def stream(self, job: Job) -> QueuedStream:
        if not self._is_open:
            raise EngineStopped
        length = len(job.prompt_ids) + job.max_tokens
        if job.max_tokens < 1 or length > self._facts.context_tokens:
            raise PromptTooLong(tokens=length, maximum=self._facts.context_tokens)
        if len(self._tasks) >= self._slots + self._limit:
            raise EngineFull(waiting=len(self._tasks) - self._slots, limit=self._limit)
        ids: list[int] = []
        stream = QueuedStream(
            job.deadlines,
            stop=lambda: _stop(task),
            trace=lambda tokens: _trace(job, ids[:tokens]),
        )
        task = asyncio.create_task(self._play(job, stream, ids))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(end_with, stream))
        return stream

    async def embed(self, texts: Sequence[str]) -> Embedding:
        rows = [np.frombuffer(keccak(text.encode()), "<u4").astype(np.float32) for text in texts]
        vectors = np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)
        return Embedding(vectors, sum(len(text.split()) for text in texts))

    def health(self) -> Health:
        waiting = len(self._tasks) - self._running
        return Health(self._is_open, self._running, waiting, self._slots)

    async def close(self) -> None:
        self._is_open = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _play(self, job: Job, stream: QueuedStream, ids: list[int]) -> Finish:
        async with self._free:
            self._running += 1
            try:
                for word in self._script.words(job):
                    await self._script.gate()
                    await asyncio.sleep(0)
                    if isinstance(word, Exception):
                        raise word
                    ids.append(_id(word))
                    stream.put(Piece((ids[-1],), word))
                    if len(ids) >= job.max_tokens:
                        return Finish.LENGTH
                return Finish.STOP
            finally:
                self._running -= 1


def _id(word: str) -> int:
    return int.from_bytes(keccak(word.strip().encode())[:4], "big") % VOCABULARY


def _trace(job: Job, ids: Sequence[int]) -> Trace:
    return Trace(
        prompt_ids=job.prompt_ids,
        output_ids=tuple(ids),
        sampler=GREEDY,
        prefill_fingerprint=fingerprint(_states(job.prompt_ids[:CHUNK_TOKENS] or (0,))),
        chunk_fingerprints=chunk_fingerprints(_states(ids)) if ids else (),
    )


def _states(ids: Sequence[int]) -> Bits:
    """A made-up state for each id: small positive numbers that differ."""
    base = np.random.default_rng(0).integers(0, 1 << 12, WIDTH, dtype=np.uint16)
    seeds = np.array([one % (1 << 12) for one in ids], np.uint16)
    rows: Bits = (base[None] ^ seeds[:, None]) | np.uint16(0x3000)
    return rows


def _stop(task: asyncio.Task[Finish]) -> None:
    task.cancel()
