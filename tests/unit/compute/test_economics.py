"""The table of rates and stakes: the design's own figures, and the rule they come from."""

import pytest

from offchain.compute.economics import (
    OddsInvalid,
    audit_odds,
    draws_to_catch,
    odds_table,
    stake_needed,
)


@pytest.mark.parametrize(
    ("rate", "detection", "stake", "draws"),
    [(0.01, 0.99, 101, 29), (0.05, 0.99, 20.2, 29), (0.1, 0.4, 25, 74), (0.1, 0.013, 769, 2_303)],
)
def test_audit_odds__lines_of_the_design__equal(
    rate: float, detection: float, stake: float, draws: int
) -> None:
    found = audit_odds(rate=rate, detection=detection, cover=1)

    assert stake == pytest.approx(found.stake_per_gain, rel=0.002)
    assert draws == found.draws_to_catch


def test_stake_needed__default_rate__makes_cheating_a_loss() -> None:
    gain = 10**15

    stake = stake_needed(gain, rate=0.02, detection=0.99)

    assert 0.02 * 0.99 * stake >= 2 * gain


def test_audit_odds__default_rate__costs_less_than_the_bar() -> None:
    assert audit_odds().audit_share <= 0.005


def test_odds_table__every_pair__is_there() -> None:
    assert len(odds_table()) == 12


def test_draws_to_catch__certain_detection__is_one() -> None:
    assert draws_to_catch(1, 1) == 1


@pytest.mark.parametrize(("rate", "detection"), [(0, 0.9), (1.1, 0.9), (0.1, 0), (0.1, -1)])
def test_stake_needed__odds_outside_their_range__refused(rate: float, detection: float) -> None:
    with pytest.raises(OddsInvalid):
        stake_needed(1, rate=rate, detection=detection)
