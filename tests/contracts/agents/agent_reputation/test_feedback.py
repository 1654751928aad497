"""Words about agents, and the weight that settled work gives them."""

from typing import Any

import boa
import pytest

from tests.support.agent_registries import CAP, NO_HASH, RegistrySite, shown
from tests.support.agents import agents_contract
from tests.support.compute_chain import a_service
from tests.support.refusal import Refused
from tests.support.staking import COIN, a_wallet

QUARTER = 90 * 86_400
AMOUNT = COIN // 10  # of work; the protocol earns a hundredth


@pytest.fixture
def released(site: RegistrySite) -> tuple[int, list[tuple[Any, ...]]]:
    """A released batch: `client` paid AMOUNT, `other` half of it."""
    batch, items = site.sell_work(("client", AMOUNT), ("other", AMOUNT // 2))
    site.release(batch)
    return batch, items


def test_inv_agt_17__word_without_settled_work__weighs_nothing(
    site: RegistrySite, client: str
) -> None:
    index = site.say(client, 100)

    assert site.reputation.weight_of(site.agent, client, index) == 0
    assert site.reputation.weighted_summary(site.agent, [client], "", "") == (0, 0)
    assert site.reputation.getSummary(site.agent, [client], "", "") == (1, 100, 0)


def test_prove__work_that_was_paid_for__weighs_what_the_protocol_earned(
    site: RegistrySite, client: str, other: str, released: tuple[int, list[Any]]
) -> None:
    batch, items = released
    site.say(client, 90)
    site.say(other, 30)

    gained = site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)
    site.reputation.prove(site.agent, 1, shown(batch, 1, items), sender=other)

    fee = site.compute.escrow.batch(batch).fee
    assert fee == (AMOUNT + AMOUNT // 2) // 100
    assert gained == AMOUNT // 100
    weight, mean = site.reputation.weighted_summary(site.agent, [client, other], "", "")
    assert weight == AMOUNT // 100 + AMOUNT // 200
    assert mean == 70 * 10**18  # two parts of 90, one of 30
    assert site.reputation.epoch_given(site.agent, client, 1) == 0


def test_weight__each_quarter_of_90_days__halved_for_all_alike(
    site: RegistrySite, client: str, released: tuple[int, list[Any]]
) -> None:
    """A little more work does not put the halving of the rest off."""
    batch, items = released
    site.say(client)
    site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)
    first = site.reputation.weight_of(site.agent, client, 1)
    boa.env.time_travel(seconds=QUARTER - boa.env.timestamp % QUARTER)
    assert site.reputation.weight_of(site.agent, client, 1) == first // 2

    more, more_items = site.sell_work(("client", 10_000))
    site.release(more)
    site.reputation.prove(site.agent, 1, shown(more, 0, more_items), sender=client)
    assert site.reputation.weight_of(site.agent, client, 1) == first // 2 + 100

    boa.env.time_travel(seconds=QUARTER)
    assert site.reputation.weight_of(site.agent, client, 1) == (first // 2 + 100) // 2
    boa.env.time_travel(seconds=200 * QUARTER)
    assert site.reputation.weight_of(site.agent, client, 1) == 0


def test_prove__old_work__weighs_as_little_as_if_shown_then(
    site: RegistrySite, client: str, released: tuple[int, list[Any]]
) -> None:
    batch, items = released
    site.say(client)
    boa.env.time_travel(seconds=2 * QUARTER)

    site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)

    assert site.reputation.weight_of(site.agent, client, 1) == AMOUNT // 100 // 4


def test_cap__of_one_client__no_more_however_he_pays_and_speaks(
    site: RegistrySite, client: str, refused: Refused
) -> None:
    site.say(client)
    site.say(client)
    large = 7 * COIN // 10  # earns seven thousandths of a coin, the cap is ten
    for index in (1, 2):
        batch, items = site.sell_work(("client", large))
        site.release(batch)
        site.reputation.prove(site.agent, index, shown(batch, 0, items), sender=client)

    total, _ = site.reputation.weighted_summary(site.agent, [client], "", "")
    assert total == CAP
    batch, items = site.sell_work(("client", 10_000))
    site.release(batch)
    with refused("earned_weight: nothing to gain"):
        site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)


def test_prove__what_does_not_count__refused(
    site: RegistrySite, client: str, other: str, refused: Refused, released: tuple[int, list[Any]]
) -> None:
    batch, items = released
    site.say(client)
    site.say(other)
    prove = site.reputation.prove
    good = shown(batch, 0, items)
    with refused("earned_weight: another payer"):
        prove(site.agent, 1, good, sender=other)
    with refused("feedback_book: no such word"):
        prove(site.agent, 2, good, sender=client)
    with refused("feedback_book: no such word"):
        prove(site.agent, 0, good, sender=client)
    with refused("earned_weight: not released"):
        prove(site.agent, 1, (batch + 1, *good[1:]), sender=client)
    more = (*items[0][:4], items[0][4] + 1, *items[0][5:])
    for bad in (
        (batch, 1, *good[2:]),
        (batch, 2, *good[2:]),
        (batch, 0, items[0], b""),
        (batch, 0, items[0], good[3][:-1]),
        (batch, 0, items[0], good[3] + bytes(56)),
        (batch, 0, more, good[3]),
    ):
        with refused("earned_weight: not in the batch"):
            prove(site.agent, 1, bad, sender=client)
    prove(site.agent, 1, good, sender=client)
    with refused("earned_weight: counted already"):
        prove(site.agent, 1, good, sender=client)


def test_prove__settled_but_not_released__refused(
    site: RegistrySite, client: str, refused: Refused
) -> None:
    site.say(client)
    batch, items = site.sell_work(("client", AMOUNT))

    with refused("earned_weight: not released"):
        site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)


