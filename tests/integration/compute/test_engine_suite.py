"""One suite over every engine: torch, an engine behind a URL, a script in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offchain.compute.adapters.openai_engine import EngineUrl, OpenAiEngine
from offchain.compute.adapters.scripted_engine import Script, ScriptedEngine, scripted_facts
from offchain.compute.adapters.torch_engine import TorchEngine, TorchLimits
from offchain.compute.adapters.torch_model import TorchPlace, load_model
from offchain.compute.commitment import commit
from offchain.compute.engine import Deadlines, Engine
from offchain.compute.engine_errors import EngineFull, EngineStopped, PromptTooLong
from offchain.compute.model import Finish, Numerics
from tests.support.answered import a_body, a_header, a_job, ask
from tests.support.openai_server import FakeEngine, serve_openai

WORDS = tuple(f"word{number} " for number in range(400))


@dataclass
class Held:
    """An engine, and the event that lets it go on where it can be held."""

    engine: Engine
    gate: asyncio.Event


Opener = Callable[..., AbstractAsyncContextManager[Held]]


@pytest.fixture(params=["torch", "url", "script"])
def opener(request: pytest.FixtureRequest, llama_folder: Path) -> Opener:
    """Opens an engine with one slot and a queue of two, unless told otherwise."""

    @asynccontextmanager
    async def open_engine(*, slots: int = 1, queue: int = 2) -> AsyncIterator[Held]:
        gate = asyncio.Event()
        gate.set()
        engine: Engine
        if request.param == "torch":
            limits = TorchLimits(slots=slots, queue=queue)
            engine = TorchEngine(load_model(llama_folder, TorchPlace()), limits)
        elif request.param == "script":

            async def wait() -> None:
                await gate.wait()

            engine = ScriptedEngine(Script(lambda _: WORDS, wait), slots=slots, queue=queue)
        else:
            fake = FakeEngine(lines=None, gate=gate)
            async with serve_openai(fake) as url:
                facts = scripted_facts(Numerics.OPAQUE)
                engine = OpenAiEngine(EngineUrl(url, "m", slots=slots), facts, queue=queue)
                yield Held(engine, gate)
                await engine.close()
            return
        yield Held(engine, gate)
        await engine.close()

    return open_engine


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(600):
            await story

    asyncio.run(bounded())


def test_stream__limit_reached__pieces_are_the_answer_and_the_trace(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            found = await ask(held.engine, a_body(max_tokens=5, temperature=0.7))

            assert found.finish is Finish.LENGTH
            assert len(found.ids) == 5
            assert found.trace.output_ids == found.ids
            assert found.text

    run(story())


def test_trace__of_an_answer__can_be_committed_to(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            found = await ask(held.engine, a_body(max_tokens=5))
            header = a_header(held.engine, found.job, found.trace)

            commitment = commit(header, found.trace, bytes(32))

            assert len(commitment.leaves) == 3

    run(story())


def test_stream__cancelled_after_a_piece__is_cut_and_the_slot_is_free(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            stream = held.engine.stream(await a_job(held.engine, a_body(max_tokens=6)))
            piece = await anext(stream)
            stream.cancel()

            assert [one async for one in stream] == []
            trace = await stream.trace(len(piece.ids))
            after = await ask(held.engine, a_body(max_tokens=3))

            assert stream.finish is Finish.CUT
            assert trace.output_ids == piece.ids
            assert len(after.ids) == 3

    run(story())


def test_stream__cancelled_before_it_began__is_over(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            stream = held.engine.stream(await a_job(held.engine, a_body(max_tokens=6)))
            stream.cancel()

            assert (await stream.trace(0)).output_ids == ()
            assert await wait_until_idle(held.engine)

    run(story())


def test_stream__cancelled_twice_and_after_the_end__is_harmless(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            stream = held.engine.stream(await a_job(held.engine, a_body(max_tokens=2)))
            _ = [one async for one in stream]
            stream.cancel()
            stream.cancel()

            assert stream.finish is Finish.LENGTH

    run(story())


def test_stream__more_at_once_than_slots__all_are_answered(opener: Opener) -> None:
    async def story() -> None:
        async with opener(slots=2, queue=8) as held:
            found = await asyncio.gather(
                *(ask(held.engine, a_body(f"number {at}", max_tokens=4)) for at in range(6))
            )

            assert [len(one.ids) for one in found] == [4] * 6
            assert held.engine.health().is_ready

    run(story())


def test_stream__queue_is_full__refused_at_once(opener: Opener) -> None:
    async def story() -> None:
        async with opener(slots=1, queue=1) as held:
            held.gate.clear()
            job = await a_job(held.engine, a_body(max_tokens=300))
            streams = []
            with pytest.raises(EngineFull):
                for _ in range(5):
                    streams.append(held.engine.stream(job))  # noqa: PERF401  # fails midway
            for stream in streams:
                stream.cancel()
            held.gate.set()
            assert await wait_until_idle(held.engine)

    run(story())


async def wait_until_idle(engine: Engine) -> bool:
    for _ in range(1_000):
        health = engine.health()
        if health.running == health.waiting == 0:
            return True
        await asyncio.sleep(0.01)
    return False


def test_stream__closed_engine__refused(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            job = await a_job(held.engine, a_body(max_tokens=2))
            await held.engine.close()

            assert not held.engine.health().is_ready
            with pytest.raises(EngineStopped):
                held.engine.stream(job)

    run(story())


def test_stream__deadline_for_all_passes__is_cut_or_late(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            job = await a_job(held.engine, a_body(max_tokens=400))
            stream = held.engine.stream(replace(job, deadlines=Deadlines(30, 15, 0.0)))

            with pytest.raises(Exception, match="No token came in time"):
                await anext(stream)

            assert stream.finish is Finish.CUT
            assert (await stream.trace(0)).output_ids == ()

    run(story())


def test_count__prompt_longer_than_the_context__refused(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            with pytest.raises(PromptTooLong):
                await a_job(held.engine, a_body("word " * 9_000))

    run(story())


def test_close__streams_still_run__they_end(opener: Opener) -> None:
    async def story() -> None:
        async with opener() as held:
            stream = held.engine.stream(await a_job(held.engine, a_body(max_tokens=400)))
            await anext(stream)
            await held.engine.close()

            with pytest.raises((EngineStopped, StopAsyncIteration)):
                for _ in range(1_000):
                    await anext(stream)

    run(story())
