"""Eight operators of equal stake, and a durable group that they hold."""

import pytest

from tests.support.native_evm import return_to
from tests.support.refusal import Refused, refusing
from tests.support.storage_seats import SeatSite, open_group, picture


@pytest.fixture
def site(asking_operators: SeatSite) -> SeatSite:
    return asking_operators


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, asking_operators: SeatSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("asked")


@pytest.fixture
def group(site: SeatSite) -> int:
    return open_group(site)


@pytest.fixture
def refused(site: SeatSite) -> Refused:
    return refusing(lambda: picture(site))
