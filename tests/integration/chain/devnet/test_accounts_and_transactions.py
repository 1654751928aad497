"""Accounts, transactions of every type, receipts, nonces and the errors clients classify."""

import pytest
from eth_account import Account
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError, Web3RPCError

from offchain.chain.devnet.genesis import dev_accounts
from tests.support.waiting import wait_until

from .conftest import Compiled, deploy_counter, mined, rpc, rpc_error

GWEI = 10**9
DEV_KEYS = [Account.from_key(account.private_key) for account in dev_accounts()]


def signed(w3: Web3, **fields: object) -> bytes:
    """A raw transaction of the second developer account."""
    sender = DEV_KEYS[1]
    unsigned = {
        "chainId": 31_337,
        "nonce": w3.eth.get_transaction_count(sender.address),
        "to": DEV_KEYS[0].address,
        "value": 1,
        "gas": 30_000,
        "maxFeePerGas": 20 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        **fields,
    }
    return bytes(sender.sign_transaction(unsigned).raw_transaction)


def test_genesis__developer_accounts__the_known_ten_with_ten_million_each(w3: Web3) -> None:
    accounts = w3.eth.accounts

    assert len(accounts) == 10
    assert accounts[0] == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert accounts[9] == "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"
    assert {w3.eth.get_balance(one) for one in accounts[2:]} == {10_000_000 * 10**18}
    assert w3.eth.chain_id == 31_337
    assert w3.net.version == "31337"
    assert w3.eth.syncing is False


@pytest.mark.parametrize(
    ("type_id", "fees"),
    [
        (0, {"gasPrice": 20 * GWEI}),
        (1, {"gasPrice": 20 * GWEI, "type": 1, "accessList": []}),
        (2, {"maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": GWEI}),
    ],
)
def test_raw_transaction__each_type__mined_with_a_full_receipt(
    w3: Web3, type_id: int, fees: dict[str, object]
) -> None:
    sender = DEV_KEYS[1]
    unsigned = {
        "chainId": 31_337,
        "nonce": w3.eth.get_transaction_count(sender.address),
        "to": DEV_KEYS[0].address,
        "value": 5,
        "gas": 30_000,
        **fees,
    }
    before = w3.eth.get_balance(DEV_KEYS[0].address)

    sent = w3.eth.send_raw_transaction(sender.sign_transaction(unsigned).raw_transaction)
    receipt = mined(w3, sent)

    assert receipt["status"] == 1
    assert receipt["type"] == type_id
    assert receipt["gasUsed"] == receipt["cumulativeGasUsed"] == 21_000
    assert receipt["from"] == sender.address
    assert receipt["to"] == DEV_KEYS[0].address
    assert receipt["contractAddress"] is None
    assert receipt["logs"] == []
    assert receipt["effectiveGasPrice"] > 0
    assert receipt["transactionIndex"] == 0
    assert w3.eth.get_balance(DEV_KEYS[0].address) == before + 5
    wait_until(
        lambda: w3.eth.get_transaction(sent)["blockHash"] is not None,  # Anvil's pool answers last
        seconds=30,
        what="the transaction shown as mined",
    )
    shown = w3.eth.get_transaction(sent)
    assert shown["type"] == type_id
    assert shown["blockHash"] == receipt["blockHash"]
    assert shown["nonce"] == unsigned["nonce"]
    assert w3.eth.get_transaction_by_block(receipt["blockNumber"], 0)["hash"] == sent
    assert w3.eth.get_block_transaction_count(receipt["blockNumber"]) == 1
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert block["transactions"][0]["hash"] == sent
    assert block["gasUsed"] == 21_000


def test_deployment__counter__code_storage_and_event_fields(
    w3: Web3, counter: Contract, operator: str
) -> None:
    receipt = mined(w3, counter.functions.count(4).transact({"from": operator}))

    (entry,) = counter.events.Counted().process_receipt(receipt)
    assert (entry["args"]["who"], entry["args"]["step"], entry["args"]["total"]) == (operator, 4, 5)
    assert receipt["logs"][0]["logIndex"] == 0
    assert receipt["logs"][0]["removed"] is False
    assert int.from_bytes(receipt["logsBloom"], "big") != 0
    assert counter.functions.total().call() == 5
    assert int.from_bytes(w3.eth.get_storage_at(counter.address, 0), "big") == 5
    assert len(w3.eth.get_code(counter.address)) > 100
    (only,) = w3.eth.get_block_receipts(receipt["blockNumber"])
    assert only["transactionHash"] == receipt["transactionHash"]


