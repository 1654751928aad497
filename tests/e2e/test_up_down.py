"""`apogee up` as an operator lives with it: kills, restarts, another terminal, nothing lost.

One home for the whole file; the stories run in order and each leaves it running or says so.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.apps.home import Home, Manifest
from offchain.apps.network import Network, connect, deployment_file
from offchain.apps.processes import Identity
from offchain.apps.rpc_probe import RpcProbe
from offchain.apps.supervisor import owner_of
from offchain.da.model import BlobState
from offchain.da.onchain import BlobConfirmed, BlobPaid
from offchain.da.split import FileReference
from tests.support.apogee_command import run_apogee, start_apogee
from tests.support.epochs import enter_served_epoch
from tests.support.waiting import wait_until

OPENED: list[Network] = []  # connections to the chain, closed at the end
PROCESSES = [
    *("auditor", "da-node-0", "da-node-1", "devnet", "gateway", "relayer"),
    *("storage-node-0", "storage-node-1", "worker"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with two nodes on py-evm, brought up in the background."""
    home = Home.at(tmp_path_factory.mktemp("home") / "apogee")
    up(home)
    yield home
    run_apogee("down", "--home", str(home.root), code=None)
    while OPENED:
        OPENED.pop().node.close()


def up(home: Home) -> None:
    run_apogee(
        *("up", "--home", str(home.root), "--backend", "pyevm", "--nodes", "2", "--detach"),
        *("--json",),
    )


def network_of(home: Home) -> Network:
    network = connect(Manifest.load(home).url("devnet"), deployment_file(home.deployments))
    OPENED.append(network)
    return network


def identity(home: Home, process: str) -> Identity:
    found = Identity.load(home.pid_file(process))
    assert found is not None
    return found


def states(home: Home) -> dict[str, str]:
    told = run_apogee("status", "--home", str(home.root), "--json", code=None).json()
    return {row["name"]: row["state"] for row in told["processes"]}


def put(home: Home, path: Path, content: bytes) -> str:
    path.write_bytes(content)
    told = run_apogee("da", "put", str(path), "--home", str(home.root), "--json").json()
    return str(told["reference"])


def get(home: Home, reference: str, path: Path) -> bytes:
    run_apogee("da", "get", reference, str(path), "--home", str(home.root), "--json")
    return path.read_bytes()


def assert_all_healthy(home: Home) -> None:
    """A process that got no core for a while says so; it is healthy once it has had one."""
    wanted = dict.fromkeys(PROCESSES, "healthy")
    wait_until(lambda: states(home) == wanted, seconds=300, what=f"health of {wanted.keys()}")


def test_up__everything_is_healthy__a_file_goes_in_and_out(home: Home, tmp_path: Path) -> None:
    content = os.urandom(300_000)

    reference = put(home, tmp_path / "in", content)

    assert get(home, reference, tmp_path / "out") == content
    assert_all_healthy(home)


def test_beacon__the_window_comes__worker_fills_it_and_no_epoch_in_use_is_weak(home: Home) -> None:
    network, rpc = network_of(home), RpcProbe(Manifest.load(home).url("devnet"))
    at = network.node.block().hash
    epoch = network.stake.current_epoch(at=at)
    assert not network.beacon.is_weak(epoch, at=at)

    entered = enter_served_epoch(network, rpc, seconds=300)

    assert entered > epoch
    assert not network.beacon.is_weak(entered, at=network.node.block().hash)


def test_up__second_one_in_the_same_home__is_refused_with_the_first_ones_pid(home: Home) -> None:
    owner = owner_of(home)
    assert owner is not None

    refused = run_apogee("up", "--home", str(home.root), "--json", code=7)

    assert refused.json()["error"]["fields"]["pid"] == owner.pid
    assert_all_healthy(home)


def test_up__a_node_is_killed__comes_back_with_its_rows(home: Home, tmp_path: Path) -> None:
    content = os.urandom(50_000)
    reference = put(home, tmp_path / "in", content)
    before = identity(home, "da-node-1")

    os.kill(before.pid, signal.SIGKILL)
    wait_until(
        lambda: (
            identity(home, "da-node-1").pid != before.pid and states(home)["da-node-1"] == "healthy"
        ),
        seconds=600,
        what="the node's return",
    )

    assert get(home, reference, tmp_path / "out") == content


