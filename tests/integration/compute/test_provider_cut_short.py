"""Answers that end early: readers who leave, engines that fail, prices that change."""

import asyncio

import httpx
import pytest

from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.scripted_engine import Script
from offchain.compute.engine_errors import EngineOutOfMemory, LogitsNotFinite
from offchain.compute.forms import VOUCHER_HEADER, voucher_header
from offchain.compute.model import Finish
from offchain.compute.signatures import sign_voucher
from tests.support.bought_answers import OWNER
from tests.support.compute import DOMAIN, NOW, PAYER, a_voucher
from tests.support.compute_provider import (
    CHAT,
    a_world,
    chat_body,
    on_socket,
    until,
    wanted,
)


def held_back(words: int) -> tuple[Script, asyncio.Event]:
    """A script whose tokens after the first `words` wait for the event."""
    release = asyncio.Event()
    said = 0

    async def gate() -> None:
        nonlocal said
        said += 1
        if said > words:
            await release.wait()

    return Script(lambda _: [f"w{n} " for n in range(8)], gate), release


@pytest.mark.parametrize("seen", range(1, 9))
def test_inv_cmp_14__reader_leaves_after_each_chunk__is_billed_for_what_was_sent(
    seen: int,
) -> None:
    async def story() -> None:
        script, _ = held_back(seen)
        world = await a_world(script=script)
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            body = chat_body(max_tokens=9, stream=True)
            order = await buyer.order(CHAT, wanted(body))
            stream = buyer.stream(order)
            raw = b""
            async for piece in stream:
                raw += piece
                if raw.count(b'"content":"w') == seen:
                    break
            await stream.aclose()
            await until(lambda: world.engine.health().running == 0)
            line = world.book.unsettled(*OWNER)[0]
            await until(lambda: world.book.unsettled(*OWNER)[0].signed is not None)
            line = world.book.unsettled(*OWNER)[0]
            receipt = line.signed.receipt
            assert receipt.finish is Finish.CUT or seen == 8
            assert receipt.output_tokens == seen
            again = await buyer.ask(order)
            assert again.text == "".join(f"w{n} " for n in range(seen))
            assert again.receipt == receipt

    asyncio.run(story())


def test_provider__client_leaves_before_a_whole_answer__frees_its_slot() -> None:
    async def story() -> None:
        script, _ = held_back(2)
        world = await a_world(script=script)
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(CHAT, wanted(chat_body(max_tokens=9)))
            asking = asyncio.create_task(buyer.ask(order))
            await until(lambda: world.engine.health().running == 1)
            asking.cancel()
            await until(lambda: world.engine.health().running == 0)
            await until(lambda: world.book.unsettled(*OWNER)[0].signed is not None)
            assert world.book.unsettled(*OWNER)[0].signed.receipt.output_tokens == 0

    asyncio.run(story())


def test_provider__reader_who_does_not_read__is_cut_off() -> None:
    async def story() -> None:
        script = Script(lambda _: ["x" * 60_000] * 250)
        world = await a_world(script=script)
        async with on_socket(world, send_seconds=1.0) as url, HttpProviderClient() as client:
            buyer = world.buyer(client)
            body = chat_body(max_tokens=256, stream=True)
            order = await buyer.order(CHAT, wanted(body, max_tokens=256))
            host, port = url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                f"{VOUCHER_HEADER}: {voucher_header(order.voucher)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            await until(lambda: any(line.signed for line in world.book.unsettled(*OWNER)))
            receipt = world.book.unsettled(*OWNER)[0].signed.receipt
            assert receipt.finish is Finish.CUT
            assert receipt.output_tokens < 250
            writer.close()
            del reader

    asyncio.run(story())


@pytest.mark.parametrize("error", [EngineOutOfMemory(), LogitsNotFinite()])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("after", [0, 2])
def test_provider__engine_fails__nothing_is_sold(
    error: Exception, streamed: bool, after: int
) -> None:
    async def story() -> None:
        script = Script(lambda _: [*["w "] * after, error])
        world = await a_world(script=script)
        async with (
            on_socket(world) as url,
            HttpProviderClient() as client,
            httpx.AsyncClient() as raw,
        ):
            buyer = world.buyer(client)
            body = chat_body(max_tokens=9, stream=streamed)
            order = await buyer.order(CHAT, wanted(body))
            headers = {VOUCHER_HEADER: voucher_header(order.voucher)}
            answer = await raw.post(f"{url}/v1/chat/completions", content=body, headers=headers)
            is_open = streamed and after > 0
            expected = 503 if isinstance(error, EngineOutOfMemory) else 500
            assert answer.status_code == (200 if is_open else expected)
            assert error.code in answer.text
            assert "apogee" not in answer.text.replace("apogee:", "")
            assert world.book.owed(*OWNER) == 0

    asyncio.run(story())


def test_provider__price_changes_while_an_answer_runs__is_billed_by_the_row_of_the_voucher() -> (
    None
):
    async def story() -> None:
        from dataclasses import replace

        from tests.support.compute import a_row, a_service

        script, release = held_back(2)
        world = await a_world(script=script)
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(CHAT, wanted(chat_body(max_tokens=9)))
            asking = asyncio.create_task(buyer.ask(order))
            await until(lambda: world.engine.health().running == 1)
            known = world.market.state.services[CHAT]
            rows = (a_row(retired_at=NOW), a_row(version=2, output_price=10**9, valid_from=NOW))
            world.market.add(replace(known, price_version=2), *rows)
            await world.watch.refresh()
            release.set()
            found = await asking
            assert found.receipt.price_version == 1
            later = await buyer.order(CHAT, wanted(chat_body("again", max_tokens=9)))
            assert later.voucher.voucher.price_version == 1  # what the buyer read seconds ago
            assert (await buyer.ask(later)).receipt.price_version == 1
            world.market.now += 86_401
            await world.watch.refresh()
            stale = sign_voucher(a_voucher(nonce=9, cap=10**6, expiry=NOW * 2), PAYER, DOMAIN)
            async with httpx.AsyncClient() as raw:
                answer = await raw.post(
                    f"{world.url}/v1/chat/completions",
                    content=chat_body(),
                    headers={VOUCHER_HEADER: voucher_header(stale)},
                )
            assert answer.status_code == 402
            assert answer.json()["error"]["code"] == "price_retired"
            assert a_service().price_version == 1

    asyncio.run(story())
