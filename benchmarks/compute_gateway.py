"""Requests a second through the gateway, one process, with a scripted provider over sockets.

Three processes: the gateway as `apogee gateway` serves it (guard, key with a cap, routing, voucher,
verification, SQLite book with synchronous FULL), a provider that checks and signs like a real one
but says the same words at once, and a load maker of N connections, each one request after another.
The market is in memory. With fewer free cores than processes the load maker's and the provider's
time is in the figure too; `gateway.cpu_ms` is the gateway's own processor time for a request,
`gateway.peer_cpu_ms` the provider's and `gateway.load_cpu_ms` the load maker's.

Usage: python -m benchmarks.compute_gateway [--seconds S] [--connections N] [--json]
"""

import asyncio
import gc
import json
import multiprocessing as mp
import resource
import secrets
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import httptools

from benchmarks.rows import Row, at_least, at_most, flags_of, show
from offchain.apps.gateway import GC_THRESHOLDS
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.answers import Frame, Route, Seal, whole_answer
from offchain.compute.commitment import Header, commit, policy_of
from offchain.compute.engine import Trace
from offchain.compute.forms import VOUCHER_HEADER, parse_voucher_header
from offchain.compute.model import (
    NATIVE_COIN,
    Finish,
    Kind,
    Level,
    Limits,
    Numerics,
    PriceRow,
    Receipt,
    Service,
    ServiceState,
    Verifiability,
    chat_bytes,
    compute_domain,
    price_of,
    request_hash,
    request_id,
    response_hash,
)
from offchain.compute.signatures import sign_receipt, signer_of
from offchain.core.hashing import keccak
from offchain.da.disperse import DisperseBlob
from offchain.da.read_part import PartReader
from offchain.gateway.access import ApiKey, digest_of
from offchain.gateway.answers import AnswerBook
from offchain.gateway.app import build_gateway_app, gateway_server
from offchain.gateway.book import Book, NewKey
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.compute_face import ComputeFace, ComputeParts
from offchain.gateway.face import GatewayFace, Quoting, Sampling
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope
from offchain.gateway.lease import PublisherLease
from offchain.gateway.market import MarketSource
from offchain.gateway.publish import DeskParts, DeskRules, PublishDesk
from offchain.gateway.sale import Account
from offchain.gateway.standing import Standings
from offchain.node.peer_limits import PeerLimits, PeerRate

COMMAND = "python -m benchmarks.compute_gateway"
BAR_REQUESTS = 800.0
BAR_P99_MS = 25.0
WARM_SECONDS = 2.0
CONNECTIONS = 16
WORDS = "Io, Europa and Ganymede are three of them."
MODEL_HASH = keccak(b"scripted model")
PAYER = LocalSigner.from_secret(keccak(b"bench payer"))
OWNER = LocalSigner.from_secret(keccak(b"bench provider"))
DOMAIN = compute_domain(chain_id=31_337, escrow=b"\xee" * 20)
ROW = PriceRow(1, NATIVE_COIN, 2_000_000, 8_000_000, 3, 0)
NONE = Verifiability(Level.NONE, is_simulated=False, until=0)
COMMITMENT = commit(
    Header(
        prompt_tokens=40,
        output_tokens=12,
        tokenizer_hash=keccak(b"tokenizer"),
        numerics=Numerics.TORCH_FP32,
        sampler=1,
        temperature_millionths=0,
        top_p_millionths=0,
        top_k=0,
        seed=bytes(32),
        policy=policy_of(is_audit_ok=False),
    ),
    Trace((1,) * 40, (2,) * 12, 1, b"", ()),
    keccak(b"salt"),
)
OPENING = COMMITMENT.open(0)
MODEL = "0x" + MODEL_HASH.hex()
BODY = json.dumps(
    {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Name three moons of Jupiter, please. " * 4}],
        "max_tokens": 64,
        "temperature": 0.7,
    }
).encode()


