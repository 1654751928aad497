"""The command line's manners: help at once, one JSON object, exit codes by kind of error."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offchain.apps.cli import main
from offchain.apps.output import be_quiet, say
from tests.support.apogee_command import environment

HEAVY = ("web3", "numba", "celery", "fastapi", "ape", "pydantic", "rich", "numpy", "httpx")
COMMANDS = (
    *("demo", "up", "down", "status", "logs", "doctor", "bench", "devnet", "da-node", "worker"),
    *("gateway", "da list"),
    *("da put", "da get", "da status", "stake register", "stake join", "stake delegate"),
    *("stake exit", "stake withdraw", "stake status", "stake deposit", "stake undelegate"),
    *("stake redelegate", "stake claim", "stake leave", "stake unjail", "stake commission"),
    *("explain", "config show"),
    *("storage put", "storage get", "storage ls", "storage stat", "storage renew", "storage rm"),
    *("key new", "key list", "key revoke", "compute list", "compute quote", "compute deposit"),
    *("compute balance", "compute withdraw", "compute verify", "compute ask", "compute record"),
    "compute delegate",
    *(
        "compute odds",
        "compute calibrate",
        "provider credits",
        "jobs post",
        "jobs list",
        "jobs bid",
    ),
    *("jobs reveal", "jobs award", "jobs deliver", "jobs accept", "jobs cancel", "jobs settle"),
    *("jobs dispute", "jobs judge", "jobs withdraw"),
    *("storage quote", "storage key", "storage order", "node ask", "node drain"),
    *("agent mint", "agent show", "agent list", "agent oracles", "agent sell", "agent buy"),
    *("agent deliver", "agent confirm", "agent dispute", "agent settle", "agent bid"),
    *("agent cancel", "agent offer", "agent take", "agent invite", "agent transfer"),
    *("agent agree", "agent withdraw", "agent let", "agent rent", "agent license"),
    *("agent clone", "agent clone-deliver", "agent clone-take", "agent clone-dispute"),
    *("agent clone-settle", "agent end", "agent collect", "agent leases", "agent credit"),
    *("agent deposit", "agent serve", "agent ask"),
)
RUNS_FOR_EVER = {"devnet", "da-node", "worker", "gateway", "auditor", "provider"}


@pytest.mark.parametrize("words", COMMANDS)
def test_help__of_every_command__has_an_example_and_json_where_it_ends(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--help"]) == 0

    text = capsys.readouterr().out
    assert f"apogee {words}" in " ".join(text.split("Example:")[1].split())
    assert ("--json" in text) == (words not in RUNS_FOR_EVER)


def test_help__of_the_whole__imports_nothing_heavy() -> None:
    program = (
        "import sys; from offchain.apps.cli import main; main(['--help']); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, check=True
    )

    assert done.stderr.decode().strip() == "[]"


def test_help__of_the_whole__takes_less_processor_time_than_a_third_of_a_second() -> None:
    before = time.process_time()
    assert main(["--help"]) == 0
    assert time.process_time() - before < 0.3


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (["down"], 3, "home.not_running"),
        (["status"], 3, "home.not_running"),
        (["logs", "da-node-0"], 3, "home.no_such_log"),
        (["logs"], 3, "home.no_such_log"),
        (["da", "get", "nonsense", "out"], 2, "da.file.reference_invalid"),
        (["da", "put", "absent"], 2, "da.file.unusable"),
        (["up", "--only", "moon"], 2, "setting.invalid"),
        (["up", "--nodes", "1000"], 2, "setting.invalid"),
    ],
)
def test_error__of_a_command_with_json__is_one_object_and_its_kinds_exit_code(
    words: list[str], code: int, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--home", str(tmp_path), "--json"]) == code

    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == name
    assert "next:" in told.err


MOVES_MONEY = [words for words in COMMANDS if words.startswith("stake ") and "status" not in words]


@pytest.mark.parametrize("words", MOVES_MONEY)
def test_help__of_what_moves_money__offers_a_dry_run(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--help"]) == 0

    assert "--dry-run" in capsys.readouterr().out


def test_quiet__error_of_a_command__is_still_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--only", "moon", "--home", str(tmp_path), "--quiet"]) == 2

    assert "next:" in capsys.readouterr().err


def test_quiet__progress__is_dropped_until_a_command_wants_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    be_quiet(True)
    say("unheard")
    be_quiet(False)
    say("heard")

    assert capsys.readouterr().err == "heard\n"


@pytest.mark.parametrize("words", [["nonsense"], ["da", "get"], ["up", "--nodes", "many"]])
def test_usage__that_makes_no_sense__ends_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "command",
    [
        *("jobs list", "compute balance", "provider credits", "agent list"),
        "relayer notice raise-evaluation 18",
    ],
)
def test_command__home_in_the_environment__is_where_it_looks(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "there"
    there.mkdir()
    (there / "home.json").write_text("no manifest")
    named = main([*command.split(), "--json", "--home", str(there)]), capsys.readouterr().out
    monkeypatch.setenv("APOGEE_HOME", str(there))

    assert named == (main([*command.split(), "--json"]), capsys.readouterr().out)
