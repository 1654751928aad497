"""A gateway that pays with somebody else's deposits, by a key with a cap on the chain."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.model import NATIVE_COIN
from offchain.compute.ports import Delegate
from offchain.core.hashing import keccak
from tests.support.compute import NOW, PAYER, PROVIDER
from tests.support.compute_gateway import CHAT, CHAT_PATH, Shop, a_shop, two
from tests.support.compute_provider import a_market, a_world, on_socket

KEY = LocalSigner.from_secret(keccak(b"a gateway's key"))
YEAR = 365 * 86_400


def permit(market: MemoryMarket, cap: int, **terms: object) -> Delegate:
    """The payer lets the gateway's key sign up to a cap."""
    key = Delegate(KEY.address, NATIVE_COIN, cap=cap, spent=0, expiry=NOW + YEAR)
    key = replace(key, **terms)  # type: ignore[arg-type]
    market.state.delegates[PAYER.address, KEY.address] = key
    return key


async def ask(shop: Shop, headers: dict[str, str]) -> tuple[int, object]:
    answer = await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)
    told = answer.json()
    return answer.status_code, told.get("error", {}).get("code")


def test_delegate__within_its_cap__buys_from_a_whole_provider_and_settles(tmp_path: Path) -> None:
    async def story() -> None:
        world = await a_world(a_market())
        permit(world.market, 10**7)
        async with (
            on_socket(world),
            a_shop(tmp_path, market=world.market, delegate=KEY) as shop,
        ):
            key = shop.key()
            answers = await asyncio.gather(*(ask(shop, key) for _ in range(6)))
            assert [status for status, _ in answers] == [200] * 6
            await shop.compute.settled()
            charged = shop.record(1).spent
            await world.settle.round()

        at = world.market.head().hash
        bucket = world.market.bucket(PAYER.address, PROVIDER.address, NATIVE_COIN, at=at)
        assert bucket.spent == charged > 0
        assert world.market.state.delegates[PAYER.address, KEY.address].spent == charged

    asyncio.run(story())


def test_delegate__over_its_cap_at_all_providers_together__is_a_402(tmp_path: Path) -> None:
    """Two lanes share one cap: what one provider has been promised, another cannot be."""
    cheap, dear = two()
    market = MemoryMarket(now=NOW)
    for one in (cheap, dear):
        one.delegates.add(KEY.address)

    async def story() -> None:
        async with a_shop(tmp_path, cheap, dear, market=market, delegate=KEY) as shop:
            key = shop.key()
            asked = await shop.client.post(CHAT_PATH, json=CHAT, headers=key)
            assert (asked.status_code, asked.json()["error"]["code"]) == (402, "delegate_spent")
            permit(market, 10**7)
            await shop.compute.watch.look()
            bought = await shop.client.post(CHAT_PATH, json=CHAT, headers=key)
            assert bought.status_code == 200
            await shop.compute.settled()
            cost = shop.record(1).spent

            permit(market, cost)  # what is signed is all that is left
            await shop.compute.watch.look()
            elsewhere = {**key, "X-Apogee-Providers": "0x" + dear.owner.address.hex()}
            assert await ask(shop, elsewhere) == (402, "delegate_spent")
            assert await ask(shop, key) == (402, "delegate_spent")
            assert (shop.record(1).held, shop.record(1).spent) == (0, cost)
            assert dear.asked == 0

    asyncio.run(story())


@pytest.mark.parametrize(
    "terms",
    [{"is_revoked": True}, {"expiry": NOW}, {"cap": 5, "spent": 5}],
    ids=str,
)
def test_delegate__that_ended__buys_nothing(tmp_path: Path, terms: dict[str, object]) -> None:
    cheap, dear = two()
    market = MemoryMarket(now=NOW)

    async def story() -> None:
        async with a_shop(tmp_path, cheap, dear, market=market, delegate=KEY) as shop:
            permit(market, **{"cap": 10**7, **terms})  # type: ignore[arg-type]
            await shop.compute.watch.look()
            assert await ask(shop, shop.key()) == (402, "delegate_spent")
            assert cheap.asked == dear.asked == 0

    asyncio.run(story())


def test_delegate__for_one_provider__pays_no_other(tmp_path: Path) -> None:
    cheap, dear = two()
    market = MemoryMarket(now=NOW)
    for one in (cheap, dear):
        one.delegates.add(KEY.address)

    async def story() -> None:
        async with a_shop(tmp_path, cheap, dear, market=market, delegate=KEY) as shop:
            permit(market, 10**7, provider=dear.owner.address)
            await shop.compute.watch.look()
            assert await ask(shop, shop.key()) == (200, None)
            assert (cheap.asked, dear.asked) == (0, 1)

    asyncio.run(story())


def test_provider__asked_by_an_unknown_key__refuses_and_holds_nothing(tmp_path: Path) -> None:
    """The provider's own check, whatever the gateway believes."""

    async def story() -> None:
        world = await a_world(a_market())
        async with (
            on_socket(world),
            a_shop(tmp_path, market=world.market, delegate=KEY) as shop,
        ):
            permit(world.market, 10**7)
            await shop.compute.watch.look()
            del world.market.state.delegates[PAYER.address, KEY.address]
            status, _ = await ask(shop, shop.key())
            assert status >= 400
            await shop.compute.settled()
            assert shop.record(1).held == 0
        assert world.book.promised(NATIVE_COIN) == 0

    asyncio.run(story())
