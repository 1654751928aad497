"""Verdicts and mass silence wait: veto, execution by silence, the cap of an epoch."""

from dataclasses import replace

import boa
import pytest

from tests.contracts.staking.slashing_court.conftest import MEMBERS, OWN_COINS, Scene
from tests.support.court import (
    NAMED_SILENCE,
    PROOF,
    SILENCE,
    TOTAL,
    VERDICT,
    a_finding,
    coins,
    convict,
    refused,
    to_time,
)
from tests.support.staking import DA, DAY, a_wallet, next_epoch

VETO = 2 * DAY
REASON = b"\x42" * 32
PENDING, QUEUED, VETOED, CLOSED = 2, 4, 8, 16
SLASH = OWN_COINS // 10
CAP = OWN_COINS * MEMBERS * 5 // 100


@pytest.fixture
def verdict(scene: Scene) -> bytes:
    finding = a_finding(scene.pool(0), scene.site.stake.current_epoch(), offence=VERDICT)
    return convict(scene.site, finding, scene.reporter)


def all_silent(scene: Scene) -> list[bytes]:
    """Every member is found silent in the current epoch: twice what the cap of 5 % allows."""
    epoch = scene.site.stake.current_epoch()
    return [
        convict(scene.site, a_finding(scene.pool(number), epoch, offence=SILENCE))
        for number in range(MEMBERS)
    ]


def test_execute__veto_window_over__silence_executes(scene: Scene, verdict: bytes) -> None:
    site, pool = scene.site, scene.pool(0)
    boa.env.time_travel(seconds=VETO)

    taken = site.court.execute(verdict, sender=scene.stranger)

    assert taken == coins(SLASH)
    assert site.court.case_of(verdict).state == CLOSED
    assert site.court.credit_of(scene.reporter) == coins(SLASH) * 5 // 100
    assert site.stake.reserved(pool) == 0
    assert site.stake.pool_state(pool).open_cases == 0


def test_execute__inside_the_veto_window__is_refused(scene: Scene, verdict: bytes) -> None:
    boa.env.time_travel(seconds=VETO - 1)

    with refused(scene.site, "court: veto window is open", scene.pool(0)):
        scene.site.court.execute(verdict, sender=scene.stranger)


def test_execute__unknown_or_closed_case__is_refused(scene: Scene, verdict: bytes) -> None:
    boa.env.time_travel(seconds=VETO)
    scene.site.court.execute(verdict, sender=scene.stranger)

    for number in (verdict, b"\x01" * 32):
        with refused(scene.site, "court: nothing waits", scene.pool(0)):
            scene.site.court.execute(number, sender=scene.stranger)


def test_veto__threshold_reached__releases_and_ends_the_case(scene: Scene, verdict: bytes) -> None:
    site, pool = scene.site, scene.pool(0)
    first, second, _ = site.guardians

    assert not site.court.veto(verdict, REASON, sender=first)
    assert site.court.veto(verdict, REASON, sender=second)

    assert site.court.case_of(verdict).state == VETOED
    assert site.stake.reserved(pool) == 0
    assert site.stake.pool_state(pool).open_cases == 0
    boa.env.time_travel(seconds=VETO)
    with refused(site, "court: nothing waits", pool):
        site.court.execute(verdict, sender=scene.stranger)
    with refused(site, "court: punished already", pool):
        convict(site, a_finding(pool, site.stake.current_epoch(), offence=VERDICT))


def test_veto__different_reasons__do_not_add_up(scene: Scene, verdict: bytes) -> None:
    first, second, third = scene.site.guardians

    assert not scene.site.court.veto(verdict, REASON, sender=first)
    assert not scene.site.court.veto(verdict, b"\x43" * 32, sender=second)

    assert scene.site.court.case_of(verdict).state == PENDING
    assert scene.site.court.veto(verdict, REASON, sender=third)


