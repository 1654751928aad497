"""An in-process EVM for each test, with a sender and a probe contract on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.node import Node
from offchain.chain.ports import Question
from offchain.chain.sender import TransactionSender
from tests.support.probe import ProbeClient, a_funded_key, deploy_probe, ticking


class DevControls:
    """What a developer may do to the chain of a test."""

    def __init__(self, transport: EmbeddedTransport) -> None:
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


@pytest.fixture
def transport() -> Iterator[EmbeddedTransport]:
    transport = EmbeddedTransport()
    yield transport
    transport.close()


@pytest.fixture
def controls(transport: EmbeddedTransport) -> DevControls:
    return DevControls(transport)


@pytest.fixture
def node(transport: EmbeddedTransport) -> Node:
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
