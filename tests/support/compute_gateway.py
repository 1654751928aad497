"""A gateway that buys from scripted providers over sockets, with a market in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.private_keys import EvidenceLedger, NoEvidence
from offchain.gateway.access import digest_of
from offchain.gateway.app import build_gateway_app
from offchain.gateway.book import Book, NewKey
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.compute_face import ComputeFace, ComputeParts
from offchain.gateway.face import GatewayFace
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope
from offchain.gateway.market import MarketSource
from offchain.gateway.options import Defaults
from offchain.gateway.sale import Account
from offchain.gateway.x402 import Asset
from offchain.gateway.x402_door import Facilitator
from tests.support.compute import NOW, PAYER
from tests.support.da_network import a_site, memory_network
from tests.support.gateway import a_face, below_site
from tests.support.scripted_provider import ScriptedProvider, cheaper

ORIGIN = "http://127.0.0.1:8080"
CHAT_PATH = "/v1/chat/completions"
NAME = "tiny"
DEPOSIT = 10**12
CHAT = {"model": NAME, "messages": [{"role": "user", "content": "moons?"}], "max_tokens": 8}


@dataclass
class Shop:
    """A running gateway and what it stands on."""

    face: GatewayFace
    compute: ComputeFace
    market: MemoryMarket
    book: Book
    client: httpx.AsyncClient
    providers: tuple[ScriptedProvider, ...]
    made: int = field(default=0)

    def key(self, **terms: object) -> dict[str, str]:
        """A new key's Authorization header."""
        return bearer(self.new_key(**terms))

    def new_key(self, **terms: object) -> str:
        self.made += 1
        key = "apk_" + f"{self.made:02d}" * 32
        settled = KeyTerms(**{"scopes": frozenset({Scope.COMPUTE}), **terms})  # type: ignore[arg-type]
        self.book.add(NewKey(KeyRecord(f"k{self.made}", "test", settled, NOW), digest_of(key)))
        return key

    def record(self, number: int) -> KeyRecord:
        return next(one for one in self.book.all_keys() if one.id == f"k{number}")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def a_book(folder: Path) -> Book:
    return Book.in_file(folder / "book.sqlite", lambda: NOW)


@asynccontextmanager
async def a_shop(
    folder: Path,
    *providers: ScriptedProvider,
    book: Callable[[Path], Book] = a_book,
    deposit: int = DEPOSIT,
    asset: Asset | None = None,
    facilitator: Facilitator | None = None,
    market: MemoryMarket | None = None,
    may_simulate: bool = True,
    evidence: EvidenceLedger | None = None,
    delegate: LocalSigner | None = None,
) -> AsyncIterator[Shop]:
    """Everything up, for as long as the block lasts; with a `delegate`, its key signs."""
    async with AsyncExitStack() as stack:
        market = market or MemoryMarket(now=NOW)
        for provider in providers:
            await stack.enter_async_context(provider.running())
            market.add(provider.service, provider.row)
            market.state.levels[provider.service.id] = provider.verifiability
            if deposit:
                owner, token = provider.owner.address, provider.row.token
                market.deposit(PAYER.address, owner, token, deposit)
        names = {service.model_hash: NAME for service in market.state.services.values()}
        known = evidence or NoEvidence()
        signing = None if delegate is None else delegate.address
        source = MarketSource(
            market, market, PAYER.address, names, evidence=known, delegate=signing
        )
        kept = book(folder)
        parts = ComputeParts(
            read=source.read,
            account=Account(PAYER.address, delegate or PAYER),
            desk=BookDesk(kept),
            defaults=Defaults(may_simulate=may_simulate),
            wall=lambda: float(NOW),
            asset=asset,
            facilitator=facilitator,
        )
        compute = ComputeFace(parts)
        site = a_site(4)
        face = a_face(below_site(site, memory_network(site)), folder)
        face.keys, face.compute = parts.desk, compute
        app = build_gateway_app(face)
        face.desk.start()
        compute.start()
        stack.push_async_callback(face.desk.stop)
        stack.push_async_callback(compute.stop)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30)
        )
        yield Shop(face, compute, market, kept, client, providers)


Story = Callable[[Shop], Awaitable[None]]


def in_shop(folder: Path, story: Story, *providers: ScriptedProvider, **more: object) -> None:
    async def run() -> None:
        async with a_shop(folder, *providers, **more) as shop:  # type: ignore[arg-type]
            await story(shop)
            await conserved(shop)

    asyncio.run(run())


async def conserved(shop: Shop) -> None:
    """Nobody was charged what no receipt says, and nothing stays held."""
    await shop.compute.settled()
    records = shop.book.all_keys()
    sold = [signed.receipt.price for one in shop.providers for signed in one.sold.values()]
    assert sum(record.spent for record in records) <= sum(sold)


def two() -> tuple[ScriptedProvider, ScriptedProvider]:
    """A cheap provider that is asked first, and a dear one."""
    cheap, dear = ScriptedProvider("cheap"), ScriptedProvider("dear")
    dear.row = cheaper(dear.row, 80_000_000)
    return cheap, dear
