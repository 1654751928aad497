"""The court on the real ledger, with eight members of DA past their first epoch."""

from dataclasses import dataclass

import pytest

from tests.support.court import CourtSite, coins, deploy_court
from tests.support.staking import DA, AnOperator, a_member, a_wallet, next_epoch

MEMBERS = 8
OWN_COINS = 1_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A court with something to judge: every member has 1,000 coins of its own in DA."""

    site: CourtSite
    members: tuple[AnOperator, ...]
    reporter: str
    stranger: str

    def pool(self, number: int) -> int:
        return self.members[number].pool(DA)


@pytest.fixture(scope="session")
def court_site(native_evm: None) -> CourtSite:
    return deploy_court()


@pytest.fixture(scope="session")
def scene(court_site: CourtSite) -> Scene:
    members = tuple(
        a_member(court_site.staking, number, own=coins(OWN_COINS))
        for number in range(1, MEMBERS + 1)
    )
    next_epoch(7)
    return Scene(court_site, members, a_wallet("reporter"), a_wallet("stranger"))
