"""An adjudicator that lies about the type, and a ledger whose windows do not fit."""

from pathlib import Path

import boa
import pytest

from tests.contracts.staking.slashing_court.conftest import Scene
from tests.support.court import RULE_DELAY, a_rule, deploy_court, refused, rule_tuple
from tests.support.staking import DAY, EPOCH, TERMS, deploy_staking, staking_deployer

LIAR = Path(__file__).parent / "lying_adjudicator.vy"
ASKED = 300
VETO, CORRELATION = 4, 5  # places in TERMS


def test_report__adjudicator_answers_about_another_type__is_refused(scene: Scene) -> None:
    site = scene.site
    liar = boa.load(str(LIAR))
    for offence in (ASKED, ASKED + 1):
        rule = a_rule(liar.address, evidence_seconds=DAY)
        site.court.add_type(offence, rule_tuple(rule), sender=site.governance)
    evidence = scene.pool(0).to_bytes(32, "big")

    with refused(site, "court: another offence", scene.pool(0)):
        site.court.report(ASKED, evidence, b"\x01" * 32, sender=scene.stranger)


@pytest.mark.parametrize(
    ("veto", "correlation", "reason"),
    [
        (2 * DAY, 0, "court: empty window"),
        (2 * DAY, EPOCH + 1, "court: window splits epochs"),
        (EPOCH, 2 * EPOCH, "court: veto below correlation"),
    ],
)
def test_deploy__windows_of_the_ledger_do_not_fit__is_refused(
    native_evm: None, veto: int, correlation: int, reason: str
) -> None:
    terms = list(TERMS)
    terms[VETO], terms[CORRELATION] = veto, correlation
    staking = deploy_staking(court="", terms=tuple(terms))

    with boa.reverts(reason):
        staking_deployer("SlashingCourt").deploy(
            staking.stake.address, staking.governance, staking.governance, RULE_DELAY
        )


def test_deploy__windows_fit__opens_with_no_types(native_evm: None) -> None:
    site = deploy_court(rules=False)

    assert site.court.type_of(1).offence_class == 0
    assert not site.court.is_sealed()