def test_call__at_an_older_block__answers_from_that_state(
    w3: Web3, counter: Contract, operator: str
) -> None:
    before = w3.eth.block_number
    mined(w3, counter.functions.count(4).transact({"from": operator}))

    assert counter.functions.total().call(block_identifier=before) == 1
    assert counter.functions.total().call() == 5
    assert w3.eth.get_transaction_count(operator, before) + 1 == w3.eth.get_transaction_count(
        operator
    )


def test_revert__with_a_reason__code_message_and_data_reach_the_client(
    w3: Web3, counter: Contract, operator: str
) -> None:
    call = {
        "from": operator,
        "to": counter.address,
        "data": counter.encode_abi("count", [7]),
    }
    payload = (
        "0x08c379a0"
        + (32).to_bytes(32, "big").hex()
        + (14).to_bytes(32, "big").hex()
        + b"counter: seven".ljust(32, b"\0").hex()
    )

    for method in ("eth_call", "eth_estimateGas"):
        error = rpc_error(w3, method, call)
        assert error["code"] == 3
        assert error["message"] == "execution reverted: counter: seven"
        assert error["data"] == payload
    with pytest.raises(ContractLogicError, match="counter: seven"):
        counter.functions.count(7).call({"from": operator})


def test_revert__mined__status_zero_and_the_state_did_not_move(
    w3: Web3, counter: Contract, operator: str
) -> None:
    receipt = mined(w3, counter.functions.count(7).transact({"from": operator, "gas": 100_000}))

    assert receipt["status"] == 0
    assert receipt["logs"] == []
    assert counter.functions.total().call() == 1


def test_revert__without_reason_and_by_overflow__still_an_execution_revert(
    w3: Web3, counter: Contract
) -> None:
    for data in (
        counter.encode_abi("fail_silently", []),
        counter.encode_abi("overflow", [2**256 - 1]),
    ):
        error = rpc_error(w3, "eth_call", {"to": counter.address, "data": data}, "latest")
        assert error["code"] == 3
        assert error["message"].startswith("execution reverted")
        assert error["data"] == "0x"


def test_estimate__nested_call__sent_with_it_succeeds(
    w3: Web3, counter: Contract, compiled_counter: Compiled, operator: str
) -> None:
    other = deploy_counter(w3, compiled_counter, operator)
    function = counter.functions.count_through(other.address, 3)

    estimate = function.estimate_gas({"from": operator})
    receipt = mined(w3, function.transact({"from": operator, "gas": estimate}))

    assert receipt["status"] == 1
    assert receipt["gasUsed"] <= estimate <= receipt["gasUsed"] * 1.3
    assert other.functions.total().call() == 4


def test_estimate__plain_transfer__exactly_21000(w3: Web3, operator: str, stranger: str) -> None:
    assert w3.eth.estimate_gas({"from": operator, "to": stranger, "value": 1}) == 21_000


def test_nonce__already_used__nonce_too_low(w3: Web3) -> None:
    mined(w3, w3.eth.send_raw_transaction(signed(w3)))

    with pytest.raises(Web3RPCError, match="nonce too low"):
        w3.eth.send_raw_transaction(signed(w3, nonce=0))


def test_nonce__gap__waits_until_the_gap_is_filled(w3: Web3) -> None:
    sender = DEV_KEYS[1].address
    first = w3.eth.get_transaction_count(sender)
    later = w3.eth.send_raw_transaction(signed(w3, nonce=first + 1))
    assert w3.eth.get_transaction_count(sender) == first
    assert w3.eth.get_transaction(later)["blockHash"] is None

    w3.eth.send_raw_transaction(signed(w3, nonce=first))

    assert mined(w3, later)["status"] == 1
    assert w3.eth.get_transaction_count(sender) == first + 2


def test_pool__same_transaction_again__already_known(w3: Web3) -> None:
    rpc(w3, "evm_setAutomine", False)
    raw = signed(w3)
    w3.eth.send_raw_transaction(raw)

    with pytest.raises(Web3RPCError, match=r"already (known|imported)"):
        w3.eth.send_raw_transaction(raw)


