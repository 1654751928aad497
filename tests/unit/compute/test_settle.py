"""Settling: items by the contract's rules, again after crashes, never twice."""

import asyncio
from collections.abc import Sequence

import pytest

from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.batch import SettleItem
from offchain.compute.errors import BatchUnknown
from offchain.compute.model import NATIVE_COIN, Finish
from offchain.compute.ports import BatchState, Settlement, SkipReason
from offchain.compute.signatures import sign_receipt, sign_voucher
from offchain.compute.sum_tree import SumTree, receipt_leaf, root_of
from offchain.core.errors import Unavailable
from tests.support.compute import DOMAIN, NOW, PAYER, PROVIDER, SIGNER, a_voucher
from tests.support.compute_book import a_receipt, a_wish, serve
from tests.support.compute_provider import CHAT, World, a_market, a_world

OWNER = (PAYER.address, NATIVE_COIN)


async def a_served_world(
    prices: Sequence[int] = (5, 7, 9), market: MemoryMarket | None = None
) -> World:
    """A provider that has answered some requests of one payer."""
    world = await a_world(market)
    bucket = world.market.bucket(
        PAYER.address, PROVIDER.address, NATIVE_COIN, at=world.market.head().hash
    )
    world.book.observe(*OWNER, bucket)
    for nonce, price in enumerate(prices, 1):
        await serve(world.book, a_wish(nonce, service=CHAT, hold=price), price)
    return world


def spent(world: World) -> int:
    at = world.market.head().hash
    return world.market.bucket(PAYER.address, PROVIDER.address, NATIVE_COIN, at=at).spent


def test_settle__answered_requests__move_their_prices_once_and_can_be_opened() -> None:
    async def story() -> None:
        world = await a_served_world()

        [posted] = await world.settle.round()
        again = await world.settle.round()

        assert again == []
        assert spent(world) == 21
        opened = world.batches.opened(posted.id)
        [item] = opened.items
        assert (item.amount, item.claimed, item.tree.count) == (21, 21, 3)
        for index, leaf in enumerate(item.leaves):
            node = receipt_leaf(leaf.receipt, leaf.signature)
            assert root_of(node, index, 3, item.tree.path(index)) == item.tree.root
        assert opened.tree == SumTree.of([item.leaf()])
        assert world.book.unsettled(*OWNER) == []

    asyncio.run(story())


def test_settle__acknowledged_by_a_voucher_of_its_own__claims_nothing_beyond() -> None:
    async def story() -> None:
        world = await a_served_world()
        voucher = a_voucher(service=CHAT, nonce=4, cumulative=21, cap=21)
        await world.book.acknowledge(sign_voucher(voucher, PAYER, DOMAIN), PAYER.address)

        [posted] = await world.settle.round()

        assert world.batches.opened(posted.id).items[0].claimed == 0

    asyncio.run(story())


def test_settle__running_request__holds_back_those_after_it() -> None:
    async def story() -> None:
        world = await a_served_world((5,))
        await world.book.reserve(a_wish(2, service=CHAT))
        await serve(world.book, a_wish(3, service=CHAT), 8)

        await world.settle.round()
        assert spent(world) == 5
        receipt = a_receipt(a_wish(2, service=CHAT), 4, Finish.CUT)
        await world.book.answer(sign_receipt(receipt, SIGNER, DOMAIN))
        await world.settle.round()

        assert spent(world) == 17

    asyncio.run(story())


def test_settle__free_answers_of_another_row__hold_nothing_back() -> None:
    async def story() -> None:
        world = await a_served_world(())
        for nonce, (version, price) in enumerate([(7, 0), (7, 0), (1, 5), (7, 0)], 1):
            wish = a_wish(nonce, service=CHAT, price_version=version)
            await serve(world.book, wish, price)

        [posted] = await world.settle.round()

        [item] = world.batches.opened(posted.id).items
        assert (spent(world), item.tree.count) == (5, 1)
        assert [line.nonce for line in world.book.unsettled(*OWNER)] == [4]
        assert await world.settle.round() == []

    asyncio.run(story())


def test_settle__expired_voucher__is_replaced_by_a_later_one_that_covers_it() -> None:
    async def story() -> None:
        world = await a_served_world((5,))
        await serve(world.book, a_wish(2, service=CHAT, expiry=NOW + 10 * 86_400), 6)
        world.market.now += 2 * 86_400

        await world.settle.round()

        assert spent(world) == 11

    asyncio.run(story())


def test_settle__purse_emptied_meanwhile__is_skipped_and_comes_again_after_a_top_up() -> None:
    async def story() -> None:
        world = await a_served_world()
        world.market.deposit(*_purse(), -(10_000_000 - 20))

        assert await world.settle.round() == []
        assert spent(world) == 0
        assert world.batches.loose() == []
        world.market.deposit(*_purse(), 1)
        await world.settle.round()

        assert spent(world) == 21

    asyncio.run(story())


def test_settle__stake_covers_no_more__is_skipped() -> None:
    async def story() -> None:
        market = a_market()
        world = await a_served_world(market=market)
        market.state.room = 20

        assert await world.settle.round() == []
        assert spent(world) == 0

    asyncio.run(story())


class DyingDesk(MemoryMarket):
    """Dies after the escrow has taken the items, before it could say so."""

    is_dying = True

    def settle(
        self, service: bytes, token: bytes, items: Sequence[SettleItem], root: bytes
    ) -> Settlement:
        settlement = super().settle(service, token, items, root)
        if self.is_dying:
            raise Unavailable
        return settlement


def test_settle__answer_of_the_chain_is_lost__is_found_again_and_nothing_moves_twice() -> None:
    async def story() -> None:
        market = DyingDesk(now=NOW)
        market.state = a_market().state
        world = await a_served_world(market=market)

        with pytest.raises(Unavailable):
            await world.settle.round()
        assert len(world.batches.loose()) == 1
        market.is_dying = False
        assert await world.settle.round() == []

        assert spent(world) == 21
        assert market.settlements == 1
        assert world.batches.loose() == []
        assert [one.id for one in world.batches.batches()] == [1]

    asyncio.run(story())


def test_settle__released_long_ago__is_forgotten_with_its_evidence() -> None:
    async def story() -> None:
        from dataclasses import replace

        world = await a_served_world()
        [posted] = await world.settle.round()
        assert await world.settle.forget(3_600) == 0
        [batch] = world.market.state.batches
        world.market.state.batches = [replace(batch, state=BatchState.RELEASED)]
        world.market.now = batch.release_at + 3_601

        assert await world.settle.forget(3_600) == 1

        with pytest.raises(BatchUnknown):
            world.batches.opened(posted.id)

    asyncio.run(story())


def test_settle__one_item_of_many_skipped__opens_only_what_was_taken() -> None:
    async def story() -> None:
        world = await a_served_world()
        [posted] = await world.settle.round()
        settlement = Settlement(7, {0: SkipReason.BALANCE})
        root = posted.root
        await world.batches.record(settlement, root=root, service=CHAT, token=NATIVE_COIN)

        with pytest.raises(Exception, match="at least one leaf"):
            world.batches.opened(7)

    asyncio.run(story())


def _purse() -> tuple[bytes, bytes, bytes]:
    return PAYER.address, PROVIDER.address, NATIVE_COIN
