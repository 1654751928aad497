"""The gateway against a whole provider on a socket: its face, journal, receipts and settlement."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from offchain.compute.adapters.scripted_engine import Script
from offchain.compute.model import NATIVE_COIN
from tests.support.compute import PAYER, PROVIDER
from tests.support.compute_gateway import CHAT, NAME, Shop, a_shop
from tests.support.compute_provider import World, a_market, a_world, on_socket
from tests.support.waiting import wait_until

PATH = "/v1/chat/completions"


async def buy_everything(shop: Shop) -> None:
    """Many at once, of each kind, whole and streamed."""
    key = shop.key(cap_total=5_000_000)
    texts = {"model": NAME, "prompt": "Io is", "max_tokens": 8}
    vectors = {"model": NAME, "input": ["a", "b c"]}
    asked = [
        shop.client.post(PATH, json={**CHAT, "stream": number % 2 == 0}, headers=key)
        for number in range(12)
    ]
    asked.append(shop.client.post("/v1/completions", json=texts, headers=key))
    asked.append(shop.client.post("/v1/embeddings", json=vectors, headers=key))
    answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 14, answers
    for answer in answers:
        told = answer.text
        if told.startswith("data: "):
            told = told.split("data: ")[-2]
        shown = await shop.client.get(
            "/v1/receipts/" + answer.headers["x-apogee-receipt"], headers=key
        )
        assert shown.json()["receipt"] == json.loads(told)["apogee"]["receipt"]


def test_market__bought_from_a_whole_provider__settles_to_what_the_keys_were_charged(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        world = await a_world(a_market())
        async with on_socket(world), a_shop(tmp_path, market=world.market) as shop:
            await buy_everything(shop)
            await settled(shop, world)

    asyncio.run(story())


def test_stream__left_in_the_middle__is_charged_what_the_provider_signed_for(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        gates = asyncio.Semaphore(3)

        async def gate() -> None:
            await gates.acquire()

        words = tuple(f"word{number} " for number in range(8))
        world = await a_world(a_market(), Script(lambda _: words, gate))
        async with on_socket(world), a_shop(tmp_path, market=world.market) as shop:
            shop.compute.collector = replace(shop.compute.collector, pauses=(0.05,) * 100)
            key = shop.key()
            wanted = {**CHAT, "stream": True}
            sent = shop.client.build_request("POST", PATH, json=wanted, headers=key)
            leaving = asyncio.create_task(shop.client.send(sent))
            await asyncio.to_thread(wait_until, gates.locked, seconds=30, what="three words")
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            await asyncio.to_thread(
                wait_until, lambda: shop.record(1).held == 0, seconds=60, what="the receipt"
            )
            assert shop.record(1).spent > 0
            await settled(shop, world)

    asyncio.run(story())


async def settled(shop: Shop, world: World) -> None:
    """What the provider takes on chain is what the gateway's keys were charged."""
    await shop.compute.settled()
    charged = sum(record.spent for record in shop.book.all_keys())
    while await world.settle.round():  # a batch is of one service
        pass
    bucket = world.market.bucket(
        PAYER.address, PROVIDER.address, NATIVE_COIN, at=world.market.head().hash
    )
    assert bucket.spent == charged > 0
