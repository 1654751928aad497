"""JSON-RPC methods that read the chain or run a call on a throw-away state."""

from importlib.metadata import version
from typing import Any, Final

from offchain.chain.devnet.answers import show_block, show_bytes, show_receipt, show_word
from offchain.chain.devnet.answers import show_transaction as show
from offchain.chain.devnet.chain import DevChain, View, raise_failure
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.evm import CallRequest
from offchain.chain.devnet.faults import BadParameters, Refused
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.devnet.limits import MAX_FEE_HISTORY_BLOCKS
from offchain.chain.devnet.model import Block, MinedTransaction
from offchain.chain.devnet.network import BLOCK_GAS_LIMIT
from offchain.chain.devnet.parameters import PENDING, BlockReference, Parameters, data, quantity
from offchain.chain.devnet.transactions import Transaction, parse_transaction

SUGGESTED_TIP_WEI: Final = 1_000_000_000
_ZERO_ADDRESS: Final = bytes(20)


class ReadingMethods:
    """eth_, net_ and web3_ methods without effect."""

    def __init__(self, chain: DevChain) -> None:
        self._chain = chain

    def methods(self) -> dict[str, Any]:
        return {
            "eth_accounts": lambda _: [show_bytes(one.address) for one in dev_accounts()],
            "eth_blockNumber": lambda _: hex(self._chain.head.number),
            "eth_call": self.call,
            "eth_chainId": lambda _: hex(self._chain.chain_id),
            "eth_estimateGas": self.estimate_gas,
            "eth_feeHistory": self.fee_history,
            "eth_gasPrice": lambda _: hex(self._next_base_fee() + SUGGESTED_TIP_WEI),
            "eth_getBalance": self.balance,
            "eth_getBlockByHash": self.block_by_hash,
            "eth_getBlockByNumber": self.block_by_number,
            "eth_getBlockReceipts": self.block_receipts,
            "eth_getBlockTransactionCountByHash": self.transaction_count_by_hash,
            "eth_getBlockTransactionCountByNumber": self.transaction_count_by_number,
            "eth_getCode": self.code,
            "eth_getStorageAt": self.storage,
            "eth_getTransactionByBlockHashAndIndex": self.transaction_by_hash_and_index,
            "eth_getTransactionByBlockNumberAndIndex": self.transaction_by_number_and_index,
            "eth_getTransactionByHash": self.transaction,
            "eth_getTransactionCount": self.transaction_count,
            "eth_getTransactionReceipt": self.receipt,
            "eth_maxPriorityFeePerGas": lambda _: hex(SUGGESTED_TIP_WEI),
            "eth_syncing": lambda _: False,
            "net_listening": lambda _: True,
            "net_version": lambda _: str(self._chain.chain_id),
            "web3_clientVersion": lambda _: f"apogee-devnet/py-evm-{version('py-evm')}",
        }

    # Calls

    def call(self, parameters: Parameters) -> str:
        if parameters.value(2):
            raise BadParameters("invalid argument 2: state overrides are not supported")
        view = self._view(parameters.block(1))
        outcome = self._chain.call(self.call_request(parameters.mapping(0)), view)
        if outcome.failure is not None:
            raise_failure(outcome)
        return show_bytes(outcome.output)

    def estimate_gas(self, parameters: Parameters) -> str:
        if parameters.value(2):
            raise BadParameters("invalid argument 2: state overrides are not supported")
        view = self._view(parameters.block(1, PENDING))
        request = self.call_request(parameters.mapping(0))
        return hex(self._chain.estimate_gas(request, view))

    def call_request(self, fields: Json) -> CallRequest:
        """Read a call object; absent gas means all a block may use."""
        payload = fields.get("input", fields.get("data"))
        if "input" in fields and "data" in fields and fields["input"] != fields["data"]:
            raise BadParameters('both "data" and "input" are set and not equal')
        recipient = fields.get("to")
        price = fields.get("gasPrice", fields.get("maxFeePerGas"))
        sender = fields.get("from")
        gas = fields.get("gas")
        return CallRequest(
            sender=_ZERO_ADDRESS if sender is None else data(sender, "from", 20),
            recipient=None if recipient in {None, "", "0x"} else data(recipient, "to", 20),
            data=b"" if payload is None else data(payload, "input"),
            value_wei=quantity(fields.get("value") or 0, "value"),
            gas=min(BLOCK_GAS_LIMIT if gas is None else quantity(gas, "gas"), BLOCK_GAS_LIMIT),
            gas_price_wei=quantity(price or 0, "gasPrice"),
        )

    # State

    def balance(self, parameters: Parameters) -> str:
        return hex(self._state(parameters, 1).get_balance(parameters.address(0)))

    def code(self, parameters: Parameters) -> str:
        return show_bytes(self._state(parameters, 1).get_code(parameters.address(0)))

    def storage(self, parameters: Parameters) -> str:
        slot = parameters.quantity(1)
        return show_word(self._state(parameters, 2).get_storage(parameters.address(0), slot))

    def transaction_count(self, parameters: Parameters) -> str:
        address = parameters.address(0)
        if parameters.block(1).is_pending:
            return hex(self._chain.pending_nonce(address))
        return hex(self._state(parameters, 1).get_nonce(address))

    # Blocks

    def block_by_number(self, parameters: Parameters) -> Json | None:
        reference = parameters.block(0)
        is_full = parameters.flag(1)
        if reference.is_pending:
            return self._pending_block(is_full=is_full)
        return self._shown_block(self._block(reference), is_full=is_full)

    def block_by_hash(self, parameters: Parameters) -> Json | None:
        block = self._chain.ledger.block_by_hash(parameters.data(0, 32))
        return self._shown_block(block, is_full=parameters.flag(1))

    def block_receipts(self, parameters: Parameters) -> list[Json] | None:
        block = self._block(parameters.block(0))
        if block is None:
            return None
        return [
            self._shown_receipt(mined, block)
            for mined in self._chain.ledger.transactions_of(block.number)
        ]

    def transaction_count_by_number(self, parameters: Parameters) -> str | None:
        block = self._block(parameters.block(0))
        return None if block is None else hex(len(block.transaction_hashes))

    def transaction_count_by_hash(self, parameters: Parameters) -> str | None:
        block = self._chain.ledger.block_by_hash(parameters.data(0, 32))
        return None if block is None else hex(len(block.transaction_hashes))

    # Transactions

    def transaction(self, parameters: Parameters) -> Json | None:
        wanted = parameters.data(0, 32)
        mined = self._chain.ledger.transaction(wanted)
        if mined is not None:
            return self._shown_transaction(mined)
        waiting = self._chain.pool.get(wanted)
        return None if waiting is None else show(waiting, None, self._chain.chain_id)

    def transaction_by_number_and_index(self, parameters: Parameters) -> Json | None:
        return self._nth(self._block(parameters.block(0)), parameters.quantity(1))

    def transaction_by_hash_and_index(self, parameters: Parameters) -> Json | None:
        block = self._chain.ledger.block_by_hash(parameters.data(0, 32))
        return self._nth(block, parameters.quantity(1))

    def receipt(self, parameters: Parameters) -> Json | None:
        mined = self._chain.ledger.transaction(parameters.data(0, 32))
        if mined is None:
            return None
        block = self._chain.ledger.block(mined.block_number)
        return None if block is None else self._shown_receipt(mined, block)

    # Fees

    def fee_history(self, parameters: Parameters) -> Json:
        count = min(parameters.quantity(0), MAX_FEE_HISTORY_BLOCKS)
        newest = self._block(parameters.block(1)) or self._chain.head
        percentiles = _percentiles(parameters.value(2))
        first = max(newest.number - count + 1, 0)
        blocks = [self._known_block(number) for number in range(first, newest.number + 1)]
        if newest.number == self._chain.head.number:
            following = self._next_base_fee()
        else:
            following = self._known_block(newest.number + 1).header.base_fee_per_gas
        history: Json = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(one.header.base_fee_per_gas) for one in blocks]
            + [hex(following)],
            "gasUsedRatio": [one.header.gas_used / one.header.gas_limit for one in blocks],
            "baseFeePerBlobGas": [hex(1)] * (len(blocks) + 1),
            "blobGasUsedRatio": [0.0] * len(blocks),
        }
        if percentiles is not None:
            history["reward"] = [self._rewards(one, percentiles) for one in blocks]
        return history

    # Internal

    def _next_base_fee(self) -> int:
        return int(self._chain.pending_view().header.base_fee_per_gas)

    def _view(self, reference: BlockReference) -> View:
        if reference.is_pending:
            return self._chain.pending_view()
        block = self._block(reference)
        if block is None:
            raise Refused("header not found")
        return View(block.header, block.state_root)

    def _state(self, parameters: Parameters, index: int) -> Any:
        return self._chain.state(self._view(parameters.block(index)))

    def _block(self, reference: BlockReference) -> Block | None:
        if reference.is_latest or reference.is_pending:
            return self._chain.head
        if reference.hash is not None:
            return self._chain.ledger.block_by_hash(reference.hash)
        number = reference.number
        if number is None or number > self._chain.head.number:
            return None
        return self._chain.head if number == self._chain.head.number else self._known_block(number)

    def _known_block(self, number: int) -> Block:
        block = self._chain.ledger.block(number)
        if block is None:
            raise Refused(f"block {number} not found")
        return block

    def _shown_block(self, block: Block | None, *, is_full: bool) -> Json | None:
        if block is None:
            return None
        if not is_full:
            return show_block(block, [show_bytes(one) for one in block.transaction_hashes])
        mined = self._chain.ledger.transactions_of(block.number)
        return show_block(block, [self._shown_transaction(one) for one in mined])

    def _pending_block(self, *, is_full: bool) -> Json:
        view = self._view(PENDING)
        waiting = list(self._chain.pool)
        shown = show_block(
            Block(view.header, view.state_root, ()),
            [
                show(one, None, self._chain.chain_id) if is_full else show_bytes(one.hash)
                for one in waiting
            ],
        )
        return {**shown, "hash": None, "nonce": None, "miner": None}

    def _parsed(self, mined: MinedTransaction) -> Transaction:
        return parse_transaction(mined.raw, self._chain.chain_id)

    def _shown_transaction(self, mined: MinedTransaction) -> Json:
        return show(self._parsed(mined), mined, self._chain.chain_id)

    def _shown_receipt(self, mined: MinedTransaction, block: Block) -> Json:
        return show_receipt(self._parsed(mined), mined, block.header.timestamp)

    def _nth(self, block: Block | None, index: int) -> Json | None:
        if block is None or index >= len(block.transaction_hashes):
            return None
        mined = self._chain.ledger.transaction(block.transaction_hashes[index])
        return None if mined is None else self._shown_transaction(mined)

    def _rewards(self, block: Block, percentiles: list[float]) -> list[str]:
        """The tips below which each percentile of the block's gas was bought."""
        base_fee = block.header.base_fee_per_gas
        paid = sorted(
            (mined.receipt.effective_gas_price_wei - base_fee, mined.receipt.gas_used)
            for mined in self._chain.ledger.transactions_of(block.number)
        )
        rewards = []
        for percentile in percentiles:
            remaining = block.header.gas_used * percentile / 100
            reward = 0
            for tip, gas in paid:
                reward = tip
                remaining -= gas
                if remaining <= 0:
                    break
            rewards.append(hex(reward))
        return rewards


def _percentiles(value: Any) -> list[float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > 100:
        raise BadParameters("invalid argument 2: at most 100 percentiles")
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= 100:
            raise BadParameters("invalid argument 2: a percentile lies between 0 and 100")
    if value != sorted(value):
        raise BadParameters("invalid argument 2: percentiles must ascend")
    return [float(one) for one in value]
