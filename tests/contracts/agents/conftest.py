"""One verifier with four enrolled oracles for the tests of both contracts of deliveries."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.agents_deliveries import DeliverySite, deploy_deliveries
from tests.support.attestation import LOCAL_CHAIN
from tests.support.native_evm import keep_moment


@pytest.fixture(scope="session")
def verifier_with_oracles(native_evm: None) -> Iterator[DeliverySite]:
    boa.env.set_random_seed("a verifier of deliveries")
    usual = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = LOCAL_CHAIN
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_deliveries()
        keep_moment("deliveries")
        boa.env.evm.patch.chain_id = usual
        yield site
