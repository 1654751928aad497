"""One log on real stake, data availability and market for all of its tests."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.support.da import draw, to_first_epoch
from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing
from tests.support.staking import a_wallet
from tests.support.storage_log import KeyHolder, LogSite, a_key_holder, deploy_log


@pytest.fixture(scope="session")
def unused_site(native_evm: None) -> Iterator[LogSite]:
    """A log in an epoch whose DA table is drawn; nothing has entered it."""
    boa.env.set_random_seed("a log of storage")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_log()
        to_first_epoch()
        draw(site.da)
        keep_moment("the log")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, unused_site: LogSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("the log")


@pytest.fixture
def site(unused_site: LogSite) -> LogSite:
    return unused_site


@pytest.fixture
def owner() -> KeyHolder:
    """Who owns what is submitted, and can sign."""
    return a_key_holder("owner")


@pytest.fixture
def payer() -> str:
    return a_wallet("payer")


def picture(site: LogSite) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    log = site.log
    return (
        log.size(),
        log.root(),
        log.market(),
        log.streams(),
        log.governance(),
        boa.env.get_balance(log.address),
        boa.env.get_balance(site.market.address),
    )


@pytest.fixture
def refused(site: LogSite) -> Refused:
    return refusing(lambda: picture(site))
