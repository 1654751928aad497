"""Fixtures of the two contracts of deliveries; their conftests take them up."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa
import pytest

from tests.support.agents_deliveries import DeliverySite, picture
from tests.support.attestation import LOCAL_CHAIN
from tests.support.native_evm import return_to
from tests.support.staking import a_wallet

Unmoved = Callable[..., AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, verifier_with_oracles: DeliverySite) -> Iterator[None]:
    """Each test finds the clock as it was when the oracles enrolled, on a chain of a laptop."""
    return_to("deliveries")
    usual = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = LOCAL_CHAIN
    yield
    boa.env.evm.patch.chain_id = usual


@pytest.fixture
def site(verifier_with_oracles: DeliverySite) -> DeliverySite:
    return verifier_with_oracles


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def unmoved(site: DeliverySite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str, *digests: bytes) -> Iterator[None]:
        before = picture(site, *digests)
        with boa.reverts(reason):
            yield
        assert before == picture(site, *digests)

    return check
