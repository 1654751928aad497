"""Vouchers that the payer's own key did not sign: a delegate's, or a contract's."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.buy import Buyer
from offchain.compute.errors import ProviderRefused
from offchain.compute.model import NATIVE_COIN
from offchain.compute.ports import Delegate
from offchain.core.hashing import keccak
from tests.support.compute import NOW, PAYER, PROVIDER
from tests.support.compute_provider import (
    CHAT,
    DEPOSIT,
    EMBED,
    World,
    a_market,
    a_world,
    chat_body,
    on_socket,
    wanted,
)

KEY = LocalSigner.from_secret(keccak(b"delegate"))
YEAR = 365 * 86_400
BODY = chat_body(max_tokens=16)


@dataclass(frozen=True)
class ContractSigner:
    """What a payer's contract takes is its own matter: here, a mark over the digest."""

    address: bytes
    mark: bytes = b"agreed"

    def sign_digest(self, digest: bytes) -> bytes:
        return self.mark + keccak(digest)

    def takes(self, digest: bytes, signature: bytes) -> bool:
        return signature == b"agreed" + keccak(digest)


def delegated(world: World, **terms: object) -> None:
    key = Delegate(KEY.address, NATIVE_COIN, cap=DEPOSIT, spent=0, expiry=NOW + YEAR)
    changed = replace(key, **terms)  # type: ignore[arg-type]
    world.market.state.delegates[PAYER.address, KEY.address] = changed


def a_buyer(world: World, client: HttpProviderClient, signer: object, payer: bytes) -> Buyer:
    clock = world.clock
    return Buyer(world.market, world.market, client, signer, clock=clock, payer=payer)  # type: ignore[arg-type]


async def buys(world: World, signer: object, payer: bytes, times: int = 2) -> int:
    """What so many answers cost together."""
    async with on_socket(world), HttpProviderClient() as client:
        buyer, cost = a_buyer(world, client, signer, payer), 0
        for _ in range(times):
            found = await buyer.ask(await buyer.order(CHAT, wanted(BODY)))
            cost += found.receipt.price
        return cost


async def refused(world: World, signer: object, payer: bytes) -> str:
    """Why a request is not served; nothing stays promised."""
    async with on_socket(world), HttpProviderClient() as client:
        buyer = a_buyer(world, client, signer, payer)
        with pytest.raises(ProviderRefused) as caught:
            await buyer.ask(await buyer.order(CHAT, wanted(BODY)))
        assert world.book.promised(NATIVE_COIN) == 0
        return str(caught.value.fields["remote_code"])


def spent(world: World, payer: bytes) -> int:
    at = world.market.head().hash
    return world.market.bucket(payer, PROVIDER.address, NATIVE_COIN, at=at).spent


def test_delegate__in_its_scope__is_served_and_its_vouchers_settle() -> None:
    async def story() -> None:
        world = await a_world()
        delegated(world)
        cost = await buys(world, KEY, PAYER.address)
        await world.settle.round()

        assert spent(world, PAYER.address) == cost > 0
        assert world.market.state.delegates[PAYER.address, KEY.address].spent == cost

    asyncio.run(story())


@pytest.mark.parametrize(
    "terms",
    [
        {"cap": 10},
        {"cap": DEPOSIT, "spent": DEPOSIT - 10},
        {"is_revoked": True},
        {"expiry": NOW + 60},
        {"provider": b"\x09" * 20},
        {"service": EMBED},
        {"token": b"\x09" * 20},
    ],
    ids=str,
)
def test_delegate__beyond_what_the_payer_allowed__is_a_402(terms: dict[str, object]) -> None:
    async def story() -> None:
        world = await a_world()
        delegated(world, **terms)
        assert await refused(world, KEY, PAYER.address) == "delegate_spent"

    asyncio.run(story())


def test_delegate__whose_cap_was_raised__is_served_at_once() -> None:
    """A cap that seems too low is read again before the request is refused."""

    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as client:
            buyer = a_buyer(world, client, KEY, PAYER.address)
            delegated(world, cap=10)
            with pytest.raises(ProviderRefused):
                await buyer.ask(await buyer.order(CHAT, wanted(BODY)))
            delegated(world)
            found = await buyer.ask(await buyer.order(CHAT, wanted(BODY)))
            assert found.receipt.price > 0

    asyncio.run(story())


def test_delegate__of_nobody__is_refused() -> None:
    async def story() -> None:
        assert await refused(await a_world(), KEY, PAYER.address) == "compute.voucher.rejected"

    asyncio.run(story())


def test_contract__that_takes_the_signature__is_served_and_settles() -> None:
    async def story() -> None:
        market = a_market(deposit=0)
        payer = ContractSigner(b"\xc0" * 20)
        market.state.contracts[payer.address] = payer.takes
        market.deposit(payer.address, PROVIDER.address, NATIVE_COIN, DEPOSIT)
        world = await a_world(market)
        cost = await buys(world, payer, payer.address)
        await world.settle.round()

        assert spent(world, payer.address) == cost > 0

    asyncio.run(story())


def test_contract__that_takes_another_signature__is_refused() -> None:
    async def story() -> None:
        market = a_market(deposit=0)
        payer = ContractSigner(b"\xc0" * 20, mark=b"forged")
        market.state.contracts[payer.address] = payer.takes
        market.deposit(payer.address, PROVIDER.address, NATIVE_COIN, DEPOSIT)
        world = await a_world(market)

        assert await refused(world, payer, payer.address) == "compute.voucher.rejected"

    asyncio.run(story())


def test_contract__that_changes_its_mind__is_skipped_and_costs_the_provider_only() -> None:
    """The provider serves it at its own risk: what is skipped stays and may be presented again."""

    async def story() -> None:
        market = a_market(deposit=0)
        payer = ContractSigner(b"\xc0" * 20)
        market.state.contracts[payer.address] = payer.takes
        market.deposit(payer.address, PROVIDER.address, NATIVE_COIN, DEPOSIT)
        world = await a_world(market)
        cost = await buys(world, payer, payer.address)
        market.state.contracts[payer.address] = lambda _digest, _signature: False
        await world.settle.round()
        assert spent(world, payer.address) == 0

        market.state.contracts[payer.address] = payer.takes
        await world.settle.round()
        assert spent(world, payer.address) == cost

    asyncio.run(story())