def test_pool__replacement_without_a_better_price__underpriced(w3: Web3) -> None:
    rpc(w3, "evm_setAutomine", False)
    first = w3.eth.send_raw_transaction(signed(w3))

    with pytest.raises(Web3RPCError, match="replacement transaction underpriced"):
        w3.eth.send_raw_transaction(signed(w3, value=2))
    second = w3.eth.send_raw_transaction(
        signed(w3, value=2, maxFeePerGas=40 * GWEI, maxPriorityFeePerGas=4 * GWEI)
    )
    rpc(w3, "evm_mine")

    assert mined(w3, second)["status"] == 1
    assert (
        w3.provider.make_request("eth_getTransactionReceipt", [first.to_0x_hex()])["result"] is None
    )


def test_pool__mining_by_hand__pending_nonce_counts_what_waits(w3: Web3) -> None:
    sender = DEV_KEYS[1].address
    rpc(w3, "evm_setAutomine", False)
    first = w3.eth.get_transaction_count(sender)
    sent = [w3.eth.send_raw_transaction(signed(w3, nonce=first + step)) for step in range(3)]

    assert w3.eth.get_transaction_count(sender, "pending") == first + 3
    assert w3.eth.get_transaction_count(sender) == first
    rpc(w3, "evm_mine")
    receipts = [mined(w3, one) for one in sent]

    assert [one["transactionIndex"] for one in receipts] == [0, 1, 2]
    assert [one["cumulativeGasUsed"] for one in receipts] == [21_000, 42_000, 63_000]
    assert len({one["blockNumber"] for one in receipts}) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": 10**30}, r"(?i)insufficient funds"),
        ({"gas": 20_999}, r"(?i)intrinsic gas too low"),
        ({"gas": 60_000_001}, r"(?i)gas.*limit|gas too high"),
        (
            {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0},
            r"(?i)max fee per gas less than block base fee",
        ),
        ({"chainId": 1}, r"(?i)invalid chain id"),
    ],
)
def test_raw_transaction__that_cannot_run__refused_in_geths_words_and_nothing_moves(
    w3: Web3, fields: dict[str, object], words: str
) -> None:
    sender = DEV_KEYS[1].address
    nonce, head = w3.eth.get_transaction_count(sender), w3.eth.block_number

    with pytest.raises(Web3RPCError, match=words):
        w3.eth.send_raw_transaction(signed(w3, **fields))

    assert (nonce, head) == (w3.eth.get_transaction_count(sender), w3.eth.block_number)


@pytest.mark.parametrize(
    "raw", ["0x", "0x00", "0x02", "0x02c0", "0xc0", "0xff" * 2, "0x" + "02" * 200]
)
def test_raw_transaction__bytes_that_are_none__an_error_not_a_crash(w3: Web3, raw: str) -> None:
    assert rpc_error(w3, "eth_sendRawTransaction", raw)["code"] < 0
    assert w3.eth.block_number >= 0


def test_unknown_hashes__nothing_there__null(w3: Web3) -> None:
    nowhere = "0x" + "11" * 32

    assert rpc(w3, "eth_getTransactionByHash", nowhere) is None
    assert rpc(w3, "eth_getTransactionReceipt", nowhere) is None
    assert rpc(w3, "eth_getBlockByHash", nowhere, False) is None
    assert rpc(w3, "eth_getBlockByNumber", hex(10**9), False) is None


def test_fees__history_and_suggestions__usable_by_web3(
    w3: Web3, operator: str, stranger: str
) -> None:
    mined(w3, w3.eth.send_transaction({"from": operator, "to": stranger, "value": 1}))

    history = w3.eth.fee_history(3, "latest", [10.0, 50.0])

    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    assert all(len(one) == 2 for one in history["reward"])
    base_fee = w3.eth.get_block("pending")["baseFeePerGas"]
    assert w3.eth.gas_price >= base_fee
    assert w3.eth.max_priority_fee > 0


def test_blocks__two_in_a_row__linked_and_obeying_eip_1559(w3: Web3, backend: str) -> None:
    rpc(w3, "evm_mine")
    rpc(w3, "evm_mine")
    child = w3.eth.get_block("latest")
    parent = w3.eth.get_block(child["number"] - 1)

    assert child["parentHash"] == parent["hash"]
    # Anvil seals several blocks in one second under one timestamp, which no chain does.
    least_step = 0 if backend == "anvil" else 1
    assert child["timestamp"] - parent["timestamp"] >= least_step
    target = parent["gasLimit"] // 2
    fall = parent["baseFeePerGas"] * (target - parent["gasUsed"]) // target // 8
    assert child["baseFeePerGas"] == parent["baseFeePerGas"] - fall
    assert child["mixHash"] != parent["mixHash"]
    assert len(child["extraData"]) <= 32
