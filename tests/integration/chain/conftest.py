"""A chain for each test, in process or Anvil, with a sender and a probe contract on it."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.adapters.rpc import HttpTransport
from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil
from offchain.chain.devnet.ports import free_port
from offchain.chain.node import Node
from offchain.chain.ports import Question, Transport
from offchain.chain.sender import TransactionSender
from tests.support.devnet_process import PROJECT
from tests.support.probe import ProbeClient, a_funded_key, deploy_probe, ticking
from tests.support.waiting import wait_until


class DevControls:
    """What a developer may do to the chain of a test."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(self, method: str, *params: object) -> object:
        answer = self._transport.ask([Question(method, params)])[0]
        assert answer.fault is None, answer.fault
        return answer.result

    def mine(self, count: int = 1) -> None:
        self.ask("anvil_mine", hex(count))

    def hold_blocks(self) -> None:
        self.ask("evm_setAutomine", False)

    def mine_at_once(self) -> None:
        self.ask("evm_setAutomine", True)

    def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by empty ones and forget their transactions."""
        self.ask("anvil_reorg", depth, [])


@pytest.fixture(params=["embedded", "anvil"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    if request.param == "embedded":
        embedded = EmbeddedTransport()
        yield embedded
        embedded.close()
        return
    with bare_anvil() as url:
        http = HttpTransport(url)
        yield http
        http.close()


@contextmanager
def bare_anvil() -> Iterator[str]:
    """An Anvil of this test's own, without a face before it."""
    try:
        binary = bring_anvil(PROJECT / ".tools")
    except AnvilUnavailable as error:
        pytest.skip(f"no Anvil here: {error}")
    port = free_port()
    options = ["--port", str(port), "--hardfork", "prague", "--silent", "--gas-limit", "60000000"]
    process = subprocess.Popen([str(binary.path), *options])
    try:
        wait_until(lambda: is_listening(port), seconds=20, what="Anvil listening")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def controls(transport: Transport) -> DevControls:
    return DevControls(transport)


@pytest.fixture
def node(transport: Transport) -> Node:
    return Node(transport)


@pytest.fixture
def outbox_path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def sender(node: Node, outbox_path: Path) -> Iterator[TransactionSender]:
    with TransactionSender.open(node, a_funded_key(), outbox_path, clock=ticking(node)) as sender:
        yield sender


@pytest.fixture
def probe(node: Node, sender: TransactionSender) -> ProbeClient:
    return deploy_probe(node, sender)
