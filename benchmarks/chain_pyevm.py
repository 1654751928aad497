"""The embedded node: a BLS pairing call and a point evaluation call, in process and over HTTP.

Each figure is the median of an eth_call to the precompile's address. The baseline is py-evm's own
function for the same input, once, in the same run.
"""

import hashlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import ckzg
from eth.abc import ComputationAPI
from eth.db.atomic import AtomicDB
from eth.precompiles.bls12_381.bls12_381_pairing import bls12_pairing_check
from eth.precompiles.point_evaluation import TRUSTED_SETUP_PATH, point_evaluation_precompile
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from eth_typing import Address, BlockNumber, Hash32
from py_arkworks_bls12381 import G1Point, G2Point, Scalar
from trie.constants import BLANK_NODE_HASH

from benchmarks.rows import Row, at_most, measure
from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.embedded import EmbeddedNode
from offchain.chain.devnet.envelope import Request
from offchain.chain.devnet.ledger import Ledger
from offchain.core.bls import R, encode_g1, encode_g2

COMMAND = "apogee bench chain"
NAME = "chain.pyevm_precompile.ms"
BAR_MS = 15.0
REPEATS = 40
NOBODY = Address(bytes(20))
START_SECONDS = 60.0
PROJECT = Path(__file__).resolve().parents[1]
SERVE = """
import sys, pathlib
from offchain.chain.devnet.serve import DevnetBackend, DevnetSettings, serve
serve(DevnetSettings(state_dir=None, tools_dir=pathlib.Path(".tools"), port=int(sys.argv[1]),
                     backend=DevnetBackend.PYEVM, heartbeat_seconds=0))
"""


def run() -> list[Row]:
    cases = {
        "pairing": (0x0F, pairing_input(), bls12_pairing_check),
        "kzg": (0x0A, opening_input(), point_evaluation_precompile),
    }
    rows = []
    in_process = node_in_process()
    with node_over_http() as over_http:
        for name, (number, data, pure) in cases.items():
            params: list[object] = [{"to": f"0x{number:040x}", "data": "0x" + data.hex()}, "latest"]
            baseline = pure_ms(pure, number, data)
            for suffix, ask in (("", in_process), ("_http", over_http)):
                value = median_ms(ask, params)
                row = f"{NAME}.{name}{suffix}"
                rows.append(at_most(row, value, "ms", BAR_MS, baseline=baseline, command=COMMAND))
    return rows


def pairing_input() -> bytes:
    """One BLS verification: two pairs whose product is one."""
    secret = 0x1234567890ABCDEF
    key = encode_g1(G1Point() * Scalar(secret))
    signature = encode_g2(G2Point() * Scalar(5 * secret % R))
    return key + encode_g2(G2Point() * Scalar(5)) + encode_g1(-G1Point()) + signature


def opening_input() -> bytes:
    """A right opening of a blob that is not constant."""
    setup = ckzg.load_trusted_setup(TRUSTED_SETUP_PATH, 0)
    blob = b"".join(number.to_bytes(32, "big") for number in range(4096))
    commitment = bytes(ckzg.blob_to_kzg_commitment(blob, setup))
    point = (9).to_bytes(32, "big")
    proof, value = ckzg.compute_kzg_proof(blob, point, setup)
    versioned = b"\x01" + hashlib.sha256(commitment).digest()[1:]
    return versioned + point + bytes(value) + commitment + bytes(proof)


def median_ms(ask: Callable[[list[object]], str], params: list[object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer = ask(params)
        times.append((time.perf_counter() - start) * 1_000)
        if len(answer) not in {2 + 64, 2 + 128}:
            raise RuntimeError(f"the precompile answered {answer}")
    return statistics.median(times)


def pure_ms(function: Callable[[ComputationAPI], object], number: int, data: bytes) -> float:
    """py-evm's own function, alone, without a node around it."""
    context = ExecutionContext(
        NOBODY, 1, BlockNumber(1), 0, Hash32(bytes(32)), 30_000_000, (), 1, 1, 0
    )
    state = PragueState(AtomicDB(), context, BLANK_NODE_HASH)
    address = Address(number.to_bytes(20, "big"))
    message = Message(
        gas=10**7, to=address, sender=NOBODY, value=0, data=data, code=b"", code_address=address
    )
    origin = state.get_transaction_context_class()(gas_price=1, origin=NOBODY)
    computation = PragueComputation(state, message, origin)
    start = time.perf_counter()
    function(computation)
    return (time.perf_counter() - start) * 1_000


def node_in_process() -> Callable[[list[object]], str]:
    chain = DevChain(Ledger(None), chain_id=31_337, clock=time.time)
    node = EmbeddedNode(chain, monotonic=time.monotonic)

    def ask(params: list[object]) -> str:
        answer = node.answer(Request("eth_call", params, 1, wants_answer=True))
        return str(answer["result"])

    return ask


@contextmanager
def node_over_http() -> Iterator[Callable[[list[object]], str]]:
    """A devnet process and one kept connection to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=PROJECT)
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        _connect(connection)

        def ask(params: list[object]) -> str:
            body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
            connection.request("POST", "/", json.dumps(body))
            return str(json.loads(connection.getresponse().read())["result"])

        yield ask
    finally:
        connection.close()
        process.terminate()
        process.wait(timeout=30)


def _connect(connection: HTTPConnection) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection.connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
