"""`apogee demo` on both backends: one object on stdout, exit 0, nothing left running."""

import signal
from pathlib import Path

import psutil
import pytest

from offchain.apps.home import project_tools
from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil
from tests.support.apogee_command import run_apogee, start_apogee
from tests.support.waiting import wait_until

WANTED = {
    *("blob_bytes", "chunks", "nodes", "killed_nodes", "retrieved_equal", "encode_mb_s"),
    *("disperse_mb_s", "retrieve_mb_s", "certificate_gas", "slashed_wei", "chain", "seconds"),
    *("stored_bytes", "seats_killed", "seats_repaired", "loud_failure", "storage_refund_wei"),
}


def processes_of(home: Path) -> list[str]:
    """Every running process that was told of this home: devnet, Anvil, nodes, the demo itself."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.mark.parametrize("backend", ["anvil", "pyevm"])
def test_demo__on_each_backend__file_survives_two_dead_nodes_and_the_cheat_pays(
    backend: str,
) -> None:
    if backend == "anvil":
        try:
            bring_anvil(project_tools())
        except AnvilUnavailable as error:
            pytest.skip(f"no Anvil: {error}")

    ran = run_apogee("demo", "--backend", backend, "--json")

    told = ran.json()
    assert set(told) >= WANTED
    assert told["retrieved_equal"] is True
    assert 30_000_000 <= told["blob_bytes"] <= 32_505_856
    assert (told["chunks"], told["nodes"], told["killed_nodes"]) == (3_072, 8, 2)
    assert told["chain"] == backend
    assert 0 < told["certificate_gas"] <= 320_000
    money = told["money"]
    shares = ("to_reporter_wei", "to_victim_wei", "to_insurance_wei", "to_treasury_wei")
    assert told["slashed_wei"] == money["taken_wei"] == sum(money[name] for name in shares) > 0
    # the first strong epoch is 2; a slow machine may enter it when it is over
    assert told["epoch"] >= 2
    assert told["beacon_seats"] == 32
    assert (told["seats_killed"], told["seats_repaired"]) == (16, 16)
    assert told["read_with_half_of_the_seats_gone"] is True
    assert told["storage_proofs"] == 64
    assert told["renewed_epochs"] > 0
    assert told["memory_answers_proven"] == 8
    assert told["loud_failure"] == "storage.shards.insufficient"
    assert min(told["storage_fined_wei"], told["storage_refund_wei"]) > 0
    assert any(backend in line for line in told["simulated"])
    assert any("flagged weak" in line for line in told["simulated"])


def test_demo__own_small_file_and_kept_home__comes_back_and_nothing_runs(tmp_path: Path) -> None:
    file, kept = tmp_path / "letter", tmp_path / "kept"
    file.write_bytes(b"x")

    told = run_apogee(
        *("demo", "--backend", "pyevm", "--file", str(file), "--keep", str(kept), "--json")
    ).json()

    assert (told["blob_bytes"], told["retrieved_equal"]) == (1, True)
    assert (kept / "retrieved").read_bytes() == b"x"
    assert processes_of(kept) == []


def test_demo__ctrl_c_in_the_middle__exits_130_and_nothing_runs(tmp_path: Path) -> None:
    kept, log = tmp_path / "kept", tmp_path / "log"
    demo = start_apogee("demo", "--backend", "pyevm", "--keep", str(kept), log=log)
    wait_until(lambda: "stake and register" in log.read_text(), seconds=240, what="running nodes")

    assert len(processes_of(kept)) > 1
    demo.send_signal(signal.SIGINT)

    assert demo.wait(120) == 130
    assert processes_of(kept) == []


@pytest.mark.parametrize("flags", [("--file", "absent"), ("--file", "empty")])
def test_demo__unusable_file__is_refused_before_anything_starts(
    tmp_path: Path, flags: tuple[str, str]
) -> None:
    (tmp_path / "empty").touch()

    refused = run_apogee("demo", flags[0], str(tmp_path / flags[1]), "--json", code=2)

    assert refused.json()["error"]["code"] == "demo.file_unusable"
