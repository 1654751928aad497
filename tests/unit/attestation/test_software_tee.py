"""The software TEE: one vendor a folder, on local chains only; code that changes is other code."""

import json
import stat
from pathlib import Path

import pytest

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_tee import (
    OS_IMAGE,
    ROOT_FILE,
    VENDOR_FILE,
    ChainNotLocal,
    SoftwareTee,
    TdPlan,
    VendorFileBroken,
    VendorOfOtherChain,
    compose_of_source,
    create_vendor_folder,
    open_vendor_folder,
    read_root,
)
from offchain.attestation.compose import judge_compose
from offchain.attestation.event_log import os_image_of, parse_event_log, replay
from offchain.attestation.quote import parse_quote
from offchain.attestation.verify import verify_quote
from tests.support.evidence import COMPOSE, NOW, policy_of, usual_machine


def test_create_vendor_folder__twice__one_root_in_owner_only_files(tmp_path: Path) -> None:
    first = create_vendor_folder(tmp_path / "tee", chain_id=31337, now=NOW)
    second = create_vendor_folder(tmp_path / "tee", chain_id=31337, now=NOW + 1)

    assert first.root_der == second.root_der == read_root(tmp_path / "tee")
    assert stat.S_IMODE((tmp_path / "tee" / VENDOR_FILE).stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "tee").iterdir()) == [ROOT_FILE, VENDOR_FILE]


@pytest.mark.parametrize("chain_id", [1, 11155111, 0])
def test_create_vendor_folder__public_chain__refused_and_nothing_written(
    chain_id: int, tmp_path: Path
) -> None:
    with pytest.raises(ChainNotLocal):
        create_vendor_folder(tmp_path / "tee", chain_id=chain_id, now=NOW)
    with pytest.raises(ChainNotLocal):
        open_vendor_folder(tmp_path / "tee", chain_id=chain_id)

    assert not (tmp_path / "tee").exists()


def test_open_vendor_folder__of_another_local_chain__refused(tmp_path: Path) -> None:
    create_vendor_folder(tmp_path, chain_id=31337, now=NOW)

    with pytest.raises(VendorOfOtherChain):
        open_vendor_folder(tmp_path, chain_id=1337)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"chain_id": 31337, "root": {}}'])
def test_open_vendor_folder__file_absent_or_broken__named(
    content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / VENDOR_FILE).write_text(content)

    with pytest.raises(VendorFileBroken):
        open_vendor_folder(tmp_path, chain_id=31337)


def test_read_root__no_file__named(tmp_path: Path) -> None:
    with pytest.raises(VendorFileBroken):
        read_root(tmp_path)


def test_software_tee__of_a_reopened_vendor__quotes_under_the_same_root(tmp_path: Path) -> None:
    create_vendor_folder(tmp_path, chain_id=31337, now=NOW)
    tee = SoftwareTee(open_vendor_folder(tmp_path, chain_id=31337), TdPlan(COMPOSE), NOW)

    claims = verify_quote(
        tee.quote(bytes(64)),
        tee.collateral(NOW),
        policy=policy_of(),
        now=NOW,
        library=DcapQvl(read_root(tmp_path)),
    )

    assert claims.simulated


def test_software_tee__measurement__follows_from_the_compose_text_alone(tmp_path: Path) -> None:
    vendor = create_vendor_folder(tmp_path, chain_id=31337, now=NOW)

    same = SoftwareTee(vendor, TdPlan(COMPOSE), NOW)
    other = SoftwareTee(vendor, TdPlan(COMPOSE + " "), NOW)

    assert same.measurement_id == usual_machine().measurement_id != other.measurement_id


def test_software_tee__event_log__replays_to_the_registers_of_its_quote() -> None:
    tee = usual_machine()

    events = parse_event_log(tee.event_log)

    body = parse_quote(tee.quote(bytes(64))).body
    assert replay(events) == body.rtmrs
    assert os_image_of(events) == OS_IMAGE


def test_compose_of_source__one_byte_of_code_changed__another_image(tmp_path: Path) -> None:
    source = tmp_path / "package"
    source.mkdir()
    (source / "code.py").write_text("a = 1\n")
    before = compose_of_source("broker", [source])

    again = compose_of_source("broker", [source])
    (source / "code.py").write_text("a = 2\n")
    changed = compose_of_source("broker", [source])
    (source / "code.py").write_text("a = 1\n")
    (source / "more.py").write_text("")
    longer = compose_of_source("broker", [source])

    assert before == again
    assert len({before, changed, longer}) == 3
    assert judge_compose(before) is None


PINNED = "apogee/broker@sha256:" + "ab" * 32
YAML = f"services:\n  a:\n    image: {PINNED}\n"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"services": {"a": {"image": PINNED}, "b": {"image": f"host:5000/{PINNED}"}}}),
        YAML,
        json.dumps({"docker_compose_file": YAML, "name": "app"}),
    ],
    ids=["json", "yaml", "yaml_in_json"],
)
def test_judge_compose__every_image_pinned__passes(text: str) -> None:
    assert judge_compose(text) is None


@pytest.mark.parametrize(
    "text",
    [
        YAML.replace("@sha256", ":sha256"),
        YAML.replace("ab" * 32, "ab" * 31),
        YAML.replace("ab" * 32, "AB" * 32),
        YAML + "  b:\n    image: other:latest\n",
        YAML + "  b:\n    build: .\n",
        YAML + "  b: &x\n    image: y\n",
        json.dumps({"docker_compose_file": YAML.replace("@", ":"), "image": PINNED}),
        json.dumps({"image": [PINNED]}),
        "[" * 100 + "]" * 100,
        "[" * 100_000,
        "",
        "services: {}",
    ],
    ids=[
        "tag",
        "short",
        "upper_case",
        "one_of_two",
        "built",
        "alias",
        "inner_tag",
        "list",
        "deep",
        "too_deep_to_read",
        "empty",
        "none",
    ],
)
def test_judge_compose__something_not_pinned__refused(text: str) -> None:
    assert judge_compose(text) is not None
