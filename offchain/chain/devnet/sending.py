"""JSON-RPC methods with effect: transactions, mining, time, snapshots, hand edits of state."""

from collections.abc import Callable
from typing import Any

from eth_account import Account

from offchain.chain.devnet.answers import show_bytes
from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.faults import BadParameters, Refused
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.devnet.parameters import Parameters, quantity
from offchain.chain.devnet.reading import SUGGESTED_TIP_WEI, ReadingMethods


class SendingMethods:
    """Transactions of clients and of the unlocked developer accounts."""

    def __init__(self, chain: DevChain, reading: ReadingMethods) -> None:
        self._chain = chain
        self._reading = reading

    def methods(self) -> dict[str, Any]:
        return {
            "eth_sendRawTransaction": lambda parameters: show_bytes(
                self._chain.send(parameters.data(0))
            ),
            "eth_sendTransaction": self.send_unlocked,
            "txpool_status": self.pool_status,
            "anvil_dropTransaction": self.drop,
            "anvil_dropAllTransactions": self.drop_all,
        }

    def send_unlocked(self, parameters: Parameters) -> str:
        """Fill what is missing, sign with the developer key of `from`, send."""
        fields = parameters.mapping(0)
        request = self._reading.call_request(fields)
        keys = {account.address: account.private_key for account in dev_accounts()}
        if request.sender not in keys:
            raise Refused(f"unknown account: {show_bytes(request.sender)} is not unlocked")
        unsigned: Json = {
            "chainId": self._chain.chain_id,
            "nonce": self._nonce(fields, request.sender),
            "value": request.value_wei,
            "data": request.data,
            "gas": request.gas if "gas" in fields else self._estimate(fields),
            **self._fees(fields),
        }
        if request.recipient is not None:
            unsigned["to"] = request.recipient
        if isinstance(fields.get("accessList"), list):
            unsigned["accessList"] = fields["accessList"]
        try:
            signed = Account.sign_transaction(unsigned, keys[request.sender])
        except (TypeError, ValueError) as error:
            raise BadParameters(f"invalid transaction: {error}") from error
        return show_bytes(self._chain.send(bytes(signed.raw_transaction)))

    def pool_status(self, _parameters: Parameters) -> Json:
        runnable = sum(
            self._chain.account_nonce(waiting.sender) <= waiting.nonce
            and waiting.nonce < self._chain.pending_nonce(waiting.sender)
            for waiting in self._chain.pool
        )
        return {"pending": hex(runnable), "queued": hex(len(self._chain.pool) - runnable)}

    def drop(self, parameters: Parameters) -> str | None:
        waiting = self._chain.pool.get(parameters.data(0, 32))
        if waiting is None:
            return None
        self._chain.pool.drop([waiting])
        return show_bytes(waiting.hash)

    def drop_all(self, _parameters: Parameters) -> None:
        self._chain.pool.drop(list(self._chain.pool))

    def _nonce(self, fields: Json, sender: bytes) -> int:
        if fields.get("nonce") is None:
            return self._chain.pending_nonce(sender)
        return quantity(fields["nonce"], "nonce")

    def _estimate(self, fields: Json) -> int:
        request = self._reading.call_request(fields)
        return self._chain.estimate_gas(request, self._chain.pending_view())

    def _fees(self, fields: Json) -> Json:
        if fields.get("gasPrice") is not None:
            return {"gasPrice": quantity(fields["gasPrice"], "gasPrice")}
        tip = quantity(fields.get("maxPriorityFeePerGas") or SUGGESTED_TIP_WEI, "fee")
        base_fee = int(self._chain.pending_view().header.base_fee_per_gas)
        highest = quantity(fields.get("maxFeePerGas") or 2 * base_fee + tip, "maxFeePerGas")
        return {"maxFeePerGas": highest, "maxPriorityFeePerGas": min(tip, highest), "type": 2}


