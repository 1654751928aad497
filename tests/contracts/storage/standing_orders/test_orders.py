"""A standing order renews its file for whoever comes, within its limits, and does nothing else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage import (
    PRICE,
    MarketSite,
    a_file,
    deploy_market,
    open_group,
    placed,
    stored,
)
from tests.support.storage_log import storage_deployer

Refused = Callable[[str], AbstractContextManager[None]]
KEPT = 512 * 32 * 8 * 4
PER_EPOCH = -(-KEPT * 3 * PRICE * EPOCH // 2**30)
FUNDS, TIP = 10**16, 10**9
NOBODY = "0x" + bytes(20).hex()


@pytest.fixture(scope="session")
def empty_market(native_evm: None) -> Iterator[MarketSite]:
    boa.env.set_random_seed("a market of standing orders")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_market()
        keep_moment("standing orders")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, empty_market: MarketSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("standing orders")


@pytest.fixture
def site(empty_market: MarketSite) -> MarketSite:
    open_group(empty_market)
    return empty_market


@pytest.fixture
def orders(site: MarketSite) -> Any:
    return storage_deployer("StandingOrders").deploy(site.market.address, EPOCH)


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


@pytest.fixture
def relayer() -> str:
    return a_wallet("relayer")


@pytest.fixture
def file_id(site: MarketSite, owner: str) -> bytes:
    return stored(site, a_file(owner))


@pytest.fixture
def refused(site: MarketSite, orders: Any, file_id: bytes, owner: str) -> Refused:
    """The call inside reverts with exactly this reason and moves nothing."""

    def picture() -> tuple[Any, ...]:
        return (
            tuple(orders.order(file_id)),
            orders.credit_of(owner),
            boa.env.get_balance(orders.address),
            tuple(site.market.file(file_id)),
        )

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture()
        with boa.reverts(reason):
            yield
        assert before == picture()

    return check


def to_due(site: MarketSite, file_id: bytes, epochs: int = 10) -> None:
    end = site.market.file(file_id).end
    boa.env.time_travel(seconds=max(end - epochs * EPOCH // 5 - boa.env.timestamp, 0))


def test_renew_due__last_fifth__renewed_from_the_funds_for_a_tip(
    site: MarketSite, orders: Any, file_id: bytes, owner: str, relayer: str
) -> None:
    orders.set_order(file_id, 10, PER_EPOCH, TIP, value=FUNDS, sender=owner)
    before = site.market.file(file_id)
    to_due(site, file_id)

    orders.renew_due(file_id, sender=relayer)

    after = site.market.file(file_id)
    spent = after.deposit - before.deposit
    assert before.end + 10 * EPOCH == after.end
    assert FUNDS - TIP - spent == orders.order(file_id).funds
    assert orders.credit_of(relayer) == TIP
    assert FUNDS - spent == boa.env.get_balance(orders.address)


def test_inv_sto_2__used_until_nothing_is_left__every_wei_is_somebodys(
    site: MarketSite, orders: Any, file_id: bytes, owner: str, relayer: str
) -> None:
    funds = 6 * PER_EPOCH * 10
    orders.set_order(file_id, 10, PER_EPOCH, TIP, value=funds, sender=owner)
    renewed = 0
    for _ in range(20):
        to_due(site, file_id)
        try:
            orders.renew_due(file_id, sender=relayer)
        except boa.BoaError:
            break
        renewed += 1
    assert renewed > 0
    file = site.market.file(file_id)
    boa.env.time_travel(seconds=file.leaves - boa.env.timestamp)
    site.market.close(file_id)
    orders.end_order(file_id, sender=relayer)

    owed = orders.credit_of(owner) + orders.credit_of(relayer)
    assert owed == boa.env.get_balance(orders.address)
    for account in (owner, relayer):
        orders.withdraw(account, sender=account)
    assert boa.env.get_balance(orders.address) == 0


def test_renew_due__not_allowed_now__refused(
    site: MarketSite, orders: Any, file_id: bytes, owner: str, relayer: str, refused: Refused
) -> None:
    with refused("standing_orders: no order"):
        orders.renew_due(file_id, sender=relayer)
    orders.set_order(file_id, 10, PER_EPOCH - 1, TIP, value=FUNDS, sender=owner)
    with refused("standing_orders: not due"):
        orders.renew_due(file_id, sender=relayer)
    to_due(site, file_id)
    with refused("standing_orders: above the limit"):
        orders.renew_due(file_id, sender=relayer)
    orders.set_order(file_id, 10, PER_EPOCH, FUNDS + 1, sender=owner)
    with refused("standing_orders: too little funds"):
        orders.renew_due(file_id, sender=relayer)
    orders.set_order(file_id, 10, PER_EPOCH, FUNDS - 1, sender=owner)
    with refused("renewal: too little paid"):
        orders.renew_due(file_id, sender=relayer)
    site.market.void(file_id, sender=site.proofs)
    with refused("standing_orders: not stored"):
        orders.renew_due(file_id, sender=relayer)


def test_set_order__wrong_input__refused(
    site: MarketSite, orders: Any, file_id: bytes, owner: str, relayer: str, refused: Refused
) -> None:
    with refused("standing_orders: not the owner"):
        orders.set_order(file_id, 1, 1, 1, sender=relayer)
    waiting = placed(site, a_file(owner, nonce=1))
    with refused("standing_orders: not stored"):
        orders.set_order(waiting, 1, 1, 1, sender=owner)
    for arguments in ((2**16, 1, 1), (1, 2**88, 1), (1, 1, 2**64)):
        with refused("standing_orders: out of range"):
            orders.set_order(file_id, *arguments, sender=owner)


def test_set_order__zero_epochs__ends_it_and_gives_the_funds_back(
    orders: Any, file_id: bytes, owner: str, relayer: str, refused: Refused
) -> None:
    orders.set_order(file_id, 1, 1, 1, value=FUNDS, sender=owner)

    orders.set_order(file_id, 0, 0, 0, value=1, sender=owner)

    assert tuple(orders.order(file_id)) == (0, 0, 0, 0)
    assert orders.credit_of(owner) == FUNDS + 1
    with refused("standing_orders: no receiver"):
        orders.withdraw(NOBODY, sender=owner)
    with refused("standing_orders: receiver refused"):
        orders.withdraw(orders.address, sender=owner)
    orders.withdraw(relayer, sender=owner)
    with refused("standing_orders: nothing to withdraw"):
        orders.withdraw(relayer, sender=owner)


def test_end_order__file_is_over__funds_are_its_owners(
    site: MarketSite, orders: Any, file_id: bytes, owner: str, relayer: str, refused: Refused
) -> None:
    with refused("standing_orders: no order"):
        orders.end_order(file_id, sender=relayer)
    orders.set_order(file_id, 1, 1, 1, value=FUNDS, sender=owner)
    with refused("standing_orders: file is stored"):
        orders.end_order(file_id, sender=relayer)
    site.market.void(file_id, sender=site.proofs)

    orders.end_order(file_id, sender=relayer)

    assert orders.credit_of(owner) == FUNDS


def test_money__from_a_stranger__refused(orders: Any, relayer: str) -> None:
    with pytest.raises(Revert, match="standing_orders: not the market"):
        boa.env.raw_call(orders.address, value=1, sender=relayer)

    assert boa.env.get_balance(orders.address) == 0


def test_deploy__no_market_or_epoch__refused(site: MarketSite) -> None:
    deployer = storage_deployer("StandingOrders")
    with boa.reverts("standing_orders: no contract"):
        deployer.deploy(NOBODY, EPOCH)
    with boa.reverts("standing_orders: no epoch"):
        deployer.deploy(site.market.address, 0)
