"""One run of an agent on a real chain: bundle, intent, rights, money, tools; whoever pays for it.

<home>/agents/runs/<token>/<run>/   run.journal (sealed), control, run-log.json
<home>/agents/books/<payer>/        what its vouchers hold at providers

The owner's runs are paid by the agent's account; a guest's run, which a host does for who is
authorised, by the guest: his delegation of the run's session key. Session keys are drawn from the
owner's wallet and the run, so nothing secret is kept.
"""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.agents.adapters.chain_agents import ChainAgents
from offchain.agents.adapters.tool_process import ProcessTools
from offchain.agents.bundle_files import unpack_files
from offchain.agents.intent import Intent
from offchain.agents.loop import pursue
from offchain.agents.manifest import Manifest, parse_manifest
from offchain.agents.memory import Keys, Memory, keys_of
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.plan import follow
from offchain.agents.purse import Purse
from offchain.agents.run import Identity, Report, Run, RunParts
from offchain.agents.run_journal import RunJournal
from offchain.agents.runtime_errors import BundleMalformed, RunIsAnother
from offchain.agents.runtime_tools import RuntimeTools
from offchain.agents.skills import Skill, parse_skill
from offchain.agents.standing import Control, Guard, Standing, Visitor
from offchain.agents.think import KnownHolds, MarketMind, slept
from offchain.agents.tools import BUILT_IN, Place, ToolBox, ToolRunner
from offchain.apps.agent_home import open_agent
from offchain.apps.agent_intent import IntentFlags, intent_of
from offchain.apps.agent_rights import Rights, Wanted
from offchain.apps.agent_servers import mcp_tools
from offchain.apps.agent_storage import HomeStorage, open_memory
from offchain.apps.compute_clients import chain_escrow, chain_evidence
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network
from offchain.apps.output import say
from offchain.apps.stake import Actor
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.chain.model import Address
from offchain.compute.adapters.account_file import AccountFiles
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.buy import Buyer
from offchain.compute.errors import ServiceUnknown
from offchain.compute.model import Kind, Service
from offchain.compute.verify import Policy
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal

CONTROL: Final = "control"
LOG_FILE: Final = "run-log.json"
NO_STREAM: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle in memory, as its owner opened it in one epoch."""

    token: int
    epoch: int
    manifest: Manifest
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who wants what. `who`: the agent's owner, or a guest who pays himself; `refused`: tools that
    he may not use here; `folder`: its name, where `flags.run` is not one of this home's.
    """

    who: bytes
    flags: IntentFlags
    refused: frozenset[str] = frozenset()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """One run with what it stands on."""

    folder: Path
    id: bytes
    secret: bytes = field(repr=False)
    manifest: Manifest
    keys: Keys
    journal: RunJournal
    intent: Intent
    service: Service
    standing: Standing
    who: bytes

    @property
    def is_owners(self) -> bool:
        """Whether the agent's own account pays; a guest pays from his."""
        return self.who == self.standing.owner

    @property
    def payer(self) -> bytes:
        return self.standing.account if self.is_owners else self.who

    @property
    def signer(self) -> LocalSigner:
        return LocalSigner.from_secret(self.secret)

    @property
    def skill(self) -> Skill | None:
        """The plan it follows; None: the model plans. Raises: PlanInvalid."""
        name = self.intent.skill
        return parse_skill(name, self.manifest.skills[name]) if name else None

    def wanted(self, token: int) -> Wanted:
        """What it needs on chain."""
        return Wanted(
            token=token,
            account=self.standing.account,
            payer=self.payer,
            key=self.signer.address,
            service=self.service,
            limits=self.intent.limits,
            spent=self.journal.past.spent,
            thinks=self.skill is None or self.skill.thinks,
        )


async def open_bundle(one: Actor, token: int, epoch: int) -> Opened:
    """As the owner. Raises: NotYours, KeyNotHeld, Corrupt, Unavailable, BundleMalformed."""
    data, data_key = await open_agent(one.home, one.network, one.role, token)
    return Opened(token, epoch, parse_manifest(unpack_files(data)), data_key)


async def begin(one: Actor, asking: Asking, opened: Opened, standing: Standing) -> Begun:
    """The intent, or the one that the run began with. Raises: RunIsAnother, IntentInvalid."""
    manifest, flags, token = opened.manifest, asking.flags, opened.token
    keys = keys_of(manifest, data_key=opened.data_key, epoch=standing.epoch)
    typed = repr((token, standing.epoch, flags))
    run_id = keccak((flags.run or typed).encode(), token.to_bytes(32, "big"), asking.who)
    folder = runs_of(one, token) / (asking.folder or flags.run or run_id.hex()[:12])
    journal = RunJournal(await asyncio.to_thread(_journal, folder), run_id, keys.writing.key)
    past = journal.open()
    earlier = None
    if past.begun is not None:
        earlier = Intent.from_bytes(str(past.begun["intent"]).encode())
    among = None if earlier is None else earlier.limits.counterparties
    service = await asyncio.to_thread(_service, one.network, manifest, flags.service, among)
    payees = frozenset({service.provider, bytes(one.network.market.address)})
    intent = intent_of(flags, manifest, now=standing.now, payees=payees, refused=asking.refused)
    if earlier is not None:
        if (earlier.goal_hash, earlier.skill) != (intent.goal_hash, intent.skill):
            raise RunIsAnother(run=folder.name)
        intent = earlier
    return Begun(
        folder=folder,
        id=run_id,
        secret=session_key(one, run_id),
        manifest=manifest,
        keys=keys,
        journal=journal,
        intent=intent,
        service=service,
        standing=standing,
        who=asking.who,
    )


