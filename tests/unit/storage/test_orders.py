"""A file renewed by itself: what is typed becomes an order, and what stands is not paid again."""

import asyncio
from pathlib import Path

import pytest

from offchain.apps.storage_orders import TIP_WEI, order_for
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Conflict
from offchain.storage.adapters.memory_orders import MemoryOrders
from offchain.storage.client_ports import StandingOrder
from offchain.storage.sources import BytesSource
from tests.support.storage_client import a_storage_site


def test_order_for__nothing_typed__one_renewal_at_the_groups_highest_price() -> None:
    order = order_for(1_000, 7, limit_wei=None, funds_wei=None)

    assert order == StandingOrder(7, 143, TIP_WEI, 7 * 143 + TIP_WEI)


def test_order_for__a_limit__is_never_passed_by_rounding() -> None:
    order = order_for(1_000, 7, limit_wei=1_000, funds_wei=50_000)

    assert (order.limit_wei * order.epochs <= 1_000, order.funds_wei) == (True, 50_000)


def test_orders__used_set_again_and_ended__every_wei_is_somewhere(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    site = a_storage_site(engine, tmp_path, profile="solo")
    stored = asyncio.run(site.putter().put(BytesSource(bytes(1_000)), site.wish()))
    till = MemoryOrders(site.market)
    price = site.market.renewal_price(stored.file_id, 3)
    order = order_for(price, 3, limit_wei=None, funds_wei=2 * price + 2 * TIP_WEI)
    end = site.market.view(stored.file_id, at=site.market.head().hash).file.expiry

    assert till.set_order(stored.file_id, order).value_wei == order.funds_wei
    assert till.set_order(stored.file_id, order).value_wei == 0
    assert till.renew_due(stored.file_id) == TIP_WEI
    after = site.market.view(stored.file_id, at=site.market.head().hash).file.expiry
    assert after > end
    back = till.end_order(stored.file_id).value_wei

    assert order.funds_wei == back + price + TIP_WEI
    with pytest.raises(Conflict):
        till.renew_due(stored.file_id)
