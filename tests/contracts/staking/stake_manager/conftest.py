"""Actors of the ledger's tests, and the check that a refused call moved nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa
import pytest

from tests.support.staking import (
    COIN,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    next_epoch,
)

SERVICES = (1, 2, 3, 4, 5)
Refuses = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def operator(site: StakingSite) -> AnOperator:
    """Serves DA with 100 coins of its own, commission 10 %."""
    return a_member(site, 1, own=100 * COIN, commission=1_000)


@pytest.fixture
def rival(site: StakingSite, operator: AnOperator) -> AnOperator:
    return a_member(site, 2, own=200 * COIN)


@pytest.fixture
def delegator() -> str:
    return a_wallet("delegator")


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def refuses(site: StakingSite) -> Refuses:
    """Demand a revert with this reason, and that the ledger stays as it was."""

    def state() -> tuple[object, ...]:
        stake, registry = site.stake, site.registry
        operators = range(1, registry.operator_count() + 1)
        return (
            boa.env.get_balance(stake.address),
            [tuple(registry.operator(number)) for number in operators],
            [stake.pool_state(number << 8 | s) for number in operators for s in SERVICES],
            [registry.seat_of(number << 8 | s) for number in operators for s in SERVICES],
            [tuple(stake.ticket(number)) for number in range(1, 6)],
            stake.court(),
            stake.governance(),
            [registry.aggregate_key(service) for service in SERVICES],
        )

    @contextmanager
    def demand(reason: str) -> Iterator[None]:
        before = state()
        with boa.reverts(reason):
            yield
        assert before == state()

    return demand


@pytest.fixture
def delegated(site: StakingSite, operator: AnOperator, delegator: str) -> int:
    """The operator's DA pool with 300 coins delegated, counted by now; returns the pool."""
    site.stake.delegate(operator.pool(1), 0, value=300 * COIN, sender=delegator)
    next_epoch(2)
    return operator.pool(1)
