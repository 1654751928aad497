"""What a provider refuses, by name, and what never reaches a log."""

import asyncio
import json

import httpx
import pytest

from offchain.compute.adapters.http_bundles import HttpBundles
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.answers import Route
from offchain.compute.errors import ProviderRefused, ProviderUnreachable
from offchain.compute.forms import VOUCHER_HEADER, pack_voucher, voucher_header
from offchain.compute.signatures import sign_voucher
from tests.support.bought_answers import OWNER, SAID
from tests.support.compute import DOMAIN, NOW, PAYER, STRANGER, a_voucher
from tests.support.compute_provider import (
    CHAT,
    a_market,
    a_world,
    chat_body,
    on_socket,
    wanted,
)

REFUSED = {
    "nothing deposited": ({"payer": STRANGER.address}, 422, "compute.voucher.rejected"),
    "cap too low": ({"cap": 5}, 402, "voucher_cap_low"),
    "deposit too low": ({"cap": 1 << 90, "nonce": 1}, 402, "bucket_low"),
    "expired": ({"expiry": NOW + 3_599}, 402, "voucher_expired"),
    "unknown row": ({"price_version": 7}, 402, "price_retired"),
    "another token": ({"token": b"\x01" * 20}, 402, "token_not_accepted"),
    "another provider": ({"provider": STRANGER.address}, 422, "compute.voucher.rejected"),
    "another service": ({"service": bytes(32)}, 422, "compute.voucher.rejected"),
    "acknowledges past its cap": ({"cumulative": 11, "cap": 10}, 400, "compute.voucher.malformed"),
    "nonce zero": ({"nonce": 0}, 400, "compute.voucher.malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_provider__voucher_does_not_hold__is_refused_with_its_reason(name: str) -> None:
    said, status, code = REFUSED[name]

    async def story() -> None:
        world = await a_world(a_market(deposit=50))
        async with on_socket(world) as url, httpx.AsyncClient() as raw:
            voucher = sign_voucher(
                a_voucher(service=CHAT) if not said else _said(said), PAYER, DOMAIN
            )
            answer = await raw.post(
                f"{url}/v1/chat/completions",
                content=chat_body(max_tokens=256),
                headers={VOUCHER_HEADER: voucher_header(voucher)},
            )
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (status, code)
            assert error["metadata"]["next_step"]
            assert world.book.owed(*OWNER) == 0
            assert world.engine.health().running == 0

    def _said(changes: dict[str, object]) -> object:
        return a_voucher(**{"service": CHAT, "cap": 10**6, **changes})

    asyncio.run(story())


def test_provider__replayed_voucher_with_another_body__is_refused() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(CHAT, wanted(chat_body(max_tokens=16)))
            await buyer.ask(order)
            owed = world.book.owed(*OWNER)
            with pytest.raises(ProviderRefused) as caught:
                await client.ask(world.url, Route.CHAT, chat_body("other"), order.voucher)
            assert caught.value.remote_code == "compute.nonce.used"
            assert caught.value.fields["next"] == 2
            assert world.book.owed(*OWNER) == owed

    asyncio.run(story())


def test_provider__many_at_once_on_one_small_deposit__never_promises_more_than_it() -> None:
    async def story() -> None:
        world = await a_world(a_market(deposit=600))
        async with on_socket(world) as url, httpx.AsyncClient() as raw:

            async def spend(nonce: int) -> int:
                voucher = a_voucher(service=CHAT, nonce=nonce, cap=10**6)
                answer = await raw.post(
                    f"{url}/v1/chat/completions",
                    content=chat_body(max_tokens=16),
                    headers={VOUCHER_HEADER: voucher_header(sign_voucher(voucher, PAYER, DOMAIN))},
                )
                return answer.status_code

            statuses = await asyncio.gather(*(spend(nonce) for nonce in range(1, 41)))
            assert set(statuses) == {200, 402}
            assert world.book.owed(*OWNER) <= 600

    asyncio.run(story())


def test_provider__deposit_made_after_a_refusal__counts_at_once() -> None:
    async def story() -> None:
        world = await a_world(a_market(deposit=0))
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(CHAT, wanted(chat_body(max_tokens=16)))
            with pytest.raises(ProviderRefused) as caught:
                await buyer.ask(order)
            assert caught.value.remote_code == "deposit_empty"
            said = order.voucher.voucher
            world.market.deposit(said.payer, said.provider, said.token, 10**6)
            assert (await buyer.ask(order)).text == SAID

    asyncio.run(story())


def test_client__endpoint_that_no_resolver_can_stand__is_a_provider_out_of_reach() -> None:
    endpoint = "http://xn--a"  # no name at all once it is decoded

    async def story() -> None:
        async with HttpProviderClient() as client, HttpBundles(PAYER, lambda: NOW) as bundles:
            with pytest.raises(ProviderUnreachable):
                await client.shown(endpoint, "/v1/evidence")
            with pytest.raises(ProviderUnreachable):
                await bundles.fetch(endpoint, STRANGER.address, 1)

    asyncio.run(story())


ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/vouchers")


BODIES = {
    "empty": b"",
    "no json": b"\xff\xfe",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "half a surrogate": b'{"messages":[{"role":"user","content":"\\ud800"}],"input":"\\ud800"}',
    "n bomb": b'{"messages":[{"role":"user","content":"x"}],"prompt":"x","input":[],"n":1000000}',
    "token bomb": b'{"messages":[{"role":"user","content":"x"}],"prompt":"x","max_tokens":1000000}',
    "nan": b'{"messages":[{"role":"user","content":"x"}],"prompt":"x","temperature":NaN}',
    "prompt bomb": json.dumps(
        {"messages": [{"role": "user", "content": "a " * 2_000}], "prompt": "a " * 2_000}
    ).encode(),
}


@pytest.mark.parametrize("route", ROUTES)
def test_inv_cmp_18__any_body_on_any_route_with_or_without_voucher__is_a_named_refusal(
    route: str,
) -> None:
    async def story() -> None:
        world = await a_world()
        voucher = voucher_header(sign_voucher(a_voucher(service=CHAT, cap=10**6), PAYER, DOMAIN))
        headers = (
            {},
            {VOUCHER_HEADER: "x" * 3_000},
            {VOUCHER_HEADER: "e30"},
            {VOUCHER_HEADER: voucher},
        )
        async with on_socket(world) as url, httpx.AsyncClient() as raw:
            for body in BODIES.values():
                for header in headers:
                    answer = await raw.post(url + route, content=body, headers=header)
                    assert 400 <= answer.status_code < 500, answer.text
                    assert answer.json()["error"]["code"]
            huge = await raw.post(url + route, content=bytes(4 * 1024 * 1024 + 1))
            assert huge.status_code == 413
        assert world.book.owed(*OWNER) == 0

    asyncio.run(story())


@pytest.mark.parametrize(
    "path",
    [
        "/v1/receipts/00",
        "/v1/receipts/" + "0" * 64,
        "/v1/batches/1/leaves",
        "/v1/audits/1",
        "/v1/purse?payer=0x00",
    ],
)
def test_inv_cmp_18__proofs_without_or_with_a_wrong_question__are_not_shown(path: str) -> None:
    from offchain.compute.asks import ASK_HEADER, ask_header
    from tests.support.compute import PROVIDER

    async def story() -> None:
        world = await a_world()
        late = ask_header(PAYER, PROVIDER.address, NOW - 61, f"GET {path}")
        other = ask_header(PAYER, PROVIDER.address, NOW, "GET /v1/models")
        async with on_socket(world) as url, httpx.AsyncClient() as raw:
            for header in ({}, {ASK_HEADER: "e30"}, {ASK_HEADER: late}, {ASK_HEADER: other}):
                answer = await raw.get(url + path, headers=header)
                assert answer.status_code in {400, 403}

    asyncio.run(story())


def test_provider__acknowledging_voucher_of_a_stranger__is_refused() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world) as url, httpx.AsyncClient() as raw:
            voucher = sign_voucher(a_voucher(service=CHAT, nonce=3), STRANGER, DOMAIN)
            answer = await raw.post(f"{url}/v1/vouchers", content=pack_voucher(voucher))
            assert answer.status_code == 422
            assert world.book.acknowledged(*OWNER) is None

    asyncio.run(story())


def test_provider__stake_covers_no_more__is_provider_full() -> None:
    async def story() -> None:
        market = a_market()
        market.state.room = 100
        world = await a_world(market)
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            with pytest.raises(ProviderRefused) as caught:
                await buyer.ask(await buyer.order(CHAT, wanted(chat_body(max_tokens=16))))
            assert caught.value.remote_code == "provider_full"
            assert world.book.owed(*OWNER) == 0

    asyncio.run(story())


def test_provider__prompts_and_vouchers__reach_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> str:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as client:
            buyer = world.buyer(client)
            order = await buyer.order(CHAT, wanted(chat_body("xylophone secret", max_tokens=16)))
            await buyer.ask(order)
            with pytest.raises(ProviderRefused):
                await client.ask(world.url, Route.CHAT, chat_body("xylophone again"), order.voucher)
            return order.voucher.signature.hex()

    with caplog.at_level("DEBUG", logger="offchain"):
        signature = asyncio.run(story())

    told = "".join(str(record.__dict__) for record in caplog.records if record.name != "httpcore")
    assert "xylophone" not in told
    assert signature not in told
