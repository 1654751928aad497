"""A chain that lives in a test's process, over HTTP too: what real commands and processes talk to.

`holding` keeps transactions from entering until it is let go, as a node that hangs: whoever sends
one is killed in the middle of it.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from offchain.apps.home import NETWORK, Home
from offchain.apps.network import deployment_file
from offchain.chain.deployments import save_deployments
from offchain.chain.devnet import envelope
from offchain.chain.devnet.face import create_face
from offchain.chain.devnet.guard import Guard
from offchain.chain.ports import Answer, Question
from offchain.node.http_face import loopback_server
from tests.support.da_chain import DaChain
from tests.support.served_app import serving

METHODS = frozenset(
    {
        *("eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_feeHistory"),
        *("eth_gasPrice", "eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber"),
        *("eth_getCode", "eth_getLogs", "eth_getTransactionByHash", "eth_getTransactionCount"),
        *("eth_getTransactionReceipt", "eth_maxPriorityFeePerGas", "eth_sendRawTransaction"),
        *("eth_getStorageAt", "eth_sendTransaction", "eth_accounts", "web3_clientVersion"),
        *("anvil_setBalance", "evm_mine", "evm_increaseTime", "evm_setNextBlockTimestamp"),
    }
)
SENDING = frozenset({"eth_sendRawTransaction", "eth_sendTransaction"})


@dataclass
class ServedChain:
    """A `Backend` over a chain in this process. `held`: transactions that were kept out."""

    chain: DaChain
    methods: frozenset[str] = METHODS
    held: int = 0
    _is_open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._is_open.set()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """What is sent meanwhile is never heard of again."""
        self.held = 0
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()

    async def answer(self, requests: Sequence[envelope.Request]) -> list[envelope.Json]:
        if not self._is_open.is_set() and any(one.method in SENDING for one in requests):
            self.held += 1
            await asyncio.Event().wait()
        questions = [Question(one.method, tuple(one.params)) for one in requests]
        told = await asyncio.to_thread(self.chain.transport.ask, questions)
        return [_shown(request, one) for request, one in zip(requests, told, strict=True)]

    async def relay(self, request: envelope.Request, raw: bytes) -> bytes | None:
        del request, raw
        return None


@contextmanager
def served_chain(chain: DaChain, home: Home) -> Iterator[tuple[ServedChain, str]]:
    """The chain at a URL, and its contracts' addresses in the home."""
    save_deployments(deployment_file(home.deployments, NETWORK), chain.deployments)
    backend, ready, over = ServedChain(chain), threading.Event(), threading.Event()
    server = loopback_server(create_face(backend, Guard()), 0, connections=64)
    server.config.timeout_graceful_shutdown = 0  # requests that are held never end

    urls: list[str] = []

    async def serve() -> None:
        async with serving(server) as url:
            urls.append(url)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield backend, urls[0]
    finally:
        over.set()
        thread.join(60)


def _shown(request: envelope.Request, answer: Answer) -> envelope.Json:
    if answer.fault is None:
        return envelope.success(request.id, answer.result)
    fault = answer.fault
    error = {"code": fault.code, "message": fault.message, "data": fault.data}
    return {"jsonrpc": "2.0", "id": request.id, "error": error}