def service_at(port: int) -> Service:
    return Service(
        id=keccak(b"bench service"),
        provider=OWNER.address,
        kind=Kind.CHAT,
        numerics=Numerics.TORCH_FP32,
        state=ServiceState.ACTIVE,
        model_hash=MODEL_HASH,
        charter_hash=bytes(32),
        signer=OWNER.address,
        endpoint=f"http://127.0.0.1:{port}",
        limits=Limits(4_096, 256, 64),
        price_version=1,
    )


class _ProviderLine(asyncio.Protocol):
    """One connection of the gateway to the scripted provider."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._voucher, self._body = b"", bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == VOUCHER_HEADER.encode():
            self._voucher = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, voucher = bytes(self._body), self._voucher.decode()
        self._reset()
        raw = answer_to(body, voucher)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw)}\r\n\r\n"
        self._transport.write(head.encode() + raw)


def answer_to(body: bytes, header: str) -> bytes:
    """Check the voucher and sign a receipt, as a provider does."""
    signed = parse_voucher_header(header)
    voucher = signed.voucher
    digest = voucher.digest(DOMAIN)
    assert signer_of(digest, signed.signature) == PAYER.address
    hashed = request_hash(body)
    receipt = Receipt(
        request_id=request_id(digest, hashed),
        payer=voucher.payer,
        provider=OWNER.address,
        service=voucher.service,
        price_version=1,
        request_hash=hashed,
        response_hash=response_hash(chat_bytes([WORDS])),
        model_hash=MODEL_HASH,
        commitment=COMMITMENT.root,
        input_tokens=40,
        output_tokens=12,
        price=price_of(ROW, input_tokens=40, output_tokens=12),
        nonce=voucher.nonce,
        time=int(time.time()),
        finish=Finish.STOP,
    )
    frame = Frame(Route.CHAT, receipt.request_id, receipt.time, MODEL)
    return whole_answer(frame, WORDS, Seal(sign_receipt(receipt, OWNER, DOMAIN), NONE, OPENING))


def run_provider(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_ProviderLine, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await _tell_cpu(pipe)
        server.close()

    asyncio.run(serve())


def run_gateway(pipe: Connection, folder: str, provider_port: int, key: str) -> None:
    async def serve() -> None:
        server = gateway_server(build_gateway_app(a_face(Path(folder), provider_port, key)), 0)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        pipe.send(server.servers[0].sockets[0].getsockname()[1])
        await _tell_cpu(pipe)
        server.should_exit = True
        await serving

    asyncio.run(serve())


async def _tell_cpu(pipe: Connection) -> None:
    """Processor time used so far, whenever it is asked for; until the end is."""
    while (await asyncio.to_thread(pipe.recv)) == "cpu":
        pipe.send(_cpu_seconds())


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def a_face(folder: Path, provider_port: int, key: str) -> GatewayFace:
    """The gateway's face; nothing here asks for data availability, so nothing stands behind it."""
    now = int(time.time())
    market = MemoryMarket(now=now)
    service = service_at(provider_port)
    market.add(service, ROW)
    market.deposit(PAYER.address, OWNER.address, NATIVE_COIN, 10**15)
    book = Book.in_file(folder / "book.sqlite", lambda: int(time.time()))
    terms = KeyTerms(frozenset({Scope.COMPUTE}), cap_total=10**15, cap_day=10**15)
    book.add(NewKey(KeyRecord("bench", "bench", terms, now), digest_of(key)))
    compute = ComputeFace(
        ComputeParts(
            read=MarketSource(market, market, PAYER.address).read,
            account=Account(PAYER.address, PAYER),
            desk=BookDesk(book),
        )
    )
    desk = PublishDesk(
        DeskParts(
            lease=PublisherLease(_nobody, idle_seconds=1),
            answers=AnswerBook(folder / "answers.sqlite", lambda: now),
            quote=lambda _length, _days: 0,
            signer=PAYER,
            domain=lambda: DOMAIN,
        ),
        DeskRules(),
    )
    return GatewayFace(
        desk=desk,
        reader=cast(PartReader, None),
        standings=cast(Standings, None),
        quote=cast(Quoting, None),
        sample=cast(Sampling, None),
        key=ApiKey("apg_" + secrets.token_hex(32)),
        limits=PeerLimits(PeerRate(per_second=1e6, burst=1_000_000), time.monotonic),
        readiness=_ready,
        keys=compute.desk,
        compute=compute,
    )


