"""Both ways to oracles keep one port: over HTTP, and in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Response

from offchain.agents.adapters.http_oracle import HttpOracles, add_oracles
from offchain.agents.adapters.memory_oracle import MemoryOracles
from offchain.agents.oracle_errors import OracleInvalid, OracleRefused, OracleSilent
from offchain.agents.oracle_forms import MAX_WORDS_BYTES, dump, parcel
from offchain.agents.oracle_ports import DeriveWish, Oracles
from offchain.node.face_routes import Counters, add_errors
from offchain.node.http_face import loopback_server
from tests.support.agent_oracles import OracleWorld, old_bundle

Story = Callable[[OracleWorld, Oracles, str], Coroutine[None, None, None]]


@asynccontextmanager
async def served(world: OracleWorld) -> AsyncIterator[str]:
    """The oracles of a world behind a socket of loopback; its URL."""
    app = FastAPI()
    add_errors(app, Counters())
    add_oracles(app, world.oracles)
    async with listening(app) as url:
        for signer, place in world.ledger.places.items():
            world.ledger.places[signer] = replace(place, endpoint=url)
        yield url


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """An app behind a socket of loopback; its URL."""
    server: uvicorn.Server = loopback_server(app, 0, connections=32)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def over(kind: str, story: Story) -> None:
    """Tell a story over one adapter."""

    async def run() -> None:
        world = OracleWorld()
        if kind == "memory":
            await story(world, MemoryOracles(world.oracles), "")
            return
        async with served(world) as url, HttpOracles() as oracles:
            await story(world, oracles, url)

    asyncio.run(run())


KINDS = pytest.mark.parametrize("kind", ["memory", "http"])


@KINDS
def test_oracles__whole_delivery__same_bytes_over_every_adapter(kind: str) -> None:
    made = []

    async def story(world: OracleWorld, oracles: Oracles, _: str) -> None:
        made.append(await world.leader(oracles).deliver(world.wish()))
        made.append(await OracleWorld().leader().deliver(world.wish()))

    over(kind, story)

    assert made[0] == made[1]


@KINDS
def test_oracles__refusal__is_told_with_its_code(kind: str) -> None:
    async def story(world: OracleWorld, oracles: Oracles, _: str) -> None:
        with pytest.raises(OracleRefused) as refused:
            await oracles.commit(world.places[0], world.order(epoch=9))
        assert refused.value.fields["remote_code"] == "agents.oracle.entry_changed"

    over(kind, story)


@KINDS
def test_oracles__nobody_there__is_silent(kind: str) -> None:
    async def story(world: OracleWorld, oracles: Oracles, _: str) -> None:
        place = replace(world.places[0], signer=b"\x01" * 20, endpoint="http://127.0.0.1:1")
        with pytest.raises(OracleSilent):
            await oracles.commit(place, world.order())

    over(kind, story)


def test_face__bodies_of_strangers__bounded_and_refused() -> None:
    async def story(world: OracleWorld, _: Oracles, url: str) -> None:
        path = f"{url}/v1/oracles/{world.places[0].signer.hex()}"
        bodies = [b"", b"[]", b"{" * 100, b'{"order":{}}', b"x" * (MAX_WORDS_BYTES + 1)]
        async with httpx.AsyncClient(trust_env=False) as client:
            for step in ("commit", "share", "sign", "derive"):
                for body in bodies:
                    answer = await client.post(f"{path}/{step}", content=body)
                    assert answer.status_code == 400, (step, body[:20], answer.text)
            unknown = await client.post(f"{url}/v1/oracles/{'00' * 20}/commit", content=b"{}")
            listed = await client.get(f"{url}/v1/oracles")
        assert unknown.status_code == 404
        assert listed.json()["label"] == "SIMULATED"

    over("http", story)


def test_face__parcel_without_its_words__refused_before_a_file_is_read() -> None:
    async def story(world: OracleWorld, _: Oracles, url: str) -> None:
        path = f"{url}/v1/oracles/{world.places[0].signer.hex()}/derive"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(path, content=b"\xff\xff\xff\xff" + old_bundle())
        assert answer.json()["code"] == "agents.oracle.malformed"

    over("http", story)


NONSENSE = {
    "nothing": b"",
    "a list": b"[]",
    "deep": b"[" * 10_000,
    "other words": dump({"signer": "00", "shares": [{}], "signature": "zz"}),
    "half a parcel": parcel({"new_data_hash": "00" * 32})[:-2],
    "longer than any answer": bytes(MAX_WORDS_BYTES + 1),
}


@pytest.mark.parametrize("name", sorted(NONSENSE))
def test_oracles__answer_that_is_none__named_as_nonsense_at_every_step(name: str) -> None:
    app = FastAPI()

    @app.post("/v1/oracles/{signer}/{step}")
    async def answer(signer: str, step: str) -> Response:
        del signer, step
        return Response(NONSENSE[name])

    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        async with listening(app) as url, HttpOracles() as oracles:
            place = replace(world.places[0], endpoint=url)
            steps = [
                oracles.commit(place, order),
                oracles.share(place, order, ()),
                oracles.derive(place, DeriveWish(order, (), (), b""), old_bundle()),
                oracles.sign(place, order, bytes(32)),
            ]
            for step in steps:
                with pytest.raises(OracleInvalid):
                    await step

    asyncio.run(story())
