"""A seat that contributed nothing costs half a percent; nobody else's seat does."""

from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.staking.beacon import Absence, absences
from tests.support.beacon import BEACON_ABSENT, EVIDENCE_SECONDS, BeaconSite
from tests.support.court import to_time
from tests.support.staking import CUTOFF, EPOCH, RELAYER, a_wallet, staking_deployer


def arguments(absence: Absence) -> tuple[Any, ...]:
    leaf, path = absence.leaf, absence.path
    return (
        absence.epoch,
        absence.stratum,
        leaf.operator_id,
        leaf.weight_wei,
        leaf.key_hash,
        absence.tree_seat,
        list(path.siblings),
        list(path.sums_wei),
    )


def all_absent(site: BeaconSite, epoch: int) -> list[Absence]:
    bitmap = int(site.beacon.seats_of(epoch))
    return absences(site.tree(epoch - 1), site.seed(epoch), epoch=epoch, bitmap=bitmap)


@pytest.fixture
def absence(beacon_site: BeaconSite) -> Absence:
    """Seat 0 of an epoch that has begun without contributions."""
    epoch = beacon_site.to_window()
    to_time(beacon_site.stake.epoch_start(epoch))
    return next(item for item in all_absent(beacon_site, epoch) if item.stratum == 0)


def test_convict_absent__seat_stayed_empty__takes_half_a_percent(
    beacon_site: BeaconSite, absence: Absence
) -> None:
    site, reporter = beacon_site, a_wallet("reporter")
    pool = absence.leaf.operator_id << 8 | RELAYER
    stake = site.stake.stake_at(pool, absence.epoch - 1)

    number = site.beacon.convict_absent(*arguments(absence), sender=reporter)

    taken = stake * 50 // 10_000
    assert site.stake.slashed_at(pool, absence.epoch - 1) == taken
    assert site.court.credit_of(reporter) == taken * 5 // 100
    subject = (absence.epoch << 8 | absence.stratum).to_bytes(32, "big")
    assert bytes(site.court.offence_id_of(BEACON_ABSENT, pool, subject)) == bytes(number)
    with boa.reverts("court: punished already"):
        site.beacon.convict_absent(*arguments(absence), sender=reporter)


def test_convict_absent__every_empty_seat__is_provable_under_the_cap(
    beacon_site: BeaconSite, absence: Absence
) -> None:
    site, reporter = beacon_site, a_wallet("reporter")
    items = all_absent(site, absence.epoch)
    total = site.stake.total_stake_at(RELAYER, absence.epoch)

    for item in items:
        site.beacon.convict_absent(*arguments(item), sender=reporter)

    assert len(items) == 32
    assert boa.env.get_balance(site.court.address) <= total * 5 // 100


def test_convict_absent__seat_contributed__is_refused(beacon_site: BeaconSite) -> None:
    site, reporter = beacon_site, a_wallet("reporter")
    epoch = site.to_window()
    present = min(site.holders(epoch))
    before = absences(site.tree(epoch - 1), site.seed(epoch), epoch=epoch, bitmap=0)
    site.contribute(site.contribution(epoch, [present]), reporter)
    to_time(site.stake.epoch_start(epoch))

    for item in (one for one in before if one.leaf.operator_id == present):
        with boa.reverts("beacon: seat contributed"):
            site.beacon.convict_absent(*arguments(item), sender=reporter)
    assert present not in {item.leaf.operator_id for item in all_absent(site, epoch)}
    assert boa.env.get_balance(site.court.address) == 0


def test_convict_absent__before_the_epoch_begins__is_refused(beacon_site: BeaconSite) -> None:
    site, reporter = beacon_site, a_wallet("reporter")
    epoch = site.to_window()
    item = all_absent(site, epoch)[0]
    assert boa.env.timestamp == site.stake.epoch_start(epoch) - CUTOFF

    with boa.reverts("beacon: epoch has not begun"):
        site.beacon.convict_absent(*arguments(item), sender=reporter)
    with boa.reverts("beacon: nobody owed epoch 0"):
        site.beacon.convict_absent(*arguments(replace(item, epoch=0)), sender=reporter)


def test_convict_absent__false_claims__are_refused(
    beacon_site: BeaconSite, absence: Absence
) -> None:
    site, reporter = beacon_site, a_wallet("reporter")
    items = all_absent(site, absence.epoch)
    other = next(item for item in items if item.leaf.operator_id != absence.leaf.operator_id)
    leaf = absence.leaf

    for forged, reason in (
        (replace(absence, stratum=other.stratum), "beacon: seat of another"),
        (replace(absence, stratum=32), "beacon: no such seat"),
        (replace(absence, leaf=replace(leaf, weight_wei=leaf.weight_wei + 1)), None),
        (replace(absence, leaf=replace(leaf, operator_id=leaf.operator_id + 1)), None),
        (replace(absence, leaf=replace(leaf, key_hash=bytes(32))), None),
        (replace(absence, path=other.path), None),
        (replace(absence, tree_seat=absence.tree_seat ^ 1), None),
        (replace(absence, tree_seat=4_096), "stake_path: no such seat"),
    ):
        with boa.reverts(reason or "beacon: not the frozen tree"):
            site.beacon.convict_absent(*arguments(forged), sender=reporter)
    assert boa.env.get_balance(site.court.address) == 0


def test_convict_absent__long_after__is_refused(beacon_site: BeaconSite, absence: Absence) -> None:
    boa.env.time_travel(seconds=EVIDENCE_SECONDS + EPOCH)

    with boa.reverts("court: evidence too late"):
        beacon_site.beacon.convict_absent(*arguments(absence), sender=a_wallet("reporter"))


def test_wire_court__again_or_by_a_stranger__is_refused(beacon_site: BeaconSite) -> None:
    site = beacon_site
    governance = site.court_site.governance

    with boa.reverts("governed: not governance"):
        site.beacon.wire_court(site.court.address, sender=a_wallet("stranger"))
    with boa.reverts("beacon: wired already"):
        site.beacon.wire_court(site.court.address, sender=governance)
    unwired = staking_deployer("RandomBeacon").deploy(
        site.stake.address, governance, EVIDENCE_SECONDS
    )
    with boa.reverts("beacon: not a contract"):
        unwired.wire_court(a_wallet("stranger"), sender=governance)
    with boa.reverts("beacon: judges absence only"):
        site.beacon.evidence_seconds(1)
    assert site.beacon.evidence_seconds(BEACON_ABSENT) == EVIDENCE_SECONDS
