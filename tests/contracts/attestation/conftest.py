"""One registry with five relayers on real stake for all of its tests; a test leaves no trace."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa
import pytest

from tests.support.attestation import LOCAL_CHAIN, AttestationSite, deploy_attestation, picture
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet

Unmoved = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="session")
def registry_with_relayers(native_evm: None) -> Iterator[AttestationSite]:
    boa.env.set_random_seed("a registry of attestations")
    usual = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = LOCAL_CHAIN
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_attestation()
        site.draw()
        keep_moment("attestation")
        boa.env.evm.patch.chain_id = usual
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, registry_with_relayers: AttestationSite) -> Iterator[None]:
    """Each test finds the clock as it was when the committee was drawn, on a chain of a laptop."""
    return_to("attestation")
    usual = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = LOCAL_CHAIN
    yield
    boa.env.evm.patch.chain_id = usual


@pytest.fixture
def site(registry_with_relayers: AttestationSite) -> AttestationSite:
    return registry_with_relayers


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def unmoved(site: AttestationSite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str, *ids: bytes) -> Iterator[None]:
        before = picture(site, ids)
        with boa.reverts(reason):
            yield
        assert before == picture(site, ids)

    return check
