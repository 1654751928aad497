"""An intent with five inference calls: which part of its time is not the model's.

  python -m benchmarks.agents_intent [--rounds 3] [--no-model] [--json]

An agent (offchain/agents/template.py) reads a text of 4,000 characters, takes four notes and makes
one summary of them with SmolLM2, stores it and remembers it. Real: the journal of the run with its
syncs, vouchers, reservations and receipts with theirs, verification, the tool's process in its
jail, the memory in a key-value stream of a replica process over loopback, settled in the log with a
proof, the signed run log. In memory: the chain, and the storage (its rows are storage.*). The time
of the model is that of its engine, from a request's start to its trace. The best of the rounds
counts, after one that warms up. `--no-model` runs a scripted engine: milliseconds of CPU an intent,
all of it overhead, the replica's process not counted.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.compute_overhead import PAYER, PROVIDER, SERVICE, open_market
from benchmarks.rows import Row, at_most, flags_of, show
from benchmarks.storage_kv import _account, _child, _domain, _stream
from offchain.agents.adapters.memory_agents import MemoryAgents
from offchain.agents.adapters.tool_process import ProcessTools
from offchain.agents.intent import Intent, Limits
from offchain.agents.manifest import parse_manifest
from offchain.agents.memory import Memory, keys_of
from offchain.agents.plan import follow
from offchain.agents.purse import Purse
from offchain.agents.run import Identity, Report, Run, RunParts
from offchain.agents.run_journal import RunJournal
from offchain.agents.runtime_tools import MemoryStorage, RuntimeTools
from offchain.agents.skills import parse_skill
from offchain.agents.standing import Guard, Stop, Visitor
from offchain.agents.template import TOOLS, template_bundle
from offchain.agents.think import MarketMind
from offchain.agents.tools import Place, ToolBox, ToolRunner
from offchain.compute.adapters.open_engine import EngineSpec, open_engine
from offchain.compute.adapters.scripted_engine import Script, ScriptedEngine
from offchain.compute.answers import Route
from offchain.compute.buy import Buyer
from offchain.compute.engine import (
    Embedding,
    Engine,
    Health,
    Job,
    ModelFacts,
    Piece,
    TokenStream,
    Trace,
)
from offchain.compute.forms import parse_voucher_header, voucher_header
from offchain.compute.generation import Generation
from offchain.compute.model import NATIVE_COIN, Finish, SignedVoucher
from offchain.compute.serve import Serve
from offchain.compute.terms_watch import TermsWatch
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.sdk.kv import AsyncKv, KvParts
from offchain.storage.kv.adapters.http_client import HttpKvClient

COMMAND: Final = "python -m benchmarks.agents_intent"
BAR_SHARE: Final = 10.0  # percent
TOKEN: Final = 1
ACCOUNT: Final = PAYER.address
MARKET: Final = b"\x5e" * 20
TEXT: Final = "The sea was calm that night, and the keeper wrote down every ship he saw. " * 54


@dataclass
class Clock:
    """Seconds in the engine, and how often it was asked."""

    seconds: float = 0.0
    answers: int = 0


class TimedStream:
    """A stream whose time is the model's until its trace is there."""

    def __init__(self, inner: TokenStream, clock: Clock) -> None:
        self._inner, self._clock, self._began = inner, clock, time.perf_counter()

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        return await self._inner.__anext__()

    @property
    def finish(self) -> Finish | None:
        return self._inner.finish

    def cancel(self) -> None:
        self._inner.cancel()

    async def trace(self, tokens: int) -> Trace:
        found = await self._inner.trace(tokens)
        self._clock.seconds += time.perf_counter() - self._began
        self._clock.answers += 1
        return found


