"""One market on the real log, stake and beacon for all of its tests; its seats are a twin."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boa
import pytest

from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet
from tests.support.storage import MarketSite, deploy_market, open_group

Refused = Callable[..., AbstractContextManager[None]]
GROUPS = (1, 2, 3)


@pytest.fixture(scope="session")
def empty_market(native_evm: None) -> Iterator[MarketSite]:
    """A market without groups."""
    boa.env.set_random_seed("a market of storage")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_market()
        keep_moment("the market")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, empty_market: MarketSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("the market")


@pytest.fixture
def site(empty_market: MarketSite) -> MarketSite:
    """A market with one group of the local profile."""
    open_group(empty_market)
    return empty_market


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


def picture(site: MarketSite) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    market = site.market
    return (
        [tuple(market.group(group)) for group in GROUPS],
        market.total_kept(),
        market.SEATS(),
        market.proofs(),
        boa.env.get_balance(market.address),
    )


@pytest.fixture
def refused(site: MarketSite, owner: str, stranger: str) -> Refused:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str, file_id: bytes = bytes(32)) -> Iterator[None]:
        def all_of_it() -> tuple[Any, ...]:
            owed = [site.market.credit_of(account) for account in (owner, stranger)]
            return picture(site), tuple(site.market.file(file_id)), owed

        before = all_of_it()
        with boa.reverts(reason):
            yield
        assert before == all_of_it()

    return check
