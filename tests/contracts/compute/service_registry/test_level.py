"""How verifiable a service is follows from the evidence of the moment."""

import boa
import pytest

from offchain.compute.model import Level, Numerics
from offchain.compute.registry_book import RowWindows, ServiceBook
from offchain.core.hashing import keccak
from tests.support.compute_chain import (
    DISPUTE,
    PRICE_DELAY,
    PRICE_GRACE,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    as_court,
    compute_deployer,
    fill_bucket,
    settle,
)
from tests.support.staking import COIN, COMPUTE

WEEK = 7 * 864
GOOD = (30, 0, 0)


def show(site: ComputeSite, cleared: int, open_cases: int, failed_until: int) -> None:
    """Have the audits say so, for a week."""
    until = boa.env.timestamp + WEEK
    site.courts.set_standing(site.service, (cleared, open_cases, failed_until, until))


def level_of(site: ComputeSite) -> Level:
    return Level(site.registry.verifiability_of(site.service).level)


def test_inv_cmp_11__evidence_stands__level_is_audited_until_it_ends(site: ComputeSite) -> None:
    assert level_of(site) == Level.NONE

    show(site, *GOOD)

    told = site.registry.verifiability_of(site.service)
    assert (told.level, told.simulated, told.until) == (1, False, boa.env.timestamp + WEEK)


@pytest.mark.parametrize(
    ("cleared", "open_cases", "failed_for"), [(29, 0, 0), (30, 1, 0), (1_000, 0, 1)]
)
def test_inv_cmp_11__evidence_lacks_or_speaks_against_it__level_is_none(
    site: ComputeSite, cleared: int, open_cases: int, failed_for: int
) -> None:
    show(site, cleared, open_cases, boa.env.timestamp + failed_for if failed_for else 0)

    assert level_of(site) == Level.NONE


@pytest.mark.parametrize("numerics", list(Numerics))
def test_inv_cmp_11__class_that_no_auditor_replays__is_never_audited(
    site: ComputeSite, numerics: Numerics
) -> None:
    """Draws of private answers pass by signed bytes alone: for these classes they prove nothing."""
    name = numerics.name.encode()
    service = a_service(site.registry, site.provider, numerics=int(numerics), salt=keccak(name))
    model = ServiceBook(RowWindows(PRICE_DELAY, PRICE_GRACE), numerics=numerics)
    model.announce(1, now=boa.env.timestamp)
    model.activate()
    until = boa.env.timestamp + WEEK
    site.courts.set_standing(service, (*GOOD, until))

    expected = model.level(cleared=30, open_cases=0, failed_until=0, now=boa.env.timestamp)
    assert site.registry.verifiability_of(service).level == expected
    assert bool(expected) == (numerics in {Numerics.TORCH_FP32, Numerics.TORCH_BF16})


def test_inv_cmp_11__failure_that_has_ended__counts_no_more(site: ComputeSite) -> None:
    show(site, 30, 0, boa.env.timestamp + 5)
    boa.env.time_travel(seconds=5)

    assert level_of(site) == Level.AUDITED


def test_inv_cmp_11__paused_or_suspended__level_is_none_at_once(site: ComputeSite) -> None:
    show(site, *GOOD)
    site.registry.pause(site.service, sender=site.provider.owner)
    assert level_of(site) == Level.NONE
    site.registry.resume(site.service, sender=site.provider.owner)
    assert level_of(site) == Level.AUDITED

    as_court(site, site.registry, "suspend", site.service)

    assert level_of(site) == Level.NONE


def test_inv_cmp_11__stake_gone_or_under_what_is_held__level_is_none(site: ComputeSite) -> None:
    show(site, *GOOD)
    payer = a_payer()
    fill_bucket(site, payer.address, 400 * COIN)
    settle(site, [an_item(site, payer, cap=400 * COIN)])
    assert level_of(site) == Level.AUDITED

    site.stake.exit_own(COMPUTE, 300 * COIN, sender=site.provider.owner)
    boa.env.time_travel(seconds=DISPUTE // 4)
    show(site, *GOOD)
    assert not site.escrow.is_covered(site.provider.operator_id)
    assert level_of(site) == Level.NONE
    site.stake.leave(COMPUTE, sender=site.provider.owner)

    assert not site.registry.is_serving(site.service)
    assert level_of(site) == Level.NONE


def test_inv_cmp_11__registry_that_is_not_wired__says_none(site: ComputeSite) -> None:
    fresh = compute_deployer("ServiceRegistry").deploy(
        site.stake.address, site.governance, (PRICE_DELAY, PRICE_GRACE)
    )

    assert fresh.verifiability_of(site.service).level == 0
