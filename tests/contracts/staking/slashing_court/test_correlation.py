"""Common guilt costs more, whatever the order of reports and settlements."""

from itertools import permutations

import boa
import pytest

from tests.contracts.staking.slashing_court.conftest import MEMBERS, OWN_COINS, Scene
from tests.support.court import CORRELATED_PROOF, PROOF, a_finding, coins, convict, refused, to_time
from tests.support.staking import DA, DAY, EPOCH, a_member

EXECUTED, CLOSED = 1, 16
EPOCHS_A_WINDOW = DAY // EPOCH
SMALL_COINS = 120
TOTAL_COINS = MEMBERS * OWN_COINS + 3 * SMALL_COINS
BASE = coins(SMALL_COINS) * 5 // 100
PER_OTHER = 3 * coins(SMALL_COINS) * coins(SMALL_COINS) // coins(TOTAL_COINS)
TWO_OTHERS = 3 * 2 * coins(SMALL_COINS) * coins(SMALL_COINS) // coins(TOTAL_COINS)


@pytest.fixture
def small(scene: Scene) -> list[int]:
    """Three pools small enough that common guilt stays under the cap of 30 %."""
    pools = [
        a_member(scene.site.staking, number, own=coins(SMALL_COINS)).pool(DA)
        for number in (21, 22, 23)
    ]
    boa.env.time_travel(seconds=4 * DAY)
    return pools


def barred(scene: Scene, epoch: int) -> int:
    clock = scene.site.clock()
    return clock.genesis + (clock.window_of(epoch) + 2) * DAY + 24 * DAY


def guilty(scene: Scene, pool: int, epoch: int, subject: int = 0) -> bytes:
    finding = a_finding(pool, epoch, offence=CORRELATED_PROOF, subject=subject.to_bytes(32, "big"))
    return convict(scene.site, finding, scene.reporter)


def settle_all(scene: Scene, numbers: list[bytes], epoch: int) -> None:
    to_time(max(boa.env.timestamp, barred(scene, epoch) + 1))
    for number in numbers:
        scene.site.court.settle_correlation(number, sender=scene.stranger)


def test_settle__guilty_alone__costs_the_base(scene: Scene, small: list[int]) -> None:
    epoch = scene.site.stake.current_epoch()
    number = guilty(scene, small[0], epoch)
    assert scene.site.court.case_of(number).state == EXECUTED
    assert scene.site.stake.pool_state(small[0]).open_cases == 1

    settle_all(scene, [number], epoch)

    assert scene.site.stake.slashed_at(small[0], epoch) == BASE
    assert scene.site.court.case_of(number).state == CLOSED
    assert scene.site.stake.pool_state(small[0]).open_cases == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_inv_stake_11__incident_in_any_order__takes_the_same_of_everyone(
    scene: Scene, small: list[int], order: tuple[int, ...]
) -> None:
    epoch = scene.site.stake.current_epoch()
    numbers = [guilty(scene, small[place], epoch) for place in order]

    settle_all(scene, numbers[::-1], epoch)

    for pool in small:
        assert scene.site.stake.slashed_at(pool, epoch) == BASE + TWO_OTHERS


def test_settle__many_guilty__stops_at_the_cap(scene: Scene) -> None:
    epoch = scene.site.stake.current_epoch()
    numbers = [guilty(scene, scene.pool(number), epoch) for number in range(2)]

    settle_all(scene, numbers, epoch)

    for number in range(2):
        assert scene.site.stake.slashed_at(scene.pool(number), epoch) == coins(OWN_COINS) * 3 // 10


def test_settle__before_the_incident_is_barred__is_refused(scene: Scene) -> None:
    epoch = scene.site.stake.current_epoch()
    number = guilty(scene, scene.pool(0), epoch)
    to_time(barred(scene, epoch))

    with refused(scene.site, "court: evidence may still come", scene.pool(0)):
        scene.site.court.settle_correlation(number, sender=scene.stranger)
    boa.env.time_travel(seconds=1)
    scene.site.court.settle_correlation(number, sender=scene.stranger)


def test_settle__twice_or_uncorrelated__is_refused(scene: Scene) -> None:
    epoch = scene.site.stake.current_epoch()
    number = guilty(scene, scene.pool(0), epoch)
    proof = convict(scene.site, a_finding(scene.pool(1), epoch, offence=PROOF))
    settle_all(scene, [number], epoch)

    for settled in (number, proof, b"\x01" * 32):
        with refused(scene.site, "court: nothing to settle", scene.pool(0)):
            scene.site.court.settle_correlation(settled, sender=scene.stranger)


def test_settle__other_guilty_two_windows_away__does_not_count(
    scene: Scene, small: list[int]
) -> None:
    late = scene.site.stake.current_epoch()
    middle, early = late - EPOCHS_A_WINDOW, late - 2 * EPOCHS_A_WINDOW
    numbers = [
        guilty(scene, pool, epoch) for pool, epoch in zip(small, (late, middle, early), strict=True)
    ]

    settle_all(scene, numbers, late)

    slashed = scene.site.stake.slashed_at
    assert slashed(small[0], late) == BASE + PER_OTHER
    assert slashed(small[1], middle) == BASE + TWO_OTHERS
    assert slashed(small[2], early) == BASE + PER_OTHER


def test_settle__one_pool_guilty_in_every_window__counts_once(
    scene: Scene, small: list[int]
) -> None:
    epoch = scene.site.stake.current_epoch() - EPOCHS_A_WINDOW
    number = guilty(scene, small[0], epoch)
    for subject, step in enumerate((-1, 0, 1, 0, -1)):
        guilty(scene, small[1], epoch + step * EPOCHS_A_WINDOW, subject)

    settle_all(scene, [number], epoch)

    assert scene.site.stake.slashed_at(small[0], epoch) == BASE + PER_OTHER


def test_settle__correlated_part__pays_the_reporter_his_share_of_it(
    scene: Scene, small: list[int]
) -> None:
    epoch = scene.site.stake.current_epoch()
    numbers = [guilty(scene, pool, epoch) for pool in small[:2]]
    settle_all(scene, numbers, epoch)

    assert scene.site.court.credit_of(scene.reporter) == 2 * ((BASE + PER_OTHER) * 5 // 100)
