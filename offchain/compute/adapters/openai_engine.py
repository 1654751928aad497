"""An engine behind a URL that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp and others.

Its ids and hidden states stay there, so ids are -1, fingerprints empty and its numerics GGUF or
OPAQUE. Tokens are counted by its own `usage`; a delta without one counts as one token. Nothing of
its answer is trusted beyond its shape, and all of it is bounded.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
import numpy as np
from pydantic_core import from_json

from offchain.compute.adapters.queued_stream import QueuedStream, end_with
from offchain.compute.engine import Embedding, Health, Job, ModelFacts, Piece, Trace
from offchain.compute.engine_errors import (
    EngineAnswerInvalid,
    EngineFull,
    EngineStopped,
    EngineUnreachable,
    FeatureUnsupported,
    PromptTooLong,
)
from offchain.compute.generation import Generation, Route, parse_body
from offchain.compute.model import Finish
from offchain.compute.sampler import ENGINE_OWN

UNKNOWN: Final = -1
TEMPLATE_TOKENS: Final = 16  # a message's marks, at most
MAX_LINE_BYTES: Final = 1 << 20
MAX_ANSWER_BYTES: Final = 64 << 20
PATHS: Final = {Route.CHAT: "/chat/completions", Route.COMPLETION: "/completions"}
PRIVATE_FIELDS: Final = ("metadata", "user", "store")  # of no use to an engine
FULL: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class EngineUrl:
    """Where an engine is, e.g. http://127.0.0.1:8000/v1, and what it calls its model."""

    url: str
    model: str
    key: str = ""
    slots: int = 8


@dataclass(slots=True)
class _Count:
    """What an answer took so far, by the engine's word once it says so."""

    prompt: int
    output: int = 0


class OpenAiEngine:
    """Passes requests on and reads the stream; one HTTP connection a request."""

    def __init__(self, at: EngineUrl, facts: ModelFacts, *, queue: int = 64) -> None:
        headers = {"Authorization": f"Bearer {at.key}"} if at.key else {}
        self._at, self._facts, self._limit = at, facts, queue
        self._client = httpx.AsyncClient(
            base_url=at.url.rstrip("/"), headers=headers, timeout=httpx.Timeout(30, read=None)
        )
        self._free = asyncio.Semaphore(at.slots)
        self._tasks: set[asyncio.Task[Finish]] = set()
        self._running = 0
        self._is_open = True

    def facts(self) -> ModelFacts:
        return self._facts

    async def count(self, generation: Generation) -> tuple[int, ...]:
        """An upper bound: a token has at least one byte."""
        texts = [one.content for one in generation.messages] or [generation.prompt]
        most = sum(len(text.encode()) + TEMPLATE_TOKENS for text in texts)
        if most >= self._facts.context_tokens:
            raise PromptTooLong(tokens=most, maximum=self._facts.context_tokens - 1)
        return (UNKNOWN,) * most

    def stream(self, job: Job) -> QueuedStream:
        if not self._is_open:
            raise EngineStopped
        if len(self._tasks) >= self._at.slots + self._limit:
            raise EngineFull(waiting=len(self._tasks) - self._at.slots, limit=self._limit)
        count = _Count(prompt=len(job.prompt_ids))
        stream = QueuedStream(
            job.deadlines, stop=lambda: _stop(task), trace=lambda tokens: _trace(count, tokens)
        )
        task = asyncio.create_task(self._pass_on(job, stream, count))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(end_with, stream))
        return stream

    async def embed(self, texts: Sequence[str]) -> Embedding:
        body = {"model": self._at.model, "input": list(texts), "encoding_format": "float"}
        try:
            answer = await self._client.post("/embeddings", json=body, timeout=300)
        except httpx.HTTPError as error:
            raise EngineUnreachable(cause=type(error).__name__) from error
        _check_status(answer.status_code)
        return _parse_embedding(answer.content, len(texts))

    def health(self) -> Health:
        waiting = len(self._tasks) - self._running
        return Health(self._is_open, self._running, waiting, self._at.slots)

    async def close(self) -> None:
        self._is_open = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _pass_on(self, job: Job, stream: QueuedStream, count: _Count) -> Finish:
        async with self._free:
            self._running += 1
            try:
                path = PATHS[job.generation.route]
                request = self._client.stream("POST", path, json=self._body(job))
                async with request as answer:
                    _check_status(answer.status_code)
                    return await _read_answer(_events(answer), job, stream, count)
            except httpx.HTTPError as error:
                raise EngineUnreachable(cause=type(error).__name__) from error
            finally:
                self._running -= 1

    def _body(self, job: Job) -> dict[str, object]:
        sent = {k: v for k, v in parse_body(job.body).items() if k not in PRIVATE_FIELDS}
        sent.pop("max_completion_tokens", None)
        return {
            **sent,
            "model": self._at.model,
            "n": 1,
            "max_tokens": job.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }


