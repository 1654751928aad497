"""Data availability on the real ledger, beacon and court: one deployment a session."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boa
import pytest

from tests.support.da import DaSite, deploy_da, draw, to_first_epoch
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet

Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def undrawn_site(native_evm: None) -> Iterator[DaSite]:
    """Five operators, one with half of the stake, in their first epoch; nobody has drawn it."""
    boa.env.set_random_seed("a site of five operators")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_da(own=[400, 100, 100, 100, 100])
        to_first_epoch()
        keep_moment("data availability")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, undrawn_site: DaSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("data availability")


@pytest.fixture
def site(undrawn_site: DaSite) -> DaSite:
    """The same with the current epoch's table drawn."""
    draw(undrawn_site)
    return undrawn_site


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


def picture(site: DaSite) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    entrance, signers = site.entrance, site.signers
    epoch = site.stake.current_epoch()
    return (
        boa.env.get_balance(entrance.address),
        entrance.held(),
        entrance.reward_pool(),
        entrance.credit_of(site.treasury),
        tuple(entrance.terms()),
        entrance.is_paused(),
        entrance.governance(),
        entrance.challenges(),
        entrance.sampling(),
        *(entrance.credit_of(operator.owner) for operator in site.operators),
        tuple(signers.epoch_table(epoch)),
        tuple(signers.member_count(later) for later in (epoch, epoch + 1, epoch + 2)),
        tuple(signers.endpoint(operator.operator_id) for operator in site.operators),
    )


@pytest.fixture
def refused(undrawn_site: DaSite) -> Refused:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(undrawn_site)
        with boa.reverts(reason):
            yield
        assert before == picture(undrawn_site)

    return check
