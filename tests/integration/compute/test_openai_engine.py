"""The engine behind a URL: what it is sent, what is believed, what is not."""

import asyncio
import json
from collections.abc import Awaitable

import numpy as np
import pytest

from offchain.compute.adapters.openai_engine import EngineUrl, OpenAiEngine
from offchain.compute.adapters.scripted_engine import scripted_facts
from offchain.compute.engine_errors import (
    EngineAnswerInvalid,
    EngineFull,
    EngineUnreachable,
    FeatureUnsupported,
)
from offchain.compute.generation import Route, parse_generation
from offchain.compute.model import Finish, Numerics
from offchain.core.errors import ApogeeError
from tests.support.answered import a_body, a_job, ask
from tests.support.openai_server import FakeEngine, serve_openai


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(600):
            await story

    asyncio.run(bounded())


def an_engine(url: str) -> OpenAiEngine:
    return OpenAiEngine(EngineUrl(url, "their-name"), scripted_facts(Numerics.OPAQUE))


def test_stream__request__is_passed_on_with_its_own_bounds() -> None:
    async def story() -> None:
        fake = FakeEngine()
        async with serve_openai(fake) as url:
            engine = an_engine(url)
            body = a_body(temperature=0.3, metadata={"audit_ok": "true"}, tools=[{"type": "x"}])
            found = await ask(engine, body, tokens=4)
            await engine.close()

        sent = fake.bodies[0]
        assert sent["model"] == "their-name"
        assert (sent["max_tokens"], sent["stream"], sent["n"]) == (4, True, 1)
        assert (sent["temperature"], sent["tools"]) == (0.3, [{"type": "x"}])
        assert "metadata" not in sent
        assert found.text == "I am an engine "
        assert found.trace.prompt_ids == (-1,) * 3

    run(story())


def test_stream__engine_that_counts_nothing__each_delta_is_a_token() -> None:
    async def story() -> None:
        async with serve_openai(FakeEngine(has_usage=False)) as url:
            engine = an_engine(url)
            found = await ask(engine, a_body(), tokens=20)
            await engine.close()

        assert (found.finish, len(found.ids)) == (Finish.STOP, 7)
        assert len(found.trace.prompt_ids) == len(found.job.prompt_ids)

    run(story())


def test_stream__cancelled__closes_the_connection() -> None:
    async def story() -> None:
        fake = FakeEngine(gate=asyncio.Event())
        async with serve_openai(fake) as url:
            engine = an_engine(url)
            stream = engine.stream(await a_job(engine, a_body()))
            fake.gate.set()
            await anext(stream)
            fake.gate.clear()
            stream.cancel()
            await stream.trace(0)

            assert engine.health().running == 0
            fake.gate.set()
            await engine.close()

    run(story())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, EngineFull),
        (503, EngineFull),
        (400, FeatureUnsupported),
        (500, EngineUnreachable),
        (302, EngineUnreachable),
    ],
)
def test_stream__engine_refuses__typed(status: int, error: type[ApogeeError]) -> None:
    async def story() -> None:
        async with serve_openai(FakeEngine(status=status)) as url:
            engine = an_engine(url)
            with pytest.raises(error):
                await ask(engine, a_body())
            await engine.close()

    run(story())


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["data: {"], EngineAnswerInvalid),
        (["data: []"], EngineAnswerInvalid),
        (['data: {"error": "oom"}'], EngineAnswerInvalid),
        (['data: {"choices": ["x"]}'], EngineAnswerInvalid),
        (['data: {"choices": [{"delta": {"content": 7}}]}'], EngineAnswerInvalid),
        (["data: [DONE]"], EngineUnreachable),
        ([": nothing"], EngineUnreachable),
        (
            ['data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 99}}'],
            EngineAnswerInvalid,
        ),
        (
            ['data: {"choices": [], "usage": {"prompt_tokens": 999, "completion_tokens": 0}}'],
            EngineAnswerInvalid,
        ),
        (["data: " + "x" * (2 << 20)], EngineAnswerInvalid),
    ],
)
def test_stream__answer_breaks_the_protocol__typed(
    lines: list[str], error: type[ApogeeError]
) -> None:
    async def story() -> None:
        async with serve_openai(FakeEngine(lines=lambda _: lines)) as url:
            engine = an_engine(url)
            with pytest.raises(error):
                await ask(engine, a_body())
            await engine.close()

    run(story())


def test_stream__nobody_there__unreachable() -> None:
    async def story() -> None:
        async with serve_openai(FakeEngine()) as url:
            pass
        engine = an_engine(url)
        with pytest.raises(EngineUnreachable):
            await ask(engine, a_body())
        await engine.close()

    run(story())


def test_stream__completion__uses_the_other_door() -> None:
    async def story() -> None:
        fake = FakeEngine()
        async with serve_openai(fake) as url:
            engine = an_engine(url)
            body = json.dumps({"model": "m", "prompt": "Once", "max_tokens": 2}).encode()
            generation = parse_generation(body, Route.COMPLETION)
            job = await a_job(engine, a_body(max_tokens=2))
            stream = engine.stream(
                type(job)(generation, await engine.count(generation), 2, bytes(32), b"p", body)
            )
            text = "".join([piece.text async for piece in stream])
            await engine.close()

        assert text == "I am "
        assert fake.bodies[0]["prompt"] == "Once"

    run(story())


def test_embed__texts__come_in_order() -> None:
    async def story() -> None:
        async with serve_openai(FakeEngine()) as url:
            engine = an_engine(url)
            found = await engine.embed(["a b", "c"])
            await engine.close()

        np.testing.assert_array_equal(found.vectors, [[3, 1], [1, 1]])
        assert found.input_tokens == 3

    run(story())
