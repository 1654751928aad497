"""Settings: flag over environment over apogee.toml over default, and refused by name."""

from pathlib import Path

import pytest

from offchain.apps.settings import (
    SettingInvalid,
    UpSettings,
    WorkerSettings,
    environment_for_children,
    read_settings,
)
from offchain.apps.up import parts_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("APOGEE_NODES", "APOGEE_HOME", "APOGEE_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_settings__nothing_given__are_the_defaults(folder: Path) -> None:
    assert read_settings(UpSettings).nodes == 8
    assert read_settings(WorkerSettings).broker_url is None


def test_settings__each_source__wins_over_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "apogee.toml").write_text("[apogee]\nnodes = 3\n")
    assert read_settings(UpSettings).nodes == 3

    monkeypatch.setenv("APOGEE_NODES", "4")
    assert read_settings(UpSettings).nodes == 4

    assert read_settings(UpSettings, nodes=5).nodes == 5


def test_settings__broker_by_environment__is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APOGEE_BROKER_URL", "redis://127.0.0.1:6379/0")

    assert read_settings(WorkerSettings).broker_url == "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://u:p@h/1", "amqp://h//", "amqps://h"])
def test_settings__broker_of_each_kind__is_taken(folder: Path, url: str) -> None:
    assert read_settings(WorkerSettings, broker_url=url, worker_pool="prefork").broker_url == url


@pytest.mark.parametrize("url", ["", "localhost:6379", "sqs://h", "filesystem://", "redis://"])
def test_settings__broker_of_no_known_kind__is_refused(folder: Path, url: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_settings(WorkerSettings, broker_url=url)

    assert caught.value.fields["setting"] == "broker_url"


@pytest.mark.parametrize("flags", [{"nodes": 0}, {"backend": "geth"}, {"divisor": 101}])
def test_settings__out_of_range__are_refused_by_name(
    folder: Path, flags: dict[str, object]
) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_settings(UpSettings, **flags)

    assert caught.value.fields["setting"] == next(iter(flags))


def test_children__find_programs_beside_this_interpreter_first(folder: Path) -> None:
    import sys

    first = environment_for_children()["PATH"].split(":")[0]

    assert first == str(Path(sys.executable).parent)


@pytest.mark.parametrize(
    ("only", "parts"),
    [
        (
            None,
            (
                *("devnet", "contracts", "da-node", "storage-node", "worker", "gateway"),
                *("auditor", "relayer"),
            ),
        ),
        ("devnet", ("devnet",)),
        ("contracts", ("devnet", "contracts")),
        ("da-node", ("devnet", "contracts", "da-node")),
        ("worker", ("devnet", "contracts", "worker")),
        ("devnet,worker,da-node", ("devnet", "contracts", "da-node", "worker")),
        ("storage-node", ("devnet", "contracts", "da-node", "storage-node")),
        ("gateway", ("devnet", "contracts", "worker", "gateway")),
    ],
)
def test_parts__of_what_was_asked__include_what_they_stand_on(
    only: str | None, parts: tuple[str, ...]
) -> None:
    assert parts_of(only) == parts
