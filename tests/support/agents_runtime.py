"""An agent in memory: its bundle, an intent, and a run over a provider on a socket."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offchain.agents.adapters.memory_agents import MemoryAgents
from offchain.agents.adapters.tool_process import ProcessTools
from offchain.agents.intent import Intent, Limits
from offchain.agents.manifest import Files, Manifest, parse_manifest
from offchain.agents.memory import Memory, MemoryStream, keys_of
from offchain.agents.purse import Purse
from offchain.agents.run import Identity, Run, RunParts
from offchain.agents.run_journal import RunJournal
from offchain.agents.runtime_tools import MemoryStorage, RuntimeTools
from offchain.agents.skills import Skill, parse_skill
from offchain.agents.standing import AgentLedger, Control, Guard, Visitor
from offchain.agents.think import KnownHolds, MarketMind
from offchain.agents.tools import Place, ToolBox, ToolRunner
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.account_file import AccountFiles
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.buy import Buyer, NoShelf
from offchain.compute.engine import Job
from offchain.compute.model import NATIVE_COIN
from offchain.compute.ports import Delegate
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal, Journal, MemoryJournal
from tests.support.compute import NOW, PROVIDER
from tests.support.compute_provider import CHAT, a_market

OWNER = LocalSigner.from_secret(keccak(b"owner"))
SESSION = LocalSigner.from_secret(keccak(b"session"))
ACCOUNT = b"\xac" * 20
COLLECTION = b"\xc0" * 20
MARKET = b"\x5e" * 20  # the storage market
TOKEN = 7
STREAM = keccak(b"memory stream")
MEMORY_KEY = keccak(b"memory key")
DATA_KEY = keccak(b"data key")
DEADLINE = NOW + 3_600
STORE_PRICE = 1_000
TEXT = "One. First things.\n\nTwo. More things.\n\nThree. Other things.\n\nFour. Last things."
TOOLS = ("storage.read", "text.split", "storage.put", "memory.remember", "memory.recall")
SUMMARISE = {
    "version": 1,
    "about": "Summarise a stored text, store and remember the summary.",
    "inputs": ["file"],
    "steps": [
        {"do": "tool", "tool": "storage.read", "arguments": {"file": "{file}"}, "as": "text"},
        {
            "do": "tool",
            "tool": "text.split",
            "arguments": {"text": "{text}", "pieces": 4},
            "as": "part",
        },
        {
            "do": "think",
            "each": "part",
            "prompt": "Summarise: {part}",
            "max_tokens": 32,
            "as": "notes",
        },
        {"do": "think", "prompt": "Combine: {notes}", "max_tokens": 32, "as": "summary"},
        {"do": "tool", "tool": "storage.put", "arguments": {"text": "{summary}"}, "as": "file_id"},
        {
            "do": "tool",
            "tool": "memory.remember",
            "arguments": {"name": "summary of {file}", "text": "{summary}"},
            "as": "known",
        },
        {"do": "report", "text": "{summary} stored as {file_id}"},
    ],
}


def a_bundle(**manifest: object) -> dict[str, bytes]:
    """The files of an agent that summarises."""
    body = {
        "version": 1,
        "name": "Scribe",
        "description": "Reads and summarises.",
        "charter": "charter.md",
        "prompt": "prompt.md",
        "model": {"hash": "0x" + "11" * 32, "input": 4_096, "output": 64},
        "tools": [{"name": name} for name in TOOLS],
        "skills": ["skills/summarise.json"],
        "memory": {"stream": STREAM.hex(), "keys": [{"epoch": 0, "key": MEMORY_KEY.hex()}]},
        "evals": [],
        "public": [],
        **manifest,
    }
    return {
        "manifest.json": json.dumps(body).encode(),
        "charter.md": b"Be honest. Refuse harm.",
        "prompt.md": b"You are Scribe. Be short.",
        "skills/summarise.json": json.dumps(SUMMARISE).encode(),
    }


def a_manifest(files: Files | None = None) -> Manifest:
    return parse_manifest(files or a_bundle())


def a_skill(name: str = "summarise") -> Skill:
    return parse_skill(name, a_manifest().skills[name])


def an_intent(
    *,
    budget: int = 1_000_000,
    deadline: int = DEADLINE,
    tools: Sequence[str] = TOOLS,
    pays: Sequence[bytes] = (PROVIDER.address, MARKET),
    skill: str = "summarise",
    goal: str = "Summarise the file and store the result.",
    **inputs: str,
) -> Intent:
    limits = Limits(budget, deadline, NATIVE_COIN, frozenset(tools), frozenset(pays))
    return Intent(goal, limits, skill, inputs)


def paying_market(*, cap: int = 1 << 90) -> MemoryMarket:
    """The agent's account has a deposit, and its session key a delegation."""
    market = a_market(deposit=0)
    market.deposit(ACCOUNT, PROVIDER.address, NATIVE_COIN, 10_000_000)
    market.state.delegates[ACCOUNT, SESSION.address] = Delegate(
        SESSION.address, NATIVE_COIN, cap, 0, NOW + 86_400
    )
    return market


