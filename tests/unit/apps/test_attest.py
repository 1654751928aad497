"""`apogee attest verify`: files in, reasons or a tree of claims out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offchain.apps.attest import parse_moment
from offchain.apps.cli import main
from offchain.attestation.intel_root import INTEL_ROOT_DER
from offchain.attestation.policy import GpuRequirement
from offchain.attestation.policy_file import (
    PolicyFile,
    encode_policy,
    parse_policy,
    production_policy,
)
from offchain.attestation.quote import join_chain
from tests.support.evidence import (
    DOMAIN,
    EPOCH,
    NOW,
    SERVICE,
    nonce_of,
    policy_of,
    stranger,
    usual_bundle,
    usual_entry,
    usual_machine,
    vendor,
)


def policy_text(**changes: Any) -> str:
    """A policy file for the test world."""
    rules = {
        "version": 1,
        "root": join_chain((vendor().root_der,)).decode(),
        "allow_simulated": True,
        "measurements": [{"id": usual_machine().measurement_id.hex(), "class": "BROKER"}],
        "here": {
            "chain_id": DOMAIN.chain_id,
            "registry": f"0x{DOMAIN.registry.hex()}",
            "service": SERVICE.hex(),
            "nonces": {str(EPOCH): nonce_of(EPOCH).hex()},
        },
    }
    return json.dumps({**rules, **changes})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with evidence in every form."""
    bundle = usual_bundle()
    (tmp_path / "quote.bin").write_bytes(bundle.quote + bytes(9))
    (tmp_path / "quote.hex").write_text(f"0x{bundle.quote.hex()}\n")
    (tmp_path / "collateral.json").write_text(bundle.collateral)
    (tmp_path / "bundle.json").write_bytes(bundle.to_json())
    (tmp_path / "policy.json").write_text(policy_text())
    return tmp_path


def ask(files: Path, quote: str, *more: str) -> list[str]:
    return ["attest", "verify", str(files / quote), "--at", str(NOW), *more]


@pytest.mark.parametrize("name", ["quote.bin", "quote.hex"])
def test_attest_verify__quote_under_the_devnets_root__says_simulated(
    name: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--collateral", str(files / "collateral.json"), "--policy", str(files / "policy.json")]

    code = main(ask(files, name, *more))

    shown = capsys.readouterr().out
    assert code == 0
    assert shown.startswith("ACCEPTED (SIMULATED)\n")
    assert "code: NOT JUDGED" in shown


def test_attest_verify__bundle__tree_of_claims(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(ask(files, "bundle.json", "--policy", str(files / "policy.json")))

    shown = capsys.readouterr().out
    assert code == 0
    assert f"signer: 0x{usual_bundle().signer.hex()}" in shown
    assert f"code: BROKER 0x{usual_machine().measurement_id.hex()}" in shown


def test_attest_verify__bundle_as_json__claims_and_label(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(ask(files, "bundle.json", "--policy", str(files / "policy.json"), "--json"))

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (found["accepted"], found["simulated"]) == (True, True)
    assert found["claims"]["platform"]["TCB status"] == "UP_TO_DATE"


def test_attest_verify__two_causes__prints_both_and_ends_with_5(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "policy.json").write_text(policy_text(allow_simulated=False, min_eval_number=18))

    code = main(ask(files, "bundle.json", "--policy", str(files / "policy.json")))

    shown = capsys.readouterr().out
    assert code == 5
    assert shown.startswith("REFUSED\n")
    assert "SimulatedRefused" in shown
    assert "EvaluationNumberTooLow" in shown


def test_attest_verify__no_policy__root_is_intels_and_the_devnet_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(ask(files, "quote.bin", "--collateral", str(files / "collateral.json"), "--json"))

    found = json.loads(capsys.readouterr().out)
    assert code == 5
    assert [one["reason"] for one in found["reasons"]] == ["RootUntrusted"]


def test_attest_verify__policy_of_another_root__refused(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = join_chain((stranger().root_der,)).decode()
    (files / "policy.json").write_text(policy_text(root=other))

    code = main(ask(files, "bundle.json", "--policy", str(files / "policy.json")))

    assert code == 5
    assert "RootUntrusted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["quote.bin"], 2, "attest.collateral_missing"),
        (["bundle.json"], 2, "attest.place_missing"),
        (["absent"], 3, "attest.file_not_readable"),
    ],
    ids=["no_collateral", "no_place", "no_file"],
)
def test_attest_verify__something_missing__says_what(
    arguments: list[str], code: int, error: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = main([*ask(files, *arguments), "--json"])

    assert ended == code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == error


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "{}",
        '{"version": 2}',
        policy_text(allow_simulated=1),
        policy_text(misspelt=1),
        policy_text(root="no certificate"),
        policy_text(statuses=["Splendid"]),
        policy_text(measurements=[{"id": "00", "class": "BROKER"}]),
        policy_text(measurements=[{"id": "00" * 32, "class": "KING"}]),
        policy_text(here={"chain_id": 1}),
    ],
    ids=lambda _text: "",  # a root's key is new in each process
)
def test_attest_verify__policy_of_another_form__refused_as_input(
    text: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "policy.json").write_text(text)

    code = main([*ask(files, "bundle.json"), "--policy", str(files / "policy.json"), "--json"])

    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "attestation.policy_malformed"


def test_parse_moment__seconds_and_iso__the_same_moment() -> None:
    assert parse_moment("1750377600") == parse_moment("2025-06-20") == 1_750_377_600
    assert parse_moment("2025-06-20T02:00:00+02:00") == 1_750_377_600


def test_encode_policy__read_back__the_same_policy() -> None:
    gpu = GpuRequirement("H200", 8, frozenset({"1"}), frozenset({"2"}))
    entry = replace(usual_entry(), gpu=gpu, hardening_advisories=frozenset({"INTEL-SA-00001"}))
    file = PolicyFile(
        policy=policy_of(entry, denied_advisories=frozenset({"INTEL-SA-00002"}), min_eval_number=9),
        root_der=vendor().root_der,
        domain=DOMAIN,
        nonces={EPOCH: nonce_of(EPOCH)},
        service_id=SERVICE,
    )

    text = json.dumps(encode_policy(file)).encode()

    assert parse_policy(text) == file
    assert parse_policy(json.dumps(encode_policy(production_policy())).encode()).root_der == (
        INTEL_ROOT_DER
    )
