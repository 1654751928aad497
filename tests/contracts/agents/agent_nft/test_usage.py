"""Who may use an agent: the owner's word, leases, 32 places, and their ends."""

import boa

from tests.support.agents import NOBODY, TokenSite
from tests.support.refusal import Refused
from tests.support.staking import a_wallet

EVER = 2**48 - 1
HOUR = 3_600


def lease(site: TokenSite, token: int, user: str, seconds: int) -> None:
    site.by(site.leases, "authorizeUsageUntil", token, user, boa.env.timestamp + seconds)


def test_authorize_usage__twice__one_user_until_further_notice(
    site: TokenSite, owner: str, stranger: str, token: int
) -> None:
    site.nft.authorizeUsage(token, stranger, sender=owner)
    told = [type(one).__name__ for one in site.nft.get_logs()]
    site.nft.authorizeUsage(token, stranger, sender=owner)

    assert site.nft.authorizedUsersOf(token) == [stranger]
    assert site.nft.authorised_until(token, stranger) == (EVER, 0)
    assert told == ["Authorization", "UsageGranted"]


def test_authorize_until__time_over__not_listed(
    site: TokenSite, owner: str, stranger: str, token: int
) -> None:
    site.nft.authorizeUsageUntil(token, stranger, boa.env.timestamp + HOUR, sender=owner)

    boa.env.time_travel(seconds=HOUR)

    assert site.nft.authorizedUsersOf(token) == []


def test_revoke__user__gone_at_once(site: TokenSite, owner: str, stranger: str, token: int) -> None:
    site.nft.authorizeUsage(token, stranger, sender=owner)

    site.nft.revokeAuthorization(token, stranger, sender=owner)

    told = site.nft.get_logs()
    assert site.nft.authorizedUsersOf(token) == []
    assert [type(one).__name__ for one in told] == ["AuthorizationRevoked"]


def test_revoke__nobody_who_may__refused(
    site: TokenSite, owner: str, stranger: str, token: int, unmoved: Refused
) -> None:
    with unmoved("agent_nft: not authorised"):
        site.nft.revokeAuthorization(token, stranger, sender=owner)
    site.nft.authorizeUsage(token, stranger, sender=owner)
    site.nft.revokeAuthorization(token, stranger, sender=owner)
    with unmoved("agent_nft: not authorised"):
        site.nft.revokeAuthorization(token, stranger, sender=owner)


def test_lease__owner_revokes__refused_until_it_ends(
    site: TokenSite, owner: str, stranger: str, token: int, unmoved: Refused
) -> None:
    lease(site, token, stranger, HOUR)

    with unmoved("agent_nft: leased"):
        site.nft.revokeAuthorization(token, stranger, sender=owner)

    assert site.nft.authorizedUsersOf(token) == [stranger]
    boa.env.time_travel(seconds=HOUR)
    assert site.nft.authorizedUsersOf(token) == []


def test_lease__owners_own_word_beside_it__outlives_it(
    site: TokenSite, owner: str, stranger: str, token: int
) -> None:
    site.nft.authorizeUsage(token, stranger, sender=owner)
    lease(site, token, stranger, HOUR)

    boa.env.time_travel(seconds=HOUR)

    assert site.nft.authorizedUsersOf(token) == [stranger]
    site.nft.revokeAuthorization(token, stranger, sender=owner)
    assert site.nft.authorizedUsersOf(token) == []


def test_lease__ended_by_leases__ends(site: TokenSite, stranger: str, token: int) -> None:
    lease(site, token, stranger, HOUR)

    lease(site, token, stranger, 0)

    assert site.nft.authorizedUsersOf(token) == []


def test_users__thirty_three__refused_until_one_is_over(
    site: TokenSite, owner: str, stranger: str, token: int, unmoved: Refused
) -> None:
    users = [a_wallet(f"user {i}") for i in range(32)]
    for i, user in enumerate(users):
        until = boa.env.timestamp + (HOUR if i == 7 else 2 * HOUR)
        site.nft.authorizeUsageUntil(token, user, until, sender=owner)

    with unmoved("agent_nft: 32 users"):
        site.nft.authorizeUsage(token, stranger, sender=owner)
    assert site.nft.authorised_until(token, stranger) == (0, 0)
    boa.env.time_travel(seconds=HOUR)
    site.nft.authorizeUsage(token, stranger, sender=owner)

    assert site.nft.authorizedUsersOf(token) == [*users[:7], stranger, *users[8:]]


def test_authorize__nobody__refused(
    site: TokenSite, owner: str, token: int, unmoved: Refused
) -> None:
    with unmoved("agent_nft: no user"):
        site.nft.authorizeUsage(token, NOBODY, sender=owner)


def test_usage_calls__by_a_stranger_or_an_approved_account__refused(
    site: TokenSite, owner: str, stranger: str, token: int, unmoved: Refused
) -> None:
    site.nft.setApprovalForAll(stranger, True, sender=owner)

    for name in ("authorizeUsage", "revokeAuthorization"):
        with unmoved("agent_nft: not its owner"):
            getattr(site.nft, name)(token, stranger, sender=stranger)
    with unmoved("agent_nft: not its owner"):
        site.nft.authorizeUsageUntil(token, stranger, 2**40, sender=stranger)
