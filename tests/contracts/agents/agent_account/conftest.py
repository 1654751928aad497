"""One agent's account for all of its tests; a test leaves no trace."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.support.agent_accounts import (
    AccountSite,
    deploy_account,
    hex_of,
    session_key,
    stand_in,
)
from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing
from tests.support.staking import COIN, a_wallet

KEYS = ("session", "other session")


@pytest.fixture(scope="session")
def unused_account(native_evm: None) -> Iterator[AccountSite]:
    boa.env.set_random_seed("an agent's account")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_account()
        boa.env.set_balance(site.account.address, 10 * COIN)
        site.token.mint(site.account.address, 10 * COIN)
        keep_moment("the agent's account")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, unused_account: AccountSite) -> None:
    return_to("the agent's account")


@pytest.fixture
def site(unused_account: AccountSite) -> AccountSite:
    return unused_account


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def key() -> str:
    """The address of a session key."""
    return hex_of(session_key().address)


def picture(site: AccountSite) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    account = site.account
    keys = [hex_of(session_key(name).address) for name in KEYS]
    return (
        account.state(),
        account.is_paused(),
        account.generation(),
        [tuple(account.session(one)) for one in keys],
        [[tuple(cap) for cap in account.allowances(one)] for one in keys],
        boa.env.get_balance(account.address),
        site.token.balanceOf(account.address),
        site.callee.seen(),
        site.log.size(),
        tuple(site.kv.stream(account.memory())),
    )


@pytest.fixture
def refused(site: AccountSite) -> Refused:
    return refusing(lambda: picture(site))


@pytest.fixture
def hostile() -> Any:
    """A token that does what it is told."""
    return stand_in("hostile_token").deploy()