def _nobody() -> AbstractAsyncContextManager[DisperseBlob]:
    raise AssertionError("nothing is published here")


async def _ready() -> str | None:
    return None


class _LoadLine(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, request: bytes, times: list[float], until: list[float]) -> None:
        self._request, self._times, self._until = request, times, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if self._parser.get_status_code() != 200:
            self.done.set_exception(RuntimeError(f"status {self._parser.get_status_code()}"))
            return
        self._times.append(now - self._began)
        if now < self._until[0]:
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._transport.close()
            self.done.set_result(None)


async def load(port: int, key: str, *, connections: int, seconds: float) -> list[float]:
    """Latencies of all requests, in seconds."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    times: list[float] = []
    until = [time.perf_counter() + seconds]
    loop = asyncio.get_running_loop()
    lines = []
    for _ in range(connections):
        _, line = await loop.create_connection(
            lambda: _LoadLine(head.encode() + BODY, times, until), "127.0.0.1", port
        )
        lines.append(line)
    await asyncio.gather(*(line.done for line in lines))
    return times


@dataclass(frozen=True, slots=True)
class Measured:
    requests_s: float
    p50_ms: float
    p99_ms: float
    gateway_cpu_ms: float
    provider_cpu_ms: float
    load_cpu_ms: float


def measure(*, seconds: float, connections: int) -> Measured:
    """One run."""
    context = mp.get_context("spawn")
    key = "apk_" + secrets.token_hex(32)
    provider_pipe, provider_end = context.Pipe()
    gateway_pipe, gateway_end = context.Pipe()
    provider = context.Process(target=run_provider, args=(provider_end,))
    provider.start()
    provider_port = provider_pipe.recv()
    with tempfile.TemporaryDirectory() as folder:
        arguments = (gateway_end, folder, provider_port, key)
        gateway = context.Process(target=run_gateway, args=arguments)
        gateway.start()
        port = gateway_pipe.recv()
        asyncio.run(load(port, key, connections=connections, seconds=WARM_SECONDS))
        before = _cpu_of(gateway_pipe), _cpu_of(provider_pipe), _cpu_seconds()
        began = time.perf_counter()
        times = sorted(asyncio.run(load(port, key, connections=connections, seconds=seconds)))
        wall = time.perf_counter() - began
        after = _cpu_of(gateway_pipe), _cpu_of(provider_pipe), _cpu_seconds()
        gateway_pipe.send("end")
        gateway.join(20)
    provider_pipe.send("end")
    provider.join(20)
    cpu = [(late - early) / len(times) * 1e3 for early, late in zip(before, after, strict=True)]
    return Measured(
        requests_s=len(times) / wall,
        p50_ms=times[len(times) // 2] * 1e3,
        p99_ms=times[len(times) * 99 // 100] * 1e3,
        gateway_cpu_ms=cpu[0],
        provider_cpu_ms=cpu[1],
        load_cpu_ms=cpu[2],
    )


def _cpu_of(pipe: Connection) -> float:
    pipe.send("cpu")
    return float(pipe.recv())


def run(*, seconds: float = 8.0, connections: int = CONNECTIONS) -> list[Row]:
    """The figures beside their bars."""
    found = measure(seconds=seconds, connections=connections)
    return [
        at_least("gateway.req_s", found.requests_s, "requests/s", BAR_REQUESTS, command=COMMAND),
        at_most("gateway.p99_ms", found.p99_ms, "ms", BAR_P99_MS, command=COMMAND),
        at_most("gateway.p50_ms", found.p50_ms, "ms", None, command=COMMAND),
        at_most("gateway.cpu_ms", found.gateway_cpu_ms, "ms/request", None, command=COMMAND),
        at_most("gateway.peer_cpu_ms", found.provider_cpu_ms, "ms/request", None, command=COMMAND),
        at_most("gateway.load_cpu_ms", found.load_cpu_ms, "ms/request", None, command=COMMAND),
    ]


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    asked = parser.parse_args()
    return show(run(seconds=asked.seconds, connections=asked.connections), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
