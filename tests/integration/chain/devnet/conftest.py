"""Both devnets as real processes; the same tests run against each through web3."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from vyper import compile_code
from web3 import Web3
from web3.contract import Contract

from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil
from tests.support.devnet_process import PROJECT, DevnetProcess, running_devnet

COUNTER_SOURCE = Path(__file__).with_name("Counter.vy")


@dataclass(frozen=True)
class Compiled:
    abi: list[dict[str, Any]]
    bytecode: str


@pytest.fixture(scope="session")
def compiled_counter() -> Compiled:
    output = compile_code(COUNTER_SOURCE.read_text(), output_formats=["abi", "bytecode"])
    return Compiled(output["abi"], output["bytecode"])


@pytest.fixture(scope="session", params=["pyevm", "anvil"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend this machine can run."""
    if request.param == "anvil":
        try:
            bring_anvil(PROJECT / ".tools")
        except AnvilUnavailable as error:
            pytest.skip(f"no Anvil here: {error}")
    return str(request.param)


@pytest.fixture(scope="session")
def devnet(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevnetProcess]:
    """One running devnet without heartbeat, shared by tests that leave nothing behind."""
    with running_devnet(
        backend, tmp_path_factory.mktemp(backend), origins=("https://allowed.example",)
    ) as running:
        yield running


@pytest.fixture
def w3(devnet: DevnetProcess) -> Iterator[Web3]:
    """A client of the shared devnet; the chain goes back to where it was."""
    client = devnet.web3()
    snapshot = rpc(client, "evm_snapshot")
    yield client
    rpc(client, "evm_setAutomine", True)
    rpc(client, "evm_revert", snapshot)
    devnet.close_clients()


@pytest.fixture
def operator(w3: Web3) -> str:
    return w3.eth.accounts[0]


@pytest.fixture
def stranger(w3: Web3) -> str:
    return w3.eth.accounts[1]


@pytest.fixture
def counter(w3: Web3, compiled_counter: Compiled, operator: str) -> Contract:
    return deploy_counter(w3, compiled_counter, operator)


def deploy_counter(w3: Web3, compiled: Compiled, sender: str, start: int = 1) -> Contract:
    factory = w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
    receipt = w3.eth.wait_for_transaction_receipt(
        factory.constructor(start).transact({"from": sender}), poll_latency=0.01
    )
    return w3.eth.contract(address=receipt["contractAddress"], abi=compiled.abi)


def rpc(w3: Web3, method: str, *params: Any) -> Any:
    """One raw call; fails the test on an error answer."""
    answer = w3.provider.make_request(method, list(params))
    assert "error" not in answer, answer
    return answer["result"]


def rpc_error(w3: Web3, method: str, *params: Any) -> dict[str, Any]:
    """The error of a call that must fail."""
    answer = w3.provider.make_request(method, list(params))
    assert "error" in answer, answer
    return answer["error"]


def mined(w3: Web3, transaction_hash: Any) -> Any:
    return w3.eth.wait_for_transaction_receipt(transaction_hash, timeout=30, poll_latency=0.01)
