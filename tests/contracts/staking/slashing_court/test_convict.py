"""What a finding must be, what it costs, who gets it."""

from typing import Any

import boa
import pytest

from offchain.staking.court import Finding, offence_id
from tests.contracts.staking.slashing_court.conftest import MEMBERS, OWN_COINS, Scene
from tests.support.court import (
    NAMED,
    PROOF,
    SILENCE,
    TOTAL,
    VERDICT,
    a_finding,
    coins,
    convict,
    finding_tuple,
    refused,
)
from tests.support.staking import DA, DAY, STORAGE, a_wallet, next_epoch

ZERO = "0x" + "00" * 20
CLOSED, PENDING, QUEUED = 16, 2, 4


def test_convict__proven__takes_the_rate_and_shares_it_out(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    finding = a_finding(pool, site.stake.current_epoch())

    number = convict(site, finding, scene.reporter)

    taken = coins(OWN_COINS) * 3 // 10
    insured = coins(OWN_COINS) * MEMBERS * 2 // 100  # of all stake, as the tree counts it
    assert offence_id(1, bytes.fromhex(site.court.address[2:]), finding) == number
    assert site.court.case_of(number).state == CLOSED
    assert taken == site.stake.slashed_at(pool, finding.epoch)
    assert taken == boa.env.get_balance(site.court.address)
    assert coins(10) == site.court.credit_of(scene.reporter)
    assert insured == site.court.insurance_held()
    assert taken - coins(10) - insured == site.court.credit_of(site.treasury)
    assert site.stake.operator(scene.members[0].operator_id).tombstoned
    assert not site.stake.is_member(pool)
    assert site.stake.untold(pool & 255) == 1


def test_convict__small_slash__pays_the_reporter_his_share(scene: Scene) -> None:
    finding = a_finding(
        scene.pool(0), scene.site.stake.current_epoch(), offence=NAMED, amount=coins(20)
    )

    convict(scene.site, finding, scene.reporter)

    assert coins(1) == scene.site.court.credit_of(scene.reporter)
    assert coins(19) == scene.site.court.insurance_held()


def test_convict__nobody_reported__the_share_stays_in_the_court(scene: Scene) -> None:
    finding = a_finding(
        scene.pool(0), scene.site.stake.current_epoch(), offence=NAMED, amount=coins(20)
    )

    convict(scene.site, finding)

    assert coins(20) == scene.site.court.insurance_held()


def test_convict__with_a_victim__refunds_before_insurance(scene: Scene) -> None:
    victim = a_wallet("victim")
    finding = a_finding(
        scene.pool(0),
        scene.site.stake.current_epoch(),
        offence=NAMED,
        amount=coins(20),
        victim=victim,
        loss=coins(12),
    )

    convict(scene.site, finding, scene.reporter)

    assert coins(12) == scene.site.court.credit_of(victim)
    assert coins(7) == scene.site.court.insurance_held()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pool": 1 << 8 | STORAGE}, "court: pool of another service"),
        ({"epoch": 10_000}, "court: epoch has not begun"),
        ({"offence": 999}, "types: unknown offence"),
        ({"amount": 1}, "court: rate or amount, not both"),
        ({"offence": NAMED}, "court: rate or amount, not both"),
        ({"loss": 1}, "court: loss without victim"),
        ({"victim": "0x" + "55" * 20}, "court: loss without victim"),
        ({"pool": 999 << 8 | DA}, "court: nothing at stake"),
        ({"epoch": 0}, "court: nothing at stake"),
    ],
)
def test_convict__impossible_finding__is_refused(
    scene: Scene, changes: dict[str, Any], reason: str
) -> None:
    values = {"pool": scene.pool(0), "epoch": scene.site.stake.current_epoch()} | changes
    finding = a_finding(**values)

    with refused(scene.site, reason, scene.pool(0)):
        convict(scene.site, finding, scene.reporter)


