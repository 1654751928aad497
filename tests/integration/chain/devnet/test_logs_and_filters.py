"""Logs by range, address, topic and block hash; filters that are polled."""

from web3 import Web3
from web3.contract import Contract

from .conftest import Compiled, deploy_counter, mined, rpc, rpc_error


def test_logs__by_indexed_argument__only_the_matching(
    w3: Web3, counter: Contract, operator: str, stranger: str
) -> None:
    start = w3.eth.block_number
    for sender, step in ((operator, 1), (stranger, 2), (operator, 3)):
        mined(w3, counter.functions.count(step).transact({"from": sender}))

    by_operator = counter.events.Counted.get_logs(
        from_block=start, argument_filters={"who": operator}
    )
    by_step = counter.events.Counted.get_logs(from_block=start, argument_filters={"step": [2, 3]})

    assert [one["args"]["step"] for one in by_operator] == [1, 3]
    assert [one["args"]["step"] for one in by_step] == [2, 3]


def test_logs__by_address_and_block_hash__nothing_of_others(
    w3: Web3, counter: Contract, compiled_counter: Compiled, operator: str
) -> None:
    other = deploy_counter(w3, compiled_counter, operator)
    receipt = mined(
        w3, counter.functions.count_through(other.address, 1).transact({"from": operator})
    )

    found = w3.eth.get_logs({"blockHash": receipt["blockHash"], "address": other.address})
    missed = w3.eth.get_logs({"blockHash": receipt["blockHash"], "address": counter.address})

    assert [one["transactionHash"] for one in found] == [receipt["transactionHash"]]
    assert missed == []


def test_logs__topic_position_open__a_log_with_fewer_topics_does_not_match(
    w3: Web3, counter: Contract, operator: str, backend: str
) -> None:
    receipt = mined(w3, counter.functions.count(1).transact({"from": operator}))
    at = {"fromBlock": receipt["blockNumber"], "toBlock": receipt["blockNumber"]}

    assert len(w3.eth.get_logs({**at, "topics": [None, None, None]})) == 1
    if backend == "pyevm":  # Anvil ignores open positions at the end
        assert w3.eth.get_logs({**at, "topics": [None, None, None, None]}) == []


def test_log_filter__polled_twice__each_log_told_once(
    w3: Web3, counter: Contract, operator: str
) -> None:
    mined(w3, counter.functions.count(9).transact({"from": operator}))
    watching = counter.events.Counted.create_filter(from_block="latest")
    watching.get_new_entries()

    mined(w3, counter.functions.count(1).transact({"from": operator}))
    mined(w3, counter.functions.count(2).transact({"from": operator}))

    assert [one["args"]["step"] for one in watching.get_new_entries()] == [1, 2]
    assert watching.get_new_entries() == []
    assert rpc(w3, "eth_uninstallFilter", watching.filter_id) is True
    assert (
        "filter not found" in rpc_error(w3, "eth_getFilterChanges", watching.filter_id)["message"]
    )


def test_block_filter__blocks_sealed__their_hashes_in_order(w3: Web3) -> None:
    watching = w3.eth.filter("latest")
    rpc(w3, "evm_mine")
    rpc(w3, "evm_mine")

    head = w3.eth.block_number
    assert [w3.eth.get_block(head - 1)["hash"], w3.eth.get_block(head)["hash"]] == (
        watching.get_new_entries()
    )


def test_log_range__longer_than_allowed__limit_exceeded(w3: Web3) -> None:
    error = rpc_error(w3, "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(10_000)})

    assert error["code"] == -32_005
    assert "10000" in error["message"]


def test_log_range__from_after_to__refused(w3: Web3) -> None:
    assert rpc_error(w3, "eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x1"})["code"] == -32_602


def test_log_results__more_than_allowed__limit_exceeded(
    w3: Web3, counter: Contract, operator: str
) -> None:
    start = w3.eth.block_number
    for _ in range(10):
        receipt = mined(
            w3, counter.functions.count_many(2_001).transact({"from": operator, "gas": 30_000_000})
        )
        assert receipt["status"] == 1

    error = rpc_error(w3, "eth_getLogs", {"fromBlock": hex(start), "toBlock": "latest"})

    assert error["code"] == -32_005
    assert "20000" in error["message"]


def test_filters__more_than_allowed__refused_until_one_is_gone(w3: Web3) -> None:
    made = []
    try:
        answer = w3.provider.make_request("eth_newBlockFilter", [])
        while "result" in answer:
            made.append(answer["result"])
            answer = w3.provider.make_request("eth_newBlockFilter", [])

        assert answer["error"]["code"] == -32_005
        assert 1 < len(made) <= 256
    finally:
        for identifier in made:
            rpc(w3, "eth_uninstallFilter", identifier)
    assert rpc(w3, "eth_uninstallFilter", rpc(w3, "eth_newBlockFilter")) is True