def test_jobs__disperser_and_worker_die_after_payment__blob_is_confirmed_once(
    home: Home, tmp_path: Path
) -> None:
    network, nodes = network_of(home), [identity(home, f"da-node-{index}") for index in (0, 1)]
    for node in nodes:  # nobody signs, so the disperser is caught between its steps
        os.kill(node.pid, signal.SIGSTOP)
    path = tmp_path / "in"
    path.write_bytes(os.urandom(1_000))
    first = network.node.block().number + 1
    disperser = start_apogee(
        "da", "put", str(path), "--home", str(home.root), log=tmp_path / "put.log"
    )
    wait_until(lambda: bool(paid_since(network, first)), seconds=600, what="the payment")
    disperser.kill()
    disperser.wait()
    [paid] = paid_since(network, first)
    worker = identity(home, "worker")
    wait_until(
        lambda: "confirm_blob" in home.log("worker").read_text(), seconds=600, what="the job"
    )

    os.kill(worker.pid, signal.SIGKILL)
    for node in nodes:
        os.kill(node.pid, signal.SIGCONT)
    wait_until(
        lambda: state_of(network, paid.blob_id) is BlobState.CONFIRMED,
        seconds=600,
        what="the certificate",
    )

    assert identity(home, "worker").pid != worker.pid
    assert confirmed_since(network, first) == [paid.blob_id]
    reference = str(FileReference(paid.blob_id, is_manifest=False))
    assert get(home, reference, tmp_path / "out") == path.read_bytes()


def test_down__from_another_terminal__leaves_nothing_and_up_continues(
    home: Home, tmp_path: Path
) -> None:
    content = os.urandom(10_000)
    reference = put(home, tmp_path / "in", content)
    network = network_of(home)
    address, height = network.stake.address, network.node.block().number
    started = [identity(home, name) for name in PROCESSES]

    stopped = run_apogee("down", "--home", str(home.root), "--json").json()
    assert sorted(stopped["stopped"]) == PROCESSES
    assert not any(one.is_alive() for one in started)
    assert owner_of(home) is None
    up(home)

    again = network_of(home)
    assert again.stake.address == address
    assert again.node.block().number >= height
    assert get(home, reference, tmp_path / "out") == content


def test_up__its_supervisor_is_killed__every_process_dies_and_up_continues(home: Home) -> None:
    owner, started = owner_of(home), [identity(home, name) for name in PROCESSES]
    assert owner is not None

    os.kill(owner.pid, signal.SIGKILL)

    wait_until(
        lambda: not any(one.is_alive() for one in started), seconds=300, what="the processes' end"
    )
    up(home)
    assert_all_healthy(home)


def test_doctor__healthy_home__finds_nothing_failing_and_a_loose_key_is_closed(home: Home) -> None:
    secret = home.keys / "operator-0.json"
    secret.chmod(0o644)
    told = run_apogee("doctor", "--home", str(home.root), "--json", code=6).json()
    assert [one["check"] for one in told["findings"] if one["level"] == "FAIL"] == ["keys"]

    fixed = run_apogee("doctor", "--home", str(home.root), "--fix", "--json").json()

    assert "FAIL" not in {one["level"] for one in fixed["findings"]}
    assert secret.stat().st_mode & 0o077 == 0


def paid_since(network: Network, first: int) -> list[BlobPaid]:
    head = network.node.block().number
    if head < first:
        return []
    wanted = network.entrance.event_filter(BlobPaid, first_block=first, last_block=head)
    return network.entrance.events_in(BlobPaid, network.node.logs(wanted))


def confirmed_since(network: Network, first: int) -> list[bytes]:
    wanted = network.entrance.event_filter(
        BlobConfirmed, first_block=first, last_block=network.node.block().number
    )
    events = network.entrance.events_in(BlobConfirmed, network.node.logs(wanted))
    return [event.blob_id for event in events]


def state_of(network: Network, blob_id: bytes) -> BlobState:
    return network.entrance.record(blob_id, at=network.node.block().hash).state