def test_convict__by_another_than_the_adjudicator__is_refused(scene: Scene) -> None:
    finding = finding_tuple(a_finding(scene.pool(0), scene.site.stake.current_epoch()))

    for caller in (scene.stranger, scene.site.governance, scene.site.guardians[0]):
        with refused(scene.site, "court: not the adjudicator", scene.pool(0)):
            scene.site.court.convict(finding, scene.reporter, sender=caller)


def test_inv_stake_5__same_subject_twice__is_punished_once(scene: Scene) -> None:
    finding = a_finding(scene.pool(0), scene.site.stake.current_epoch())
    convict(scene.site, finding)

    for again in (finding, a_finding(scene.pool(0), finding.epoch - 1)):
        with refused(scene.site, "court: punished already", scene.pool(0)):
            convict(scene.site, again)


def test_inv_stake_14__evidence__is_heard_to_the_last_second_of_its_window(scene: Scene) -> None:
    site = scene.site
    epoch = site.stake.current_epoch()
    last = site.stake.epoch_start(epoch + 1) + 24 * DAY
    boa.env.time_travel(seconds=last - boa.env.timestamp)

    number = convict(site, a_finding(scene.pool(0), epoch))

    assert site.court.case_of(number).state == CLOSED
    boa.env.time_travel(seconds=1)
    with refused(site, "court: evidence too late", scene.pool(1)):
        convict(site, a_finding(scene.pool(1), epoch))


