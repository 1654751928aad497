"""The table of offences: bounds, delay after sealing, ranks."""

from typing import Any

import boa
import pytest

from offchain.staking.court import OffenceClass
from tests.contracts.staking.slashing_court.conftest import Scene
from tests.support.court import (
    CORRELATED_PROOF,
    PROOF,
    RULE_DELAY,
    SILENCE,
    a_rule,
    refused,
    rule_of,
    rule_tuple,
)
from tests.support.staking import DAY, STORAGE, staking_deployer

NEW = 200


def test_add_type__before_seal__binds_at_once(scene: Scene) -> None:
    rule = a_rule(scene.site.adjudicator, jail_epochs=3, correlated=True, tombstones=True)

    scene.site.court.add_type(NEW, rule_tuple(rule), sender=scene.site.governance)

    assert rule_tuple(rule) == rule_of(scene.site.court, NEW)


def test_add_type__by_a_stranger__is_refused(scene: Scene) -> None:
    rule = rule_tuple(a_rule(scene.site.adjudicator))

    with refused(scene.site, "governed: not governance"):
        scene.site.court.add_type(NEW, rule, sender=scene.stranger)


@pytest.mark.parametrize(
    ("offence", "changes", "reason"),
    [
        (0, {}, "types: number out of range"),
        (65_536, {}, "types: number out of range"),
        (NEW, {"offence_class": 0}, "types: unknown class"),
        (NEW, {"offence_class": 4}, "types: unknown class"),
        (NEW, {"service": 0}, "types: unknown service"),
        (NEW, {"service": 6}, "types: unknown service"),
        (NEW, {"base_bps": 3_001}, "types: base above the cap"),
        (NEW, {"base_bps": 10_001}, "types: base above the cap"),
        (NEW, {"reporter_bps": 2_001}, "types: reporter share too high"),
        (NEW, {"jail_epochs": 65_536}, "types: jail too long"),
        (
            NEW,
            {"offence_class": OffenceClass.MISSED, "correlated": True},
            "types: only proofs go so far",
        ),
        (
            NEW,
            {"offence_class": OffenceClass.ATTESTED, "tombstones": True},
            "types: only proofs go so far",
        ),
        (
            NEW,
            {
                "offence_class": OffenceClass.ATTESTED,
                "service": STORAGE,
                "base_bps": 3_001,
                "evidence_seconds": DAY,
            },
            "types: attested above 30 %",
        ),
        (NEW, {"evidence_seconds": 24 * DAY + 1}, "types: evidence window too long"),
        (
            NEW,
            {"service": STORAGE, "evidence_seconds": 7 * DAY + 1},
            "types: evidence window too long",
        ),
        (NEW, {"evidence_seconds": 2**24}, "types: evidence window too long"),
        (NEW, {"adjudicator": "0x" + "00" * 20}, "types: no adjudicator"),
    ],
)
def test_add_type__out_of_bounds__is_refused(
    scene: Scene, offence: int, changes: dict[str, Any], reason: str
) -> None:
    rule = rule_tuple(a_rule(**{"adjudicator": scene.site.adjudicator} | changes))

    with refused(scene.site, reason):
        scene.site.court.add_type(offence, rule, sender=scene.site.governance)


def test_add_type__contract_asks_for_another_window__is_refused(scene: Scene) -> None:
    beacon = staking_deployer("RandomBeacon").deploy(
        scene.site.stake.address, scene.site.governance, 7 * DAY
    )
    rule = a_rule(beacon.address, offence_class=OffenceClass.MISSED, service=4, base_bps=50)

    with refused(scene.site, "types: window differs"):
        scene.site.court.add_type(32, rule_tuple(rule), sender=scene.site.governance)


@pytest.mark.parametrize(
    "changes",
    [
        {"base_bps": 3_000},
        {"jail_epochs": 1},
        {"correlated": True},
        {"tombstones": True},
        {"evidence_seconds": 24 * DAY},
        {"offence_class": OffenceClass.MISSED},
        {"adjudicator": "0x" + "77" * 20},
        {"service": STORAGE, "evidence_seconds": DAY},
        {"base_bps": 0},
    ],
)
def test_inv_stake_15__stricter_after_seal__waits_longer_than_unbonding(
    scene: Scene, changes: dict[str, Any]
) -> None:
    court, governance = scene.site.court, scene.site.governance
    mild = a_rule(scene.site.adjudicator, base_bps=500, evidence_seconds=DAY)
    court.add_type(NEW, rule_tuple(mild), sender=governance)
    court.seal(sender=governance)
    fields = {"adjudicator": scene.site.adjudicator, "base_bps": 500, "evidence_seconds": DAY}
    stricter = rule_tuple(a_rule(**fields | changes))

    court.add_type(NEW, stricter, sender=governance)

    assert rule_tuple(mild) == rule_of(court, NEW)
    assert max(scene.site.stake.unbonding_seconds(s) for s in range(1, 6)) < RULE_DELAY
    boa.env.time_travel(seconds=RULE_DELAY - 1)
    with refused(scene.site, "types: delay is not over"):
        court.apply_type(NEW, sender=scene.stranger)
    boa.env.time_travel(seconds=1)
    court.apply_type(NEW, sender=scene.stranger)
    assert stricter == rule_of(court, NEW)
    with refused(scene.site, "types: nothing announced"):
        court.apply_type(NEW, sender=scene.stranger)