async def follow_through(one: Actor, token: int, begun: Begun) -> Report:
    """Do it to its end, and leave the log. Raises: what a run raises."""
    network, rights = one.network, Rights(one.network, one.send)
    is_over = begun.journal.past.ended or control_of(begun.folder) is Control.KILL
    if begun.is_owners and not is_over:
        sent = await asyncio.to_thread(rights.bring, begun.wanted(token))
        say(f"     rights: {', '.join(sent) or 'all there'}")
    stream = await asyncio.to_thread(rights.memory, token)
    if begun.manifest.stream not in (NO_STREAM, stream):
        raise BundleMalformed(field="memory.stream", account=stream.hex())
    async with AsyncExitStack() as stack:
        parts = await _parts(one, token, begun, stream, stack)
        identity = Identity(
            run=begun.id,
            chain_id=network.chain_id,
            collection=bytes(network.agents.address),
            token=token,
            epoch=begun.standing.epoch,
            account=begun.standing.account,
            payer=begun.payer,
        )
        acting = Run(identity, begun.intent, parts)
        skill = begun.skill
        report = await (pursue(acting) if skill is None else follow(acting, skill))
    (begun.folder / LOG_FILE).write_bytes(report.log.to_bytes())
    return report


def chain_agents(network: Network) -> ChainAgents:
    """Agents as this network tells of them."""
    return ChainAgents(
        network.node,
        network.agents,
        partial(_account_at, network),
        chain_escrow(network),
    )


def _account_at(network: Network, account: bytes) -> AgentAccountClient:
    """An account by its address: another agent's, of whatever token."""
    return AgentAccountClient(network.deployments, network.node).at(Address(account))


async def _parts(
    one: Actor, token: int, begun: Begun, stream: bytes, stack: AsyncExitStack
) -> RunParts:
    kv = await open_memory(one.network, stream, begun.secret, stack)
    storage = HomeStorage(one.home, one.network, stack)
    http = await stack.enter_async_context(HttpProviderClient())
    limits, wish = begun.intent.limits, begun.manifest.model
    memory, purse = Memory(kv, stream, begun.keys), Purse(limits)
    policy = Policy(min_level=wish.level, allow_simulated=wish.is_simulated_allowed)
    runners: dict[Place, ToolRunner] = {
        Place.PROCESS: ProcessTools(),
        Place.RUNTIME: RuntimeTools(storage, memory, purse),
    }
    remote, known = mcp_tools(one.home.root / "agents"), list(BUILT_IN)
    if remote is not None:
        runners[Place.REMOTE] = remote
        known += await remote.tools(begun.manifest.tools)
    guard = Guard(
        chain_agents(one.network),
        Visitor(token, begun.who, begun.signer.address if begun.is_owners else None),
        epoch=begun.standing.epoch,
        deadline=limits.deadline,
        control=lambda: control_of(begun.folder),
    )
    return RunParts(
        manifest=begun.manifest,
        mind=MarketMind(_buyer(one, begun, http), begun.service.id, policy, sleep=slept),
        tools=ToolBox(begun.manifest.tools, limits.tools, runners, known=known),
        memory=memory,
        guard=guard,
        journal=begun.journal,
        purse=purse,
        signer=begun.signer,
    )


def _buyer(one: Actor, begun: Begun, http: HttpProviderClient) -> Buyer:
    network = one.network
    books = one.home.root / "agents" / "books" / begun.payer.hex()
    return Buyer(
        network.services,
        chain_escrow(network),
        http,
        begun.signer,
        clock=time.time,
        payer=begun.payer,
        shelf=KnownHolds(AccountFiles(LocalDisk(), books), begun.journal.nonces),
        may_simulate=network.chain_id in DEVNET_CHAIN_IDS,
        evidence=chain_evidence(network),
    )


def _service(
    network: Network, manifest: Manifest, named: str | None, among: frozenset[bytes] | None
) -> Service:
    """The service that is named, or one that serves the bundle's model, of whom a run may pay.

    Raises: ServiceUnknown.
    """
    at, services = network.node.block().hash, network.services
    wanted = None if named is None else bytes.fromhex(named.removeprefix("0x"))
    for one in services.services(at=at):
        if one.kind is not Kind.CHAT or one.model_hash != manifest.model.model_hash:
            continue
        if among is not None and one.provider not in among:
            continue
        if wanted in {None, one.id} and services.is_serving(one.id, at=at):
            return one
    raise ServiceUnknown(model="0x" + manifest.model.model_hash.hex(), service=named or "any")


def session_key(one: Actor, run_id: bytes) -> bytes:
    """The run's key: the wallet's owner can always make it again, nobody else can."""
    secret = Keystore(one.home.keys).account(one.role).secret
    info = b"apogee/agent session" + run_id
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)


def runs_of(one: Actor, token: int) -> Path:
    """Where the runs of an agent lie in this home."""
    return one.home.root / "agents" / "runs" / str(token)


def host_of(one: Actor, token: int) -> Path:
    """Where the host of an agent keeps what it has to remember."""
    return one.home.root / "agents" / "hosts" / str(token)


def _journal(folder: Path) -> FileJournal:
    folder.mkdir(parents=True, exist_ok=True)
    journal = FileJournal(LocalDisk(), folder / "run.journal")
    journal.open()
    return journal


def control_of(folder: Path) -> Control:
    """What the host was told of a run."""
    try:
        return Control(json.loads((folder / CONTROL).read_text()))
    except (FileNotFoundError, ValueError):
        return Control.GO
