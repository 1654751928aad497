"""`apogee agent serve`: an agent at its owner's, for him, for who rents it, and for who pays.

<home>/agents/hosts/<token>/   host.json (url, until), mailbox.journal, mcp-token, control, lock

The bundle is open in this process's memory only, for one epoch of the token. The host speaks with a
session key that signs messages and spends nothing; it ends with the epoch, a pause, or its time.
Killed and begun again, every ask goes on where it was. Source: docs/protocol/agents.md#serving.
"""

import asyncio
import logging
import secrets
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.agents.adapters.a2a_card import CardFacts, signed_card
from offchain.agents.adapters.a2a_face import Answerer, Offered, a2a_app, card_of
from offchain.agents.adapters.host_faces import Faces, HostDesk
from offchain.agents.adapters.mcp_face import McpFace, mcp_app
from offchain.agents.adapters.mcp_guests import McpGuests
from offchain.agents.envelope import Mailbox, Replies, Speaker, forget_expired
from offchain.agents.host import Host
from offchain.agents.runtime_errors import AgentStopped, NotAllowedToRun
from offchain.agents.skills import parse_skill
from offchain.agents.standing import Guard, Standing, Stop, Visitor
from offchain.apps.agent_acting import (
    CONTROL,
    Opened,
    chain_agents,
    control_of,
    host_of,
    open_bundle,
)
from offchain.apps.agent_hosted import HostedAgent, OwnWork, WorkLimits
from offchain.apps.agent_quote import require_agreed
from offchain.apps.agent_rights import Rights
from offchain.apps.agent_shop import Shop, ShopWish, open_shop, register_shop
from offchain.apps.amounts import show_amount
from offchain.apps.exit_codes import ExitCode
from offchain.apps.files import FileMissing, read_json, write_bytes, write_json
from offchain.apps.home import choose_ports, is_port_free
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.node_chores import Chore
from offchain.apps.node_life import NodeLife
from offchain.apps.output import say
from offchain.apps.stake import Actor
from offchain.chain.keys import LocalSigner
from offchain.node.disk import LocalDisk
from offchain.node.http_face import loopback_server
from offchain.node.journal import FileJournal

HOST_FILE: Final = "host.json"
MCP_FILE: Final = "mcp-token"
WATCH_SECONDS: Final = 2.0
LEAST_SECONDS: Final = 60
CONNECTIONS: Final = 64
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostWish:
    """As typed. `seconds`: how long it serves; `own`: what it may do at the agent's cost."""

    seconds: int
    own: WorkLimits
    port: int | None = None
    url: str = ""  # what others call, when something stands before this machine
    shop: ShopWish | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """Until when the speaking key lives, and what it is drawn from."""

    until: int
    epoch: int


def serve(one: Actor, token: int, wish: HostWish, *, is_agreed: bool) -> int:
    """Serve until told to stop, or until the agent may not be served any more.

    Raises: NotAllowedToRun, NotAgreed, AgentStopped.
    """
    standing = chain_agents(one.network).standing(token)
    if standing.owner != one.address:
        owner = "0x" + standing.owner.hex()
        raise NotAllowedToRun("Only its owner's host serves it.", token=token, owner=owner)
    folder = host_of(one, token)
    term = _term(folder, standing, wish.seconds)
    require_agreed(one, "serve", _quote(one, token, wish, term), is_agreed=is_agreed)
    stop = asyncio.run(HostProcess(one, token, wish, term).run())
    if stop is None:
        return one.say({"token": token, "ended": "told to stop"})
    one.say({"token": token, "ended": stop.value, "next": _NEXT.get(stop)})
    return ExitCode.CONFLICT


_NEXT: Final = {
    Stop.EPOCH: "the agent changed hands: its new owner serves it now",
    Stop.REVOKED: "its sessions were ended: `apogee agent serve` grants a new one",
    Stop.KILLED: "`apogee agent kill` ended it: serve again when you want",
    Stop.DEADLINE: "its time is over: serve again, `--for` says how long",
}


