"""Full disks and files that cannot be read: a clear error, nothing lost, and nothing done twice."""

import asyncio
import json

import pytest

from offchain.agents.adapters.disk_deliveries import DeliveryFileBroken
from offchain.agents.bundle_files import unpack_files
from offchain.agents.onchain_market import SaleState
from offchain.chain.errors import OutboxCorrupt, OutboxUnwritable
from offchain.chain.model import Address
from offchain.node.disk import TEMPORARY
from offchain.node.errors import StoreFull
from tests.support.trade_world import PRICE, TradeWorld, minted, ordered, the_bundle


async def sold(world: TradeWorld) -> int:
    token = await minted(world["seller"])
    return await world["buyer"].buy.buy(ordered(world["seller"], token), price=PRICE)


def test_seller__disk_is_full__says_so_and_goes_on_with_room(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, sale = trade["seller"], await sold(trade)
        folder = seller.folder / "deliveries"
        folder.mkdir()
        (folder / f"sale-{sale}-0.json{TEMPORARY}").symlink_to("/dev/full")

        with pytest.raises(StoreFull):
            await seller.sell.hand_over(sale)
        assert trade.sale(sale).state is SaleState.LOCKED
        assert not list(folder.iterdir())

        assert (await seller.sell.hand_over(sale)).state is SaleState.DELIVERED
        assert trade.store.paid.count(f"sale-{sale}-0") == 1

    asyncio.run(story())


def test_seller__begun_delivery_is_unreadable__named_and_begun_anew(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, sale = trade["seller"], await sold(trade)
        await seller.sell.prove(sale)
        [kept] = (seller.folder / "deliveries").glob("*.json")
        for content in ("", "{", json.dumps({"order": {}})):
            kept.write_text(content)
            with pytest.raises(DeliveryFileBroken) as refused:
                await seller.sell.hand_over(sale)
            assert refused.value.fields["file"] == kept.name
        kept.unlink()

        assert (await seller.sell.hand_over(sale)).state is SaleState.DELIVERED
        await trade["buyer"].buy.take(sale)
        assert trade.held() == trade.owed()

    asyncio.run(story())


def test_buyer__outbox_is_unreadable__nothing_is_sent_until_it_is_back(trade: TradeWorld) -> None:
    async def story() -> None:
        buyer, token = trade["buyer"], await minted(trade["seller"])
        order = ordered(trade["seller"], token)
        outbox = buyer.folder / "outbox.sqlite"
        buyer.act(trade.market.deposit(buyer.address, bytes(20), 1))
        buyer.close()
        whole = outbox.read_bytes()
        outbox.write_bytes(b"no database at all, and a kilobyte of it" * 100)

        with pytest.raises((OutboxCorrupt, OutboxUnwritable)):
            await buyer.buy.buy(order, price=PRICE)
        assert not trade.nft.is_locked(token, at=trade.at)
        assert buyer.credit() == 1
        outbox.write_bytes(whole)

        assert await buyer.buy.buy(order, price=PRICE) == 1

    asyncio.run(story())


def test_everybody__home_is_lost__the_wallet_and_the_chain_are_enough(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer, sale = trade["seller"], trade["buyer"], await sold(trade)
        await seller.sell.hand_over(sale)
        sent = trade.node.nonce(Address(seller.address), at=trade.at)
        for one in (seller, buyer):
            one.close()
            for path in [*one.folder.glob("outbox*"), *one.folder.glob("deliveries/*")]:
                path.unlink()
            one.open()

        assert (await seller.sell.hand_over(sale)).state is SaleState.DELIVERED
        [taken] = await buyer.buy.take(sale)
        [again] = await buyer.buy.take(sale)

        assert unpack_files(taken.data) == dict(the_bundle())
        assert again.data == taken.data
        assert sent == trade.node.nonce(Address(seller.address), at=trade.at)
        assert trade.held() == trade.owed()

    asyncio.run(story())
