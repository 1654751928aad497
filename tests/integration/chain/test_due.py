"""Effects the chain still asks for, after a reorganisation deeper than the sender's finality."""

from collections.abc import Callable
from pathlib import Path

import pytest

from offchain.chain.dispatch import SenderPolicy
from offchain.chain.due import MAX_LOSSES, execute_due, next_key
from offchain.chain.errors import SettledLost
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from tests.integration.chain.conftest import DevControls
from tests.support.probe import ProbeClient, a_funded_key, deploy_probe, ticking
from tests.support.waiting import wait_until

KEY = b"\x0d" * 32
FINALITY_BLOCKS = 2
Opened = Callable[[], TransactionSender]


@pytest.fixture
def reopen(node: Node, outbox_path: Path) -> Opened:
    """The sender as a new process opens it."""

    def opened() -> TransactionSender:
        policy = SenderPolicy(finality_blocks=FINALITY_BLOCKS)
        return TransactionSender.open(
            node, a_funded_key(), outbox_path, policy=policy, clock=ticking(node)
        )

    return opened


def effects(node: Node, probe: ProbeClient) -> int:
    return probe.effects_of([KEY], at=node.block().hash)[0]


def lose(node: Node, sender: TransactionSender, controls: DevControls, block: int) -> None:
    """Bury a block until it is settled, then take it back with all above it."""
    controls.mine(FINALITY_BLOCKS + 2)
    wait_until(
        lambda: node.block().number >= block + FINALITY_BLOCKS + 1, seconds=30, what="the blocks"
    )
    sender.maintain()
    controls.reorganise(node.block().number - block + 1)


def test_execute_due__deep_reorganisations__effect_comes_back_once_each_time(
    node: Node, reopen: Opened, controls: DevControls
) -> None:
    with reopen() as sender:
        probe = deploy_probe(node, sender)
        call = probe.bump(KEY)
        for _ in range(3):
            receipt = execute_due(sender, call, key="bump")
            assert effects(node, probe) == 1
            lose(node, sender, controls, receipt.block_number)
            assert effects(node, probe) == 0
        with pytest.raises(SettledLost) as caught:
            sender.execute(call, key="bump")

        execute_due(sender, call, key="bump")
        again = execute_due(sender, call, key="bump")

        assert effects(node, probe) == 1
        assert again.succeeded
        assert "looks at the chain" in caught.value.next_step


def test_execute_due__another_process_after_the_loss__sends_it_once(
    node: Node, reopen: Opened, controls: DevControls
) -> None:
    with reopen() as sender:
        probe = deploy_probe(node, sender)
        call = probe.bump(KEY)
        receipt = execute_due(sender, call, key="bump")
        lose(node, sender, controls, receipt.block_number)

    for _ in range(2):
        with reopen() as sender:
            execute_due(sender, call, key="bump")

    assert effects(node, probe) == 1


def test_next_key__of_one_loss__is_the_same_for_everybody() -> None:
    lost = SettledLost(key="bump", block_number=7)

    assert next_key("bump", lost) == next_key("bump", lost) == "bump:lost-7"
    assert MAX_LOSSES > 1
