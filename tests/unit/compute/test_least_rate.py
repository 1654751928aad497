"""The audit rate from which cheating loses money."""

import json

import pytest

from offchain.apps.cli import main
from offchain.compute.economics import OddsInvalid, stake_needed
from offchain.compute.least_rate import least_rate


def test_least_rate__at_it__the_stake_is_just_what_is_needed() -> None:
    rate = least_rate(gain=10**12, stake=10**18, detection=0.99)

    assert stake_needed(10**12, rate=rate, detection=0.99) == pytest.approx(10**18, rel=1e-9)
    assert least_rate(gain=10**18, stake=10**18, detection=0.5) > 1


@pytest.mark.parametrize(("gain", "stake", "detection"), [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.0)])
def test_least_rate__no_money_or_no_detection__is_refused(
    gain: int, stake: int, detection: float
) -> None:
    with pytest.raises(OddsInvalid):
        least_rate(gain=gain, stake=stake, detection=detection)


def test_odds__command__shows_table_and_least_rate(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compute", "odds", "--rate", "0.1", "--detection", "0.4", "--json"]
    assert main([*words, "--price", "5gwei", "--stake", "0.001eth"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["table"][0]["draws_to_catch"], len(told["table"])) == (74, 13)
    assert told["least_rate"] == pytest.approx(2 * 5e9 / (0.4 * 1e15))
    assert told["is_enough"]
    assert main(["compute", "odds", "--price", "5gwei"]) != 0
