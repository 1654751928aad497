"""The gateway as programs live with it: curl and Python from the guides, kills, and resuming.

One home for the whole file; the stories run in order and each leaves it running.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from offchain.apps.api_key import api_key_of
from offchain.apps.home import Home, Manifest
from offchain.apps.network import Network, connect, deployment_file
from offchain.apps.processes import Identity
from offchain.apps.uploads import DONE, UploadBook
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.da.onchain import BlobPaid
from offchain.sdk import Apogee
from tests.support.apogee_command import ROOT, environment, run_apogee, start_apogee
from tests.support.deployed_chain import BACKEND, DeployedChain
from tests.support.waiting import wait_until

NODES = 2
PATIENCE = 240  # seconds; the machine may have two cores and other work


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, deployed_chain: DeployedChain) -> Iterator[Home]:
    """A home with two nodes on py-evm and a gateway, brought up in the background."""
    home = Home.at(tmp_path_factory.mktemp("home") / "apogee")
    deployed_chain.copy_to(home)
    run_apogee(
        *("up", "--home", str(home.root), "--backend", BACKEND, "--nodes", str(NODES)),
        *("--detach", "--json"),
    )
    yield home
    run_apogee("down", "--home", str(home.root), code=None)


def ask(
    home: Home, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request as any HTTP client makes it."""
    url = urlsplit(Manifest.load(home).url("gateway"))
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=PATIENCE)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def post(home: Home, body: bytes, key: str) -> tuple[int, dict[str, Any]]:
    status, _, raw = ask(
        home,
        "POST",
        "/v1/da/blobs?days=1",
        body,
        Authorization=f"Bearer {api_key_of(home)}",
        Idempotency_Key=key,
    )
    return status, json.loads(raw)


def state_of(home: Home, blob_id: str) -> str:
    status, _, raw = ask(home, "GET", f"/v1/da/blobs/{blob_id}")
    return str(json.loads(raw)["state"]) if status == 200 else f"{status}"


@pytest.fixture(scope="module")
def network(home: Home) -> Iterator[Network]:
    """The home's chain, over one connection."""
    network = connect(Manifest.load(home).url("devnet"), deployment_file(home.deployments))
    yield network
    network.node.close()


def payments_of(network: Network, blob_id: str) -> int:
    """How often the chain was paid for a blob, from the first block on."""
    return [("0x" + one.hex()) for one in paid_since(network, 0)].count(blob_id)


def identity(home: Home, process: str) -> Identity:
    found = Identity.load(home.pid_file(process))
    assert found is not None
    return found


