"""The wired ledger, one deployment a session; every test starts from its fresh state."""

import pytest

from tests.support.staking import StakingSite, deploy_staking


@pytest.fixture(scope="session")
def site(native_evm: None) -> StakingSite:
    """Both contracts wired; the court is a plain address."""
    return deploy_staking()
