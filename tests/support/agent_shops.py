"""An agent that sells its work on real contracts: its owner's home, a buyer's, and a model's.

Real are stake, services, escrow, courts, the token, its account, the host's processes and every
signature; storage and oracles are the twin agent_surroundings.vy, and the model says a script. The
chain's clock is the machine's.
"""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

from offchain.agents.adapters.agent_engine import AgentEngine
from offchain.agents.adapters.storage_root import storage_engines
from offchain.agents.delivery_keys import DeliveryKeys
from offchain.agents.manifest import parse_manifest
from offchain.agents.mint_agent import Mint, MintWish
from offchain.apps.agent_acting import Opened
from offchain.apps.agent_host import HostProcess, HostWish, Term
from offchain.apps.agent_hosted import WorkLimits
from offchain.apps.agent_shop import ShopWish, register_shop
from offchain.apps.compute_clients import chain_escrow
from offchain.apps.compute_jobs import compute_jobs
from offchain.apps.genesis import scaled_genesis
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.provider import ProviderProcess
from offchain.apps.provider_home import ProviderFile, ProviderPlace
from offchain.apps.provider_init import ProviderInit, Wish, specs_of
from offchain.apps.settings import ProviderSettings, read_settings
from offchain.apps.stake import Actor
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import ContractClient, creation_call
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.event_ranges import events_between
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, TypedCall, show_address
from offchain.chain.node import Node
from offchain.chain.ports import Question
from offchain.chain.sender import TransactionSender
from offchain.chain.token_accounts import bring_registry
from offchain.compute.adapters.account_file import AccountFiles
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.scripted_engine import Script, ScriptedEngine, scripted_facts
from offchain.compute.buy import Buyer
from offchain.compute.engine import Job
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_escrow import Deposited
from offchain.compute.ports import BatchState, Bucket, PostedBatch
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN
from offchain.jobs.model import JobKind, Outcome
from offchain.node.disk import LocalDisk
from offchain.sdk.open_storage import StorageChain, StorageOwner
from scripts.build_abi import creation_code
from tests.support.agent_hosts import ANSWER
from tests.support.agents_runtime import MEMORY_KEY, a_bundle
from tests.support.da_chain import _resolved
from tests.support.da_encoding import the_engine
from tests.support.served_app import serving
from tests.support.trade_world import SurroundingsClient, built_twin, secret_of

SELLER, BUYER, STRANGER, MODEL, WORKER = "seller", "buyer", "stranger", "model", "worker"
PRICE = 10**15
SAID = "it is about ships"
AUDIT_SECONDS = 600  # a phase of an audit that nobody sits in is over by then
MOST_ROUNDS = 12
EPOCHS = 2  # until what was staked counts
HOSTS = ("agents", f"providers/{SELLER}", "outbox")  # what a host writes to
REAL = {
    *("OperatorRegistry", "StakeManager", "RandomBeacon", "SlashingCourt", "StorageLog"),
    *("KVStreams", "ServiceRegistry", "ComputeEscrow", "ReceiptCourt", "AuditCourt"),
    *("AttestationRegistry", "AgentNFT", "AgentLeases", "AgentAccount"),
}
FILES = {
    **a_bundle(
        model={"hash": "0x" + scripted_facts().model_hash.hex(), "input": 4_096, "output": 64},
        skills=["skills/answer.json"],
        memory={"stream": "00" * 32, "keys": [{"epoch": 0, "key": MEMORY_KEY.hex()}]},
    ),
    "skills/answer.json": json.dumps(ANSWER).encode(),
}


@dataclass
class Mouth:
    """What the model says; while it is `held`, it thinks."""

    held: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    thoughts: int = 0

    def words(self, job: Job) -> list[str]:
        del job
        self.thoughts += 1
        return [SAID]

    async def gate(self) -> None:
        self.asked.set()
        if self.held is not None:
            await self.held.wait()


