"""Every setting is shown with where it came from, and no secret with it."""

import json
import re
from pathlib import Path

import pytest

from offchain.apps.cli import main
from offchain.apps.config import MASK, masked, settings_in_force
from offchain.apps.settings import (
    AuditorSettings,
    ProcessSettings,
    ProviderSettings,
    WorkerSettings,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["config", "show", "--json"]) == 0
    return {one["setting"]: one for one in json.loads(capsys.readouterr().out)}


def test_config__each_source__is_named_and_the_stronger_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "apogee.toml").write_text("[apogee]\nnodes = 5\nreconcile_seconds = 3.5\n")
    monkeypatch.setenv("APOGEE_NODES", "6")

    found = shown(capsys)

    assert (found["nodes"]["value"], found["nodes"]["source"]) == ("6", "environment")
    assert found["reconcile_seconds"]["value"] == "3.5"
    assert found["reconcile_seconds"]["source"] == "apogee.toml"
    assert (found["divisor"]["value"], found["divisor"]["source"]) == ("100", "default")
    assert found["broker_url"]["read_by"] == ["worker"]
    assert found["nodes"]["environment"] == "APOGEE_NODES"


def test_config__password_in_the_brokers_address__is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APOGEE_BROKER_URL", "redis://worker:hunter2@127.0.0.1:6379/0")

    assert main(["config", "show"]) == 0

    text = capsys.readouterr().out
    assert "hunter2" not in text
    assert shown(capsys)["broker_url"]["value"] == f"redis://{MASK}@127.0.0.1:6379/0"


def test_config__every_setting_of_every_process__is_there() -> None:
    names = {one.name for one in settings_in_force()}

    assert names >= set(WorkerSettings.model_fields) | set(ProcessSettings.model_fields)
    assert names >= set(ProviderSettings.model_fields) | set(AuditorSettings.model_fields)


def test_config__settings_of_every_process__are_declared_in_one_file(project_root: Path) -> None:
    apps = project_root / "offchain" / "apps"

    declared = [
        path.name
        for path in apps.rglob("*.py")
        if re.search(r"^class \w+\(\w+Settings\):$", path.read_text(), re.MULTILINE)
    ]

    assert declared == ["settings.py"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rpc_url", "https://h.example/v3/0123456789abcdef", f"https://h.example/{MASK}"),
        ("rpc_url", "https://h.example:8545/?key=abc", f"https://h.example:8545/?{MASK}"),
        ("rpc_url", "http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("broker_url", "amqp://u:p@s@h:5672//", f"amqp://{MASK}@h:5672//"),
        ("api_key", "abc", MASK),
        ("rpc_url", None, None),
        ("home", Path(".apogee"), ".apogee"),
    ],
)
def test_masked__of_addresses_and_secrets__hides_what_opens_doors(
    name: str, value: object, expected: str | None
) -> None:
    assert masked(name, value) == expected


def test_config__a_setting_that_cannot_be_used__is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APOGEE_NODES", "many")

    assert main(["config", "show", "--json"]) == 2

    assert json.loads(capsys.readouterr().out)["error"]["fields"]["setting"] == "nodes"
