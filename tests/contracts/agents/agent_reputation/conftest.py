"""One set of registries for all of their tests; a test leaves no trace."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.support.agent_accounts import hex_of
from tests.support.agent_registries import RegistrySite, deploy_registries
from tests.support.compute_chain import a_payer
from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing


@pytest.fixture(scope="session")
def unused_registries(native_evm: None) -> Iterator[RegistrySite]:
    boa.env.set_random_seed("registries of agents")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_registries()
        keep_moment("registries of agents")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, unused_registries: RegistrySite) -> None:
    return_to("registries of agents")


@pytest.fixture
def site(unused_registries: RegistrySite) -> RegistrySite:
    return unused_registries


@pytest.fixture
def client() -> str:
    """Somebody who pays for work."""
    return hex_of(a_payer("client").address)


@pytest.fixture
def other() -> str:
    return hex_of(a_payer("other").address)


def picture(site: RegistrySite, clients: tuple[str, ...]) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    reputation, agent = site.reputation, site.agent
    spoken = [
        (one, index + 1) for one in clients for index in range(reputation.getLastIndex(agent, one))
    ]
    return (
        reputation.getClients(agent),
        [reputation.readFeedback(agent, *word) for word in spoken],
        [reputation.weight_of(agent, *word) for word in spoken],
        reputation.agent_of(site.compute.service),
        site.nft.totalSupply(),
        site.identity.tokenURI(agent),
        site.identity.getMetadata(agent, "key"),
        site.validation.getAgentValidations(agent),
    )


@pytest.fixture
def refused(site: RegistrySite, client: str, other: str) -> Refused:
    return refusing(lambda: picture(site, (client, other)))