@dataclass
class ShopSite:
    """A token of `seller`, who sells its work at `PRICE`."""

    transport: EmbeddedTransport
    network: Network
    home: Home  # the seller's
    buying: Home
    opened: Opened

    # The chain

    @property
    def at(self) -> bytes:
        return self.network.node.block().hash

    def ask(self, method: str, *params: object) -> Any:
        [answer] = self.transport.ask([Question(method, tuple(params))])
        assert answer.fault is None, answer
        return answer.result

    def pass_until(self, moment: int) -> None:
        """Travel so far that a block is later than this."""
        if moment > self.network.node.block().timestamp:
            self.ask("evm_setNextBlockTimestamp", moment + 1)
        self.ask("evm_mine")

    @property
    def seller(self) -> Actor:
        return Actor(self.home, self.network, SELLER, as_json=True)

    def buyer(self, role: str = BUYER) -> Actor:
        return Actor(self.buying, self.network, role, as_json=True)

    def owner(self, role: str = BUYER) -> tuple[StorageChain, StorageOwner]:
        """The same wallet, as a program has it."""
        secret = Keystore(self.buying.keys).account(role).secret
        chain = StorageChain(self.network.node, self.network.deployments, self.network.stake)
        return chain, StorageOwner(self.buying.root / "program", secret)

    def bucket(self, role: str = BUYER) -> Bucket:
        """What the buyer has with the seller."""
        payer = bytes(self.buyer(role).address)
        seller = bytes(self.seller.address)
        return self.network.escrow.bucket(payer, seller, NATIVE_COIN, at=self.at)

    def batches(self) -> list[PostedBatch]:
        escrow, at = self.network.escrow, self.at
        return [escrow.batch(one, at=at) for one in range(1, escrow.batch_count(at=at) + 1)]

    def deposit(self, wei: int, role: str = BUYER) -> None:
        one, seller = self.buyer(role), bytes(self.seller.address)
        call = self.network.escrow.deposit(bytes(one.address), wei, provider=seller)
        one.send(call, one.unique_key("deposit"))

    def deposited(self) -> int:
        """All that the buyer ever put into his bucket at the seller."""
        network, head = self.network, self.network.node.block()
        span = (network.deployments.first_block(), head.number)
        who = {"account": self.buyer().address, "provider": self.seller.address}
        found = events_between(network.node, network.escrow, Deposited, span, who)
        return sum(one.amount for one in found)

    def earned(self) -> int:
        """What the seller may take out."""
        return self.network.escrow.free_of(bytes(self.seller.address), NATIVE_COIN, at=self.at)

    def release(self, batch: int) -> Outcome:
        """The worker's jobs until nobody may dispute a batch; what comes of its release again."""
        worker = Keystore(self.home.keys).account(WORKER)
        Actor(self.home, self.network, WORKER).fill()
        jobs = compute_jobs(
            self.network,
            address_of(worker),
            lambda: open_sender(self.network, self.home, WORKER, worker),
        )
        self.pass_until(self.network.escrow.batch(batch, at=self.at).release_at)
        for _ in range(MOST_ROUNDS):
            for one in list(jobs.find_due(self.network.node.block())):
                assert jobs.handlers()[one.kind](one.subject) is Outcome.DONE
            if self.network.escrow.batch(batch, at=self.at).state is BatchState.RELEASED:
                return jobs.handlers()[JobKind.RELEASE_BATCH](str(batch))
            self.pass_until(self.network.node.block().timestamp + AUDIT_SECONDS)
        raise AssertionError(self.network.escrow.batch(batch, at=self.at))

    # The processes

    @asynccontextmanager
    async def model(self) -> AsyncIterator[Mouth]:
        """The provider that the agent thinks at."""
        mouth = Mouth()
        engine = ScriptedEngine(Script(mouth.words, mouth.gate))
        place = ProviderPlace(self.home, MODEL)
        service = _init(self.home, self.network).file().offered[0].service
        process = ProviderProcess(
            place, self.network, _settings(self.home, MODEL), {service: engine}
        )
        _, server, _ = await process.parts()
        async with serving(server):
            yield mouth
        await engine.close()

    @asynccontextmanager
    async def shop(self) -> AsyncIterator[str]:
        """The host, as `apogee agent serve --price` runs it; where."""
        one, now = self.seller, self.network.node.block().timestamp
        own = WorkLimits(PRICE, 100 * PRICE)
        wish = HostWish(3_600, own, shop=ShopWish(f"{PRICE}wei"))
        host = HostProcess(one, self.opened.token, wish, Term(now + 3_600, self.opened.epoch))
        folder = one.home.root / "agents" / "hosts" / str(self.opened.token)
        folder.mkdir(parents=True, exist_ok=True)
        task = asyncio.create_task(host.serve(self.opened))
        try:
            yield await _listens(folder / "host.json", task)
        finally:
            host.end()
            await task

    def leave(self, place: Path) -> None:
        """What the host has on its disk now."""
        for name in HOSTS:
            shutil.copytree(self.home.root / name, place / name)

    def find(self, place: Path) -> None:
        """The host's disk as it was left."""
        for name in HOSTS:
            shutil.rmtree(self.home.root / name)
            shutil.move(place / name, self.home.root / name)

    async def settle(self) -> int:
        """The provider's chore, of a process that finds what the host left; batches posted."""
        place = ProviderPlace(self.home, SELLER)
        service = self.sold_at()
        async with _engine(self.opened) as engine:
            settings = _settings(self.home, SELLER)
            process = ProviderProcess(place, self.network, settings, {service: engine})
            _, _, chores = await process.parts()
            [settle] = [one for one in chores if one.name == "settle"]
            return await settle.work()

    def sold_at(self) -> bytes:
        """The agent's service."""
        return ProviderFile.load(ProviderPlace(self.home, SELLER)).offered[0].service