class ControlMethods:
    """evm_ and anvil_ methods: what a developer may do to time and history."""

    def __init__(self, chain: DevChain) -> None:
        self._chain = chain

    def methods(self) -> dict[str, Any]:
        table = {
            "evm_increaseTime": lambda parameters: self._chain.increase_time(
                parameters.quantity(0)
            ),
            "evm_mine": self.mine_one,
            "evm_revert": lambda parameters: self._chain.revert(parameters.quantity(0)),
            "evm_setAutomine": self.set_automatic,
            "evm_setNextBlockTimestamp": lambda parameters: self._chain.set_next_timestamp(
                parameters.quantity(0)
            ),
            "evm_snapshot": lambda _: hex(self._chain.snapshot()),
            "anvil_getAutomine": lambda _: self._chain.is_automatic,
            "anvil_mine": self.mine_many,
            "anvil_reorg": self.reorganise,
            "anvil_rollback": lambda parameters: self._chain.roll_back(parameters.quantity(0, 1)),
            "anvil_setBalance": self.set_balance,
            "anvil_setCode": self.set_code,
            "anvil_setNonce": self.set_nonce,
            "anvil_setStorageAt": self.set_storage,
        }
        aliases = {
            "hardhat_mine": "anvil_mine",
            "hardhat_setBalance": "anvil_setBalance",
            "hardhat_setCode": "anvil_setCode",
            "hardhat_setNonce": "anvil_setNonce",
            "hardhat_setStorageAt": "anvil_setStorageAt",
        }
        return {**table, **{alias: table[name] for alias, name in aliases.items()}}

    def mine_one(self, parameters: Parameters) -> str:
        """evm_mine: nothing, a timestamp, or {timestamp, blocks}."""
        options = parameters.value(0)
        if options is None:
            self._chain.mine()
        elif isinstance(options, dict):
            if options.get("timestamp") is not None:
                self._chain.set_next_timestamp(quantity(options["timestamp"], "timestamp"))
            self._chain.mine(quantity(options.get("blocks") or 1, "blocks"))
        else:
            self._chain.set_next_timestamp(parameters.quantity(0))
            self._chain.mine()
        return "0x0"

    def mine_many(self, parameters: Parameters) -> None:
        interval = parameters.quantity(1) if parameters.value(1) is not None else None
        self._chain.mine(parameters.quantity(0, 1), interval)

    def set_automatic(self, parameters: Parameters) -> None:
        self._chain.set_automatic(enabled=parameters.flag(0))

    def reorganise(self, parameters: Parameters) -> None:
        """Replace the newest blocks by as many empty ones."""
        options = parameters.value(0)
        depth = options.get("depth") if isinstance(options, dict) else options
        pairs = options.get("tx_block_pairs") if isinstance(options, dict) else parameters.value(1)
        if pairs:
            raise BadParameters("invalid argument 1: only empty replacement blocks are supported")
        count = quantity(depth, "depth")
        self._chain.roll_back(count)
        self._chain.mine(count)

    def set_balance(self, parameters: Parameters) -> None:
        address, balance = parameters.address(0), parameters.quantity(1)
        self._edit(lambda state: state.set_balance(address, balance))

    def set_code(self, parameters: Parameters) -> None:
        address, code = parameters.address(0), parameters.data(1)
        self._edit(lambda state: state.set_code(address, code))

    def set_nonce(self, parameters: Parameters) -> None:
        address, nonce = parameters.address(0), parameters.quantity(1)
        if nonce >= 2**64 - 1:
            raise BadParameters("invalid argument 1: a nonce has at most 64 bits")
        self._edit(lambda state: state.set_nonce(address, nonce))

    def set_storage(self, parameters: Parameters) -> bool:
        address, slot = parameters.address(0), parameters.quantity(1)
        value = int.from_bytes(parameters.data(2, 32), "big")
        self._edit(lambda state: state.set_storage(address, slot, value))
        return True

    def _edit(self, edit: Callable[[Any], None]) -> None:
        self._chain.edit_state(edit)
