"""A whole provider on a socket, over a market in memory and a scripted engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from offchain.attestation.adapters.http_subject import add_evidence
from offchain.attestation.evidence_desk import EvidenceDesk
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.http_provider import (
    ProviderFace,
    build_provider_app,
    provider_server,
)
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.adapters.scripted_engine import (
    Script,
    ScriptedEngine,
    scripted_facts,
)
from offchain.compute.admit import Admit
from offchain.compute.answering import Seller
from offchain.compute.answers import Route
from offchain.compute.batch_shelf import BatchShelf
from offchain.compute.buy import Buyer, Wanted
from offchain.compute.engine import Engine
from offchain.compute.evidence import EvidenceShelf, MemoryEvidence
from offchain.compute.model import NATIVE_COIN, Kind, Service
from offchain.compute.private_keys import EnclaveKeys, EvidenceLedger
from offchain.compute.private_serve import OpenSealed
from offchain.compute.reserve import ReservationBook
from offchain.compute.serve import Serve
from offchain.compute.settle import Settle, Shelves
from offchain.compute.show_provider import AuditDesk, ShowProvider
from offchain.compute.terms_watch import ChainTime, TermsWatch
from offchain.core.hashing import keccak
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.node.journal import Journal, MemoryJournal
from tests.support.compute import NOW, PAYER, PROVIDER, SIGNER, a_row, a_service

CHAT = keccak(b"service")
EMBED = keccak(b"embedding service")
DEPOSIT = 10_000_000


@dataclass
class World:
    """One provider and what it stands on."""

    market: MemoryMarket
    engine: Engine
    book: ReservationBook
    watch: TermsWatch
    serve: Serve
    settle: Settle
    show: ShowProvider
    evidence: EvidenceShelf
    batches: BatchShelf
    url: str = ""
    clock: Callable[[], float] = field(default=lambda: float(NOW))

    def buyer(self, client: HttpProviderClient, signer: LocalSigner = PAYER) -> Buyer:
        return Buyer(self.market, self.market, client, signer, clock=self.clock)


def a_market(*, deposit: int = DEPOSIT) -> MemoryMarket:
    """A chat and an embedding service, and a payer with a deposit."""
    market = MemoryMarket(now=NOW)
    facts = scripted_facts()
    market.add(a_service(id=CHAT, model_hash=facts.model_hash), a_row())
    other = a_service(id=EMBED, kind=Kind.EMBEDDING, model_hash=facts.model_hash)
    market.add(other, a_row())
    if deposit:
        market.deposit(PAYER.address, PROVIDER.address, NATIVE_COIN, deposit)
    return market


async def a_world(
    market: MemoryMarket | None = None,
    script: Script | None = None,
    *,
    engine: Engine | None = None,
    journal: Journal | None = None,
    evidence: EvidenceShelf | None = None,
    audits: AuditDesk | None = None,
    keys: EnclaveKeys | None = None,
    attested: EvidenceLedger | None = None,
) -> World:
    """A provider that is not on a socket yet."""
    market = market or a_market()
    engine = engine or ScriptedEngine(script)
    embedder = ScriptedEngine(facts=scripted_facts(kind=Kind.EMBEDDING))
    book = ReservationBook(journal or MemoryJournal())
    book.open()
    time = ChainTime(lambda: float(market.now))
    watch = TermsWatch(market, market, (CHAT, EMBED), time, evidence=attested)
    await watch.refresh()
    admit = Admit(market, watch, book)
    shelf = evidence or MemoryEvidence()
    seller = Seller(book, shelf, SIGNER, watch.time, lambda: keccak(b"salt"))
    private = None if keys is None else OpenSealed(keys, watch.time.now)
    engines: dict[bytes, Engine] = {CHAT: engine, EMBED: embedder}
    serve = Serve(engines, admit, book, shelf, seller, private=private)
    batches = BatchShelf(ForgetfulDisk(), Path("batches"), MemoryJournal())
    batches.open()
    show = ShowProvider(PROVIDER.address, watch, book, serve, batches, audits)
    settle = Settle(PROVIDER.address, book, market, market, Shelves(batches, shelf))
    return World(
        market,
        engine,
        book,
        watch,
        serve,
        settle,
        show,
        shelf,
        batches,
        clock=lambda: float(market.now),
    )


@asynccontextmanager
async def on_socket(
    world: World, *, send_seconds: float = 30.0, desk: EvidenceDesk | None = None
) -> AsyncIterator[str]:
    """The world's face on a free port; services name it as their endpoint; `desk`: its evidence."""

    async def ready() -> str | None:
        return None

    face = ProviderFace(world.serve, world.show, ready, send_seconds)
    app = build_provider_app(face)
    if desk is not None:
        add_evidence(app, desk)
    server = provider_server(app, 0)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        world.url = f"http://127.0.0.1:{port}"
        for service in (CHAT, EMBED):
            known = world.market.state.services[service]
            world.market.state.services[service] = at_endpoint(known, world.url)
        yield world.url
    finally:
        server.should_exit = True
        await serving
        await world.engine.close()


def at_endpoint(service: Service, url: str) -> Service:
    return replace(service, endpoint=url)


def chat_body(text: str = "one two three", **more: object) -> bytes:
    """A chat request as a client would write it."""
    import json

    body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}
    return json.dumps(body).encode()


def wanted(body: bytes, max_tokens: int | None = 16, route: Route = Route.CHAT) -> Wanted:
    """A request with its measure."""
    return Wanted(route, body, max_input=64, max_tokens=max_tokens)


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait on the loop until something holds. Raises: TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)
