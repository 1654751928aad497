"""Transactions a second on Anvil: our sender, with its durable outbox, beside bare JSON-RPC loops.

Each run signs COUNT transfers from one account, sends them and waits until every receipt is there;
Anvil makes a block every 0.1 s. The bare loops sign with the same code, keep nothing on disk and
repeat nothing:
  single    one eth_sendRawTransaction a request over one keep-alive connection, then the receipts
  batched   the same in JSON-RPC batches of 250, as our transport sends them
Runs take turns, ROUNDS of each, and the medians are compared.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.rows import Row, at_least, measure
from offchain.chain.adapters.rpc import MAX_BATCH, HttpTransport
from offchain.chain.devnet.anvil_binary import bring_anvil
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, TypedCall
from offchain.chain.node import Node
from offchain.chain.ports import UnsignedTransaction
from offchain.chain.sender import TransactionSender

COMMAND = "apogee bench chain"
NAME = "chain.sender_ratio"
BAR = 0.8
COUNT = 2_000
WARM_UP = 100
ROUNDS = 5
GAS = 21_000
POLL_SECONDS = 0.01
START_SECONDS = 20.0
CHAIN_ID = 31_337
RECEIVER = Address(b"\x51" * 20)
TOOLS = Path(__file__).resolve().parents[1] / ".tools"


def run() -> list[Row]:
    with anvil() as port, tempfile.TemporaryDirectory() as folder:
        runs: dict[str, Callable[[int, int], float]] = {
            "single": lambda account, count: bare(port, account, count, batch=1),
            "batched": lambda account, count: bare(port, account, count, batch=MAX_BATCH),
            "ours": lambda account, count: ours(port, account, count, Path(folder)),
        }
        # An account for each way: the outbox of ours must not see the others' nonces move.
        accounts = {name: index for index, name in enumerate(runs)}
        for name, one in runs.items():
            one(accounts[name], WARM_UP)
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, one in runs.items():
                rates[name].append(one(accounts[name], COUNT))
    return rows({name: statistics.median(found) for name, found in rates.items()})


def rows(rates: dict[str, float]) -> list[Row]:
    """The ratio that has a bar, first; then ours in transactions a second beside each bare loop."""
    ratio = rates["ours"] / rates["single"]
    stricter = rates["ours"] / rates["batched"]
    tx_s = rates["ours"]
    return [
        at_least(NAME, ratio, "x", BAR, command=COMMAND),
        at_least(f"{NAME}.batched", stricter, "x", None, command=COMMAND),
        at_least(
            f"{NAME}.tx_s.single", tx_s, "tx/s", None, command=COMMAND, baseline=rates["single"]
        ),
        at_least(
            f"{NAME}.tx_s.batched", tx_s, "tx/s", None, command=COMMAND, baseline=rates["batched"]
        ),
    ]


def ours(port: int, account: int, count: int, folder: Path) -> float:
    """Transactions a second through TransactionSender."""
    node = Node(HttpTransport(f"http://127.0.0.1:{port}"))
    signer = LocalSigner.from_secret(dev_accounts()[account].private_key)
    # The fee is what the bare loops offer, the gas is theirs too: nobody estimates.
    call = TypedCall(RECEIVER, b"", 1, contract="", function="transfer", gas_hint=GAS)
    with TransactionSender.open(node, signer, folder / "outbox.db") as sender:
        started = time.monotonic()
        calls = [(f"{started}:{index}", call) for index in range(count)]
        receipts = sender.wait_all(sender.send_many(calls))
        seconds = time.monotonic() - started
    node.close()
    assert all(receipt.succeeded for receipt in receipts)
    return count / seconds


def bare(port: int, account: int, count: int, *, batch: int) -> float:
    """Transactions a second by hand."""
    signer = LocalSigner.from_secret(dev_accounts()[account].private_key)
    rpc = BareRpc(port)
    first = int(
        str(rpc.ask([("eth_getTransactionCount", [hexed(signer.address), "latest"])])[0]), 16
    )
    started = time.monotonic()
    hashes: list[str] = []
    for start in range(0, count, batch):
        nonces = range(first + start, first + min(start + batch, count))
        raws = [signer.sign_transaction(a_transfer(nonce)) for nonce in nonces]
        hashes += map(str, rpc.ask([("eth_sendRawTransaction", [hexed(raw)]) for raw in raws]))
    for start in range(0, count, batch):
        rpc.wait_for_receipts(hashes[start : start + batch])
    return count / (time.monotonic() - started)


def a_transfer(nonce: int) -> UnsignedTransaction:
    return UnsignedTransaction(
        chain_id=CHAIN_ID,
        nonce=nonce,
        to=RECEIVER,
        data=b"",
        value_wei=1,
        gas=GAS,
        max_fee_wei=3 * 10**9,
        tip_wei=10**9,
    )


class BareRpc:
    """JSON-RPC and nothing else, on one keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, questions: Sequence[tuple[str, list[object]]]) -> list[object]:
        members = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
            for index, (method, params) in enumerate(questions)
        ]
        body = json.dumps(members[0] if len(members) == 1 else members)
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/", body, headers)
        answers = json.loads(self._connection.getresponse().read())
        listed = answers if isinstance(answers, list) else [answers]
        return [one["result"] for one in sorted(listed, key=lambda one: one["id"])]

    def wait_for_receipts(self, hashes: Sequence[str]) -> None:
        while True:
            found = self.ask([("eth_getTransactionReceipt", [one]) for one in hashes])
            if None not in found:
                return
            time.sleep(POLL_SECONDS)


@contextmanager
def anvil() -> Iterator[int]:
    """A fresh Anvil on a port of its own."""
    binary = bring_anvil(TOOLS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = ["--hardfork", "prague", "--block-time", "0.1", "--gas-limit", "60000000", "--silent"]
    command = [str(binary.path), "--port", str(port), "--chain-id", str(CHAIN_ID), *options]
    process = subprocess.Popen(command)
    try:
        await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def await_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("Anvil does not listen")


def hexed(raw: bytes) -> str:
    return "0x" + raw.hex()


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