def test_inv_stake_15__new_type_after_seal__does_not_bind_before_its_delay(scene: Scene) -> None:
    court, governance = scene.site.court, scene.site.governance
    court.seal(sender=governance)

    court.add_type(NEW, rule_tuple(a_rule(scene.site.adjudicator)), sender=governance)

    finding = (NEW, scene.pool(0), 1, b"\x01" * 32, 0, "0x" + "00" * 20, 0)
    with refused(scene.site, "types: unknown offence", scene.pool(0)):
        court.convict(finding, scene.reporter, sender=scene.site.adjudicator)


def test_add_type__milder_after_seal__binds_at_once_and_drops_the_announcement(
    scene: Scene,
) -> None:
    court, governance = scene.site.court, scene.site.governance
    court.seal(sender=governance)
    base = a_rule(scene.site.adjudicator, base_bps=3_000, tombstones=True)
    milder = rule_tuple(a_rule(scene.site.adjudicator, base_bps=1, reporter_bps=0))
    court.add_type(
        PROOF, rule_tuple(a_rule(scene.site.adjudicator, jail_epochs=9)), sender=governance
    )

    court.add_type(PROOF, milder, sender=governance)

    assert rule_tuple(base) != milder
    assert milder == rule_of(court, PROOF)
    with refused(scene.site, "types: nothing announced"):
        court.apply_type(PROOF, sender=scene.stranger)


def test_seal__twice_or_by_a_stranger__is_refused(scene: Scene) -> None:
    with refused(scene.site, "governed: not governance"):
        scene.site.court.seal(sender=scene.stranger)
    scene.site.court.seal(sender=scene.site.governance)

    with refused(scene.site, "types: sealed already"):
        scene.site.court.seal(sender=scene.site.governance)


def test_inv_stake_12__ranked_pair__no_rule_makes_the_milder_cost_more(scene: Scene) -> None:
    court, governance, judge = scene.site.court, scene.site.governance, scene.site.adjudicator
    court.add_type(NEW, rule_tuple(a_rule(judge, base_bps=1_000)), sender=governance)
    court.rank(SILENCE, NEW, sender=governance)
    silence = a_rule(judge, offence_class=OffenceClass.MISSED, base_bps=999)

    for offence, rule in (
        (NEW, a_rule(judge, base_bps=1_001)),
        (NEW, a_rule(judge, base_bps=900, correlated=True)),
        (NEW, a_rule(judge, base_bps=10_000)),
        (SILENCE, silence),
    ):
        with refused(scene.site, "types: milder costs more"):
            court.add_type(offence, rule_tuple(rule), sender=governance)
    with refused(scene.site, "types: no rate to rank"):
        court.add_type(NEW, rule_tuple(a_rule(judge, base_bps=0)), sender=governance)


def test_inv_stake_12__announced_rule__is_checked_again_when_it_binds(scene: Scene) -> None:
    court, governance, judge = scene.site.court, scene.site.governance, scene.site.adjudicator
    court.add_type(NEW, rule_tuple(a_rule(judge, base_bps=900)), sender=governance)
    court.seal(sender=governance)
    court.add_type(NEW, rule_tuple(a_rule(judge, base_bps=1_100)), sender=governance)
    court.rank(SILENCE, NEW, sender=governance)
    boa.env.time_travel(seconds=RULE_DELAY)

    with refused(scene.site, "types: milder costs more"):
        court.apply_type(NEW, sender=scene.stranger)


def test_rank__against_the_rates__is_refused(scene: Scene) -> None:
    court, governance = scene.site.court, scene.site.governance

    with refused(scene.site, "governed: not governance"):
        court.rank(SILENCE, PROOF, sender=scene.stranger)
    with refused(scene.site, "types: one type has no rank"):
        court.rank(PROOF, PROOF, sender=governance)
    with refused(scene.site, "types: milder costs more"):
        court.rank(SILENCE, PROOF, sender=governance)
    with refused(scene.site, "types: no rate to rank"):
        court.rank(SILENCE, NEW, sender=governance)


def test_rank__taken_place__is_refused(scene: Scene) -> None:
    court, governance, judge = scene.site.court, scene.site.governance, scene.site.adjudicator
    court.add_type(NEW, rule_tuple(a_rule(judge, base_bps=100)), sender=governance)
    court.add_type(NEW + 1, rule_tuple(a_rule(judge, base_bps=100)), sender=governance)
    court.rank(PROOF, NEW, sender=governance)

    for harsher, milder in ((PROOF, NEW + 1), (CORRELATED_PROOF, NEW)):
        with refused(scene.site, "types: ranked already"):
            court.rank(harsher, milder, sender=governance)
    assert (court.milder_than(PROOF), court.harsher_than(NEW)) == (NEW, PROOF)


def test_deploy__delay_within_unbonding__is_refused(scene: Scene) -> None:
    site = scene.site

    with boa.reverts("types: delay below unbonding"):
        staking_deployer("SlashingCourt").deploy(
            site.stake.address, site.governance, site.treasury, 28 * DAY
        )
    with boa.reverts("court: no treasury"):
        staking_deployer("SlashingCourt").deploy(
            site.stake.address, site.governance, "0x" + "00" * 20, RULE_DELAY
        )
