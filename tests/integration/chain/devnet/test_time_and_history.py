"""Snapshots, time travel, rollbacks, block context, old block hashes."""

import pytest
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError

from .conftest import mined, rpc, rpc_error

DAY = 86_400


def test_snapshot__reverted__state_head_and_receipts_are_gone(
    w3: Web3, counter: Contract, operator: str
) -> None:
    head = w3.eth.get_block("latest")
    snapshot = rpc(w3, "evm_snapshot")
    sent = counter.functions.count(4).transact({"from": operator})
    mined(w3, sent)

    assert rpc(w3, "evm_revert", snapshot) is True

    assert counter.functions.total().call() == 1
    assert w3.eth.get_block("latest")["hash"] == head["hash"]
    assert rpc(w3, "eth_getTransactionReceipt", sent.to_0x_hex()) is None
    assert rpc(w3, "evm_revert", snapshot) is False


def test_time__increased__the_next_block_is_that_much_later(w3: Web3) -> None:
    before = w3.eth.get_block("latest")["timestamp"]

    rpc(w3, "evm_increaseTime", 30 * DAY)
    rpc(w3, "evm_mine")

    assert 30 * DAY <= w3.eth.get_block("latest")["timestamp"] - before < 30 * DAY + 600


def test_time__next_timestamp_set__exact_and_later_blocks_go_on_from_it(
    w3: Web3, counter: Contract, operator: str
) -> None:
    wanted = w3.eth.get_block("latest")["timestamp"] + 5 * DAY

    rpc(w3, "evm_setNextBlockTimestamp", wanted)
    receipt = mined(w3, counter.functions.count(1).transact({"from": operator}))
    rpc(w3, "evm_mine")

    assert w3.eth.get_block(receipt["blockNumber"])["timestamp"] == wanted
    assert wanted <= w3.eth.get_block("latest")["timestamp"] < wanted + 600


def test_time__next_timestamp_in_the_past__refused(w3: Web3) -> None:
    head = w3.eth.get_block("latest")

    assert rpc_error(w3, "evm_setNextBlockTimestamp", head["timestamp"] - 1)["code"] == -32_602
    assert w3.eth.get_block("latest")["hash"] == head["hash"]


def test_rollback__one_block__transaction_forgotten_and_can_be_sent_again(
    w3: Web3, counter: Contract, operator: str
) -> None:
    nonce = w3.eth.get_transaction_count(operator)
    receipt = mined(w3, counter.functions.count(4).transact({"from": operator}))
    rpc(w3, "evm_mine")

    rpc(w3, "anvil_rollback", 2)

    assert w3.eth.block_number == receipt["blockNumber"] - 1
    assert counter.functions.total().call() == 1
    assert w3.eth.get_transaction_count(operator) == nonce
    assert rpc(w3, "eth_getTransactionReceipt", receipt["transactionHash"].to_0x_hex()) is None
    rpc(w3, "evm_increaseTime", 5)
    again = mined(w3, counter.functions.count(4).transact({"from": operator}))
    assert again["blockNumber"] == receipt["blockNumber"]
    assert again["blockHash"] != receipt["blockHash"]


def test_rollback__deeper_than_the_chain__refused(w3: Web3) -> None:
    head = w3.eth.get_block("latest")

    rpc_error(w3, "anvil_rollback", head["number"] + 1)

    assert w3.eth.get_block("latest")["hash"] == head["hash"]


def test_reorganisation__empty_blocks__same_height_other_hashes(
    w3: Web3, counter: Contract, operator: str
) -> None:
    mined(w3, counter.functions.count(4).transact({"from": operator}))
    rpc(w3, "evm_mine")
    old = w3.eth.get_block("latest")

    rpc(w3, "anvil_reorg", 2, [])

    new = w3.eth.get_block("latest")
    assert new["number"] == old["number"]
    assert new["hash"] != old["hash"]
    assert counter.functions.total().call() == 1


def test_context__block_values__those_of_the_block(w3: Web3, counter: Contract) -> None:
    rpc(w3, "evm_mine")
    head = w3.eth.get_block("latest")

    number, _, randomness, base_fee = counter.functions.context().call(
        block_identifier=head["number"]
    )

    assert number == head["number"]
    assert randomness == head["mixHash"]
    assert base_fee in {0, head["baseFeePerGas"]}


def test_history__through_opcode_and_eip_2935__both_give_the_block_hash(
    w3: Web3, counter: Contract
) -> None:
    rpc(w3, "anvil_mine", 300)
    head = w3.eth.block_number
    recent, old = w3.eth.get_block(head - 10)["hash"], w3.eth.get_block(head - 290)["hash"]

    assert counter.functions.hash_of(head - 10).call() == recent
    assert counter.functions.history_of(head - 10).call() == recent
    assert counter.functions.history_of(head - 290).call() == old
    with pytest.raises(ContractLogicError):
        counter.functions.hash_of(head - 290).call()


def test_balance__set_by_hand__spendable_at_once(w3: Web3, stranger: str) -> None:
    poor = "0x00000000000000000000000000000000000000aA"

    rpc(w3, "anvil_setBalance", poor, hex(5 * 10**18))

    assert w3.eth.get_balance(Web3.to_checksum_address(poor)) == 5 * 10**18
    rpc(w3, "evm_mine")
    assert w3.eth.get_balance(Web3.to_checksum_address(poor)) == 5 * 10**18


def test_mining__many_with_an_interval__evenly_spaced(w3: Web3) -> None:
    start = w3.eth.block_number

    rpc(w3, "anvil_mine", hex(3), hex(60))

    times = [w3.eth.get_block(start + step)["timestamp"] for step in (1, 2, 3)]
    assert [times[1] - times[0], times[2] - times[1]] == [60, 60]
