"""One market of agents for all of its tests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa
import pytest

from tests.support.agent_goods import deploy_goods
from tests.support.agents_market import MarketSite, deploy_market, picture
from tests.support.native_evm import keep_moment, return_to

Unmoved = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def agent_market(native_evm: None) -> Iterator[MarketSite]:
    boa.env.set_random_seed("a market of agents")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_market(deploy_goods())
        keep_moment("agent market")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, agent_market: MarketSite) -> None:
    """Each test finds the clock as it was when the market was built."""
    return_to("agent market")


@pytest.fixture
def site(agent_market: MarketSite) -> MarketSite:
    return agent_market


@pytest.fixture
def unmoved(site: MarketSite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(site)
        with boa.reverts(reason):
            yield
        assert before == picture(site)

    return check
