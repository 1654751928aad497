"""A market of eight auditors and a provider, all of one weight, and a batch of six answers."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.compute_chain import hex_of
from tests.support.compute_courts import (
    CourtsSite,
    Posted,
    Unmoved,
    a_batch,
    deploy_courts,
    unmoved_at,
)
from tests.support.native_evm import keep_moment, return_to


@pytest.fixture(scope="session")
def audited_market(native_evm: None) -> Iterator[tuple[CourtsSite, Posted]]:
    boa.env.set_random_seed("a market with an audit court")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_courts()
        batch = a_batch(site)
        keep_moment("audit court")
        yield site, batch


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, audited_market: tuple[CourtsSite, Posted]) -> None:
    """Each test finds the clock as it was when the batch was settled."""
    return_to("audit court")


@pytest.fixture
def site(audited_market: tuple[CourtsSite, Posted]) -> CourtsSite:
    return audited_market[0]


@pytest.fixture
def batch(audited_market: tuple[CourtsSite, Posted]) -> Posted:
    return audited_market[1]


@pytest.fixture
def payer(batch: Posted) -> str:
    """Who pays for the first item; his coins are there since it was settled."""
    return hex_of(batch.items[0].payer.address)


@pytest.fixture
def unmoved(site: CourtsSite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""
    return unmoved_at(site)