def test_veto__by_whom_or_when_it_is_not_allowed__is_refused(scene: Scene, verdict: bytes) -> None:
    site, pool = scene.site, scene.pool(0)
    first = site.guardians[0]

    with refused(site, "guardians: not a guardian", pool):
        site.court.veto(verdict, REASON, sender=scene.stranger)
    with refused(site, "court: no reason", pool):
        site.court.veto(verdict, b"\x00" * 32, sender=first)
    site.court.veto(verdict, REASON, sender=first)
    with refused(site, "guardians: voted already", pool):
        site.court.veto(verdict, REASON, sender=first)
    boa.env.time_travel(seconds=VETO)
    with refused(site, "court: veto window is over", pool):
        site.court.veto(verdict, REASON, sender=site.guardians[1])


def test_veto__of_a_proof__is_refused(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    proof = convict(site, a_finding(pool, site.stake.current_epoch(), offence=PROOF))

    with refused(site, "court: nothing waits", pool):
        site.court.veto(proof, REASON, sender=site.guardians[0])


def test_set_guardians__new_set__earlier_votes_count_for_nothing(
    scene: Scene, verdict: bytes
) -> None:
    site = scene.site
    site.court.veto(verdict, REASON, sender=site.guardians[0])

    site.court.set_guardians(list(site.guardians), 2, sender=site.governance)

    assert not site.court.veto(verdict, REASON, sender=site.guardians[1])
    assert site.court.veto(verdict, REASON, sender=site.guardians[0])


def test_set_guardians__malformed__is_refused(scene: Scene) -> None:
    site = scene.site
    members = list(site.guardians)

    with refused(site, "governed: not governance"):
        site.court.set_guardians(members, 2, sender=scene.stranger)
    with refused(site, "guardians: threshold above members"):
        site.court.set_guardians(members, 4, sender=site.governance)
    with refused(site, "guardians: threshold is zero"):
        site.court.set_guardians(members, 0, sender=site.governance)
    with refused(site, "guardians: members not ascending"):
        site.court.set_guardians(members[::-1], 2, sender=site.governance)
    with refused(site, "guardians: members not ascending"):
        site.court.set_guardians([members[0], members[0]], 1, sender=site.governance)
    assert (members, 2) == (site.court.guardian_set(), site.court.threshold())
    site.court.set_guardians([], 0, sender=site.governance)
    assert site.court.guardian_set() == []


def test_mass_silence__beyond_the_cap__queues_what_exceeds_it(scene: Scene) -> None:
    numbers = all_silent(scene)

    states = [scene.site.court.case_of(number).state for number in numbers]
    assert states == [CLOSED] * 4 + [QUEUED] * 4
    assert boa.env.get_balance(scene.site.court.address) == coins(CAP)
    assert scene.site.court.room_of(scene.pool(0), scene.site.stake.current_epoch()) == 0
    assert [scene.site.stake.reserved(scene.pool(n)) for n in range(4, 8)] == [coins(SLASH)] * 4


def test_mass_silence__half_the_operators_for_three_epochs__takes_5_percent_an_epoch(
    scene: Scene,
) -> None:
    site = scene.site
    for epoch in range(3):
        before = boa.env.get_balance(site.court.address)
        cap = coins(CAP)
        for number in range(MEMBERS // 2):
            finding = a_finding(
                scene.pool(number),
                site.stake.current_epoch(),
                offence=SILENCE,
                subject=epoch.to_bytes(32, "big"),
            )
            convict(site, finding)
        assert boa.env.get_balance(site.court.address) - before <= cap
        next_epoch()


def test_mass_silence__partition_vetoed__gives_the_queued_part_back(scene: Scene) -> None:
    site = scene.site
    numbers = all_silent(scene)

    for number in numbers[4:]:
        for guardian in site.guardians[:2]:
            site.court.veto(number, REASON, sender=guardian)

    boa.env.time_travel(seconds=VETO)
    assert boa.env.get_balance(site.court.address) == coins(CAP)
    assert [site.stake.reserved(scene.pool(n)) for n in range(MEMBERS)] == [0] * MEMBERS


def test_inv_stake_14__queue__drains_at_the_cap_whoever_calls(scene: Scene) -> None:
    site = scene.site
    numbers = all_silent(scene)[4:]
    boa.env.time_travel(seconds=VETO)

    epochs = 0
    while any(site.court.case_of(number).state == QUEUED for number in numbers) and epochs < 20:
        before = boa.env.get_balance(site.court.address)
        for number in numbers:
            case = site.court.case_of(number)
            if case.state == QUEUED and site.court.room_of(case.pool, case.epoch):
                site.court.execute(number, sender=scene.stranger)
        assert boa.env.get_balance(site.court.address) - before <= coins(CAP)
        epochs += 1
        next_epoch()

    assert epochs == 1
    assert boa.env.get_balance(site.court.address) == coins(SLASH * MEMBERS)
    assert [site.stake.reserved(scene.pool(n)) for n in range(MEMBERS)] == [0] * MEMBERS


def test_execute__cap_of_the_epoch_used__waits_for_the_next(scene: Scene) -> None:
    site = scene.site
    epoch = site.stake.current_epoch()
    verdicts = [
        convict(site, a_finding(scene.pool(number), epoch, offence=VERDICT))
        for number in range(MEMBERS)
    ]
    boa.env.time_travel(seconds=VETO)
    for number in verdicts[:4]:
        site.court.execute(number, sender=scene.stranger)

    with refused(site, "court: cap of this epoch is used", scene.pool(4)):
        site.court.execute(verdicts[4], sender=scene.stranger)
    next_epoch()
    assert site.court.execute(verdicts[4], sender=scene.stranger) == coins(SLASH)


def test_execute__more_than_the_room__takes_a_part_and_queues_the_rest(scene: Scene) -> None:
    site = scene.site
    epoch = site.stake.current_epoch()
    verdicts = [
        convict(site, a_finding(scene.pool(number), epoch, offence=VERDICT))
        for number in range(MEMBERS)
    ]
    boa.env.time_travel(seconds=VETO)
    missed = a_finding(scene.pool(5), site.stake.current_epoch(), offence=NAMED_SILENCE)
    convict(site, replace(missed, amount=coins(30)))
    for number in verdicts[:3]:
        site.court.execute(number, sender=scene.stranger)

    assert site.court.execute(verdicts[3], sender=scene.stranger) == coins(SLASH - 30)

    case = site.court.case_of(verdicts[3])
    assert (case.state, case.left, case.taken) == (QUEUED, coins(30), coins(SLASH - 30))
    assert site.stake.reserved(scene.pool(3)) == coins(30)


def test_execute__proof_took_everything_meanwhile__closes_and_frees(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()
    waiting = convict(site, a_finding(pool, epoch, offence=VERDICT))
    convict(site, a_finding(pool, epoch, offence=TOTAL))
    boa.env.time_travel(seconds=VETO)

    assert site.court.execute(waiting, sender=scene.stranger) == 0

    assert site.court.case_of(waiting).state == CLOSED
    assert site.stake.reserved(pool) == 0


def test_inv_stake_3__reserved_wei__is_not_paid_out_before_the_case_ends(scene: Scene) -> None:
    site, member = scene.site, scene.members[0]
    pool = member.pool(DA)
    epoch = site.stake.current_epoch()
    site.stake.leave(DA, sender=member.owner)
    ticket = site.stake.pool_state(pool)  # the exit is in its bucket
    assert ticket.own == 0
    to_time(site.stake.epoch_start(epoch + 1) + 24 * DAY)
    waiting = convict(site, a_finding(pool, epoch, offence=VERDICT))
    boa.env.time_travel(seconds=28 * DAY)
    receiver = a_wallet("receiver", 0)

    site.stake.withdraw(1, receiver, sender=member.owner)

    assert boa.env.get_balance(receiver) == coins(OWN_COINS - SLASH)
    assert site.court.execute(waiting, sender=scene.stranger) == coins(SLASH)
