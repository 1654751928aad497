"""Restarts, kills, locks and heartbeats of whole devnet processes."""

import itertools
from pathlib import Path

import psutil
import pytest
from web3 import Web3

from tests.support.devnet_process import DevnetProcess, running_devnet

from .conftest import Compiled, deploy_counter, mined, rpc


def test_restart__after_a_polite_stop__chain_receipts_logs_and_clock_continue(
    backend: str, compiled_counter: Compiled, tmp_path: Path
) -> None:
    with running_devnet(backend, tmp_path) as devnet:
        w3 = devnet.web3()
        counter = deploy_counter(w3, compiled_counter, w3.eth.accounts[0])
        receipt = mined(w3, counter.functions.count(4).transact({"from": w3.eth.accounts[0]}))
        rpc(w3, "evm_increaseTime", 86_400)
        rpc(w3, "evm_mine")
        head = w3.eth.get_block("latest")

        assert devnet.stop() == 0
        devnet.start()

        again = devnet.web3()
        assert again.eth.get_block("latest")["hash"] == head["hash"]
        found = again.eth.get_transaction_receipt(receipt["transactionHash"])
        assert found["blockHash"] == receipt["blockHash"]
        later = again.eth.contract(address=counter.address, abi=compiled_counter.abi)
        assert later.functions.total().call() == 5
        assert len(later.events.Counted.get_logs(from_block=0)) == 1
        mined(again, later.functions.count(1).transact({"from": again.eth.accounts[0]}))
        assert later.functions.total().call() == 6
        if backend == "pyevm":  # Anvil forgets how far its clock was moved
            assert again.eth.get_block("latest")["timestamp"] >= head["timestamp"]
            assert later.functions.total().call(block_identifier=receipt["blockNumber"]) == 5


def test_kill__right_after_an_acknowledged_transaction__it_is_still_there(
    backend: str, compiled_counter: Compiled, tmp_path: Path
) -> None:
    with running_devnet(backend, tmp_path) as devnet:
        w3 = devnet.web3()
        counter = deploy_counter(w3, compiled_counter, w3.eth.accounts[0])
        sent = counter.functions.count(4).transact({"from": w3.eth.accounts[0]})

        devnet.kill()
        devnet.start()

        again = devnet.web3()
        assert again.eth.get_transaction_receipt(sent)["status"] == 1
        later = again.eth.contract(address=counter.address, abi=compiled_counter.abi)
        assert later.functions.total().call() == 5


def test_kill__ten_times_between_transactions__no_acknowledged_one_is_lost(tmp_path: Path) -> None:
    with running_devnet("pyevm", tmp_path) as devnet:
        sent = []
        for step in range(10):
            w3 = devnet.web3()
            sender, other = w3.eth.accounts[:2]
            transfer = {"from": sender, "to": other, "gas": 21_000}
            sent += [w3.eth.send_transaction({**transfer, "value": value}) for value in range(3)]
            if step % 3 == 2:
                devnet.kill()
                devnet.start()

        w3 = devnet.web3()
        assert [w3.eth.get_transaction_receipt(one)["blockNumber"] for one in sent] == list(
            range(1, 31)
        )
        assert w3.eth.block_number == 30
        for number in range(1, 31):
            assert w3.eth.get_block(number)["parentHash"] == w3.eth.get_block(number - 1)["hash"]


def test_pool__waiting_transaction__survives_a_kill(tmp_path: Path) -> None:
    with running_devnet("pyevm", tmp_path) as devnet:
        w3 = devnet.web3()
        rpc(w3, "evm_setAutomine", False)
        sent = w3.eth.send_transaction(
            {"from": w3.eth.accounts[0], "to": w3.eth.accounts[1], "value": 1, "gas": 21_000}
        )

        devnet.kill()
        devnet.start()

        again = devnet.web3()
        assert rpc(again, "anvil_getAutomine") is False
        assert again.eth.get_transaction(sent)["blockHash"] is None
        rpc(again, "evm_mine")
        assert mined(again, sent)["status"] == 1


def test_state_directory__second_devnet__waits_for_the_first_and_continues_its_chain(
    backend: str, tmp_path: Path
) -> None:
    with running_devnet(backend, tmp_path) as first:
        w3 = first.web3()
        rpc(w3, "evm_mine")
        head = w3.eth.get_block("latest")["hash"]
        first.kill()
        with running_devnet(backend, tmp_path) as second:
            assert second.web3().eth.get_block("latest")["hash"] == head


def test_heartbeat__after_a_transaction__an_empty_block_follows(
    backend: str, tmp_path: Path
) -> None:
    with running_devnet(backend, tmp_path, heartbeat_seconds=0.2) as devnet:
        w3 = devnet.web3()
        sent = w3.eth.send_transaction(
            {"from": w3.eth.accounts[0], "to": w3.eth.accounts[1], "value": 1}
        )
        number = mined(w3, sent)["blockNumber"]

        polls = itertools.takewhile(
            lambda _: w3.eth.block_number <= number, itertools.repeat(None, 20_000)
        )
        assert sum(1 for _ in polls) < 20_000
        assert w3.eth.get_block(number + 1)["transactions"] == []


def test_attack__endless_loop_and_deep_recursion__answered_with_errors_and_the_node_lives(
    w3: Web3, compiled_counter: Compiled, operator: str, devnet: DevnetProcess
) -> None:
    counter = deploy_counter(w3, compiled_counter, operator)

    loop = w3.provider.make_request(
        "eth_call",
        [
            {
                "to": counter.address,
                "data": counter.encode_abi("burn_all_gas", []),
                "gas": hex(3_000_000),
            },
            "latest",
        ],
    )
    deep = w3.provider.make_request(
        "eth_call",
        [
            {
                "to": counter.address,
                "data": counter.encode_abi("dive", [1_100]),
                "gas": hex(60_000_000),
            },
            "latest",
        ],
    )

    assert "gas" in loop["error"]["message"].lower()
    assert "error" in deep
    assert counter.functions.dive(100).call() == 100
    assert devnet.process is not None
    assert devnet.process.poll() is None


def test_port__already_taken__ends_with_a_named_error(tmp_path: Path) -> None:
    with running_devnet("pyevm", tmp_path / "one") as first:
        second = DevnetProcess("pyevm", tmp_path / "two", first.port)

        assert "PortTaken" in second.fail_to_start()


def test_anvil__child_dies__the_devnet_ends_with_a_named_error(
    backend: str, tmp_path: Path
) -> None:
    if backend != "anvil":
        pytest.skip("only Anvil is a child process")
    with running_devnet(backend, tmp_path) as devnet:
        assert devnet.process is not None
        (child,) = psutil.Process(devnet.process.pid).children()
        child.kill()

        output, _ = devnet.process.communicate(timeout=30)

        assert devnet.process.returncode != 0
        assert "anvil_ended" in output
        devnet.process = None