async def _read_answer(
    events: AsyncIterator[dict[str, Any]], job: Job, stream: QueuedStream, count: _Count
) -> Finish:
    """Pieces from events until the engine says it is done."""
    finish: Finish | None = None
    async for event in events:
        text, reason = _parse_choice(event, job.generation.route)
        if reason:
            finish = Finish.LENGTH if reason == "length" else Finish.STOP
        said = _parse_usage(event, count)
        fresh = said - count.output if said is not None else int(bool(text))
        if count.output + fresh > job.max_tokens:
            raise EngineAnswerInvalid("More tokens than asked for.", maximum=job.max_tokens)
        if text or fresh > 0:
            count.output += max(fresh, 0)
            stream.put(Piece((UNKNOWN,) * max(fresh, 0), text))
    if finish is None:
        raise EngineUnreachable("The answer broke off.")
    return finish


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each `data:` line up to [DONE]."""
    held, total = b"", 0
    async for raw in answer.aiter_bytes():
        total += len(raw)
        *lines, held = (held + raw).split(b"\n")
        if len(held) > MAX_LINE_BYTES or total > MAX_ANSWER_BYTES:
            raise EngineAnswerInvalid("The answer is too long.", bytes=total)
        for line in lines:
            data = line.strip().removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or not data:
                continue
            if data == b"[DONE]":
                return
            yield _parse_object(data)


def _parse_object(raw: bytes) -> dict[str, Any]:
    try:
        found = from_json(raw)
    except ValueError as error:
        raise EngineAnswerInvalid("An event is no JSON.") from error
    if not isinstance(found, dict) or "error" in found:
        raise EngineAnswerInvalid("An event is an error or no object.")
    return found


def _parse_choice(event: Mapping[str, Any], route: Route) -> tuple[str, str | None]:
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(choice, dict):
        raise EngineAnswerInvalid("A choice is no object.")
    part = choice.get("delta") or {} if route is Route.CHAT else choice
    text = part.get("content" if route is Route.CHAT else "text") if isinstance(part, dict) else 0
    reason = choice.get("finish_reason")
    if not isinstance(text, str | None) or not isinstance(reason, str | None):
        raise EngineAnswerInvalid("A text or a reason is none.")
    return text or "", reason


def _parse_usage(event: Mapping[str, Any], count: _Count) -> int | None:
    """The output tokens so far, if this event says; the prompt's go to `count`."""
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(output, int):
        return None
    if not 0 <= prompt <= count.prompt or output < 0:
        raise EngineAnswerInvalid("The usage is impossible.", prompt=prompt, output=output)
    count.prompt = prompt
    return output


def _parse_embedding(raw: bytes, texts: int) -> Embedding:
    found = _parse_object(raw)
    try:
        rows = [one["embedding"] for one in sorted(found["data"], key=lambda one: one["index"])]
        vectors = np.array(rows, np.float32)
        tokens = int(found["usage"]["prompt_tokens"])
    except (KeyError, TypeError, ValueError) as error:
        raise EngineAnswerInvalid("The embeddings have another shape.") from error
    if vectors.ndim != 2 or len(vectors) != texts or not np.isfinite(vectors).all() or tokens < 0:
        raise EngineAnswerInvalid("The embeddings have another shape.", texts=texts)
    return Embedding(vectors, tokens)


def _check_status(status: int) -> None:
    if status in FULL:
        raise EngineFull(status=status)
    if 400 <= status < 500:
        raise FeatureUnsupported("The engine refuses the request.", status=status)
    if status != 200:
        raise EngineUnreachable(status=status)


def _stop(task: asyncio.Task[Finish]) -> None:
    task.cancel()


def _trace(count: _Count, tokens: int) -> Trace:
    return Trace((UNKNOWN,) * count.prompt, (UNKNOWN,) * tokens, ENGINE_OWN, b"", ())
