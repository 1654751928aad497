"""A disperser that committed to a matrix with one wrong parity bit, certified all the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boa
import pytest

from offchain.core.field import Elements
from offchain.core.matrix.encode import EncodedBlob
from tests.support.da import DaSite
from tests.support.da_challenges import PaidBlob, confirmed, wire_court
from tests.support.da_encoding import tampered
from tests.support.staking import DA, a_wallet

LENGTH = 1_000_000
BAD_ROW = 2_000
SALT = b"s" * 32
Unmoved = Callable[[str], AbstractContextManager[None]]


def one_parity_bit(rows: Elements) -> None:
    rows[BAD_ROW, 3, 31] ^= 1


@pytest.fixture(scope="session")
def bad_matrix() -> EncodedBlob:
    return tampered(LENGTH, one_parity_bit)


@pytest.fixture
def wired(site: DaSite) -> DaSite:
    wire_court(site)
    return site


@pytest.fixture
def bad(wired: DaSite, bad_matrix: EncodedBlob) -> PaidBlob:
    """Dispersed and paid by operator 1; everybody signed."""
    return confirmed(wired, bad_matrix, payer=wired.operators[1])


@pytest.fixture
def reporter() -> str:
    return a_wallet("reporter")


def picture(site: DaSite, *accounts: str) -> tuple[Any, ...]:
    """All that a refused proof must leave as it was."""
    owners = [operator.owner for operator in site.operators]
    epochs = range(site.stake.current_epoch() + 1)
    pools = [operator.pool(DA) for operator in site.operators]
    return (
        tuple(site.stake.slashed_at(pool, epoch) for pool in pools for epoch in epochs),
        tuple(site.stake.is_member(pool) for pool in pools),
        tuple(site.court.credit_of(one) for one in (*accounts, *owners, site.treasury)),
        tuple(site.entrance.credit_of(one) for one in (*accounts, *owners)),
        site.court.insurance_held(),
        site.entrance.held(),
        site.entrance.reward_pool(),
    )


@pytest.fixture
def unmoved(wired: DaSite, reporter: str, stranger: str) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str, *blobs: PaidBlob) -> Iterator[None]:
        before = picture(wired, reporter, stranger)
        states = [wired.record(blob.identifier) for blob in blobs]
        with boa.reverts(reason):
            yield
        assert before == picture(wired, reporter, stranger)
        assert states == [wired.record(blob.identifier) for blob in blobs]

    return check
