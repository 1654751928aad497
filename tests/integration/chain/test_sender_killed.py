"""kill -9 at every step of sending, by a real process over a real socket: one effect each.

The process that comes after it does what a restarted worker does: open the outbox, and either send
the same keys again or do nothing more.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.chain.adapters.rpc import HttpTransport
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.errors import OutboxBusy
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from tests.support.devnet_process import PROJECT, DevnetProcess, running_devnet
from tests.support.dying_sender import STEPS
from tests.support.probe import ProbeClient, a_funded_key, deploy_probe

LAUNCH = "import runpy; runpy.run_path('tests/support/dying_sender.py', run_name='__main__')"
FATAL_STEPS = STEPS[:-1]
# Up to here nothing was decided, so nothing happens unless it is sent again.
UNDECIDED = {"before estimate"}


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevnetProcess]:
    with running_devnet("pyevm", tmp_path_factory.mktemp("devnet")) as devnet:
        yield devnet


@pytest.fixture(scope="module")
def node(devnet: DevnetProcess) -> Iterator[Node]:
    node = Node(HttpTransport(devnet.url))
    yield node
    node.close()


@pytest.fixture(scope="module")
def probe(node: Node, tmp_path_factory: pytest.TempPathFactory) -> ProbeClient:
    path = tmp_path_factory.mktemp("deployer") / "outbox.db"
    with TransactionSender.open(node, a_funded_key(1), path) as sender:
        return deploy_probe(node, sender)


def run_sender(
    devnet: DevnetProcess, outbox: Path, step: str, probe: ProbeClient, keys: list[bytes]
) -> int:
    """Send one bump a key in a process of its own; its exit status."""
    command = [
        sys.executable,
        "-c",
        LAUNCH,
        devnet.url,
        str(outbox),
        dev_accounts()[0].private_key.hex(),
        step,
        probe.address.hex(),
        *(probe.bump(key).data.hex() for key in keys),
    ]
    return subprocess.run(command, cwd=PROJECT, timeout=60, check=False).returncode


def keys_for(step: str, count: int) -> list[bytes]:
    """Keys of their own for each test: they share one contract."""
    return [f"{step} {count} {number}".encode().ljust(32, b".") for number in range(count)]


@pytest.mark.parametrize(
    ("step", "count"), [*((step, 3) for step in FATAL_STEPS), ("after broadcast", 1)]
)
def test_killed__then_sent_again__one_effect_each(
    devnet: DevnetProcess, node: Node, probe: ProbeClient, tmp_path: Path, step: str, count: int
) -> None:
    outbox, keys = tmp_path / "outbox.db", keys_for(step, count)

    died = run_sender(devnet, outbox, step, probe, keys)
    again = run_sender(devnet, outbox, "never", probe, keys)

    assert died == -signal.SIGKILL
    assert again == 0
    assert probe.effects_of(keys, at=node.block().hash) == [1] * count


@pytest.mark.parametrize("step", FATAL_STEPS)
def test_killed__then_only_opened__what_was_decided_happens_once(
    devnet: DevnetProcess, node: Node, probe: ProbeClient, tmp_path: Path, step: str
) -> None:
    outbox, keys = tmp_path / "outbox.db", keys_for(f"open {step}", 3)

    run_sender(devnet, outbox, step, probe, keys)
    with TransactionSender.open(node, a_funded_key(), outbox) as sender:
        sender.maintain()

    expected = 0 if step in UNDECIDED else 1
    assert probe.effects_of(keys, at=node.block().hash) == [expected] * 3


def test_killed_again_and_again__in_a_row__one_effect_each(
    devnet: DevnetProcess, node: Node, probe: ProbeClient, tmp_path: Path
) -> None:
    outbox, keys = tmp_path / "outbox.db", keys_for("row", 4)

    for step in FATAL_STEPS:
        run_sender(devnet, outbox, step, probe, keys)
    again = run_sender(devnet, outbox, "never", probe, keys)

    assert again == 0
    assert probe.effects_of(keys, at=node.block().hash) == [1] * 4


def test_running_twice__same_account_same_outbox__second_is_told(
    devnet: DevnetProcess, node: Node, tmp_path: Path
) -> None:
    outbox = tmp_path / "outbox.db"

    with TransactionSender.open(node, a_funded_key(), outbox), pytest.raises(OutboxBusy):
        TransactionSender.open(node, a_funded_key(), outbox)
