"""An engine over any safetensors directory: transformers on CPU or CUDA, many requests a step.

One thread computes; the event loop only queues requests and receives pieces. Embedding models are
in torch_embedder.py. Source: docs/protocol/compute.md#engines.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.compute.adapters.queued_stream import QueuedStream
from offchain.compute.adapters.torch_batch import PIECE_TOKENS, Row, TorchBatch
from offchain.compute.adapters.torch_model import LoadedModel
from offchain.compute.engine import Embedding, Health, Job, ModelFacts
from offchain.compute.engine_errors import EngineStopped, FeatureUnsupported, PromptTooLong
from offchain.compute.fair_queue import FairQueue
from offchain.compute.generation import Generation
from offchain.compute.model import Finish
from offchain.compute.sampler import Sampler
from offchain.core.errors import ApogeeError

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TorchLimits:
    """How much runs at once.

    `cache_tokens` bounds rows times the longest row; 16,384 of SmolLM2 in fp32 are 750 MB.
    """

    slots: int = 8
    queue: int = 64
    cache_tokens: int = 16_384
    piece_tokens: int = PIECE_TOKENS


def seeded_sampler(job: Job) -> Sampler:
    """The draw that the job's request asks for."""
    return Sampler(job.generation.sampling, job.sampler_key)


class TorchEngine:
    """Continuous batching in a thread of its own.

    `sampler_of` is the honest one unless an adversary is built (cheating_engine.py).
    """

    def __init__(
        self,
        model: LoadedModel,
        limits: TorchLimits = TorchLimits(),
        *,
        sampler_of: Callable[[Job], Sampler] = seeded_sampler,
    ) -> None:
        self._model, self._limits, self._sampler_of = model, limits, sampler_of
        self._batch = TorchBatch(model, piece_tokens=limits.piece_tokens)
        self._queue: FairQueue[Row] = FairQueue(limits.queue)
        self._wake = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="torch-engine", daemon=True)
        self._thread.start()

    def facts(self) -> ModelFacts:
        return self._model.facts

    async def count(self, generation: Generation) -> tuple[int, ...]:
        if generation.features:
            raise FeatureUnsupported(fields=", ".join(sorted(generation.features)))
        ids = await asyncio.to_thread(self._model.codec.prompt_ids, generation)
        limit = self._model.facts.context_tokens - 1
        if not 0 < len(ids) <= limit:
            raise PromptTooLong(tokens=len(ids), maximum=limit)
        return ids

    def stream(self, job: Job) -> QueuedStream:
        limit = min(self._model.facts.context_tokens, self._limits.cache_tokens)
        length = len(job.prompt_ids) + job.max_tokens
        if not job.prompt_ids or job.max_tokens < 1 or length > limit:
            raise PromptTooLong(tokens=length, maximum=limit)
        loop = asyncio.get_running_loop()
        row = Row(
            job=job,
            sampler=self._sampler_of(job),
            assembler=self._model.codec.assembler(job.generation.stop),
            tell=lambda piece: _on_loop(loop, row, partial(stream.put, piece)),
            end=lambda why: _on_loop(loop, row, partial(stream.end, why)),
        )
        stream = QueuedStream(job.deadlines, stop=partial(self._cancel, row), trace=row.trace)
        with self._wake:
            if not self._is_open:
                raise EngineStopped
            self._queue.push(job.payer, row)
            self._wake.notify()
        return stream

    async def embed(self, texts: Sequence[str]) -> Embedding:
        raise FeatureUnsupported("This model answers; it makes no embeddings.", texts=len(texts))

    def health(self) -> Health:
        with self._wake:
            running, waiting = len(self._batch.rows), len(self._queue)
            return Health(self._is_open, running, waiting, self._limits.slots)

    async def close(self) -> None:
        with self._wake:
            self._is_open = False
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    def _cancel(self, row: Row) -> None:
        row.is_cancelled = True
        with self._wake:
            self._wake.notify()

    def _run(self) -> None:
        """The thread: let rows join, step, until closed; then end everything that is left."""
        why: ApogeeError = EngineStopped()
        try:
            while self._admit():
                self._batch.step()
        except Exception as error:  # a worker loop: whatever happened is told to every request
            log.exception("torch_engine_died")
            why = EngineStopped("The engine's thread has died.", cause=type(error).__name__)
        with self._wake:
            self._is_open = False
            left = [*self._batch.rows, *self._queue.take(lambda _: True)]
            self._batch.rows.clear()
        for row in left:
            row.end(why)

    def _admit(self) -> bool:
        """Wait for work and let rows join; False when the engine is closed."""
        with self._wake:
            while self._is_open:
                for row in self._queue.take(lambda one: one.is_cancelled):
                    row.end(Finish.CUT)
                self._fill_slots()
                if self._batch.rows:
                    return True
                self._wake.wait()
            return False

    def _fill_slots(self) -> None:
        while len(self._batch.rows) < self._limits.slots:
            running = Counter(row.job.payer for row in self._batch.rows)
            row = self._queue.pop(running, self._fits)
            if row is None:
                return
            self._batch.add(row)

    def _fits(self, row: Row) -> bool:
        return not self._batch.rows or self._batch.footprint(row) <= self._limits.cache_tokens


def _on_loop(loop: asyncio.AbstractEventLoop, row: Row, call: Callable[[], None]) -> None:
    """Hand something to the stream; a loop that is gone reads no more, so its row ends."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        row.is_cancelled = True
