"""Victims whose slash fell short: rounds, pro rata, at most a tenth an epoch."""

import boa
import pytest

from tests.contracts.staking.slashing_court.conftest import OWN_COINS, Scene
from tests.support.court import NAMED, TOTAL, a_finding, coins, convict, refused
from tests.support.staking import a_wallet, next_epoch

TAKEN = 100


@pytest.fixture
def victims() -> tuple[str, str]:
    return a_wallet("first victim", 0), a_wallet("second victim", 0)


def fill_insurance(scene: Scene) -> int:
    convict(scene.site, a_finding(scene.pool(7), 6, offence=TOTAL))
    return int(scene.site.court.insurance_held())


def fall_short(scene: Scene, number: int, victim: str, short: int) -> bytes:
    """A slash of 100 coins whose victim lost `short` coins more than that."""
    finding = a_finding(
        scene.pool(number),
        scene.site.stake.current_epoch(),
        offence=NAMED,
        amount=coins(TAKEN),
        victim=victim,
        loss=coins(TAKEN + short),
    )
    return convict(scene.site, finding)


def test_claim__slash_fell_short__is_paid_from_the_pot_of_its_round(
    scene: Scene, victims: tuple[str, str]
) -> None:
    site = scene.site
    held = fill_insurance(scene)
    number = fall_short(scene, 0, victims[0], 5)
    next_epoch()

    site.court.close_round(sender=scene.stranger)
    paid = site.court.collect(number, sender=scene.stranger)

    assert paid == coins(5)
    assert site.court.credit_of(victims[0]) == coins(TAKEN + 5)
    assert site.court.insurance_held() == held - coins(5)


def test_claims__more_than_a_tenth__share_it_pro_rata_and_wait_for_the_rest(
    scene: Scene, victims: tuple[str, str]
) -> None:
    site = scene.site
    held = fill_insurance(scene)
    pot = held // 10
    numbers = [fall_short(scene, 0, victims[0], 10), fall_short(scene, 1, victims[1], 30)]
    next_epoch()

    site.court.close_round(sender=scene.stranger)
    paid = [site.court.collect(number, sender=scene.stranger) for number in numbers]

    assert paid == [pot * 10 // 40, pot - pot * 10 // 40]
    assert site.court.insurance_held() == held - pot
    assert site.court.claims(numbers[0])[1] == coins(10) - paid[0]
    assert site.court.claims(numbers[0])[2] == 1


def test_close_round__idle_for_long__still_pays_one_tenth_only(
    scene: Scene, victims: tuple[str, str]
) -> None:
    site = scene.site
    held = fill_insurance(scene)
    number = fall_short(scene, 0, victims[0], 200)
    next_epoch(50)

    site.court.close_round(sender=scene.stranger)
    assert site.court.collect(number, sender=scene.stranger) == held // 10

    with refused(site, "insurance: round is young"):
        site.court.close_round(sender=scene.stranger)
    next_epoch()
    site.court.close_round(sender=scene.stranger)
    assert site.court.collect(number, sender=scene.stranger) == (held - held // 10) // 10


def test_close_round__nothing_to_share__is_refused(scene: Scene, victims: tuple[str, str]) -> None:
    with refused(scene.site, "insurance: no claims"):
        scene.site.court.close_round(sender=scene.stranger)
    fall_short(scene, 0, victims[0], 1)
    with refused(scene.site, "insurance: round is young"):
        scene.site.court.close_round(sender=scene.stranger)
    next_epoch()
    with refused(scene.site, "insurance: empty"):
        scene.site.court.close_round(sender=scene.stranger)


def test_collect__open_round_or_no_claim__is_refused(
    scene: Scene, victims: tuple[str, str]
) -> None:
    fill_insurance(scene)
    number = fall_short(scene, 0, victims[0], 1)

    with refused(scene.site, "insurance: round is open"):
        scene.site.court.collect(number, sender=victims[0])
    with refused(scene.site, "insurance: no claim"):
        scene.site.court.collect(b"\x05" * 32, sender=scene.stranger)
    next_epoch()
    scene.site.court.close_round(sender=scene.stranger)
    scene.site.court.collect(number, sender=scene.stranger)
    with refused(scene.site, "insurance: no claim"):
        scene.site.court.collect(number, sender=scene.stranger)


def test_insurance__full__sends_the_rest_to_the_treasury(scene: Scene) -> None:
    site = scene.site
    fill_insurance(scene)

    convict(site, a_finding(scene.pool(6), 6, offence=TOTAL))

    limit = site.stake.total_stake() * 2 // 100
    # what came in while more was staked stays; nothing is added above the limit
    assert site.court.insurance_held() >= limit
    assert boa.env.get_balance(site.court.address) == coins(2 * OWN_COINS)
    assert site.court.credit_of(site.treasury) == coins(2 * OWN_COINS) - site.court.insurance_held()
