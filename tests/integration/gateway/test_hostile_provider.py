"""Providers that want more than they earned, or want the gateway's money to stand still."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.chain.model import Block
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.answers import Route
from offchain.compute.model import Kind
from offchain.core.errors import Unavailable
from offchain.gateway.collect import Collector
from offchain.gateway.options import Defaults, understand
from tests.support.compute import NOW
from tests.support.compute_gateway import CHAT, CHAT_PATH, NAME, Shop, in_shop, two
from tests.support.scripted_provider import ScriptedProvider
from tests.support.waiting import wait_until


class ChainAway(MemoryMarket):
    """A chain that answers until it does not."""

    is_away = False

    def head(self) -> Block:
        if self.is_away:
            raise Unavailable
        return super().head()


def test_answer__doubted_while_the_chain_is_away__its_hold_comes_back(tmp_path: Path) -> None:
    provider, market = ScriptedProvider("one"), ChainAway(now=NOW)
    provider.script.forge = lambda receipt: replace(receipt, time=NOW - 3_600)

    async def story(shop: Shop) -> None:
        shop.compute.collector = quick(shop.compute.collector)
        await shop.compute.watch.now()
        market.is_away = True
        for streamed in (False, True):
            body = {**CHAT, "stream": streamed}
            refused = await shop.client.post(CHAT_PATH, json=body, headers=shop.key())
            assert "error" in refused.text
            assert len(provider.sold) == shop.made
            await until(lambda: shop.record(shop.made).held == 0)
            shop.compute.records.served(provider.service.id, 0.1)

    in_shop(tmp_path, story, provider, market=market)


def test_stream__that_nobody_began_to_read__its_hold_comes_back(tmp_path: Path) -> None:
    provider = ScriptedProvider("one")
    provider.script.pause = 0.02
    provider.script.words = tuple(f" {number}" for number in range(200))

    async def story(shop: Shop) -> None:
        shop.compute.collector = quick(shop.compute.collector)
        shop.new_key()
        body = shop.client.build_request("POST", CHAT_PATH, json={**CHAT, "stream": True}).content
        order = understand(Route.CHAT, body, {}, shop.record(1), Defaults(may_simulate=True))
        stream = await shop.compute.buyer.stream(order)
        assert shop.record(1).held > 0

        await stream.events.aclose()

        await until(lambda: provider.cut == 1)
        await until(lambda: shop.record(1).held == 0)

    in_shop(tmp_path, story, provider)


def test_refusal__that_says_to_wait_for_thousands_of_digits__is_passed_over(
    tmp_path: Path,
) -> None:
    cheap, dear = two()
    cheap.script.refuse, cheap.script.retry_after = (429, "busy"), "9" * 5_000

    async def story(shop: Shop) -> None:
        bought = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key())
        assert bought.status_code == 200
        assert (cheap.asked, dear.asked) == (1, 1)

    in_shop(tmp_path, story, cheap, dear)


@pytest.mark.parametrize("vector", [b"[1.0]", b"[[1.0]]", b"[]", b"[1e999]"])
def test_vectors__of_other_shapes__cost_nothing_and_are_no_fault(
    tmp_path: Path, vector: bytes
) -> None:
    provider = ScriptedProvider("one", kind=Kind.EMBEDDING)
    provider.script.tamper = lambda raw: raw.replace(
        b'"data":[', b'"data":[{"embedding":' + vector + b"},"
    )

    async def story(shop: Shop) -> None:
        wanted = {"model": NAME, "input": ["a"]}
        refused = await shop.client.post("/v1/embeddings", json=wanted, headers=shop.key())
        assert refused.status_code == 502
        await shop.compute.settled()
        assert (shop.record(1).held, shop.record(1).spent) == (0, 0)

    in_shop(tmp_path, story, provider)


def quick(collector: Collector) -> Collector:
    return replace(collector, pauses=(0.01,) * 100)


async def until(holds: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, holds, seconds=60, what="what the gateway has to do")
