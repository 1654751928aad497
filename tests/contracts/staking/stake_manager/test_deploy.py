"""What a deployment must satisfy, who wires it, and what may be asked of an epoch."""

import boa
import pytest

from offchain.staking.model import TOMBSTONE
from tests.support.staking import (
    COIN,
    DA,
    DAY,
    EPOCH,
    TERMS,
    AnOperator,
    StakingSite,
    deploy_staking,
    next_epoch,
    staking_deployer,
)

CODE_LIMIT = 24_576


@pytest.mark.parametrize("place", [0, 1])
def test_deploy__unbonding_shorter_than_its_windows__refused(site: StakingSite, place: int) -> None:
    terms = list(TERMS)
    terms[place] -= DAY
    if place == 1:
        terms[3] += DAY

    with boa.reverts("stake: unbonding too short"):
        staking_deployer("StakeManager").deploy(
            site.registry.address, site.governance, tuple(terms)
        )


def test_deploy__commission_delay_within_unbonding__refused(site: StakingSite) -> None:
    terms = (*TERMS[:6], 28 * DAY, *TERMS[7:])

    with boa.reverts("stake: commission too early"):
        staking_deployer("StakeManager").deploy(site.registry.address, site.governance, terms)


def test_deploy__no_governance__refused(site: StakingSite) -> None:
    nobody = "0x" + "00" * 20

    with boa.reverts("governed: no governance"):
        staking_deployer("StakeManager").deploy(site.registry.address, nobody, TERMS)


def test_deploy__both_contracts__fit_the_code_limit(site: StakingSite) -> None:
    for contract in (site.stake, site.registry):
        assert len(boa.env.get_code(contract.address)) <= CODE_LIMIT


def test_wire_court__once_by_governance(stranger: str) -> None:
    site = deploy_staking(court="")
    court = boa.env.generate_address("court")

    with boa.reverts("governed: not governance"):
        site.stake.wire_court(court, sender=stranger)
    with boa.reverts("stake: no court"):
        site.stake.wire_court("0x" + "00" * 20, sender=site.governance)
    site.stake.wire_court(court, sender=site.governance)
    with boa.reverts("stake: already wired"):
        site.stake.wire_court(stranger, sender=site.governance)

    assert site.stake.court() == court


def test_governance__handed_over_in_two_steps(site: StakingSite, stranger: str, refuses) -> None:
    heir = boa.env.generate_address("heir")

    with refuses("governed: not governance"):
        site.stake.offer_governance(stranger, sender=stranger)
    site.stake.offer_governance(heir, sender=site.governance)
    assert site.stake.governance() == site.governance
    with refuses("governed: not the candidate"):
        site.stake.accept_governance(sender=stranger)
    site.stake.accept_governance(sender=heir)

    assert site.stake.governance() == heir
    assert int(site.stake.pending_governance(), 16) == 0


COURT_CALLS = (
    ("slash", (257, 0, 1, 0)),
    ("reserve", (257, 1)),
    ("release", (257, 1)),
    ("open_case", (257,)),
    ("close_case", (257,)),
)


@pytest.mark.parametrize(("name", "arguments"), COURT_CALLS)
def test_court_calls__from_others__refused(
    site: StakingSite,
    operator: AnOperator,
    stranger: str,
    name: str,
    arguments: tuple[int, ...],
    refuses,
) -> None:
    for caller in (stranger, operator.owner, site.governance):
        with refuses("stake: not the court"):
            getattr(site.stake, name)(*arguments, sender=caller)


def test_inv_stake_9__epoch_before_its_cutoff__is_not_told(
    site: StakingSite, operator: AnOperator
) -> None:
    coming = site.stake.current_epoch() + 1
    pool = operator.pool(DA)
    questions = (
        lambda: site.stake.stake_at(pool, coming),
        lambda: site.stake.weight_at(pool, coming),
        lambda: site.stake.total_stake_at(DA, coming),
        lambda: site.stake.total_weight_at(DA, coming),
        lambda: site.stake.snapshot(coming),
        lambda: site.stake.tree_root_at(DA, coming),
        lambda: site.registry.aggregate_key_hash_at(DA, coming),
    )
    for question in questions:
        with boa.reverts("epoch_clock: not final"):
            question()

    boa.env.timestamp = site.stake.epoch_cutoff(coming)

    for question in questions:
        question()


def test_inv_stake_9__snapshot__never_changes_after_its_cutoff(
    site: StakingSite, delegated: int, operator: AnOperator, delegator: str
) -> None:
    epoch = site.stake.current_epoch()
    frozen = [site.stake.snapshot(epoch - back) for back in range(2)]

    site.stake.request_exit(delegated, 100 * COIN, 0, sender=delegator)
    site.stake.slash(delegated, epoch, 50 * COIN, 0, sender=site.court)
    next_epoch()
    site.stake.slash(operator.pool(DA), 0, 0, TOMBSTONE, sender=site.court)
    next_epoch(400)

    assert frozen == [site.stake.snapshot(epoch - back) for back in range(2)]
    assert frozen[0] != site.stake.snapshot(site.stake.current_epoch())


def test_time__views__follow_the_clock(site: StakingSite) -> None:
    start = site.stake.epoch_start(0)

    assert site.stake.epoch_length() == EPOCH
    assert site.stake.epoch_start(7) == start + 7 * EPOCH
    assert site.stake.epoch_cutoff(7) == start + 7 * EPOCH - 9
    assert [site.stake.day_of(epoch) for epoch in (0, 5, 6, 11, 12)] == [0, 0, 1, 1, 2]
    assert [site.stake.unbonding_seconds(service) // DAY for service in range(1, 6)] == [
        28,
        11,
        11,
        28,
        11,
    ]
    assert [site.stake.evidence_seconds(service) // DAY for service in range(1, 6)] == [
        24,
        7,
        7,
        24,
        7,
    ]
    assert (site.stake.veto_seconds(), site.stake.correlation_seconds()) == (2 * DAY, DAY)
