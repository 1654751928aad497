"""Compute from a program: chat, stream, embed; books that survive; refusals with their reasons."""

import asyncio
from pathlib import Path

import pytest

from offchain.compute.adapters.account_file import AccountFiles, AccountUnreadable
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.answers import Route
from offchain.compute.buy import Account, Buyer
from offchain.compute.errors import Reason, ServiceUnknown, UnverifiedAnswer
from offchain.compute.model import Kind, Level
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.verify import Policy
from offchain.node.disk import LocalDisk
from offchain.sdk.compute import AsyncCompute, ComputeParts
from offchain.sdk.errors import NoAccount
from tests.support.compute import PAYER, PROVIDER
from tests.support.compute_provider import CHAT, EMBED, World, a_world, chat_body, on_socket, wanted

TALK = [{"role": "user", "content": "one two three"}]
SAID = "I read 3 words."


def client_of(world: World, buyer: Buyer | None) -> AsyncCompute:
    async def parts() -> ComputeParts:
        return ComputeParts(
            world.market,
            world.market,
            ComputeEscrowClient.__new__(ComputeEscrowClient),  # nothing here sends
            buyer,
            PAYER.address,
        )

    return AsyncCompute(parts)


def test_compute__chat_stream_and_embed__are_verified() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as http:
            compute = client_of(world, world.buyer(http))
            answer = await compute.chat(TALK, service=CHAT.hex(), max_tokens=16)
            stream = await compute.stream(TALK, service=CHAT, max_tokens=16)
            texts = [text async for text in stream]
            vectors = await compute.embed(["a b", "c"], service=EMBED)
            money = await compute.balance(service=CHAT)

            assert answer.text == SAID == "".join(texts)
            assert len(texts) == 4
            assert stream.verified is not None
            assert stream.verified.text == SAID
            assert vectors.vectors is not None
            assert vectors.vectors.shape[0] == 2
            assert money.balance == 10_000_000
            assert [one.id for one in await compute.services(Kind.EMBEDDING)] == [EMBED]

    asyncio.run(story())


def test_compute__less_verifiable_than_asked_for__is_refused_and_not_acknowledged() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as http:
            buyer = world.buyer(http)
            compute = client_of(world, buyer)
            with pytest.raises(UnverifiedAnswer) as caught:
                await compute.chat(TALK, service=CHAT, policy=Policy(min_level=Level.AUDITED))
            assert caught.value.reason is Reason.LEVEL_TOO_LOW
            assert buyer.account(PROVIDER.address).acknowledged == 0

    asyncio.run(story())


def test_compute__an_exchange_made_by_other_means__is_verified() -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as http:
            buyer = world.buyer(http)
            order = await buyer.order(CHAT, wanted(chat_body(max_tokens=16)))
            raw = await http.ask(order.endpoint, order.route, order.body, order.voucher)

            found = await client_of(world, buyer).verify(Route.CHAT, order.body, raw, order.voucher)

            assert found.text == SAID

    asyncio.run(story())


def test_compute__without_an_account_or_service__says_so() -> None:
    async def story() -> None:
        world = await a_world()
        with pytest.raises(NoAccount):
            await client_of(world, None).chat(TALK, service=CHAT)
        async with HttpProviderClient() as http:
            with pytest.raises(ServiceUnknown):
                await client_of(world, world.buyer(http)).chat(TALK, service="no hex")

    asyncio.run(story())


def test_buyer__starts_again__goes_on_with_its_book(tmp_path: Path) -> None:
    async def story() -> None:
        world = await a_world()
        async with on_socket(world), HttpProviderClient() as http:

            def again() -> Buyer:
                shelf = AccountFiles(LocalDisk(), tmp_path)
                return Buyer(
                    world.market, world.market, http, PAYER, clock=world.clock, shelf=shelf
                )

            first = again()
            await first.ask(await first.order(CHAT, wanted(chat_body(max_tokens=16))))
            second = again()
            await second.ask(await second.order(CHAT, wanted(chat_body(max_tokens=16))))

            owed = world.book.owed(PAYER.address, bytes(20))
            assert second.account(PROVIDER.address).acknowledged == owed
            assert second.account(PROVIDER.address).next_nonce == 3

    asyncio.run(story())


def test_account_files__round_trip_and_nonsense(tmp_path: Path) -> None:
    shelf = AccountFiles(LocalDisk(), tmp_path)
    account = Account(1 << 90, 7, {5: 3, 6: 1 << 80})

    shelf.save(PROVIDER.address, bytes(20), account)

    assert shelf.load(PROVIDER.address, bytes(20)) == account
    assert shelf.load(PAYER.address, bytes(20)) is None
    [path] = tmp_path.iterdir()
    path.write_text('{"holds": []}')
    with pytest.raises(AccountUnreadable):
        shelf.load(PROVIDER.address, bytes(20))
