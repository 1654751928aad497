"""The compute market on the embedded chain: providers of a tiny model, auditors, and their jobs.

Whoever has a clock here reads the chain's, which moves only when a test moves it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_type_hints

from offchain.apps.compute_clients import chain_audits, escrow_clients
from offchain.apps.compute_jobs import compute_jobs, market_jobs
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment
from offchain.apps.provider_home import receipts_role
from offchain.apps.provider_init import ProviderInit, Wish
from offchain.apps.stake import Actor
from offchain.apps.storage_jobs import WORKER_ROLE
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import ContractClient
from offchain.chain.event_ranges import events_between
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.chain_audits import ChainAuditActs
from offchain.compute.adapters.chain_demands import ChainDemands
from offchain.compute.adapters.chain_escrow import ChainEscrow, ChainSettleDesk
from offchain.compute.adapters.http_bundles import HttpBundles
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.http_provider import (
    ProviderFace,
    build_provider_app,
    provider_server,
)
from offchain.compute.adapters.open_engine import EngineSpec, open_cheat, open_engine
from offchain.compute.adapters.open_replayer import Replayers
from offchain.compute.admit import Admit
from offchain.compute.answer_demands import AnswerDemands
from offchain.compute.answering import Seller
from offchain.compute.answers import Route
from offchain.compute.audit_ports import AuditView
from offchain.compute.batch_shelf import BatchShelf
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.buy import Buyer, Wanted
from offchain.compute.engine import Engine
from offchain.compute.evidence import MemoryEvidence
from offchain.compute.model import NATIVE_COIN, Receipt, ServiceState
from offchain.compute.ports import PostedBatch
from offchain.compute.reserve import ReservationBook
from offchain.compute.seal import SealAudits, SealParts
from offchain.compute.serve import Serve
from offchain.compute.settle import Settle, Shelves
from offchain.compute.show_provider import ShowProvider
from offchain.compute.sit import Sit, SitParts
from offchain.compute.terms_watch import ChainTime, TermsWatch
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN
from offchain.jobs.model import Handlers, Job, JobKind, Outcome
from offchain.jobs.work import DomainJobs
from offchain.node.disk import LocalDisk
from offchain.node.journal import MemoryJournal
from offchain.node.leased_sender import LeasedSender
from offchain.staking.court_events import CaseOpened
from offchain.staking.model import Service as Staked
from offchain.staking.model import pool_id
from tests.support.answered import a_body
from tests.support.da_chain import DaChain, deploy_chain
from tests.support.served_app import serving

AUDITORS = 4  # one more than sit, so that a draw leaves somebody out
STAKE_WEI = 100 * WEI_PER_COIN
DEPOSIT = 10**12
PAYER = "buyer"
TOKENS = 40  # of an answer: two chunks
COMMISSION = 1_000  # hundredths of a percent
EPOCHS = 2  # until what was staked counts
START = 1_800_000_000.0  # of the chain's clock


def network_over(chain: DaChain) -> Network:
    """Every client of a network, over a chain in this process."""
    clients = {
        name: kind(chain.deployments, chain.node)
        for name, kind in get_type_hints(Network).items()
        if isinstance(kind, type) and issubclass(kind, ContractClient)
    }
    return Network(node=chain.node, deployments=chain.deployments, **clients)


@dataclass(slots=True)
class CountingClock:
    """Moves when it is looked at, whatever the machine does, and stands once it is stopped."""

    seconds: float = START
    step: float = 0.5

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds

    def stop(self) -> None:
        """From now on a block is a second, and the rest is travel."""
        self.step = 0.0


@dataclass(slots=True)
class Shop:
    """One provider that sells, settles and answers its audits; `prices` of what it sold."""

    service: bytes
    buyer: Buyer
    settle: Settle
    seal: SealAudits
    batches: BatchShelf
    demands: AnswerDemands
    prices: list[int] = field(default_factory=list)
    sold: list[Receipt] = field(default_factory=list)

    async def sell(self, text: str) -> None:
        """One answer that auditors may see, verified by its buyer."""
        fields = {"max_tokens": TOKENS, "seed": 7, "metadata": {"audit_ok": "true"}}
        body = a_body(text, **fields)  # with a seed, what is drawn is no luck
        order = await self.buyer.order(self.service, Wanted(Route.CHAT, body, 256, TOKENS))
        found = await self.buyer.ask(order)
        self.prices.append(found.receipt.price)
        self.sold.append(found.receipt)

    async def post(self) -> int:
        """Settle; the batch."""
        [posted] = await self.settle.round()
        return posted.id


@dataclass
class AuditMarket:
    """One chain with auditors in ALIGNMENT, a home for everybody else, and the worker's jobs."""

    chain: DaChain
    network: Network
    home: Home
    model: Path
    replayers: Replayers
    jobs: tuple[DomainJobs, ...] = field(init=False)

    def __post_init__(self) -> None:
        worker = Keystore(self.home.keys).account(WORKER_ROLE)
        Enrolment(self.network, self.home).fund([worker])
        opening = partial(open_sender, self.network, self.home, WORKER_ROLE, worker)
        made = (compute_jobs, market_jobs)
        self.jobs = tuple(one(self.network, address_of(worker), opening) for one in made)

    # The chain

    def now(self) -> int:
        return self.network.node.block().timestamp

    def height(self) -> int:
        return self.network.node.block().number

    def mine(self, blocks: int = 4) -> None:
        """Enough for the block that a draw waits for."""
        for _ in range(blocks):
            self.chain.mine()

    def pass_until(self, time: int) -> None:
        """Travel so far that a block is later than this."""
        if time + 1 > self.now():
            self.chain.ask("evm_setNextBlockTimestamp", time + 1)
        self.chain.mine()

    def enter_epoch(self) -> None:
        at, stake = self.network.node.block().hash, self.network.stake
        self.pass_until(stake.epoch_start(stake.current_epoch(at=at) + 1, at=at))

    def view(self, audit: int) -> AuditView:
        at = self.network.node.block().hash
        return chain_audits(self.network).audit(audit, at=at)

    def is_silent(self, audit: int) -> bool:
        return self.network.audits.audit(audit, at=self.network.node.block().hash).is_silent

    def batch(self, batch: int) -> PostedBatch:
        return self.network.escrow.batch(batch, at=self.network.node.block().hash)

    def free(self, account: bytes) -> int:
        at = self.network.node.block().hash
        return self.network.escrow.free_of(account, NATIVE_COIN, at=at)

    def service_state(self, service: bytes) -> ServiceState:
        return self.network.services.service(service, at=self.network.node.block().hash).state

    def cleared(self, service: bytes) -> int:
        """Draws that passed lately."""
        return self.network.audits.standing(service, at=self.network.node.block().hash).cleared

    def cases_against(self, service: bytes) -> list[CaseOpened]:
        """What was found against the operator that a service belongs to."""
        at = self.network.node.block().hash
        return self._cases(
            pool_id(self.network.services.operator_of(service, at=at), Staked.COMPUTE)
        )

    def audit_cases(self, operator_id: int) -> int:
        """How often an auditor was found at fault."""
        return len(self._cases(pool_id(operator_id, Staked.ALIGNMENT)))

    @property
    def payer(self) -> bytes:
        return address_of(Keystore(self.home.keys).account(PAYER))

    def owners_on(self, audit: int) -> list[bytes]:
        """Accounts of those who sit."""
        return [self.chain.signers[one.operator_id - 1].address for one in self.view(audit).seats]

    # Jobs

    def is_due(self, kind: JobKind, subject: str) -> bool:
        block = self.network.node.block()
        return any(Job(kind, subject) in list(one.find_due(block)) for one in self.jobs)

    def do(self, kind: JobKind, subject: str) -> Outcome:
        handlers: Handlers = {k: do for one in self.jobs for k, do in one.handlers().items()}
        return handlers[kind](subject)

    def do_due(self, kind: JobKind, subject: str) -> None:
        """What is found due is done; done again it sends nothing and changes nothing."""
        assert self.is_due(kind, subject), f"{kind} {subject} is not due"
        assert self.do(kind, subject) is Outcome.DONE
        self.require_idle(kind, subject)

    def require_idle(self, kind: JobKind, subject: str) -> None:
        """A job that is not due is not found, sends nothing and says so."""
        height = self.height()
        assert not self.is_due(kind, subject)
        assert self.do(kind, subject) in {Outcome.NOT_DUE, Outcome.ALREADY}
        assert self.height() == height

    # People

    @asynccontextmanager
    async def shop(self, role: str, cheat: str | None = None) -> AsyncIterator[Shop]:
        """A newcomer that registers, stakes, and serves over HTTP."""
        spec = EngineSpec(str(self.model), slots=2)
        init = ProviderInit(Actor(self.home, self.network, role, as_json=True), Wish(specs=(spec,)))
        for _ in init.steps():
            pass
        for _ in range(EPOCHS):  # until its stake answers for what it sells
            self.enter_epoch()
        [offered] = init.file().offered
        self._deposit(role, init.actor.address)
        opening = partial(open_cheat, how=cheat) if cheat else open_engine
        engine = opening(spec, self.model)
        face, sold = await self._parts(role, offered.service, engine)
        server = provider_server(build_provider_app(face), init.file().port)
        ledger = escrow_clients(self.network)
        try:
            async with serving(server), HttpProviderClient() as client:
                signer, escrow = self._signer(PAYER), ChainEscrow(ledger)
                buyer = Buyer(ledger.registry, escrow, client, signer, clock=self.now)
                yield Shop(offered.service, buyer, *sold)
        finally:
            await engine.close()

    @asynccontextmanager
    async def auditors(self) -> AsyncIterator[list[Sit]]:
        """Everybody in ALIGNMENT, each with a folder and a memory of its own."""
        async with AsyncExitStack() as stack:
            sits = []
            for number in range(AUDITORS):
                asking = HttpBundles(self.chain.signers[number], self.now)
                bundles = await stack.enter_async_context(asking)
                folder = Path(stack.enter_context(TemporaryDirectory()))
                network, sender = self.network, self.chain.senders[number]
                parts = SitParts(
                    ledger=chain_audits(network),
                    acts=ChainAuditActs(network.audits, sender),
                    services=network.services,
                    escrow=ChainEscrow(escrow_clients(network)),
                    bundles=bundles,
                    journal=MemoryJournal(),
                    shelf=BundleShelf(LocalDisk(), folder),
                    replayer=self.replayers.of_service,
                    operator_id=number + 1,
                )
                sits.append(Sit(parts))
            yield sits

    async def _parts(
        self, role: str, service: bytes, engine: Engine
    ) -> tuple[ProviderFace, tuple[Settle, SealAudits, BatchShelf, AnswerDemands]]:
        """What `apogee provider` builds, on the chain's clock."""
        clients = escrow_clients(self.network)
        escrow, keys = ChainEscrow(clients), Keystore(self.home.keys)
        watch = TermsWatch(clients.registry, escrow, (service,), ChainTime(self.now))
        await watch.refresh()
        book, evidence = ReservationBook(MemoryJournal()), MemoryEvidence()
        book.open()
        folder = self.home.root / "providers" / role
        batches = BatchShelf(LocalDisk(), folder / "batches", MemoryJournal())
        batches.open()
        admit = Admit(escrow, watch, book)
        signer = self._signer(receipts_role(role))
        seller = Seller(book, evidence, signer, watch.time, lambda: keccak(b"salt"))
        serve = Serve({service: engine}, admit, book, evidence, seller)
        account = keys.account(role)
        provider = address_of(account)
        opening = partial(open_sender, self.network, self.home, role, account)
        sender = LeasedSender(provider, opening)
        acts, shelf = ChainAuditActs(self.network.audits, sender), folder / "bundles"
        audits = chain_audits(self.network)
        seal = SealAudits(
            SealParts(audits, acts, batches, evidence, BundleShelf(LocalDisk(), shelf))
        )
        show = ShowProvider(provider, watch, book, serve, batches, seal)
        desk = ChainSettleDesk(clients, sender)
        settle = Settle(provider, book, escrow, desk, Shelves(batches, evidence))
        network, first = self.network, self.network.deployments.first_block()
        asked = ChainDemands(network.node, network.receipts, sender, (first, 0))
        sold = (settle, seal, batches, AnswerDemands(asked, batches))
        return ProviderFace(serve, show, _ready), sold

    def _cases(self, pool: int) -> list[CaseOpened]:
        network = self.network
        blocks = (network.deployments.first_block(), self.height())
        opened = events_between(network.node, network.court, CaseOpened, blocks, {})
        return [one for one in opened if one.pool == pool]

    def _deposit(self, role: str, provider: bytes) -> None:
        call = self.network.escrow.deposit(self.payer, DEPOSIT, provider=provider)
        Actor(self.home, self.network, PAYER, as_json=True).send(call, f"deposit:{role}")

    def _signer(self, role: str) -> LocalSigner:
        return LocalSigner.from_secret(Keystore(self.home.keys).account(role).secret)


def open_audit_market(folder: Path, model: Path) -> AuditMarket:
    """Deploy, stake the auditors, and pass the epochs until their weight is drawn from."""
    endpoints = [f"http://127.0.0.1:{9_401 + one}" for one in range(AUDITORS - 1)]
    clock = CountingClock()
    chain = deploy_chain(folder, endpoints, transport=EmbeddedTransport(clock=clock))
    clock.stop()
    network = network_over(chain)
    try:
        for sender in chain.senders:
            joining = network.stake.join(Staked.ALIGNMENT, COMMISSION, stake_wei=STAKE_WEI)
            sender.execute(joining, key="alignment")
        home = Home.at(folder / "home")
        market = AuditMarket(chain, network, home, model, Replayers(folder, (model,), "cpu"))
        for _ in range(EPOCHS):
            market.enter_epoch()
    except BaseException:
        chain.close()
        raise
    return market


async def _ready() -> str | None:
    return None
