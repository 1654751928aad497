"""What the tests of several contracts of storage share: who asks for seats, who has no part."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.native_evm import keep_moment
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage_seats import SeatSite, deploy_seats


@pytest.fixture(scope="session")
def asking_operators(native_evm: None) -> Iterator[SeatSite]:
    """Eight operators of equal stake that ask, at the moment "asked"; nothing drawn yet."""
    boa.env.set_random_seed("operators that ask for seats")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_seats()
        boa.env.time_travel(seconds=EPOCH)
        keep_moment("asked")
        yield site


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")