def known_agent() -> MemoryAgents:
    agents = MemoryAgents(NOW)
    agents.add(TOKEN, OWNER.address, account=ACCOUNT)
    return agents


@dataclass
class Around:
    """What outlives a process: chain, market, stream, storage, and the folder of the run."""

    market: MemoryMarket = field(default_factory=paying_market)
    agents: AgentLedger = field(default_factory=known_agent)
    stream: MemoryStream = field(default_factory=MemoryStream)
    storage: MemoryStorage = field(
        default_factory=lambda: MemoryStorage(price=STORE_PRICE, payee=MARKET)
    )
    folder: Path | None = None
    control: Callable[[], Control] = lambda: Control.GO

    def journal(self) -> Journal:
        if self.folder is None:
            return MemoryJournal()
        journal = FileJournal(LocalDisk(), self.folder / "run.journal")
        journal.open()
        return journal


@dataclass(frozen=True, slots=True)
class Acting:
    """Which run of which agent, and whose key and money it is."""

    run: bytes = keccak(b"run")
    token: int = TOKEN
    who: bytes = OWNER.address
    payer: bytes = ACCOUNT
    key: LocalSigner = SESSION
    collection: bytes = COLLECTION
    has_session: bool = True


def a_run(
    around: Around,
    http: HttpProviderClient,
    intent: Intent,
    *,
    files: Files | None = None,
    runners: dict[Place, ToolRunner] | None = None,
    acting: Acting | None = None,
) -> Run:
    """A process's run: its journal is read, nothing is done yet."""
    one = acting or Acting()
    manifest, run_id = a_manifest(files), one.run
    standing = around.agents.standing(one.token)
    keys = keys_of(manifest, data_key=DATA_KEY, epoch=standing.epoch)
    memory = Memory(around.stream, manifest.stream, keys)
    journal = RunJournal(around.journal(), run_id, keys.writing.key)
    journal.open()
    purse = Purse(intent.limits)
    shelf = (
        NoShelf()
        if around.folder is None
        else KnownHolds(AccountFiles(LocalDisk(), around.folder / "books"), journal.nonces)
    )
    buyer = Buyer(
        around.market,
        around.market,
        http,
        one.key,
        clock=lambda: float(around.market.now),
        payer=one.payer,
        shelf=shelf,
    )
    places: dict[Place, ToolRunner] = {
        Place.PROCESS: ProcessTools(),
        Place.RUNTIME: RuntimeTools(around.storage, memory, purse),
        **(runners or {}),
    }
    visitor = Visitor(one.token, one.who, one.key.address if one.has_session else None)
    parts = RunParts(
        manifest=manifest,
        mind=MarketMind(buyer, CHAT, sleep=_no_wait),
        tools=ToolBox(manifest.tools, intent.limits.tools, places),
        memory=memory,
        guard=Guard(
            around.agents,
            visitor,
            epoch=standing.epoch,
            deadline=intent.limits.deadline,
            control=around.control,
        ),
        journal=journal,
        purse=purse,
        signer=one.key,
    )
    identity = Identity(
        run_id, 31_337, one.collection, one.token, standing.epoch, standing.account, one.payer
    )
    return Run(identity, intent, parts)


def said_in_turn(*answers: str) -> Callable[[Job], Sequence[str]]:
    """A script that gives one answer after the other, word by word; the last one for ever."""
    rest = list(answers)

    def words(job: Job) -> Sequence[str]:
        del job
        text = rest.pop(0) if len(rest) > 1 else rest[0]
        return [word + " " for word in text.split(" ")[:-1]] + [text.split(" ")[-1]]

    return words


async def _no_wait(seconds: float) -> None:
    del seconds
