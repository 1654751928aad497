"""Every code, class and revert reason can be looked up, and says what to do."""

import json

import pytest

from offchain.apps.cli import main
from offchain.apps.explain import Explanation, explanations
from offchain.chain.contract import ContractClient


@pytest.fixture(scope="module")
def found() -> list[Explanation]:
    return explanations()


def told(code: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["explain", code, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_explain__of_every_error__has_meaning_cause_and_next_step(
    found: list[Explanation],
) -> None:
    silent = [one.name for one in found if not (one.meaning and one.cause and one.next_step)]

    assert silent == []
    assert len(found) > 200


def test_explain__of_every_revert_reason_of_a_client__finds_one_error(
    found: list[Explanation],
) -> None:
    reasons = {reason for one in found for reason in one.reasons}

    ours = [
        one for one in ContractClient.__subclasses__() if one.__module__.startswith("offchain.")
    ]

    assert len(ours) >= 9
    for client in ours:
        assert set(client.reverts) <= reasons


def test_explain__of_a_code__says_how_it_is_handled(capsys: pytest.CaptureFixture[str]) -> None:
    value = told("home.not_running", capsys)

    assert value["name"] == "NotRunning"
    assert (value["kind"], value["exit_code"], value["http_status"]) == ("NotFound", 3, 404)
    assert value["job"] == "dropped"
    assert value["next_step"] == "Run `apogee up`."


def test_explain__of_a_revert_reason_or_class__leads_to_the_same_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_reason = told("beacon: seat is in already", capsys)
    by_name = told(str(by_reason["name"]), capsys)

    assert by_reason == by_name
    assert by_reason["code"] == "staking.court.done_already"


def test_explain__of_a_deep_reorganisation__says_what_comes_back_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "found again by themselves" in str(told("chain.transaction.lost", capsys)["next_step"])


def test_explain__of_nothing_we_know__is_not_found_and_names_what_is_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "home.nonsense", "--json"]) == 3

    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "explain.code_unknown"
    assert "home." in error["fields"]["alike"]


def test_explain__without_a_code__lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json"]) == 0

    codes = [one["code"] for one in json.loads(capsys.readouterr().out)]
    assert codes == sorted(codes)
    assert "staking.beacon.tree_mismatch" in codes
