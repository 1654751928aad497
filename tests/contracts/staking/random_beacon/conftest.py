"""A beacon with nine unequal relayers, past their first final epoch."""

import boa
import pytest

from tests.support.beacon import BeaconSite, deploy_beacon
from tests.support.staking import EPOCH, a_wallet

STAKES = (1_000, 150, 150, 400, 100, 100, 250, 700, 100)


@pytest.fixture(scope="session")
def beacon_site(native_evm: None) -> BeaconSite:
    site = deploy_beacon(STAKES)
    boa.env.time_travel(seconds=3 * EPOCH)
    return site


@pytest.fixture(scope="session")
def anyone(native_evm: None) -> str:
    return a_wallet("anyone")
