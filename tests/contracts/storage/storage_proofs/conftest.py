"""A group of 32 seats held by three operators in turn, keeping one file; nobody measured yet."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing
from tests.support.staking import CUTOFF, EPOCH, STORAGE, a_wallet
from tests.support.storage_proofs import (
    DURABLE,
    GROUP,
    PRICE,
    AFile,
    ProofsSite,
    deploy_proofs,
    files_in_a_row,
    store,
    to_epoch,
)


@pytest.fixture(scope="session")
def seated(native_evm: None) -> Iterator[ProofsSite]:
    """Three operators, each with every third seat of the group, from their first epoch on."""
    boa.env.set_random_seed("three operators in storage")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_proofs()
        boa.env.time_travel(seconds=EPOCH + CUTOFF)
        for seat in range(DURABLE.seats):
            operator = site.operators[seat % 3]
            site.files.set_seat(GROUP, seat, operator.operator_id, PRICE)
        to_epoch(site, 10)
        keep_moment("proofs")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, seated: ProofsSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("proofs")


@pytest.fixture
def files() -> list[AFile]:
    return files_in_a_row(3)


@pytest.fixture
def site(seated: ProofsSite, files: list[AFile]) -> ProofsSite:
    """The first second of epoch 10, in which three files are kept since its start."""
    store(seated, files)
    return seated


def picture(site: ProofsSite, group: int = GROUP) -> tuple[Any, ...]:
    """All that a refused call must leave as it was."""
    pools = [operator.pool(STORAGE) for operator in site.operators]
    accounts = [*(one.owner for one in site.operators), site.treasury, a_wallet("stranger")]
    return (
        tuple(tuple(site.proofs.standing(group, seat)) for seat in range(DURABLE.seats)),
        tuple(tuple(site.files.seat(group, seat)) for seat in range(DURABLE.seats)),
        tuple(site.stake.slashed_at(pool, epoch) for pool in pools for epoch in (10, 11, 12)),
        tuple(site.court.credit_of(one) for one in accounts),
        tuple(site.proofs.credit_of(one) for one in accounts),
        tuple(site.proofs.demands_open(one.operator_id) for one in site.operators),
        boa.env.get_balance(site.proofs.address),
    )


@pytest.fixture
def unmoved(site: ProofsSite) -> Refused:
    return refusing(lambda: picture(site))
