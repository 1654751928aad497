"""Gas of an agent's account: its creation, and a call that a session makes with coin.

Figures are whole transactions on the devnet chain, with the public registry at its address. The
collection is the tests' stand-in, which answers owner, epoch and lock from one slot each. The
session has a coin cap and a token cap and calls a listed target; its second call is measured.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from eth_account import Account
from vyper.cli.vyper_compile import compile_files

from benchmarks.chain_stage import CHAIN_ID, ChainStage, Deployed
from benchmarks.rows import Row, at_most, measure
from offchain.agents.sessions import NATIVE, PLAIN, Cap, Grant, Target
from offchain.apps.genesis import Call, Deploy
from offchain.chain import deterministic, token_accounts
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.model import Address
from offchain.chain.token_accounts import BoundToken, account_address, create_account
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN

COMMAND: Final = "python -m benchmarks.agents_account_gas"
SUPPORT: Final = Path(__file__).resolve().parents[1] / "tests" / "support"
BARS: Final = {
    "account": 100_000,
    "session_call": 130_000,
}  # 67 k and 75 k without 21 k and calldata
LIFE: Final = 3_600
PAID: Final = 1_000


class Steps:
    """The implementation alone; `place` is a contract that is never called here."""

    def __init__(self, place: str) -> None:
        self._place = place

    def deployments(self) -> Iterator[Deploy]:
        yield Deploy("AgentAccount", (self._place, ()))

    def wiring(self) -> Iterator[Call]:
        yield from ()


def run() -> list[Row]:
    """Measure everything once."""
    stage = ChainStage()
    collection, callee, token = (
        _stand_in(stage, n) for n in ("token_of_agents", "called", "taxed_token")
    )
    stage.deploy(Steps("0x" + callee.hex()))  # type: ignore[arg-type]  # a part
    bring_registry(stage)
    owner, key = dev_accounts()[0].address, keccak(b"session key of a benchmark")
    stage.send("token_of_agents", "mint", owner, 1)
    bound = BoundToken(CHAIN_ID, Address(collection), 1)
    implementation = Address(stage.contracts["AgentAccount"].address)
    creation = create_account(implementation, bound)
    assert creation.to is not None
    created = call_raw(stage, creation.to, creation.data)
    functions = stage.contracts["AgentAccount"].functions
    account = account_address(implementation, bound)
    stage.contracts["account"] = Deployed(account, functions)
    stage.fund(account, WEI_PER_COIN)
    session = bytes.fromhex(Account.from_key(key).address[2:])
    stage.fund(session, WEI_PER_COIN)
    stage.send("account", "grant", session, _grant(stage, callee, token))
    for _ in range(2):
        called = stage.send_as(key, "account", "execute", callee, PAID, b"", 0)
    figures = {"account": created, "session_call": called}
    return [
        at_most(f"agents.{name}.gas", gas, "gas", BARS[name], command=COMMAND)
        for name, gas in figures.items()
    ]


def _grant(stage: ChainStage, callee: bytes, token: bytes) -> tuple[object, ...]:
    now = stage.chain.head.header.timestamp
    caps = (Cap(NATIVE, 10 * PAID, 10 * PAID), Cap(token, PAID, PAID))
    return Grant(now, now + LIFE, 100, caps, (Target(callee, (PLAIN,)),)).fields()


def bring_registry(stage: ChainStage) -> None:
    """ERC-6551's, at its address."""
    stage.fund(deterministic.CREATOR, deterministic.CREATION_WEI)
    stage.chain.send(deterministic.CREATION)
    data = token_accounts.REGISTRY_SALT + token_accounts.REGISTRY_CODE
    call_raw(stage, deterministic.DEPLOYER, data)


def call_raw(stage: ChainStage, to: bytes, data: bytes) -> int:
    """Gas of a call without an ABI."""
    return int(stage._transact(to, data).receipt.gas_used)  # noqa: SLF001  # of a stage of ours


def _stand_in(stage: ChainStage, name: str) -> bytes:
    output = compile_files([SUPPORT / f"{name}.vy"], ["bytecode", "abi"])
    built = next(iter(output.values()))
    functions = {item["name"]: item for item in built["abi"] if item["type"] == "function"}
    return stage.bring(name, built["bytecode"], functions)


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
