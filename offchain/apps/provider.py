"""`apogee provider`: sell what this home has registered for vouchers, and settle the earnings."""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

from offchain.apps.compute_clients import chain_audits, chain_evidence, escrow_clients
from offchain.apps.da_node import DrillOnDevnetOnly
from offchain.apps.home import Home, Manifest
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import (
    SETTLED_DEPTH,
    Network,
    address_of,
    connect,
    deployment_file,
    open_sender,
)
from offchain.apps.node_chores import Chore
from offchain.apps.node_life import NodeLife
from offchain.apps.provider_home import (
    ProviderFile,
    ProviderPlace,
    receipts_role,
)
from offchain.apps.provider_tee import ProviderTee, open_tee
from offchain.apps.settings import ProviderSettings, read_settings
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.compute.adapters.chain_audits import ChainAuditActs
from offchain.compute.adapters.chain_demands import ChainDemands
from offchain.compute.adapters.chain_escrow import ChainEscrow, ChainSettleDesk
from offchain.compute.adapters.http_provider import (
    ProviderFace,
    build_provider_app,
    provider_server,
)
from offchain.compute.adapters.open_engine import open_cheat, open_engine
from offchain.compute.admit import Admit, AdmitRules
from offchain.compute.answer_demands import AnswerDemands
from offchain.compute.answering import Seller
from offchain.compute.batch_shelf import BatchShelf
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.engine import Engine
from offchain.compute.evidence import FolderEvidence
from offchain.compute.model import NATIVE_COIN, Kind
from offchain.compute.private_serve import OpenSealed
from offchain.compute.reserve import ReservationBook
from offchain.compute.seal import SealAudits, SealParts
from offchain.compute.serve import Serve
from offchain.compute.settle import Settle, Shelves
from offchain.compute.show_provider import ShowProvider
from offchain.compute.terms_watch import ChainTime, TermsWatch
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.node.leased_sender import LeasedSender

TERMS_SECONDS: Final = 3.0
AUDIT_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 600.0
SETTLE_PARTS: Final = 4  # settlements in the time that a withdrawal takes
PURSE_PARTS: Final = 8
KEEP_DISPUTES: Final = 2  # how many dispute windows evidence is kept after a release
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Windows:
    """Times of the escrow that a provider's rhythm follows, in seconds."""

    settle: float
    purse: int
    voucher: int
    keep: int


def run_provider(**flags: object) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    settings = read_settings(ProviderSettings, **flags)
    configure_logging(settings.provider_role, level=settings.log_level)
    home = Home.at(settings.home)
    rpc_url = settings.rpc_url or Manifest.load(home).url("devnet")
    folder = settings.deployments or home.deployments
    network = connect(rpc_url, deployment_file(folder, settings.network))
    place = ProviderPlace(home, settings.provider_role)
    asyncio.run(ProviderProcess(place, network, settings).run())
    return 0


