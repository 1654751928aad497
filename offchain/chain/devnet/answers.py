"""Blocks, transactions, receipts and logs as JSON-RPC shows them.

Quantities are minimal hex, bytes are full hex, addresses are lower case.
Source: https://github.com/ethereum/execution-apis (schemas of block, transaction, receipt).
"""

from typing import Any, Final

import rlp
from eth_bloom.bloom import BloomFilter

from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.model import Block, Log, MinedTransaction, PlacedLog
from offchain.chain.devnet.transactions import Transaction

_DYNAMIC_FEE_TYPES: Final = frozenset({2, 4})


def show_bytes(raw: bytes) -> str:
    return "0x" + raw.hex()


def show_word(number: int) -> str:
    return f"0x{number:064x}"


def show_block(block: Block, transactions: list[Any]) -> Json:
    """A block; `transactions` are hashes or whole objects, as the caller asked."""
    header = block.header
    return {
        "number": hex(header.block_number),
        "hash": show_bytes(header.hash),
        "parentHash": show_bytes(header.parent_hash),
        "sha3Uncles": show_bytes(header.uncles_hash),
        "miner": show_bytes(header.coinbase),
        "stateRoot": show_bytes(header.state_root),
        "transactionsRoot": show_bytes(header.transaction_root),
        "receiptsRoot": show_bytes(header.receipt_root),
        "logsBloom": f"0x{header.bloom:0512x}",
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": show_bytes(header.extra_data),
        "mixHash": show_bytes(header.mix_hash),
        "nonce": show_bytes(header.nonce),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawalsRoot": show_bytes(header.withdrawals_root),
        "withdrawals": [],
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": show_bytes(header.parent_beacon_block_root),
        "requestsHash": show_bytes(header.requests_hash),
        "size": hex(len(rlp.encode(header))),
        "uncles": [],
        "transactions": transactions,
    }


def show_transaction(
    transaction: Transaction, mined: MinedTransaction | None, chain_id: int
) -> Json:
    """A transaction; without a place when it still waits."""
    evm = transaction.evm
    type_id = transaction.type_id
    shown: Json = {
        "hash": show_bytes(transaction.hash),
        "type": hex(type_id),
        "nonce": hex(evm.nonce),
        "from": show_bytes(evm.sender),
        "to": show_bytes(evm.to) if evm.to else None,
        "value": hex(evm.value),
        "gas": hex(evm.gas),
        "input": show_bytes(evm.data),
        "r": hex(evm.r),
        "s": hex(evm.s),
        "blockHash": None if mined is None else show_bytes(mined.block_hash),
        "blockNumber": None if mined is None else hex(mined.block_number),
        "transactionIndex": None if mined is None else hex(mined.position),
        "gasPrice": hex(evm.max_fee_per_gas),
    }
    if type_id == 0:
        shown["v"] = hex(evm.inner.v)
        if evm.chain_id is not None:
            shown["chainId"] = hex(chain_id)
        return shown
    shown["chainId"] = hex(chain_id)
    shown["v"] = shown["yParity"] = hex(evm.y_parity)
    shown["accessList"] = [
        {"address": show_bytes(address), "storageKeys": [show_word(slot) for slot in slots]}
        for address, slots in evm.access_list
    ]
    if type_id in _DYNAMIC_FEE_TYPES:
        shown["maxFeePerGas"] = hex(evm.max_fee_per_gas)
        shown["maxPriorityFeePerGas"] = hex(evm.max_priority_fee_per_gas)
        if mined is not None:
            shown["gasPrice"] = hex(mined.receipt.effective_gas_price_wei)
    return shown


def show_receipt(transaction: Transaction, mined: MinedTransaction, block_timestamp: int) -> Json:
    receipt = mined.receipt
    created = receipt.contract_address
    return {
        "transactionHash": show_bytes(mined.hash),
        "transactionIndex": hex(mined.position),
        "blockHash": show_bytes(mined.block_hash),
        "blockNumber": hex(mined.block_number),
        "from": show_bytes(mined.sender),
        "to": show_bytes(transaction.evm.to) if transaction.evm.to else None,
        "type": hex(transaction.type_id),
        "status": "0x1" if receipt.succeeded else "0x0",
        "gasUsed": hex(receipt.gas_used),
        "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
        "effectiveGasPrice": hex(receipt.effective_gas_price_wei),
        "contractAddress": None if created is None else show_bytes(created),
        "logsBloom": f"0x{_bloom(receipt.logs):0512x}",
        "logs": [
            show_log(
                PlacedLog(
                    log=log,
                    block_number=mined.block_number,
                    block_hash=mined.block_hash,
                    block_timestamp=block_timestamp,
                    transaction_hash=mined.hash,
                    transaction_position=mined.position,
                    log_index=mined.first_log_index + offset,
                )
            )
            for offset, log in enumerate(receipt.logs)
        ],
    }


def show_log(placed: PlacedLog) -> Json:
    return {
        "address": show_bytes(placed.log.address),
        "topics": [show_bytes(topic) for topic in placed.log.topics],
        "data": show_bytes(placed.log.data),
        "blockNumber": hex(placed.block_number),
        "blockHash": show_bytes(placed.block_hash),
        "blockTimestamp": hex(placed.block_timestamp),
        "transactionHash": show_bytes(placed.transaction_hash),
        "transactionIndex": hex(placed.transaction_position),
        "logIndex": hex(placed.log_index),
        "removed": False,
    }


def _bloom(logs: tuple[Log, ...]) -> int:
    bloom = BloomFilter()
    for log in logs:
        bloom.add(log.address)
        for topic in log.topics:
            bloom.add(topic)
    return int(bloom)
