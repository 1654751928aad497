"""One world of traders for every test of sales; each finds it as it was when it was built."""

from collections.abc import Iterator

import pytest

from tests.support.trade_deploy import open_trade_world
from tests.support.trade_world import TradeWorld


@pytest.fixture(scope="session")
def trade_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TradeWorld]:
    world = open_trade_world(tmp_path_factory.mktemp("trade"))
    world.remember()
    yield world
    world.close()


@pytest.fixture
def trade(trade_site: TradeWorld) -> TradeWorld:
    trade_site.start_over()
    return trade_site
