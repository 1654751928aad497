"""One registry and escrow on real stake for all of their tests; a test leaves no trace."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boa
import pytest

from offchain.chain.keys import LocalSigner
from tests.support.compute_chain import (
    NATIVE,
    ComputeSite,
    a_payer,
    deploy_compute,
    fill_bucket,
    hex_of,
)
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet

Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def unused_market(native_evm: None) -> Iterator[ComputeSite]:
    boa.env.set_random_seed("a compute market")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_compute()
        keep_moment("the compute market")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, unused_market: ComputeSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("the compute market")


@pytest.fixture
def site(unused_market: ComputeSite) -> ComputeSite:
    return unused_market


@pytest.fixture
def payer(site: ComputeSite) -> LocalSigner:
    """A key holder with a coin in the bucket at the provider."""
    holder = a_payer()
    fill_bucket(site, holder.address)
    return holder


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


def picture(site: ComputeSite, accounts: list[str]) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    escrow, registry = site.escrow, site.registry
    tokens = (NATIVE, site.token.address)
    provider = site.provider.owner
    return (
        [escrow.free_of(one, token) for one in accounts for token in tokens],
        [escrow.bucket(one, provider, token) for one in accounts for token in tokens],
        [escrow.delegation(one, key) for one in accounts for key in accounts],
        escrow.batch_count(),
        [escrow.batch(number + 1) for number in range(escrow.batch_count())],
        escrow.held_of(site.provider.operator_id),
        escrow.open_cases_of(site.provider.operator_id),
        [escrow.wei_of(token, 10**18) for token in tokens],
        (escrow.receipt_court(), escrow.audit_court(), escrow.governance()),
        boa.env.get_balance(escrow.address),
        site.token.balanceOf(escrow.address),
        registry.service_count(),
        registry.service(site.service),
        registry.endpoint(site.service),
        [registry.price_row(site.service, version) for version in range(4)],
        (registry.escrow(), registry.receipt_court(), registry.audit_court()),
    )


@pytest.fixture
def refused(site: ComputeSite) -> Refused:
    """The call inside reverts with exactly this reason and moves nothing."""
    accounts = [
        site.provider.owner,
        site.courts.address,
        *(hex_of(a_payer(name).address) for name in ("payer", "other payer", "delegate")),
    ]

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(site, accounts)
        with boa.reverts(reason):
            yield
        assert before == picture(site, accounts)

    return check