def test_prove__work_of_another_agent_or_after_a_sale__refused(
    site: RegistrySite, client: str, refused: Refused, released: tuple[int, list[Any]]
) -> None:
    batch, items = released
    second = int(site.identity.register(sender=site.owner))
    site.reputation.giveFeedback(second, 1, 0, "", "", "", "", NO_HASH, sender=client)
    site.say(client)

    with refused("agent_reputation: another's work"):
        site.reputation.prove(second, 1, shown(batch, 0, items), sender=client)
    site.nft.transferFrom(site.owner, a_wallet("buyer"), site.agent, sender=site.owner)
    with refused("agent_reputation: another's work"):
        site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)


def test_feedback__of_the_agents_own_people__refused(
    site: RegistrySite, refused: Refused, other: str
) -> None:
    account = site.nft.account_of(site.agent)
    site.nft.setApprovalForAll(other, True, sender=site.owner)
    for own in (site.owner, other, account):
        with refused("agent_reputation: its own"), boa.env.prank(own):
            site.say(own)


def test_feedback__that_cannot_be__refused(
    site: RegistrySite, refused: Refused, client: str
) -> None:
    with refused("feedback_book: too many decimals"):
        site.say(client, 1, 19)
    for score in (10**38 + 1, -(10**38) - 1):
        with refused("feedback_book: score too large"):
            site.say(client, score)
    for _ in range(64):
        site.say(client)
    with refused("feedback_book: too many of yours"):
        site.say(client)


@pytest.mark.parametrize("score", [0, 1, -1, 10**38, -(10**38)])
def test_feedback__any_score__read_as_given(site: RegistrySite, client: str, score: int) -> None:
    site.say(client, score, 18, "speed", "chat")

    told = site.reputation.readFeedback(site.agent, client, 1)
    assert told == (score, 18, "speed", "chat", False)


def test_revoked__counts_nowhere_and_only_its_giver_revokes(
    site: RegistrySite, client: str, refused: Refused, released: tuple[int, list[Any]]
) -> None:
    batch, items = released
    site.say(client, 40)
    site.reputation.prove(site.agent, 1, shown(batch, 0, items), sender=client)
    with refused("feedback_book: no such word"):
        site.reputation.revokeFeedback(site.agent, 1, sender=a_wallet("stranger"))

    site.reputation.revokeFeedback(site.agent, 1, sender=client)

    assert site.reputation.weight_of(site.agent, client, 1) == 0
    assert site.reputation.weighted_summary(site.agent, [client], "", "") == (0, 0)
    assert site.reputation.getSummary(site.agent, [client], "", "") == (0, 0, 0)
    with refused("feedback_book: revoked already"):
        site.reputation.revokeFeedback(site.agent, 1, sender=client)


def test_summary__tags_and_decimals__as_the_erc_says(
    site: RegistrySite, client: str, other: str
) -> None:
    site.say(client, 95, 1, "speed")
    site.say(client, 85, 1, "speed", "chat")
    site.say(other, -4, 0, "price")
    summary = site.reputation.getSummary

    assert summary(site.agent, [client, other], "", "") == (3, 46, 1)  # (9.5 + 8.5 - 4) / 3
    assert summary(site.agent, [client, other], "speed", "") == (2, 90, 1)
    assert summary(site.agent, [client], "speed", "chat") == (1, 85, 1)
    with boa.reverts("feedback_book: name clients"):
        summary(site.agent, [], "", "")
    site.reputation.revokeFeedback(site.agent, 1, sender=client)
    read = site.reputation.readAllFeedback
    assert read(site.agent, [], "", "", False)[:3] == ([client, other], [2, 1], [85, -4])
    assert read(site.agent, [client], "speed", "", True)[6] == [True, False]
    assert site.reputation.getClients(site.agent) == [client, other]


def test_response__anybodys__counted(site: RegistrySite, client: str, refused: Refused) -> None:
    site.say(client)
    responder = a_wallet("responder")

    site.reputation.appendResponse(site.agent, client, 1, "ipfs://r", NO_HASH, sender=responder)

    count = site.reputation.getResponseCount
    assert count(site.agent, client, 1, [responder]) == 1
    with refused("agent_reputation: no response"):
        site.reputation.appendResponse(site.agent, client, 1, "", NO_HASH, sender=responder)
    with refused("feedback_book: no such word"):
        site.reputation.appendResponse(site.agent, client, 2, "x", NO_HASH, sender=responder)


def test_name_service__by_whoever_has_not_both__refused(
    site: RegistrySite, refused: Refused, client: str
) -> None:
    name = site.reputation.name_service
    with refused("agent_reputation: named already"):
        name(site.agent, site.compute.service, sender=site.owner)
    with refused("agent_reputation: not its service"):
        name(site.agent, bytes(32), sender=site.owner)
    with refused("agent_reputation: not entitled"):
        name(site.agent, site.compute.service, sender=client)
    other = int(site.identity.register(sender=client))
    fresh = a_service(site.compute.registry, site.compute.provider, salt=b"\7" * 32)
    with refused("agent_reputation: not its service"):
        name(other, fresh, sender=client)


def test_deployment__parts_that_are_none__refused(site: RegistrySite, client: str) -> None:
    parts = [site.identity, site.nft, site.compute.registry]
    deploy = agents_contract("AgentReputation").deploy
    with boa.reverts("agent_reputation: no contract"):
        deploy(client, *parts[1:], site.compute.escrow, 1)
    with boa.reverts("earned_weight: no contract"):
        deploy(*parts, client, 1)
    for cap in (0, 10**24 + 1):
        with boa.reverts("earned_weight: cap out of range"):
            deploy(*parts, site.compute.escrow, cap)
