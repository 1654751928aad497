"""What is typed for a run becomes an intent, or is refused with what would help."""

import json
from pathlib import Path

import pytest

from offchain.agents.linter import lint
from offchain.agents.manifest import parse_manifest
from offchain.agents.runtime_errors import IntentInvalid
from offchain.apps.agent_intent import IntentFlags, duration, intent_of
from offchain.apps.agent_new import FolderTaken, new
from offchain.apps.agent_servers import ServersMalformed, mcp_tools
from offchain.apps.amounts import AmountInvalid
from offchain.core.errors import InvalidInput
from tests.support.agents_runtime import MARKET, TOOLS, a_manifest
from tests.support.compute import NOW, PROVIDER

PAYEES = frozenset({PROVIDER.address, MARKET})


def flags(**fields: object) -> IntentFlags:
    typed = {"goal": "summarise", "budget": "0.2", "deadline": "1h", "inputs": ("file=ab",)}
    return IntentFlags(**{**typed, **fields})  # type: ignore[arg-type]  # a test says what it likes


def test_intent__inputs_of_one_skill__choose_it_and_its_tools() -> None:
    intent = intent_of(flags(), a_manifest(), now=NOW, payees=PAYEES)

    assert intent.skill == "summarise"
    assert intent.inputs == {"file": "ab"}
    assert intent.limits.budget == 2 * 10**17
    assert intent.limits.deadline == NOW + 3_600
    assert intent.limits.tools == set(TOOLS) - {"memory.recall"}
    assert intent.limits.counterparties == PAYEES


def test_intent__without_a_fitting_skill__is_the_models_with_all_tools() -> None:
    intent = intent_of(flags(inputs=()), a_manifest(), now=NOW, payees=PAYEES)

    assert intent.skill == ""
    assert intent.limits.tools == set(TOOLS)


def test_intent__tools_and_payees_that_were_named__are_the_limits() -> None:
    other = "0x" + "77" * 20
    typed = flags(tools=("text.split",), pays=(other,))

    limits = intent_of(typed, a_manifest(), now=NOW, payees=PAYEES).limits

    assert limits.tools == {"text.split"}
    assert limits.counterparties == PAYEES | {b"\x77" * 20}


@pytest.mark.parametrize(
    "typed",
    [
        {"skill": "other"},
        {"inputs": ("file",)},
        {"deadline": "soon"},
        {"goal": ""},
        {"budget": "0"},
    ],
)
def test_intent__not_of_the_form__is_refused(typed: dict[str, object]) -> None:
    with pytest.raises(IntentInvalid):
        intent_of(flags(**typed), a_manifest(), now=NOW, payees=PAYEES)
    with pytest.raises(AmountInvalid):
        intent_of(flags(budget="much"), a_manifest(), now=NOW, payees=PAYEES)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("1h", 3_600), ("2d", 172_800)]
)
def test_duration__each_unit__is_seconds(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "31d", "1w", "-1h", "1.5h"])
def test_duration__anything_else__is_refused(text: str) -> None:
    with pytest.raises(IntentInvalid):
        duration(text)


def test_new__writes_a_bundle_that_can_be_minted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "agent"

    assert new(folder, "Scribe", "smollm2-135m-instruct", as_json=True) == 0

    assert json.loads(capsys.readouterr().out)["files"] == 6
    files = {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }
    lint(files)
    assert parse_manifest(files).stream == bytes(32)
    assert all(one.stat().st_mode & 0o077 == 0 for one in folder.rglob("*.json"))
    with pytest.raises(FolderTaken):
        new(folder, "Scribe", "smollm2-135m-instruct", as_json=True)
    with pytest.raises(InvalidInput):
        new(tmp_path / "other", "Scribe", "unknown", as_json=True)


def test_servers__listed_or_not__are_read_or_refused(tmp_path: Path) -> None:
    assert mcp_tools(tmp_path) is None
    (tmp_path / "token").write_text("secret\n")
    listed = {"scribe": {"place": "127.0.0.1:1", "token_file": str(tmp_path / "token")}}
    (tmp_path / "mcp.json").write_text(json.dumps(listed))
    assert mcp_tools(tmp_path) is not None
    for bad in ("[]", '{"a": {}}', "{", '{"a": {"place": "x", "token_file": "/nowhere"}}'):
        (tmp_path / "mcp.json").write_text(bad)
        with pytest.raises(ServersMalformed):
            mcp_tools(tmp_path)
