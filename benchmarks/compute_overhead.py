"""What payment costs: CPU of both sides beyond the bare engine, for an answer of 64 tokens.

  python -m benchmarks.compute_overhead [--answers 300] [--no-model] [--json]

The bare engine runs the same job, to its fingerprints (compute.audit.ratio measures those), without
a voucher, a receipt, a commitment or a check. The paid path is everything that provider and buyer
do beside it, in one process and without sockets: sign the voucher, read it from its header, check
it, reserve with a sync, run, commit, sign the receipt, keep the evidence with its syncs, write the
answer's bytes as a stream, verify all of them. Both run on the scripted engine in turns, so that
the difference is the overhead: the median of the quietest of ten rounds. Its share is of the wall
time that SmolLM2 takes for 64 tokens on this machine, in the same run.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.rows import Row, at_most, flags_of, show
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.adapters.open_engine import EngineSpec, open_engine
from offchain.compute.adapters.scripted_engine import Script, ScriptedEngine
from offchain.compute.admit import Admit
from offchain.compute.answering import Seller
from offchain.compute.answers import Route
from offchain.compute.buy import Buyer, Wanted
from offchain.compute.engine import Engine, Job
from offchain.compute.evidence import FolderEvidence
from offchain.compute.forms import parse_voucher_header, voucher_header
from offchain.compute.generation import Route as TextRoute
from offchain.compute.generation import parse_generation
from offchain.compute.model import (
    NATIVE_COIN,
    Kind,
    Limits,
    Numerics,
    PriceRow,
    Service,
    ServiceState,
)
from offchain.compute.reserve import ReservationBook
from offchain.compute.serve import Serve
from offchain.compute.terms_watch import ChainTime, TermsWatch
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal

TOKENS: Final = 64
ROUNDS: Final = 10
BAR_MS: Final = 4.0
BAR_SHARE: Final = 3.0  # percent
COMMAND: Final = "python -m benchmarks.compute_overhead"
BODY: Final = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": "Tell a story about the sea. " * 8}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
    }
).encode()
PAYER: Final = LocalSigner.from_secret(keccak(b"payer"))
PROVIDER: Final = LocalSigner.from_secret(keccak(b"provider"))
SIGNER: Final = LocalSigner.from_secret(keccak(b"signer"))
SERVICE: Final = keccak(b"service")


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU milliseconds an answer, bare and paid; the wall seconds of a real answer, 0 untimed."""

    bare_ms: float
    paid_ms: float
    answer_seconds: float

    @property
    def overhead_ms(self) -> float:
        return self.paid_ms - self.bare_ms

    @property
    def share(self) -> float:
        """Overhead in percent of a real answer's wall time."""
        return self.overhead_ms / 10 / self.answer_seconds if self.answer_seconds else 0.0


async def run_bare(engine: Engine) -> None:
    """One answer of the engine alone."""
    generation = parse_generation(BODY, TextRoute.CHAT)
    ids = await engine.count(generation)
    stream = engine.stream(Job(generation, ids, TOKENS, keccak(b"key"), PAYER.address, BODY))
    tokens = sum([len(piece.ids) async for piece in stream])
    assert tokens > 0
    await stream.trace(tokens)


@dataclass(frozen=True, slots=True)
class Market:
    """A provider and a buyer of one market in memory, books on disk."""

    serve: Serve
    buyer: Buyer


async def open_market(engine: Engine, folder: Path) -> Market:
    """Everything but sockets."""
    market = MemoryMarket(now=int(time.time()))
    facts = engine.facts()
    limits = Limits(max_input=1_024, max_output=256, concurrency=8)
    service = Service(
        SERVICE, PROVIDER.address, Kind.CHAT, Numerics.TORCH_FP32, ServiceState.ACTIVE,
        facts.model_hash, bytes(32), SIGNER.address, "http://127.0.0.1:9", limits, 1,
    )  # fmt: skip
    market.add(service, PriceRow(1, NATIVE_COIN, 10**9, 4 * 10**9, 0, 0))
    market.deposit(PAYER.address, PROVIDER.address, NATIVE_COIN, 10**15)
    journal = FileJournal(LocalDisk(), folder / "reservations.journal")
    journal.open()
    book = ReservationBook(journal)
    book.open()
    watch = TermsWatch(market, market, [SERVICE], ChainTime(time.time))
    await watch.refresh()
    shelf = FolderEvidence(LocalDisk(), folder / "evidence")
    seller = Seller(book, shelf, SIGNER, watch.time, lambda: keccak(b"salt"))
    serve = Serve({SERVICE: engine}, Admit(market, watch, book), book, shelf, seller)
    buyer = Buyer(market, market, HttpProviderClient(), PAYER, clock=time.time)
    return Market(serve, buyer)


async def run_paid(market: Market) -> None:
    """One answer that is paid for, proven and checked."""
    order = await market.buyer.order(SERVICE, Wanted(Route.CHAT, BODY, 256, TOKENS))
    voucher = parse_voucher_header(voucher_header(order.voucher))
    _, answer = await market.serve.text(Route.CHAT, BODY, voucher)
    raw = b"".join([event async for event in answer.events()])
    verified = await market.buyer.check(order, raw)
    assert verified.receipt.output_tokens == TOKENS


async def measure(answers: int, *, has_model: bool) -> Measured:
    """Bare and paid answers in turns, so that both see the same machine."""
    engine = ScriptedEngine(Script(lambda _: [f"word{n} " for n in range(TOKENS)]))
    bare, paid = [], []
    with tempfile.TemporaryDirectory() as folder:
        market = await open_market(engine, Path(folder))
        for _ in range(20):
            await run_bare(engine)
            await run_paid(market)
        for _ in range(answers):
            began = time.process_time()
            await run_bare(engine)
            between = time.process_time()
            await run_paid(market)
            bare.append(between - began)
            paid.append(time.process_time() - between)
    seconds = await answer_seconds() if has_model else 0.0
    size = max(1, answers // ROUNDS)
    rounds = [
        (statistics.median(bare[at : at + size]), statistics.median(paid[at : at + size]))
        for at in range(0, size * ROUNDS, size)
    ]
    quiet = min(rounds, key=lambda one: one[1] - one[0])
    return Measured(quiet[0] * 1e3, quiet[1] * 1e3, seconds)


async def answer_seconds() -> float:
    """The best wall time of three answers of SmolLM2."""
    with tempfile.TemporaryDirectory() as folder:
        engine = await asyncio.to_thread(open_engine, EngineSpec("smollm2"), Path(folder))
        try:
            times = []
            for _ in range(4):
                began = time.perf_counter()
                await run_bare(engine)
                times.append(time.perf_counter() - began)
            return min(times[1:])
        finally:
            await engine.close()


def rows(*, answers: int = 300, has_model: bool = True) -> list[Row]:
    """The figures beside their bars."""
    found = asyncio.run(measure(answers, has_model=has_model))
    out = [
        at_most(
            "compute.overhead.ms",
            found.overhead_ms,
            "ms CPU/answer",
            BAR_MS,
            command=COMMAND,
            baseline=found.bare_ms,
        )
    ]
    if has_model:
        out.append(at_most("compute.overhead.share", found.share, "%", BAR_SHARE, command=COMMAND))
    return out


def run() -> list[Row]:
    """For `apogee bench compute`."""
    return rows()


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument("--no-model", action="store_true")
    asked = parser.parse_args()
    return show(rows(answers=asked.answers, has_model=not asked.no_model), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
