"""Eight operators of equal stake that ask, and nothing drawn yet."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa
import pytest

from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage_seats import SeatSite, deploy_seats, picture

Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def site(native_evm: None) -> Iterator[SeatSite]:
    boa.env.set_random_seed("a site of draws")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            deployed = deploy_seats()
        boa.env.time_travel(seconds=EPOCH)
        keep_moment("draws")
        yield deployed


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, site: SeatSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("draws")


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def refused(site: SeatSite) -> Refused:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(site)
        with boa.reverts(reason):
            yield
        assert before == picture(site)

    return check
