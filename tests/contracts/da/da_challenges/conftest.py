"""A confirmed blob of 1,000,000 bytes, rows of four leaves, and people who doubt and answer."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boa
import pytest

from tests.support.da import DaSite
from tests.support.da_challenges import PaidBlob, confirmed, wire_court
from tests.support.da_encoding import honest
from tests.support.staking import DA, a_wallet

LENGTH = 1_000_000
Unmoved = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def blob(site: DaSite) -> PaidBlob:
    """Everybody signed but the last signer of the quorum that a certificate can spare."""
    wire_court(site)
    spared = next(
        index
        for index, signer in enumerate(waiting_order(site))
        if signer != site.operators[0].operator_id
    )
    return confirmed(site, honest(LENGTH), payer=site.operators[0], absent=[spared])


def waiting_order(site: DaSite) -> list[int]:
    """Operators of the one quorum, by index."""
    epoch = site.signers.serving_epoch()
    count = site.signers.quorum(epoch, 0)[0]
    return [site.signers.signer_at(epoch, 0, index)[0] for index in range(count)]


@pytest.fixture
def challenger() -> str:
    return a_wallet("challenger")


def picture(blob: PaidBlob, *accounts: str) -> tuple[Any, ...]:
    """All that a refused call must leave as it was."""
    site, challenges = blob.site, blob.site.challenges
    owners = [operator.owner for operator in site.operators]
    epoch = blob.ballot.record.epoch
    return (
        boa.env.get_balance(challenges.address),
        tuple(challenges.credit_of(one) for one in (*accounts, *owners)),
        tuple(challenges.open_of(operator.operator_id) for operator in site.operators),
        tuple(site.record(blob.identifier) for _ in range(1)),
        tuple(site.stake.slashed_at(operator.pool(DA), epoch) for operator in site.operators),
        tuple(site.court.credit_of(one) for one in (*accounts, *owners)),
        site.entrance.held(),
        site.entrance.reward_pool(),
    )


@pytest.fixture
def unmoved(blob: PaidBlob, challenger: str, stranger: str) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(blob, challenger, stranger)
        with boa.reverts(reason):
            yield
        assert before == picture(blob, challenger, stranger)

    return check