def _quote(one: Actor, token: int, wish: HostWish, term: Term) -> dict[str, object]:
    minutes = max(0, term.until - one.network.node.block().timestamp) // 60
    return {
        "agent": token,
        "session": f"a key that signs its messages for {minutes} min and spends nothing",
        "renters": "pay their own runs; they read its memory, and cannot write it",
        "own_work": f"MCP and sold requests: at most {show_amount(wish.own.budget)} each, "
        f"{show_amount(wish.own.total)} together, from the agent's account",
        **({} if wish.shop is None else wish.shop.quote()),
    }


class HostProcess:
    """The parts of one host and their life."""

    def __init__(self, one: Actor, token: int, wish: HostWish, term: Term) -> None:
        self._one = one
        self._token = token
        self._wish = wish
        self._term = term
        self._folder = host_of(one, token)
        account = Keystore(one.home.keys).account(one.role)
        self._signer = LocalSigner.from_secret(_speaking_key(account.secret, token, term))
        self._life = NodeLife(self._folder, one.network, account)
        self._ledger = chain_agents(one.network)
        self._stop: Stop | None = None

    async def run(self) -> Stop | None:
        configure_logging(f"agent-{self._token}")
        await self._life.hold(self._open)
        return self._stop

    def end(self) -> None:
        """As if it had been told to stop."""
        self._life.end()

    async def _open(self) -> None:
        await self.serve(await open_bundle(self._one, self._token, self._term.epoch))

    async def serve(self, opened: Opened) -> None:
        """Until it is told to stop. Raises: AgentStopped, ShopTaken, what registering says."""
        one, token = self._one, self._token
        (self._folder / CONTROL).unlink(missing_ok=True)
        rights = Rights(one.network, one.send)
        speak = partial(rights.let_speak, token, self._signer.address, self._term.until)
        for sent in await asyncio.to_thread(speak):
            say(f"     sent: {sent}")
        guard = Guard(
            self._ledger,
            Visitor(token, one.address, self._signer.address),
            epoch=self._term.epoch,
            deadline=self._term.until,
            control=partial(control_of, self._folder),
        )
        works = HostedAgent(one, opened, self._wish.own.service)
        host = Host(guard, works, stopped=self._stopped)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(host.close)
            standing = await host.check()
            own = OwnWork(host, self._wish.own, opened.manifest)
            shop = await self._shop(opened, own, stack)
            port = self._wish.port or self._port()
            server = self._server(host, opened, standing, own, shop, port)
            self._tell(port, opened, shop)
            servers = [server, *([] if shop is None else [shop.server])]
            chores = [Chore("watch", WATCH_SECONDS, partial(self._watch, host))]
            await self._life.serve_all(servers, [*chores, *([] if shop is None else shop.chores)])

    async def _shop(self, opened: Opened, own: OwnWork, stack: AsyncExitStack) -> Shop | None:
        """The agent as a service of the compute market, when a price was named."""
        if self._wish.shop is None:
            return None
        wish = self._wish.shop
        offer = await asyncio.to_thread(register_shop, self._one, opened, wish, own.sold)
        return await open_shop(self._one, offer, stack)

    def _server(
        self,
        host: Host,
        opened: Opened,
        standing: Standing,
        own: OwnWork,
        shop: Shop | None,
        port: int,
    ) -> uvicorn.Server:
        network, manifest = self._one.network, opened.manifest
        speaker = Speaker(standing.account, network.chain_id, self._signer)
        skills = {name: parse_skill(name, raw) for name, raw in manifest.skills.items()}
        about = {name: skill.about for name, skill in skills.items()}
        facts = CardFacts(
            network.chain_id,
            bytes(network.agents.address),
            self._token,
            opened.epoch,
            standing.account,
            b"" if shop is None else shop.service,
        )
        url = self._wish.url or f"http://127.0.0.1:{port}/"
        offered = Offered(manifest.name, manifest.description, str(opened.epoch), about)
        card = signed_card(card_of(offered, url), facts, speaker)
        mailbox = Mailbox(
            standing.account, network.chain_id, self._ledger, self._mail(), _wall_clock
        )
        desk = HostDesk(host, None if shop is None else shop.desk)
        names = [f"127.0.0.1:{port}", f"localhost:{port}", *_host_in(self._wish.url)]
        bare = [name.partition(":")[0] for name in names]
        talk = a2a_app(card, Answerer(mailbox, speaker, desk, _wall_clock), bare)
        guests = McpGuests(host, mailbox, Replies(speaker), _wall_clock)
        face = McpFace(manifest.name, skills, own.called, self._mcp_token(), guests)
        return loopback_server(
            Faces(talk, mcp_app(face, port), names), port, connections=CONNECTIONS
        )

    def _mail(self) -> FileJournal:
        journal = FileJournal(LocalDisk(), self._folder / "mailbox.journal")
        journal.open()
        forget_expired(journal, _wall_clock())
        return journal

    def _mcp_token(self) -> str:
        """Who has it may use the agent as its owner does, within `own`."""
        path = self._folder / MCP_FILE
        if not path.exists():
            write_bytes(path, secrets.token_hex(32).encode(), mode=0o600)
        return path.read_text().strip()

    def _tell(self, port: int, opened: Opened, shop: Shop | None) -> None:
        url = self._wish.url or f"http://127.0.0.1:{port}/"
        told: dict[str, object] = {
            "url": url,
            "port": port,
            "token": self._token,
            "epoch": opened.epoch,
            "until": self._term.until,
        }
        write_json(self._folder / HOST_FILE, told)
        say(f"serving agent {self._token} at {url}")
        say(f"     card     {url}.well-known/agent-card.json")
        say(f"     mcp      {url}mcp, token in {self._folder / MCP_FILE}")
        if shop is not None:
            say(f"     service  0x{shop.service.hex()}")
        log.info("agent_serves", extra={"token": self._token, "epoch": opened.epoch})

    def _port(self) -> int:
        """The one it had, so that who asked there asks there again, or a free one."""
        with suppress(FileMissing, KeyError, ValueError):
            known = int(str(read_json(self._folder / HOST_FILE)["port"]))
            if is_port_free(known):
                return known
        return choose_ports(["agent"])["agent"]

    def _stopped(self, stop: Stop) -> None:
        if self._stop is None:
            self._stop = stop
            log.warning("agent_stops", extra={"token": self._token, "reason": stop.value})
            self._life.end()

    async def _watch(self, host: Host) -> int:
        """Notice what ends it also when nobody asks."""
        with suppress(AgentStopped):
            await host.check()
        return 0


def _term(folder: Path, standing: Standing, seconds: int) -> Term:
    """The term that a host which was killed had, while it lasts, or a new one."""
    until = standing.now + seconds
    try:
        found = read_json(folder / HOST_FILE)
        known = int(str(found["until"]))
        if found["epoch"] == standing.epoch and standing.now + LEAST_SECONDS < known <= until:
            return Term(known, standing.epoch)
    except (FileMissing, KeyError, ValueError):
        pass
    return Term(until, standing.epoch)


def _speaking_key(secret: bytes, token: int, term: Term) -> bytes:
    """One key for each term: the owner's wallet can make it again, nobody else can."""
    info = b"apogee/agent host" + b"".join(
        number.to_bytes(32, "big") for number in (token, term.epoch, term.until)
    )
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)


def _host_in(url: str) -> list[str]:
    """What requests say as their host when they come by a public URL."""
    return [url.partition("://")[2].partition("/")[0]] if url else []


def _wall_clock() -> int:
    return int(time.time())