class TimedEngine:
    """An engine with a clock around its answers."""

    def __init__(self, inner: Engine, clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    def facts(self) -> ModelFacts:
        return self._inner.facts()

    async def count(self, generation: Generation) -> tuple[int, ...]:
        return await self._inner.count(generation)

    def stream(self, job: Job) -> TimedStream:
        return TimedStream(self._inner.stream(job), self._clock)

    async def embed(self, texts: Sequence[str]) -> Embedding:
        return await self._inner.embed(texts)

    def health(self) -> Health:
        return self._inner.health()

    async def close(self) -> None:
        await self._inner.close()


@dataclass(frozen=True, slots=True)
class InProcess:
    """A provider asked by its bytes, without a socket."""

    serve: Serve

    async def ask(self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher) -> bytes:
        del endpoint
        signed = parse_voucher_header(voucher_header(voucher))
        _, answer = await self.serve.text(route, body, signed)
        return await answer.whole()

    async def stream(
        self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher
    ) -> AsyncIterator[bytes]:
        yield await self.ask(endpoint, route, body, voucher)

    async def acknowledge(self, endpoint: str, voucher: SignedVoucher) -> None:
        del endpoint
        await self.serve.acknowledge(voucher)


@dataclass(frozen=True, slots=True)
class Stage:
    """What all rounds share."""

    folder: Path
    buyer: Buyer
    kv: AsyncKv
    clock: Clock = field(default_factory=Clock)


@asynccontextmanager
async def staged(engine: Engine, clock: Clock, port: int) -> AsyncIterator[Stage]:
    """A provider, its buyer, and a stream of a replica process."""
    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as place:
        folder = Path(place)
        opened = await open_market(TimedEngine(engine, clock), folder)
        watch = opened.serve._admit._watch  # noqa: SLF001 - its chore runs here
        chore = asyncio.create_task(_refreshed(watch))
        market = opened.buyer._reader.services  # noqa: SLF001 - the memory market behind it
        buyer = Buyer(market, market, InProcess(opened.serve), PAYER, clock=time.time)  # type: ignore[arg-type]  # it is both ledgers
        try:
            async with HttpKvClient(f"http://127.0.0.1:{port}") as client:
                kv = AsyncKv(KvParts(client, _domain(), _account(1)), _stream())
                yield Stage(folder, buyer, kv, clock)
        finally:
            chore.cancel()


async def _refreshed(watch: TermsWatch) -> None:
    """As a provider's chore reads its terms."""
    while True:
        await asyncio.sleep(5)
        await watch.refresh()


async def one_intent(stage: Stage, number: int) -> Report:
    """A whole run, from the bundle to the signed log."""
    run_id, now = keccak(b"run", number.to_bytes(4, "big")), int(time.time())
    manifest = parse_manifest(
        template_bundle("Scribe", model_hash=bytes(31) + b"\x01", stream=_stream())
    )
    storage = MemoryStorage(price=1_000, payee=MARKET)
    paid = frozenset({PROVIDER.address, MARKET})
    limits = Limits(10**14, now + 3_600, NATIVE_COIN, frozenset(TOOLS), paid)
    inputs = {"file": storage.add(TEXT.encode()).hex()}
    intent = Intent("Summarise the file.", limits, "summarise", inputs)
    agents = MemoryAgents(now)
    agents.add(TOKEN, PAYER.address, account=ACCOUNT)
    keys = keys_of(manifest, data_key=bytes(32), epoch=0)
    memory, purse = Memory(stage.kv, _stream(), keys), Purse(limits)
    file = FileJournal(LocalDisk(), stage.folder / f"run-{number}.journal")
    file.open()
    journal = RunJournal(file, run_id, keys.writing.key)
    journal.open()
    runners: dict[Place, ToolRunner] = {
        Place.PROCESS: ProcessTools(),
        Place.RUNTIME: RuntimeTools(storage, memory, purse),
    }
    visitor = Visitor(TOKEN, PAYER.address, PAYER.address)
    parts = RunParts(
        manifest=manifest,
        mind=MarketMind(stage.buyer, SERVICE, sleep=asyncio.sleep),
        tools=ToolBox(manifest.tools, limits.tools, runners),
        memory=memory,
        guard=Guard(agents, visitor, epoch=0, deadline=limits.deadline),
        journal=journal,
        purse=purse,
        signer=PAYER,
    )
    identity = Identity(run_id, 31_337, bytes(20), TOKEN, 0, ACCOUNT, ACCOUNT)
    run = Run(identity, intent, parts)
    report = await follow(run, parse_skill("summarise", manifest.skills["summarise"]))
    assert report.reason is Stop.GOAL
    assert not report.unsettled
    return report


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of one intent: wall, of it the model's, and CPU of this process."""

    wall: float
    model: float
    cpu: float

    @property
    def share(self) -> float:
        """Percent that is not the model's."""
        return 100 * (self.wall - self.model) / self.wall


async def measure(opening: Callable[[], Awaitable[Engine]], rounds: int, port: int) -> list[Round]:
    """Rounds after a warm one."""
    clock, found = Clock(), []
    engine = await opening()
    try:
        async with staged(engine, clock, port) as stage:
            for number in range(rounds + 1):
                clock.seconds, clock.answers = 0.0, 0
                wall, cpu = time.perf_counter(), time.process_time()
                await one_intent(stage, number)
                found.append(
                    Round(time.perf_counter() - wall, clock.seconds, time.process_time() - cpu)
                )
                assert clock.answers == 5
    finally:
        await engine.close()
    return found[1:]


def rows(*, rounds: int = 3, has_model: bool = True) -> list[Row]:
    """The figures beside their bars."""
    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as place:
        folder = Path(place)

        async def real() -> Engine:
            return await asyncio.to_thread(open_engine, EngineSpec("smollm2"), folder)

        async def scripted() -> Engine:
            return ScriptedEngine(Script(lambda _: [f"word{n} " for n in range(48)]))

        with _child("serve", folder, 100) as (port, _):
            bare = asyncio.run(measure(scripted, 10, port))
            full = asyncio.run(measure(real, rounds, port)) if has_model else []
    cpu = 1e3 * min(one.cpu for one in bare)
    out = [at_most("agents.intent_overhead.ms", cpu, "ms CPU/intent", None, command=COMMAND)]
    if full:
        best = min(full, key=lambda one: one.share)
        share = at_most(
            "agents.intent_overhead",
            best.share,
            "%",
            BAR_SHARE,
            command=COMMAND,
            baseline=best.model,
        )
        out.insert(0, share)
    return out


def run() -> list[Row]:
    """For `apogee bench agents`."""
    return rows()


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-model", action="store_true")
    asked = parser.parse_args()
    return show(rows(rounds=asked.rounds, has_model=not asked.no_model), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