def open_shop_site(folder: Path) -> ShopSite:
    """Deploy, mint, register who sells, and pass the epochs until stake covers sales."""
    past = 144 * (EPOCHS + 2)
    transport = EmbeddedTransport(clock=lambda: time.time() - past)
    node = Node(transport)
    network = _network(node, _deployed(node, folder))
    home, buying = Home.at(folder / "seller"), Home.at(folder / "buyer")
    seller = Actor(home, network, SELLER, as_json=True)
    opened = asyncio.run(_minted(seller))
    site = ShopSite(transport, network, home, buying, opened)
    for _ in _init(home, network).steps():
        pass
    register_shop(seller, opened, ShopWish(f"{PRICE}wei"), _no_work)
    for _ in range(EPOCHS):
        at = site.at
        epoch = network.stake.current_epoch(at=at) + 1
        site.pass_until(network.stake.epoch_start(epoch, at=at))
    site.pass_until(int(time.time()))
    for role in (BUYER, STRANGER):
        site.buyer(role).fill()
    return site


def buyer_of(site: ShopSite, client: HttpProviderClient, role: str = BUYER) -> Buyer:
    """Who pays with this wallet, with the books of its commands."""
    one = site.buyer(role)
    account = Keystore(one.home.keys).account(role)
    folder = one.home.root / "agents" / "books" / one.address.hex()
    return Buyer(
        site.network.services,
        chain_escrow(site.network),
        client,
        LocalSigner.from_secret(account.secret),
        clock=time.time,
        shelf=AccountFiles(LocalDisk(), folder),
        may_simulate=True,
    )


def _init(home: Home, network: Network) -> ProviderInit:
    specs = specs_of(["scripted"], url=None, numerics="fp32", device="cpu")
    return ProviderInit(Actor(home, network, MODEL, as_json=True), Wish(specs=specs))


def _settings(home: Home, role: str) -> ProviderSettings:
    return read_settings(ProviderSettings, home=home.root, provider_role=role, tee="none")


