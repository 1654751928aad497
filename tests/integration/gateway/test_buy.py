"""Buying through the gateway from providers behind real sockets: money, fallback, streams, fate."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import openai
import pytest
from starlette.types import Message

from offchain.compute.model import Finish, Kind
from offchain.core.hashing import keccak
from offchain.gateway.app import build_gateway_app, gateway_server
from offchain.gateway.collect import Collector
from tests.support.compute_gateway import CHAT, CHAT_PATH, NAME, Shop, a_shop, bearer, in_shop, two
from tests.support.gateway import BEARER
from tests.support.scripted_provider import ScriptedProvider
from tests.support.waiting import wait_until


def events_of(text: str) -> list[dict[str, object]]:
    parts = [one.removeprefix("data: ") for one in text.split("\n\n") if one]
    return [json.loads(one) for one in parts if one != "[DONE]"]


def test_answer__of_a_chat__is_the_providers_bytes_and_charged_by_its_receipt(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider("one")

    async def story(shop: Shop) -> None:
        body = b'{ "model":"tiny",  "messages":[{"role":"user","content":"hi"}], "max_tokens":8 }'
        answer = await shop.client.post(CHAT_PATH, content=body, headers=shop.key())
        told = answer.json()

        assert provider.bodies == [body]
        assert told["choices"][0]["message"]["content"] == "Io, Europa, Ganymede"
        assert told["usage"]["cost"] == told["apogee"]["cost"]
        assert answer.headers["x-apogee-receipt"] == "0x" + told["id"].removeprefix("chatcmpl-")
        await shop.compute.settled()
        assert shop.record(1).spent == int(told["usage"]["cost"])
        assert shop.record(1).held == 0

    in_shop(tmp_path, story, provider)


def test_receipt__of_an_answer__shows_its_checks_to_who_bought_it_only(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        own, other = shop.key(), shop.key()
        bought = await shop.client.post(CHAT_PATH, json=CHAT, headers=own)
        path = "/v1/receipts/" + bought.json()["id"]

        shown = (await shop.client.get(path, headers=own)).json()
        assert {check["name"] for check in shown["checks"]} >= {"signature", "answer", "now"}
        assert shown["receipt"] == bought.json()["apogee"]["receipt"]
        assert (await shop.client.get(path, headers=BEARER)).status_code == 200
        assert (await shop.client.get(path, headers=other)).status_code == 404
        assert (await shop.client.get(path)).status_code == 401
        unknown = await shop.client.get("/v1/receipts/0x" + "00" * 32, headers=own)
        assert unknown.json()["error"]["code"] == "compute.receipt.unknown"

    in_shop(tmp_path, story, ScriptedProvider("one"))


@pytest.mark.parametrize("has_usage", [False, True])
def test_stream__whole__passes_every_event_and_is_charged(tmp_path: Path, has_usage: bool) -> None:
    async def story(shop: Shop) -> None:
        wanted = {**CHAT, "stream": True, "stream_options": {"include_usage": has_usage}}
        answer = await shop.client.post(CHAT_PATH, json=wanted, headers=shop.key())

        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text.endswith("data: [DONE]\n\n")
        events = events_of(answer.text)
        reasons = [one["choices"][0]["finish_reason"] for one in events if one["choices"]]
        assert reasons[-1] == "stop"
        assert set(reasons[:-1]) == {None}
        assert ("usage" in events[-1]) == has_usage
        await shop.compute.settled()
        assert shop.record(1).spent == int(events[-1]["apogee"]["cost"])

    in_shop(tmp_path, story, ScriptedProvider("one"))


FAILINGS: list[tuple[dict[str, object], str]] = [
    ({"silent": True}, "compute.provider_unreachable"),
    ({"refuse": (503, "compute.engine.stopped")}, "compute.provider_busy"),
    ({"refuse": (429, "compute.engine.full"), "retry_after": 7}, "compute.provider_busy"),
    ({"refuse": (402, "provider_full")}, "compute.provider_unpaid"),
    ({"refuse": (500, "x")}, "compute.provider_unreachable"),
]
LIES: list[tuple[dict[str, object], str]] = [  # of a stream, they come out at its end
    ({"tamper": lambda raw: raw.replace(b"Io", b"Ia")}, "compute.answer.unverified"),
    ({"forge": lambda one: replace(one, price=one.price + 1)}, "compute.answer.unverified"),
]
TRIES = [(False, *one) for one in (*FAILINGS, *LIES)] + [(True, *one) for one in FAILINGS]


@pytest.mark.parametrize(("is_streamed", "failing", "outcome"), TRIES)
def test_fallback__before_anything_was_passed_on__asks_the_next_and_charges_once(
    tmp_path: Path, failing: dict[str, object], outcome: str, is_streamed: bool
) -> None:
    cheap, dear = two()
    for name, value in failing.items():
        setattr(cheap.script, name, value)

    async def story(shop: Shop) -> None:
        wanted = {**CHAT, "stream": is_streamed}
        answer = await shop.client.post(CHAT_PATH, json=wanted, headers=shop.key())

        assert answer.status_code == 200
        assert answer.headers["x-apogee-service"] == "0x" + dear.service.id.hex()
        tried = answer.headers["x-apogee-tried"]
        assert tried == f"0x{cheap.service.id.hex()} {outcome}"
        await shop.compute.settled()
        [receipt] = [signed.receipt for signed in dear.sold.values()]
        assert shop.record(1).spent == receipt.price
        if "retry_after" in failing:
            assert 6 < shop.compute.records.blocked_seconds(cheap.service.id) <= 7

    in_shop(tmp_path, story, cheap, dear)


def test_fallback__forbidden_by_the_request__does_not_happen(tmp_path: Path) -> None:
    cheap, dear = two()
    cheap.script.refuse = (503, "compute.engine.stopped")

    async def story(shop: Shop) -> None:
        headers = {**shop.key(), "X-Apogee-Fallback": "forbid"}
        answer = await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)

        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert dear.asked == 0

    in_shop(tmp_path, story, cheap, dear)


def test_fallback__of_a_request_that_is_wrong__is_not_tried(tmp_path: Path) -> None:
    cheap, dear = two()
    cheap.script.refuse = (400, "compute.prompt.too_long")

    async def story(shop: Shop) -> None:
        answer = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key())

        assert answer.status_code == 400
        assert "compute.prompt.too_long" in answer.text
        assert dear.asked == 0
        await shop.compute.settled()
        assert (shop.record(1).spent, shop.record(1).held) == (0, 0)

    in_shop(tmp_path, story, cheap, dear)


def test_stream__whose_provider_dies_after_the_first_text__ends_with_an_error_and_no_other(
    tmp_path: Path,
) -> None:
    cheap, dear = two()
    cheap.script.die_after = 2

    async def story(shop: Shop) -> None:
        shop.compute.collector = quick(shop.compute.collector)
        wanted = {**CHAT, "stream": True}
        answer = await shop.client.post(CHAT_PATH, json=wanted, headers=shop.key())

        events = events_of(answer.text)
        assert events[-1]["error"]["code"] == "compute.answer_broken"
        assert "Europa" in answer.text
        assert dear.asked == 0
        await until(lambda: shop.record(1).held == 0)
        [receipt] = [signed.receipt for signed in cheap.sold.values()]
        assert receipt.output_tokens == 2
        assert shop.record(1).spent == receipt.price

    in_shop(tmp_path, story, cheap, dear)


def test_stream__whose_last_bytes_are_forged__ends_with_an_error_and_costs_nothing(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider("one")
    provider.script.tamper = lambda raw: raw.replace(b'"simulated":false', b'"simulated":true')

    async def story(shop: Shop) -> None:
        wanted = {**CHAT, "stream": True}
        answer = await shop.client.post(CHAT_PATH, json=wanted, headers=shop.key())

        assert events_of(answer.text)[-1]["error"]["code"] == "compute.answer.unverified"
        assert b"[DONE]" not in answer.content
        await shop.compute.settled()
        assert (shop.record(1).spent, shop.record(1).held) == (0, 0)

    in_shop(tmp_path, story, provider)


def test_stream__whose_buyer_leaves__stops_the_provider_and_costs_what_was_sent(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider("one")
    provider.script.words = tuple(f" {number}" for number in range(200))
    provider.script.pause = 0.02

    async def story(shop: Shop) -> None:
        shop.compute.collector = quick(shop.compute.collector)
        await leave_after(shop, shop.key(), texts=3)
        await until(lambda: provider.cut == 1)
        await until(lambda: shop.record(1).held == 0)

        [receipt] = [signed.receipt for signed in provider.sold.values()]
        assert 3 <= receipt.output_tokens < 200
        assert shop.record(1).spent == receipt.price

    in_shop(tmp_path, story, provider)


def test_whole_answer__whose_buyer_leaves__stops_the_provider_and_costs_what_its_receipt_says(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider("one")
    provider.script.pause = 3_600.0

    async def story(shop: Shop) -> None:
        shop.compute.collector = quick(shop.compute.collector)
        key = shop.key()
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(served(shop))
            client = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
            asking = asyncio.create_task(
                client.post(f"{url}/chat/completions", json=CHAT, headers=key)
            )
            await until(lambda: provider.asked == 1)
            asking.cancel()
            await until(lambda: provider.cut == 1)
            await until(lambda: shop.record(1).held == 0)

        [receipt] = [signed.receipt for signed in provider.sold.values()]
        assert (receipt.finish, receipt.output_tokens) == (Finish.CUT, 0)
        assert shop.record(1).spent == receipt.price > 0
        assert shop.face.metrics.requests["POST", CHAT_PATH, 0] == 1  # nothing was answered

    in_shop(tmp_path, story, provider)


def test_embeddings__and_completions__are_bought_and_verified_too(tmp_path: Path) -> None:
    chat = ScriptedProvider("one")
    vectors = ScriptedProvider("two", kind=Kind.EMBEDDING, model=keccak(b"vectors"))

    async def story(shop: Shop) -> None:
        texts = {"model": NAME, "prompt": "Io is", "max_tokens": 8}
        text = await shop.client.post("/v1/completions", json=texts, headers=shop.key())
        assert text.json()["choices"][0]["text"] == "Io, Europa, Ganymede"
        for form in ("float", "base64"):
            wanted = {"model": NAME, "input": ["a"], "encoding_format": form}
            found = await shop.client.post("/v1/embeddings", json=wanted, headers=shop.key())
            assert found.json()["data"][0]["embedding"] in ([0.25, -1.0, 3.5], "AACAPgAAgL8AAGBA")

    in_shop(tmp_path, story, chat, vectors)


def test_restart__after_a_kill_in_the_middle__pays_what_the_receipt_says(tmp_path: Path) -> None:
    provider = ScriptedProvider("one")
    provider.script.die_after = 1

    async def story() -> None:
        async with a_shop(tmp_path, provider) as shop:
            shop.compute.collector = replace(shop.compute.collector, pauses=())
            wanted = {**CHAT, "stream": True}
            await shop.client.post(CHAT_PATH, json=wanted, headers=shop.key())
            await shop.compute.settled()
            assert shop.record(1).held > 0
        async with a_shop(tmp_path, provider) as shop:
            await until(lambda: shop.record(1).held == 0)
            [receipt] = [signed.receipt for signed in provider.sold.values()]
            assert shop.record(1).spent == receipt.price
            answer = await shop.client.post(
                CHAT_PATH, json=CHAT, headers=bearer("apk_" + "01" * 32)
            )
            assert answer.is_success

    asyncio.run(story())


def test_client__the_official_one_with_a_base_url__buys_streams_and_reads_errors(
    tmp_path: Path,
) -> None:
    async def story(shop: Shop) -> None:
        key = shop.new_key(cap_total=5_000)
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(served(shop))
            asking = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
            client = await stack.enter_async_context(asking)
            assert [one.id async for one in client.models.list()] == [NAME]
            talk = [{"role": "user", "content": "moons?"}]
            whole = await client.chat.completions.create(model=NAME, messages=talk, max_tokens=8)
            assert whole.choices[0].message.content == "Io, Europa, Ganymede"
            assert whole.usage.cost == whole.apogee["cost"]
            receipt = await client.get(f"/receipts/{whole.id}", cast_to=object)
            assert receipt["receipt"] == whole.apogee["receipt"]
            assert receipt["checks"]
            assert receipt["not_proven"]
            stream = await client.chat.completions.create(
                model=NAME,
                messages=talk,
                max_tokens=8,
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
            said = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
            assert said == "Io, Europa, Ganymede"
            assert chunks[-1].usage.completion_tokens == 3
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="none", messages=talk)
            with pytest.raises(openai.APIStatusError) as refused:
                await client.chat.completions.create(
                    model=NAME, messages=[{"role": "user", "content": "x" * 3_000}]
                )
            assert refused.value.status_code == 402
            assert refused.value.code == "key_cap_reached"

    in_shop(tmp_path, story, ScriptedProvider("one"))


def quick(collector: Collector) -> Collector:
    return replace(collector, pauses=(0.01,) * 50)


async def until(holds: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, holds, seconds=60, what="what the gateway has to do")


async def leave_after(shop: Shop, headers: dict[str, str], *, texts: int) -> None:
    """Send a streamed request straight to the application, and hang up after so many texts."""
    body = json.dumps({**CHAT, "stream": True, "max_tokens": 200}).encode()
    seen, is_gone = 0, asyncio.Event()
    sent = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if sent:
            return sent.pop()
        await is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal seen
        seen += message.get("body", b"").count(b'"content":" ')
        if seen >= texts:
            is_gone.set()

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "path": CHAT_PATH,
        "raw_path": CHAT_PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"127.0.0.1:8080"), *raw],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8080),
    }
    await build_gateway_app(shop.face)(scope, receive, send)


@asynccontextmanager
async def served(shop: Shop) -> AsyncIterator[str]:
    """The gateway behind a real socket, without its life cycle, which the shop has."""
    server = gateway_server(build_gateway_app(shop.face), 0)
    server.config.lifespan = "off"
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        await serving
