"""A devnet chain in this process that people can send real transactions on, for gas figures.

Gas is that of mined transactions: intrinsic cost, calldata, execution, refunds and the EIP-7623
floor, with cold storage, which a call inside a test EVM does not show.
"""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.abi import function_signature_to_4byte_selector
from vyper.cli.vyper_compile import compile_files

from offchain.apps.genesis import Genesis, resolve
from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.evm import CallRequest
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.devnet.ledger import Ledger
from offchain.chain.devnet.precompiles import install_native_precompiles

CONTRACTS = Path(__file__).resolve().parents[1] / "contracts"
CHAIN_ID = 31_337
GAS_LIMIT = 12_000_000
GAS_PRICE_WEI = 10**10


class CallFailed(RuntimeError):
    """A transaction or call of the benchmark reverted: the figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A contract's address (20 bytes) and the ABI of its functions by name."""

    address: bytes
    functions: dict[str, dict[str, Any]]

    def calldata(self, name: str, *arguments: object) -> bytes:
        function = self.functions[name]
        types = [_type_of(item) for item in function["inputs"]]
        selector = function_signature_to_4byte_selector(f"{name}({','.join(types)})")
        return bytes(selector + encode(types, arguments))


class ChainStage:
    """One chain, the developer accounts and what was deployed on it."""

    def __init__(self) -> None:
        install_native_precompiles()
        self.chain = DevChain(Ledger(None), chain_id=CHAIN_ID, clock=time.time)
        self.contracts: dict[str, Deployed] = {}

    def deploy(self, genesis: Genesis) -> None:
        """Deploy and wire every contract of the plan, as account 0."""
        addresses: dict[str, str] = {}
        for step in genesis.deployments():
            bytecode, functions, constructor = _compiled(step.name)
            arguments = tuple(resolve(argument, addresses) for argument in step.arguments)
            created = self._transact(None, bytecode + encode(constructor, arguments)).receipt
            address = created.contract_address
            self.contracts[step.name] = Deployed(address, functions)
            addresses[step.name] = "0x" + address.hex()
        for call in genesis.wiring():
            arguments = tuple(resolve(argument, addresses) for argument in call.arguments)
            self.send(call.name, call.function, *arguments)

    def bring(self, name: str, bytecode: str, functions: dict[str, dict[str, Any]]) -> bytes:
        """Create a contract that is no part of a plan; its address."""
        code = bytes.fromhex(bytecode.removeprefix("0x"))
        address: bytes = self._transact(None, code).receipt.contract_address
        self.contracts[name] = Deployed(address, functions)
        return address

    def send(
        self, contract: str, function: str, *arguments: object, sender: int = 0, value: int = 0
    ) -> int:
        """Send one transaction; the gas it used. `sender` is a developer account's number."""
        target = self.contracts[contract]
        data = target.calldata(function, *arguments)
        return int(self._transact(target.address, data, sender, value).receipt.gas_used)

    def send_as(self, secret: bytes, contract: str, function: str, *arguments: object) -> int:
        """Send one transaction with a key of the caller's."""
        target = self.contracts[contract]
        data = target.calldata(function, *arguments)
        return int(self._sign_and_send(secret, target.address, data, 0).receipt.gas_used)

    def fund(self, address: bytes, wei: int) -> None:
        self._transact(address, b"", 0, wei)

    def read(self, contract: str, function: str, *arguments: object) -> Any:
        """Call a view at the newest block; a single output comes alone."""
        target = self.contracts[contract]
        request = CallRequest(
            sender=dev_accounts()[0].address,
            recipient=target.address,
            data=target.calldata(function, *arguments),
            value_wei=0,
            gas=GAS_LIMIT,
            gas_price_wei=0,
        )
        outcome = self.chain.call(request, self.chain.pending_view())
        if outcome.failure is not None:
            raise CallFailed(contract, function, outcome.output)
        types = [_type_of(item) for item in target.functions[function]["outputs"]]
        values = decode(types, outcome.output)
        return values[0] if len(values) == 1 else values

    def value_call(
        self, secret: bytes, contract: str, function: str, *arguments: object, value: int
    ) -> int:
        """Send one payable transaction with a key of the caller's."""
        target = self.contracts[contract]
        data = target.calldata(function, *arguments)
        return int(self._sign_and_send(secret, target.address, data, value).receipt.gas_used)

    def _transact(self, to: bytes | None, data: bytes, sender: int = 0, value: int = 0) -> Any:
        return self._sign_and_send(dev_accounts()[sender].private_key, to, data, value)

    def _sign_and_send(self, secret: bytes, to: bytes | None, data: bytes, value: int) -> Any:
        account = Account.from_key(secret)
        fields: dict[str, Any] = {
            "nonce": self.chain.account_nonce(bytes.fromhex(account.address[2:])),
            "gas": GAS_LIMIT,
            "gasPrice": GAS_PRICE_WEI,
            "value": value,
            "data": data,
            "chainId": CHAIN_ID,
        }
        if to is not None:
            fields["to"] = to
        signed = account.sign_transaction(fields)
        mined = self.chain.ledger.transaction(self.chain.send(bytes(signed.raw_transaction)))
        if mined is None or not mined.receipt.succeeded:
            raise CallFailed(None if to is None else to.hex(), data[:4].hex())
        return mined


@cache
def _compiled(name: str) -> tuple[bytes, dict[str, dict[str, Any]], list[str]]:
    """Creation code, functions by name and constructor types of a deployable contract."""
    path = next(CONTRACTS.glob(f"*/{name}.vy"))
    output = compile_files([path], ["bytecode", "abi"], paths=[str(CONTRACTS.parent)])
    built = next(iter(output.values()))
    functions = {item["name"]: item for item in built["abi"] if item["type"] == "function"}
    inputs: list[dict[str, Any]] = next(
        (i["inputs"] for i in built["abi"] if i["type"] == "constructor"), []
    )
    return (
        bytes.fromhex(built["bytecode"].removeprefix("0x")),
        functions,
        [_type_of(item) for item in inputs],
    )


def _type_of(item: dict[str, Any]) -> str:
    """The canonical ABI type of one input or output, structs as tuples."""
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    parts = ",".join(_type_of(part) for part in item["components"])
    return f"({parts}){kind.removeprefix('tuple')}"