@asynccontextmanager
async def _engine(opened: Opened) -> AsyncIterator[Any]:
    engine = AgentEngine(f"agent-{opened.token}", bytes(32), _no_work)
    yield engine
    await engine.close()


async def _no_work(request: str, run: str) -> str:
    raise AssertionError((request, run))


async def _listens(file: Path, task: asyncio.Task[None]) -> str:
    while True:
        if task.done():
            await task
        found = await asyncio.to_thread(_told_in, file)
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", found["port"])
            writer.close()
            return str(found["url"])
        await asyncio.sleep(0.01)


def _told_in(file: Path) -> dict[str, Any]:
    """What the host says of itself; port 0 until it does."""
    return dict(json.loads(file.read_text())) if file.exists() else {"port": 0}


async def _minted(one: Actor) -> Opened:
    """A token whose file storage keeps, and its account with coins."""
    network, engines = one.network, storage_engines(the_engine())
    one.fill()
    secret = Keystore(one.home.keys).account(one.role).secret
    keys = DeliveryKeys(secret, network.chain_id, network.agents.address)
    mint = Mint(network.agents, keys, bytes(one.address), _Kept(one), engines, one.send)
    token = await mint.mint(FILES, MintWish("an agent"))
    account = network.agents.account_of(token, at=one.at)
    coins = TypedCall(Address(account), b"", WEI_PER_COIN, "account", "transfer")
    one.send(coins, "coins of the agent")
    return Opened(token, 0, parse_manifest(FILES), keccak(b"data key"))


@dataclass
class _Kept:
    """Storage, which keeps what it is told of."""

    one: Actor

    async def put(self, file: bytes, data_hash: bytes, *, name: str) -> bytes:
        del file
        location = keccak(b"location", data_hash)
        twin = SurroundingsClient(self.one.network.deployments, self.one.network.node)
        self.one.send(twin.call("keep", location, data_hash), name)
        return location

    async def get(self, location: bytes, data_hash: bytes) -> bytes:
        raise AssertionError((location, data_hash))


def _deployed(node: Node, folder: Path) -> Deployments:
    """The plan of a real network, with the twin for what is not sold here."""
    signer = LocalSigner.from_secret(secret_of(0))
    governance = show_address(signer.address)
    genesis = scaled_genesis(governance=governance, treasury="0x" + "77" * 20)
    found = Deployments("shops", node.chain_id())
    policy = SenderPolicy(finality_blocks=0)
    with TransactionSender.open(node, signer, folder / "deploy.sqlite", policy=policy) as sender:

        def put(name: str, call: TypedCall) -> Deployment:
            receipt = sender.execute(call, key=f"deploy:{name}")
            assert receipt.contract_address is not None
            where, block = receipt.contract_address, receipt.block_number
            return Deployment(name, where, block, receipt.transaction_hash, (), "", "")

        name = SurroundingsClient.contract
        twin = put(name, TypedCall(None, built_twin(name)[1], 0, name, "__init__"))
        steps = list(genesis.deployments())
        others = [replace(twin, name=one.name) for one in steps if one.name not in REAL]
        found = found.including(twin, *others)
        for step in steps:
            if step.name in REAL:
                arguments = _resolved(step.arguments, found)
                call = creation_call(step.name, creation_code(step.name), *arguments)
                found = found.including(put(step.name, call))
        for number, wire in enumerate(genesis.wiring()):
            if wire.name in REAL - {"SlashingCourt"}:  # nobody is slashed here
                kind = type(wire.name, (ContractClient,), {"contract": wire.name})
                call = kind(found, node)._build(wire.function, *_resolved(wire.arguments, found))
                sender.execute(call, key=f"wire:{number}")
        bring_registry(node, sender, pause=lambda: None)
    return found


def _network(node: Node, found: Deployments) -> Network:
    clients = {
        name: kind(found, node)
        for name, kind in get_type_hints(Network).items()
        if isinstance(kind, type) and issubclass(kind, ContractClient)
    }
    return Network(node=node, deployments=found, **clients)
