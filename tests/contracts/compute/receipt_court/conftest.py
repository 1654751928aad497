"""A market with courts, and a batch of two payers with three answers each."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.compute_chain import hex_of
from tests.support.compute_courts import (
    MIN_BOND,
    CourtsSite,
    Posted,
    Unmoved,
    a_batch,
    deploy_courts,
    unmoved_at,
)
from tests.support.native_evm import keep_moment, return_to


@pytest.fixture(scope="session")
def judged_market(native_evm: None) -> Iterator[tuple[CourtsSite, Posted]]:
    boa.env.set_random_seed("a market with a receipt court")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_courts(auditors=0)
        batch = a_batch(site)
        keep_moment("receipt court")
        yield site, batch


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, judged_market: tuple[CourtsSite, Posted]) -> None:
    """Each test finds the clock as it was when the batch was settled."""
    return_to("receipt court")


@pytest.fixture
def site(judged_market: tuple[CourtsSite, Posted]) -> CourtsSite:
    return judged_market[0]


@pytest.fixture
def batch(judged_market: tuple[CourtsSite, Posted]) -> Posted:
    return judged_market[1]


@pytest.fixture
def payer(batch: Posted) -> str:
    """Who pays for the first item; his coins are there since it was settled."""
    return hex_of(batch.items[0].payer.address)


@pytest.fixture
def bond(site: CourtsSite) -> int:
    assert site.receipts.bond() >= MIN_BOND
    return int(site.receipts.bond())


@pytest.fixture
def unmoved(site: CourtsSite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""
    return unmoved_at(site)