def test_convict__several_da_offences_of_one_epoch__stay_under_the_cap(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()

    for number in range(4):
        subject = number.to_bytes(32, "big")
        convict(site, a_finding(pool, epoch, offence=NAMED, amount=coins(100), subject=subject))

    assert coins(OWN_COINS) * 3 // 10 == site.stake.slashed_at(pool, epoch)


@pytest.mark.parametrize(
    "order", [(NAMED, TOTAL, PROOF), (TOTAL, PROOF, NAMED), (PROOF, NAMED, TOTAL)]
)
def test_inv_stake_11__offences_of_one_epoch_in_any_order__take_the_same(
    scene: Scene, order: tuple[int, ...]
) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()

    for offence in order:
        amount = coins(77) if offence == NAMED else 0
        convict(site, a_finding(pool, epoch, offence=offence, amount=amount))

    assert coins(OWN_COINS) == site.stake.slashed_at(pool, epoch)
    assert coins(OWN_COINS) == boa.env.get_balance(site.court.address)


def test_convict__stake_already_gone__still_marks_the_offence(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()
    convict(site, a_finding(pool, epoch, offence=TOTAL))

    number = convict(site, a_finding(pool, epoch, offence=PROOF))

    assert site.court.case_of(number).state == CLOSED
    assert coins(OWN_COINS) == boa.env.get_balance(site.court.address)


def test_convict__missed_under_the_cap__executes_and_jails(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()

    number = convict(site, a_finding(pool, epoch, offence=SILENCE))

    assert site.court.case_of(number).state == CLOSED
    assert coins(OWN_COINS) // 10 == site.stake.slashed_at(pool, epoch)
    assert site.stake.epoch_start(epoch + 3) == site.stake.pool_state(pool).jailed_until
    assert not site.stake.is_member(pool)


def test_convict__attested__reserves_and_takes_nothing(scene: Scene) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()

    number = convict(site, a_finding(pool, epoch, offence=VERDICT), scene.reporter)

    case = site.court.case_of(number)
    assert (PENDING, coins(OWN_COINS) // 10) == (case.state, case.left)
    assert (VERDICT, pool, epoch, scene.reporter) == (
        case.offence,
        case.pool,
        case.epoch,
        case.reporter,
    )
    assert coins(OWN_COINS) // 10 == site.stake.reserved(pool)
    assert site.stake.pool_state(pool).open_cases == 1
    assert boa.env.get_balance(site.court.address) == 0


def test_inv_stake_14__second_verdict_over_the_same_wei__reserves_what_is_left(
    scene: Scene,
) -> None:
    site, pool = scene.site, scene.pool(0)
    epoch = site.stake.current_epoch()
    convict(site, a_finding(pool, epoch, offence=TOTAL))

    number = convict(site, a_finding(pool, epoch, offence=VERDICT))

    assert (site.court.case_of(number).state, site.court.case_of(number).left) == (PENDING, 0)
    boa.env.time_travel(seconds=2 * DAY)
    site.court.execute(number, sender=scene.stranger)
    assert site.court.case_of(number).state == CLOSED
    assert site.stake.pool_state(pool).open_cases == 0


def test_convict__offence_of_an_earlier_epoch__reaches_who_left_afterwards(scene: Scene) -> None:
    site, member = scene.site, scene.members[0]
    epoch = site.stake.current_epoch()
    next_epoch()
    site.stake.exit_own(DA, coins(900), sender=member.owner)
    boa.env.time_travel(seconds=20 * DAY)

    convict(site, a_finding(member.pool(DA), epoch))

    assert coins(300) == site.stake.slashed_at(member.pool(DA), epoch)


def test_default__coins_from_anyone_else__are_refused(scene: Scene) -> None:
    donor = a_wallet("donor")

    with refused(scene.site, "court: not StakeManager"):
        scene.site.court.__default__(value=coins(1), sender=donor)


def test_set_treasury__new_one__gets_future_remainders_only(scene: Scene) -> None:
    site = scene.site
    heir = boa.env.generate_address("heir")
    epoch = site.stake.current_epoch()
    convict(site, a_finding(scene.pool(0), epoch, offence=TOTAL))
    former = site.court.credit_of(site.treasury)

    site.court.set_treasury(heir, sender=site.governance)
    convict(site, a_finding(scene.pool(1), epoch, offence=TOTAL))

    assert former == site.court.credit_of(site.treasury)
    assert site.court.credit_of(heir) > coins(900)
    with refused(site, "governed: not governance"):
        site.court.set_treasury(scene.stranger, sender=scene.stranger)
    with refused(site, "court: no treasury"):
        site.court.set_treasury(ZERO, sender=site.governance)


def test_withdraw__credit__is_paid_once_to_whom_its_owner_names(scene: Scene) -> None:
    site = scene.site
    receiver = boa.env.generate_address("receiver")
    convict(site, a_finding(scene.pool(0), site.stake.current_epoch()), scene.reporter)
    held = boa.env.get_balance(site.court.address)

    paid = site.court.withdraw(receiver, sender=scene.reporter)

    assert (coins(10), coins(10)) == (paid, boa.env.get_balance(receiver))
    assert held - coins(10) == boa.env.get_balance(site.court.address)
    with refused(site, "credits: nothing to pay"):
        site.court.withdraw(receiver, sender=scene.reporter)


def test_withdraw__to_nobody_or_a_refusing_contract__keeps_the_credit(scene: Scene) -> None:
    site = scene.site
    convict(site, a_finding(scene.pool(0), site.stake.current_epoch()), scene.reporter)

    with refused(site, "credits: no receiver"):
        site.court.withdraw(ZERO, sender=scene.reporter)
    with refused(site, "credits: receiver refused"):
        site.court.withdraw(site.stake.address, sender=scene.reporter)
    assert coins(10) == site.court.credit_of(scene.reporter)


def test_finding__any_field_of_the_id_changed__is_another_offence(scene: Scene) -> None:
    site = scene.site
    court = bytes.fromhex(site.court.address[2:])
    finding = a_finding(scene.pool(0), 3)
    others = [
        Finding(offence=PROOF + 1, pool=finding.pool, epoch=3, subject=finding.subject),
        Finding(offence=PROOF, pool=finding.pool + 256, epoch=3, subject=finding.subject),
        Finding(offence=PROOF, pool=finding.pool, epoch=3, subject=b"\x06" + finding.subject[1:]),
    ]

    for other in (finding, *others):
        number = site.court.offence_id_of(other.offence, other.pool, other.subject)
        assert offence_id(1, court, other) == number
    assert len({offence_id(1, court, other) for other in (finding, *others)}) == 4
    assert offence_id(2, court, finding) != offence_id(1, court, finding)