def kill_gateway(home: Home) -> None:
    """SIGKILL; the supervisor brings another one up, which this waits for."""
    before = identity(home, "gateway")
    os.kill(before.pid, signal.SIGKILL)

    def is_back() -> bool:
        now = Identity.load(home.pid_file("gateway"))
        if now is None or now.pid == before.pid:
            return False
        try:
            return ask(home, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    wait_until(is_back, seconds=PATIENCE, what="the gateway's return")


def snippet(page: str, language: str) -> str:
    """The first code block of a language in a guide."""
    text = (ROOT / "docs" / "how-to" / page).read_text()
    [found, *_] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


@pytest.fixture
def work(home: Home, tmp_path: Path) -> Path:
    """A folder in which `.apogee` is this home, as the guides expect."""
    (tmp_path / ".apogee").symlink_to(home.root)
    return tmp_path


def test_guide__for_python__runs_as_it_is_written(work: Path) -> None:
    script = work / "guide.py"
    script.write_text(snippet("use-da-from-python.md", "python"))

    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=work,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("apogee:da:blob:")
    assert "CONFIRMED" in done.stdout
    assert (work / "copy.bin").read_bytes() == b"everyone can read this"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_guide__for_http__runs_as_it_is_written(work: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", snippet("use-da-over-http.md", "sh")],
        cwd=work,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    photo = (work / "photo.bin").read_bytes()
    assert photo == (work / "copy.bin").read_bytes()
    assert photo[:1_024] == (work / "first.bin").read_bytes()


def test_item__put_from_python__is_fetched_by_the_command(home: Home, tmp_path: Path) -> None:
    with Apogee.at_home(home.root) as apogee:
        reference = apogee.da.put_item(b"a small item", days=1)

    got = run_apogee(
        *("da", "get", str(reference), str(tmp_path / "item"), "--home", str(home.root), "--json")
    ).json()
    status = run_apogee("da", "status", str(reference), "--home", str(home.root), "--json").json()

    assert (tmp_path / "item").read_bytes() == b"a small item"
    assert (got["verified"], got["bytes"]) == ("inclusion", 12)
    assert status["state"] == "CONFIRMED"


def test_gateway__asked_by_a_stranger__spends_nothing(home: Home, network: Network) -> None:
    before = paid_since(network, 0)
    without_key, _, _ = ask(home, "POST", "/v1/da/blobs", b"x", Idempotency_Key="k")
    rebound, _, _ = ask(home, "GET", "/v1/da/quote?len=1", Host="rebound.example")
    page, _, _ = ask(home, "GET", "/v1/da/quote?len=1", Origin="https://evil.example")

    assert (without_key, rebound, page) == (401, 421, 403)
    assert before == paid_since(network, 0)


def test_gateway__killed_after_its_answer__the_blob_is_confirmed_and_paid_once(
    home: Home, network: Network
) -> None:
    nodes = [identity(home, f"da-node-{index}") for index in range(NODES)]
    for node in nodes:  # nobody signs, so the gateway is caught between its steps
        os.kill(node.pid, signal.SIGSTOP)
    payload = os.urandom(50_000)
    try:
        status, told = post(home, payload, "killed")
        assert status == 202
        wait_until(
            lambda: state_of(home, told["blob_id"]) == "PAID", seconds=PATIENCE, what="the payment"
        )
        kill_gateway(home)
    finally:
        for node in nodes:
            os.kill(node.pid, signal.SIGCONT)
    wait_until(
        lambda: state_of(home, told["blob_id"]) == "CONFIRMED",
        seconds=PATIENCE,
        what="the certificate",
    )

    assert (202, told) == post(home, payload, "killed")
    assert payments_of(network, told["blob_id"]) == 1
    status, headers, body = ask(home, "GET", f"/v1/da/blobs/{told['blob_id']}/data")
    assert (200, "consistent", payload) == (status, headers["x-apogee-verified"], body)


def test_gateway__killed_in_the_middle_of_a_body__the_same_upload_again_is_taken(
    home: Home, network: Network
) -> None:
    payload = os.urandom(2_000_000)
    url = urlsplit(Manifest.load(home).url("gateway"))
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=30) as wire:
        head = (
            f"POST /v1/da/blobs?days=1 HTTP/1.1\r\nHost: 127.0.0.1:{url.port}\r\n"
            f"Authorization: Bearer {api_key_of(home)}\r\nIdempotency-Key: half\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        wire.sendall(head.encode() + payload[: len(payload) // 2])
        kill_gateway(home)

    status, told = post(home, payload, "half")

    assert status == 202
    wait_until(
        lambda: state_of(home, told["blob_id"]) == "CONFIRMED",
        seconds=PATIENCE,
        what="the certificate",
    )
    assert payments_of(network, told["blob_id"]) == 1
    assert payload == ask(home, "GET", f"/v1/da/blobs/{told['blob_id']}/data")[2]


def test_command__put_killed_between_its_parts__goes_on_and_pays_no_part_twice(
    home: Home, network: Network, tmp_path: Path
) -> None:
    path = tmp_path / "film"
    path.write_bytes(os.urandom(MAX_PAYLOAD_BYTES + 5_000))
    first = network.node.block().number + 1
    nodes = [identity(home, f"da-node-{index}") for index in range(NODES)]
    for node in nodes:
        os.kill(node.pid, signal.SIGSTOP)
    try:
        putting = start_apogee(
            "da", "put", str(path), "--home", str(home.root), log=tmp_path / "put.log"
        )
        wait_until(lambda: bool(paid_since(network, first)), seconds=PATIENCE, what="a payment")
        putting.kill()
        putting.wait()
    finally:
        for node in nodes:
            os.kill(node.pid, signal.SIGCONT)

    told = run_apogee("da", "put", str(path), "--home", str(home.root), "--json").json()

    assert told["resumed"]
    paid = paid_since(network, first)
    assert len(paid) == len(set(paid)) == told["blobs"] == 3
    [upload] = [one for one in UploadBook(home.uploads).all() if one.file == str(path)]
    assert (DONE, told["reference"]) == (upload.state, upload.reference)
    listed = run_apogee("da", "list", "--home", str(home.root), "--json").json()
    assert told["reference"] in [one["reference"] for one in listed["files"]]

    out = tmp_path / "copy"
    getting = start_apogee(
        *("da", "get", told["reference"], str(out), "--home", str(home.root)),
        log=tmp_path / "get.log",
    )
    part = out.with_name("copy.part")
    wait_until(
        lambda: out.exists() or (part.exists() and part.stat().st_size >= MAX_PAYLOAD_BYTES),
        seconds=PATIENCE,
        what="the first part",
    )
    getting.kill()
    getting.wait()

    got = run_apogee(
        "da", "get", told["reference"], str(out), "--home", str(home.root), "--json"
    ).json()

    assert got["bytes"] == path.stat().st_size
    assert out.read_bytes() == path.read_bytes()
    assert not part.exists()


def paid_since(network: Network, first: int) -> list[bytes]:
    head = network.node.block().number
    if head < first:
        return []
    wanted = network.entrance.event_filter(BlobPaid, first_block=first, last_block=head)
    found = network.entrance.events_in(BlobPaid, network.node.logs(wanted))
    return [one.blob_id for one in found]