class ProviderProcess:
    """The parts of one provider and their life."""

    def __init__(
        self,
        place: ProviderPlace,
        network: Network,
        settings: ProviderSettings,
        engines: Mapping[bytes, Engine] | None = None,
    ) -> None:
        """`engines`: by service, open already; without them those of provider.json."""
        self._place = place
        self._settings = settings
        self._network = network
        self._file = ProviderFile.load(place)
        if settings.adversary is not None and network.chain_id not in DEVNET_CHAIN_IDS:
            raise DrillOnDevnetOnly(chain_id=network.chain_id)
        keys = Keystore(place.home.keys)
        self._account = keys.account(place.role)
        self._signer = LocalSigner.from_secret(keys.account(receipts_role(place.role)).secret)
        self._life = NodeLife(place.folder, network, self._account)
        self._clients = escrow_clients(network)
        self._sender = self._leased_sender()
        self._watch: TermsWatch | None = None
        self._engines: Mapping[bytes, Engine] = engines or {}

    async def run(self) -> None:
        await self._life.run(self._serve)

    async def _serve(self, operator: int) -> None:
        async with AsyncExitStack() as stack:
            self._engines = await self._open_engines(stack)
            _, server, chores = await self.parts()
            log.info("provider_started", extra={"operator": operator})
            await self._life.serve_beside(server, chores)

    async def parts(self) -> tuple[Serve, uvicorn.Server, list[Chore]]:
        """What it sells, its face and its chores, for a process that has its engines."""
        windows = await asyncio.to_thread(self._windows)
        face, chores = await self._parts(windows)
        port = self._settings.provider_port or self._file.port
        return face.serve, provider_server(build_provider_app(face), port), chores

    async def _open_engines(self, stack: AsyncExitStack) -> dict[bytes, Engine]:
        engines = {}
        for one in self._file.offered:
            if self._settings.adversary is not None:
                opening = partial(open_cheat, one.spec, self._place.models)
                engine = await asyncio.to_thread(opening, self._settings.adversary)
                log.critical("provider_cheats", extra={"how": self._settings.adversary})
            elif one.spec.url is None:
                engine = await asyncio.to_thread(open_engine, one.spec, self._place.models)
            else:
                engine = open_engine(one.spec, self._place.models)
            stack.push_async_callback(engine.close)
            engines[one.service] = engine
            log.info("engine_loaded", extra={"model": engine.facts().name})
        return engines

    async def _parts(self, windows: Windows) -> tuple[ProviderFace, list[Chore]]:
        provider = address_of(self._account)
        escrow, registry = ChainEscrow(self._clients), self._clients.registry
        services, clock = tuple(self._engines), ChainTime(time.time)
        behind = chain_evidence(self._network)
        watch = TermsWatch(registry, escrow, services, clock, evidence=behind)
        self._watch = watch
        await watch.refresh()
        book, batches, evidence = await asyncio.to_thread(self._open_books)
        rules = AdmitRules(settle_seconds=windows.voucher, purse_seconds=windows.purse)
        admit = Admit(escrow, watch, book, rules)
        seller = Seller(book, evidence, self._signer, watch.time, _salt)
        tee = await asyncio.to_thread(self._open_tee)
        private = None if tee is None else OpenSealed(tee.keys, watch.time.now)
        serve = Serve(self._engines, admit, book, evidence, seller, private=private)
        seal = await asyncio.to_thread(self._open_audits, batches, evidence)
        show = ShowProvider(provider, watch, book, serve, batches, seal)
        desk = ChainSettleDesk(self._clients, self._sender)
        settle = Settle(provider, book, escrow, desk, Shelves(batches, evidence))
        chores = [
            Chore("terms", TERMS_SECONDS, partial(_refresh, watch)),
            Chore("settle", windows.settle, partial(_settle, settle)),
            Chore("audits", AUDIT_SECONDS, partial(_answer, seal)),
            Chore("demands", AUDIT_SECONDS, self._open_demands(batches).round),
            Chore("forget", FORGET_SECONDS, partial(settle.forget, windows.keep)),
        ]
        if tee is None:
            return ProviderFace(serve, show, self._readiness), chores
        face = ProviderFace(serve, show, self._readiness, attest=tee.desk)
        return face, [*chores, *tee.chores]

    def _open_tee(self) -> ProviderTee | None:
        """The machine that this process runs in, unless it was told to run outside of one."""
        if self._settings.tee == "none" or self._settings.adversary is not None:
            return None  # who computes something else does not run the code that is listed
        signer = self._signer.address
        chats = [one.service for one in self._file.offered if one.spec.kind is Kind.CHAT]
        services = (chats or list(self._engines))[:1]  # a key carries the level of one service
        return open_tee(
            self._network,
            self._place,
            services,
            signer=signer,
            sender=self._sender,
            owner=LocalSigner.from_secret(self._account.secret),
        )

    def _open_books(self) -> tuple[ReservationBook, BatchShelf, FolderEvidence]:
        disk, folder = LocalDisk(), self._place.folder
        book = ReservationBook(_journal(disk, folder / "book" / "reservations.journal"))
        book.open()
        journal = _journal(disk, folder / "book" / "batches.journal")
        batches = BatchShelf(disk, folder / "batches", journal)
        batches.open()
        return book, batches, FolderEvidence(disk, folder / "evidence")

    def _open_audits(self, batches: BatchShelf, evidence: FolderEvidence) -> SealAudits:
        acts = ChainAuditActs(self._network.audits, self._sender)
        shelf = BundleShelf(LocalDisk(), self._place.folder / "bundles")
        return SealAudits(SealParts(chain_audits(self._network), acts, batches, evidence, shelf))

    def _open_demands(self, batches: BatchShelf) -> AnswerDemands:
        network = self._network
        followed = network.deployments.first_block(), SETTLED_DEPTH
        desk = ChainDemands(network.node, network.receipts, self._sender, followed)
        return AnswerDemands(desk, batches)

    def _leased_sender(self) -> LeasedSender:
        place = self._place
        opening = partial(open_sender, self._network, place.home, place.role, self._account)
        return LeasedSender(address_of(self._account), opening)

    def _windows(self) -> Windows:
        at = self._network.node.block().hash
        found = self._clients.escrow.windows(at=at)
        lock = found.withdraw_lock
        return Windows(
            settle=self._settings.settle_seconds or max(1.0, lock / SETTLE_PARTS),
            purse=max(1, lock // PURSE_PARTS),
            voucher=max(1, lock // 2),
            keep=KEEP_DISPUTES * found.dispute,
        )

    async def _readiness(self) -> str | None:
        assert self._watch is not None
        reading = self._watch.reading()
        idle = [one.service.state.name for one in reading.terms.values() if not one.is_serving]
        if len(idle) == len(reading.terms):
            return f"no service is serving: {', '.join(idle)}"
        stopped = [one.facts().name for one in self._engines.values() if not one.health().is_ready]
        if stopped:
            return f"engines are not ready: {', '.join(stopped)}"
        if not await asyncio.to_thread(self._room):
            return "its stake covers no sale yet: it counts from the coming epoch"
        return await self._life.readiness()

    def _room(self) -> int:
        """What the provider may still hold, in wei."""
        escrow = ChainEscrow(self._clients)
        head = escrow.head()
        return escrow.room(address_of(self._account), NATIVE_COIN, at=head.hash)


async def _refresh(watch: TermsWatch) -> int:
    await watch.refresh()
    return 0


async def _answer(seal: SealAudits) -> int:
    return len(await seal.round())


async def _settle(settle: Settle) -> int:
    return len(await settle.round())


def _journal(disk: LocalDisk, path: Path) -> FileJournal:
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = FileJournal(disk, path)
    journal.open()
    return journal


def _salt() -> bytes:
    return secrets.token_bytes(32)
