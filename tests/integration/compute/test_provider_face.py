"""A provider over HTTP that sells: every form of answer, acknowledgements, proofs, health."""

import asyncio
import json

import httpx
import openai
import pytest

from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.answers import Route
from offchain.compute.forms import VOUCHER_HEADER, voucher_header
from tests.support.bought_answers import OWNER, SAID, bought
from tests.support.compute import NOW, PAYER, STRANGER, a_voucher
from tests.support.compute_provider import (
    CHAT,
    EMBED,
    a_world,
    chat_body,
    on_socket,
    wanted,
)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.CHAT, chat_body(max_tokens=16)),
        (Route.CHAT, chat_body(max_tokens=16, stream=True)),
        (Route.CHAT, chat_body(max_tokens=16, stream=True, stream_options={"include_usage": True})),
        (Route.COMPLETION, b'{"prompt":"one two three","max_tokens":16}'),
        (Route.COMPLETION, b'{"prompt":"one two three","max_tokens":16,"stream":true}'),
    ],
)
def test_provider__paid_request_of_each_form__is_answered_and_verified(
    route: Route, body: bytes
) -> None:
    async def story() -> str:
        world = await a_world()
        async with on_socket(world):
            return await bought(world, body, route)

    assert asyncio.run(story()) == SAID


@pytest.mark.parametrize("form", ["float", "base64"])
def test_provider__embedding__is_answered_and_verified(form: str) -> None:
    body = json.dumps({"input": ["a b", "c"], "model": "m", "encoding_format": form}).encode()

    async def story() -> tuple[int, int]:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(EMBED, wanted(body, route=Route.EMBEDDING))
            found = await buyer.ask(order)
            assert found.vectors is not None
            return found.vectors.shape[0], found.receipt.input_tokens

    assert asyncio.run(story()) == (2, 3)


def test_provider__official_client__buys_streams_and_embeds() -> None:
    """Nothing of ours in the client but a header."""

    async def story() -> None:
        world = await a_world()
        async with on_socket(world) as url, HttpProviderClient() as client:
            buyer = world.buyer(client)

            async def header(service: bytes, route: Route) -> dict[str, str]:
                order = await buyer.order(service, wanted(b"", route=route))
                return {VOUCHER_HEADER: voucher_header(order.voucher)}

            async with openai.AsyncOpenAI(
                base_url=f"{url}/v1", api_key="none", max_retries=0
            ) as bare:
                models = await bare.models.list()
                assert [one.id for one in models.data] == ["scripted", "scripted"]
                answer = await bare.chat.completions.create(
                    model="scripted",
                    messages=[{"role": "user", "content": "one two three"}],
                    max_tokens=16,
                    extra_headers=await header(CHAT, Route.CHAT),
                )
                assert answer.choices[0].message.content == SAID
                assert answer.choices[0].finish_reason == "stop"
                stream = await bare.chat.completions.create(
                    model="scripted",
                    messages=[{"role": "user", "content": "one two three"}],
                    max_tokens=3,
                    stream=True,
                    stream_options={"include_usage": True},
                    extra_headers=await header(CHAT, Route.CHAT),
                )
                chunks = [chunk async for chunk in stream]
                text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
                reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
                assert text == "I read 3 "
                assert reasons == [None] * (len(reasons) - 1) + ["length"]
                assert chunks[0].choices[0].delta.role == "assistant"
                assert all(c.usage is None for c in chunks[:-1])
                assert chunks[-1].choices == []
                assert chunks[-1].usage is not None
                assert chunks[-1].usage.completion_tokens == 3
                vectors = await bare.embeddings.create(
                    model="scripted",
                    input=["a", "b"],
                    extra_headers=await header(EMBED, Route.EMBEDDING),
                )
                assert len(vectors.data) == 2
                with pytest.raises(openai.APIStatusError) as caught:
                    await bare.completions.create(model="scripted", prompt="x")
                assert caught.value.status_code == 402
                assert caught.value.code == "voucher_missing"

    asyncio.run(story())


def test_provider__answers_in_a_row__are_acknowledged_by_the_next_voucher() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            for _ in range(3):
                await buyer.ask(await buyer.order(CHAT, wanted(chat_body(max_tokens=16))))
            account = buyer.account(a_voucher().provider)
            assert account.acknowledged == world.book.owed(*OWNER)
            await buyer.acknowledge(CHAT)
            acked = world.book.acknowledged(*OWNER)
            assert acked is not None
            assert acked.voucher.cumulative == account.acknowledged

    asyncio.run(story())


def test_provider__same_request_again__is_the_same_answer_paid_once() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(CHAT, wanted(chat_body(max_tokens=16)))
            first = await buyer.ask(order)
            owed = world.book.owed(*OWNER)
            again = await buyer.ask(order)
            assert again.signed == first.signed
            assert world.book.owed(*OWNER) == owed
            assert buyer.account(a_voucher().provider).acknowledged == owed

    asyncio.run(story())


def test_provider__receipt_and_purse__are_shown_to_their_payer_only() -> None:
    from offchain.compute.asks import ASK_HEADER, ask_header
    from offchain.compute.forms import parse_receipt_json
    from tests.support.compute import PROVIDER

    async def story() -> None:
        world = await a_world()
        async with (
            on_socket(world) as url,
            HttpProviderClient() as client,
            httpx.AsyncClient() as raw,
        ):
            buyer = world.buyer(client)
            found = await buyer.ask(await buyer.order(CHAT, wanted(chat_body(max_tokens=16))))
            path = f"/v1/receipts/{found.receipt.request_id.hex()}"
            purse = f"/v1/purse?payer=0x{PAYER.address.hex()}"

            async def ask(path: str, signer: object) -> httpx.Response:
                header = ask_header(signer, PROVIDER.address, NOW, f"GET {path}")
                return await raw.get(url + path, headers={ASK_HEADER: header})

            shown = (await ask(path, PAYER)).json()
            assert parse_receipt_json(shown["receipt"], shown["signature"]) == found.signed
            assert (await ask(path, STRANGER)).status_code == 403
            assert (await ask(purse, PAYER)).json()["nextNonce"] == 2
            assert (await ask(purse, STRANGER)).status_code == 403

    asyncio.run(story())


def test_provider__health_models_and_evidence__need_no_key() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world) as url, httpx.AsyncClient() as raw:
            assert (await raw.get(f"{url}/healthz")).status_code == 200
            assert (await raw.get(f"{url}/readyz")).status_code == 200
            models = (await raw.get(f"{url}/v1/models")).json()["data"]
            assert models[0]["apogee"]["price"]["output"] == "8000000"
            levels = (await raw.get(f"{url}/v1/evidence")).json()["services"]
            assert [one["level"] for one in levels] == [0, 0]
            assert (await raw.get(f"{url}/metrics")).status_code == 200
            assert (await raw.get(f"{url}/nothing")).status_code == 404

    asyncio.run(story())
