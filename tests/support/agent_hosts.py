"""An agent at its owner's host: real token, account and rentals; thoughts of a provider in memory.

The token is minted, let and sold on the embedded chain of tests/support/trade_world.py; what a host
spends is in the memory market beside it, with the same clock.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx
from starlette.types import ASGIApp

from offchain.agents.adapters.a2a_ask import Asker, AskParts
from offchain.agents.adapters.a2a_card import CardFacts, signed_card
from offchain.agents.adapters.a2a_face import Answerer, Offered, a2a_app, card_of
from offchain.agents.adapters.chain_agents import ChainAgents
from offchain.agents.adapters.host_faces import Faces, HostDesk
from offchain.agents.adapters.mcp_face import McpFace, mcp_app
from offchain.agents.adapters.mcp_guests import McpGuests
from offchain.agents.ask import Answer, Payee, State, run_id
from offchain.agents.envelope import Mailbox, Replies, Speaker
from offchain.agents.host import Guest, Host, Work, name_of
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.onchain_leases import RentTerms
from offchain.agents.orders import NOBODY
from offchain.agents.plan import follow
from offchain.agents.run import Report, Run
from offchain.agents.runtime_errors import RunUnknown
from offchain.agents.runtime_tools import MemoryStorage
from offchain.agents.skills import parse_skill
from offchain.agents.standing import Guard, Stop, Visitor
from offchain.apps.agent_hosted import OwnWork, WorkLimits
from offchain.apps.agent_intent import IntentFlags, intent_of
from offchain.apps.agent_rights import Rights
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.model import NATIVE_COIN
from offchain.compute.ports import Delegate
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from tests.support.agents_runtime import (
    MARKET,
    STORE_PRICE,
    Acting,
    Around,
    a_bundle,
    a_manifest,
    a_run,
)
from tests.support.compute import NOW, PROVIDER
from tests.support.compute_provider import CHAT
from tests.support.served_app import listening
from tests.support.trade_world import Person, TradeWorld, minted

HOUR = 3_600
MCP_SECRET = "s" * 32
ANSWER = {
    "version": 1,
    "about": "Answer a question.",
    "inputs": ["question"],
    "steps": [
        {"do": "think", "prompt": "Answer: {question}", "max_tokens": 16, "as": "said"},
        {"do": "report", "text": "{said}"},
    ],
}
FILES = {
    **a_bundle(skills=["skills/summarise.json", "skills/answer.json"]),
    "skills/answer.json": json.dumps(ANSWER).encode(),
}


@dataclass
class Site:
    """A token of `seller`, let to whoever pays; `market` is where it thinks."""

    world: TradeWorld
    token: int
    market: MemoryMarket

    @property
    def owner(self) -> Person:
        return self.world["seller"]

    @property
    def account(self) -> bytes:
        return self.world.nft.account_of(self.token, at=self.world.at)

    @property
    def collection(self) -> bytes:
        return bytes(self.world.nft.address)

    @property
    def agents(self) -> ChainAgents:
        world = self.world
        client = AgentAccountClient(world.deployments, world.node)
        found = (lambda one: client.at(Address(one)), self.market)
        return ChainAgents(world.node, world.nft, *found)

    @property
    def rights(self) -> Rights:
        world = self.world
        network = SimpleNamespace(
            node=world.node,
            deployments=world.deployments,
            chain_id=world.clients.chain_id,
            agents=world.nft,
        )
        return Rights(network, self.owner.send)  # type: ignore[arg-type]  # all that is asked of it

    def rent(self, one: Person, seconds: int = HOUR) -> None:
        one.lease.rent(self.token, seconds, most=10**9)

    def let(self, payer: bytes, key: bytes, budget: int) -> None:
        """What a payer grants in ComputeEscrow."""
        self.market.deposit(payer, PROVIDER.address, NATIVE_COIN, budget)
        terms = Delegate(key, NATIVE_COIN, budget, 0, NOW + 86_400)
        self.market.state.delegates[payer, key] = terms

    def asker(self, one: Person, http: httpx.AsyncClient) -> Asker:
        world = self.world
        parts = AskParts(
            wallet=one.signer,
            here=(world.clients.chain_id, self.collection),
            agents=self.agents,
            services=self.market,
            escrow=self.market,
            clock=lambda: NOW,
            nonce=partial(world.draw, 32),
            sleep=_at_once,
        )
        return Asker(http, parts)


async def a_site(world: TradeWorld, market: MemoryMarket) -> Site:
    """Minted, its account made, for rent; the chain's clock is the market's."""
    owner = world["seller"]
    token = await minted(owner)
    client = AgentAccountClient(world.deployments, world.node)
    owner.act(client.create(world.nft.address, token))
    world.pass_until(NOW)
    owner.lease.let(token, RentTerms(1, NOBODY, 60, 10 * HOUR, NOW + 90_000), name="let")
    return Site(world, token, market)


@dataclass
class TradedAgent:
    """`Works` whose chain of money is the memory market."""

    site: Site
    http: HttpProviderClient
    folder: Path
    storage: MemoryStorage = field(
        default_factory=lambda: MemoryStorage(price=STORE_PRICE, payee=MARKET)
    )
    logs: dict[bytes, bytes] = field(default_factory=dict)

    async def start(self, guest: Guest) -> Answer | Work:
        site, ask = self.site, guest.ask
        named = run_id(name_of(guest.caller, ask.run), site.token, guest.who)
        key = LocalSigner.from_secret(keccak(b"a run's key", named))
        is_owners = guest.who == guest.standing.owner
        payer = guest.standing.account if is_owners else guest.who
        flags = IntentFlags(
            goal=ask.goal,
            budget=f"{ask.budget}wei",
            deadline=f"{ask.deadline - guest.standing.now}s",
            skill=ask.skill,
            inputs=tuple(f"{name}={value}" for name, value in ask.inputs.items()),
        )
        intent = intent_of(
            flags,
            a_manifest(FILES),
            now=guest.standing.now,
            payees=frozenset({PROVIDER.address, MARKET}),
            refused=guest.caller.refused,
        )
        if site.market.delegate(payer, key.address, at=0) is None:
            if not is_owners:
                return Answer(State.PAY, Payee(key.address, PROVIDER.address, CHAT))
            site.let(payer, key.address, ask.budget)
        folder = self.folder / named.hex()
        folder.mkdir(parents=True, exist_ok=True)
        around = Around(market=site.market, agents=site.agents, storage=self.storage, folder=folder)
        acting = Acting(
            run=named,
            token=site.token,
            who=guest.who,
            payer=payer,
            key=key,
            collection=site.collection,
            has_session=False,
        )
        run = a_run(around, self.http, intent, files=FILES, acting=acting)
        return partial(self._follow, run, named)

    async def recall(self, who: bytes, name: str) -> Answer:
        named = run_id(name, self.site.token, who)
        if named not in self.logs:
            raise RunUnknown(run=name)
        return Answer(State.ENDED, None, "goal", "", self.logs[named])

    async def _follow(self, run: Run, named: bytes) -> Report:
        skill = run.intent.skill
        report = await follow(run, parse_skill(skill, FILES[f"skills/{skill}.json"]))
        self.logs[named] = report.log.to_bytes()
        return report


@dataclass
class Served:
    """A host that listens."""

    host: Host
    works: TradedAgent
    port: int
    mail: Path
    stops: list[Stop]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@asynccontextmanager
async def hosted(
    site: Site, http: HttpProviderClient, folder: Path, *, own: WorkLimits | None = None
) -> AsyncIterator[Served]:
    """The site's agent at its owner's, as `apogee agent serve` puts it together."""
    owner, chain_id = site.owner, site.world.clients.chain_id
    speaking = LocalSigner.from_secret(keccak(b"speaking", owner.secret))
    site.rights.let_speak(site.token, speaking.address, NOW + 10 * HOUR)
    visitor = Visitor(site.token, owner.address, speaking.address)
    stops: list[Stop] = []
    guard = Guard(site.agents, visitor, epoch=0, deadline=NOW + 10 * HOUR)
    works = TradedAgent(site, http, folder / "runs")
    host = Host(guard, works, stopped=stops.append)
    mail = FileJournal(LocalDisk(), folder / "mailbox.journal")
    mail.open()
    speaker = Speaker(site.account, chain_id, speaking)
    facts = CardFacts(chain_id, site.collection, site.token, 0, site.account)
    manifest = a_manifest(FILES)
    skills = {name: parse_skill(name, raw) for name, raw in manifest.skills.items()}
    work = OwnWork(host, own or WorkLimits(10_000, 100_000), manifest)

    def app(port: int) -> ASGIApp:
        offered = Offered(
            "Scribe", "Reads.", "0", {name: one.about for name, one in skills.items()}
        )
        card = signed_card(card_of(offered, f"http://127.0.0.1:{port}/"), facts, speaker)
        mailbox = Mailbox(site.account, chain_id, site.agents, mail, lambda: NOW)
        talk = a2a_app(card, Answerer(mailbox, speaker, HostDesk(host), lambda: NOW))
        guests = McpGuests(host, mailbox, Replies(speaker), lambda: NOW)
        mcp = mcp_app(McpFace("Scribe", skills, work.called, MCP_SECRET, guests), port)
        return Faces(talk, mcp, [f"127.0.0.1:{port}"])

    async with listening(app) as port:
        try:
            yield Served(host, works, port, folder / "mailbox.journal", stops)
        finally:
            await host.close()


async def _at_once(seconds: float) -> None:
    del seconds
