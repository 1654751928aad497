"""`apogee relayer`: judge the evidence of services, for operators staked in RELAYER.

In a devnet's software TEE the first of them are delivery oracles of agents as well
(offchain/apps/oracles.py).

<home>/relayers/<role>/verdicts.journal   what was said of which evidence, before it is signed
<home>/relayers/<role>/evidence/          the bytes that each verdict rests on
<home>/relayers/notices.json              notices that the operators here voted for

One process may serve several operators of its home: they share a reader of the chain, never a
journal or a key, and each judges by itself.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.agents.adapters.http_oracle import add_oracles
from offchain.apps.attestation import chain_relay, court_clients, relay_clients, relay_judge
from offchain.apps.home import LOOPBACK, RELAYER, Home, Manifest
from offchain.apps.keystore import AccountKey, Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import Network, address_of, connect, deployment_file, open_sender
from offchain.apps.node_chores import Chore
from offchain.apps.node_life import NodeLife
from offchain.apps.operators import node_role
from offchain.apps.oracles import OracleSeat, open_oracles
from offchain.apps.settings import RelayerSettings, read_settings
from offchain.attestation.adapters.chain_court import ChainProofDesk
from offchain.attestation.adapters.chain_relay import ChainRegistryActs, ChainRelay, RelayClients
from offchain.attestation.adapters.http_relayer import (
    HttpSubjects,
    add_notices,
    build_relayer_app,
    relayer_server,
)
from offchain.attestation.adapters.http_subject import add_offers
from offchain.attestation.evidence_desk import EvidenceDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.notice_desk import NoticeDesk, VoteFile
from offchain.attestation.prosecute import Prosecute, ProsecuteParts
from offchain.attestation.relay import Relay, RelayParts
from offchain.attestation.relay_ports import Judge
from offchain.attestation.shared_subjects import SharedSubjects
from offchain.chain.keys import LocalSigner
from offchain.core.errors import NotFound
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.node.leased_sender import LeasedSender

RELAY_SECONDS: Final = 0.8
DRAW_SECONDS: Final = 1.5
WATCH_SECONDS: Final = 3.0
FORGET_SECONDS: Final = 600.0
PREPARE_SECONDS: Final = 600.0
KEPT_LIVES: Final = 30  # longer than anybody may prove a lie
log = logging.getLogger(__name__)


class NobodyRelays(NotFound):
    """None of the operators named is known to the chain."""

    code = "relayer.nobody"
    next_step = "Stake in RELAYER first: `apogee up` enrols the operators of a devnet."


@dataclass(frozen=True, slots=True)
class Seat:
    """One operator's relayer, its way to the chain, and what it keeps."""

    role: str
    operator_id: int
    relay: Relay
    acts: ChainRegistryActs
    shelf: EvidenceShelf
    subjects: HttpSubjects
    signer: LocalSigner
    sender: LeasedSender


def run_relayer(**flags: object) -> int:
    """Judge until SIGTERM or Ctrl-C."""
    settings = read_settings(RelayerSettings, **flags)
    configure_logging(RELAYER, level=settings.log_level)
    home = Home.at(settings.home)
    rpc_url, port = settings.rpc_url, settings.relayer_port
    if rpc_url is None or port is None:
        manifest = Manifest.load(home)
        rpc_url = rpc_url or manifest.url("devnet")
        port = port or manifest.ports[RELAYER]
    folder = settings.deployments or home.deployments
    network = connect(rpc_url, deployment_file(folder, settings.network))
    roles = settings.roles or tuple(node_role(one) for one in range(Manifest.load(home).nodes))
    asyncio.run(serve_relayers(home, network, roles, port, oracles=settings.oracles))
    return 0


async def serve_relayers(
    home: Home, network: Network, roles: Sequence[str], port: int, *, oracles: int = 0
) -> None:
    """Relay for these operators until told to stop; the first `oracles` of them deliver agents too.

    Raises: NobodyRelays.
    """
    first = Keystore(home.keys).account(roles[0])
    life = NodeLife(home.root / "relayers", network, first)

    async def serve(operator: int) -> None:
        async with AsyncExitStack() as stack:
            ledger, clients = chain_relay(network), relay_clients(network)
            judge = relay_judge(network, home)
            seats = await open_seats(home, network, roles, ledger, judge, stack)
            if not seats:
                raise NobodyRelays(roles=", ".join(roles))
            shelves = [one.shelf for one in seats]
            chores = relay_chores(seats, clients, open_reporter(network, ledger, seats))
            opening = partial(open_oracles, network, home, _oracle_seats(home, seats, oracles))
            house = await asyncio.to_thread(opening, shelves, f"http://{LOOPBACK}:{port}")
            if house is None:
                app = build_relayer_app(EvidenceDesk(shelves, clients.domain), life.readiness)
            else:
                app = build_relayer_app(None, life.readiness)
                add_offers(app, house.desk)
                add_oracles(app, house.oracles)
                chores += [*house.chores, Chore("engines", PREPARE_SECONDS, house.prepare)]
            signers = {one.operator_id: one.signer for one in seats}
            votes = VoteFile(LocalDisk(), home.root / "relayers")
            add_notices(app, NoticeDesk(votes, signers, lambda: ledger.bench(ledger.head())))
            log.info("relayer_started", extra={"operator": operator, "seats": len(seats)})
            await life.serve_beside(relayer_server(app, port), chores)

    await life.run(serve)


async def open_seats(
    home: Home,
    network: Network,
    roles: Sequence[str],
    ledger: ChainRelay,
    judge: Judge,
    stack: AsyncExitStack,
) -> list[Seat]:
    """One for each operator that the chain knows."""
    at = network.node.block().hash
    shared = SharedSubjects()
    seats = []
    for role in roles:
        account = Keystore(home.keys).account(role)
        operator_id = network.stake.operator_of(address_of(account), at=at)
        if not operator_id:
            continue
        signer = LocalSigner.from_secret(account.secret)
        subjects = await stack.enter_async_context(HttpSubjects(signer, _chain_time(ledger)))
        sender = _sender(home, network, role, account)
        acts = ChainRegistryActs(relay_clients(network), sender)
        folder = home.root / "relayers" / role
        folder.mkdir(parents=True, exist_ok=True)
        journal = FileJournal(LocalDisk(), folder / "verdicts.journal")
        journal.open()
        shelf = EvidenceShelf(LocalDisk(), folder / "evidence")
        parts = RelayParts(
            ledger=ledger,
            acts=acts,
            subjects=shared.seen_by(subjects),
            judge=judge,
            signer=signer,
            journal=journal,
            shelf=shelf,
            operator_id=operator_id,
        )
        relay = Relay(parts)
        relay.open()
        seats.append(Seat(role, operator_id, relay, acts, shelf, subjects, signer, sender))
    return seats


def open_reporter(network: Network, ledger: ChainRelay, seats: Sequence[Seat]) -> Prosecute:
    """What looks after verdicts of others, for all operators here, by the first one's account."""
    first = seats[0]
    clients = court_clients(network)
    desk = ChainProofDesk(clients, ledger, first.sender, first.signer)
    at = network.node.block().hash
    return Prosecute(
        ProsecuteParts(
            desk=desk,
            subjects=first.subjects,
            shelves=[one.shelf for one in seats],
            patience=clients.demands.open_seconds(at=at),
        )
    )


def relay_chores(seats: Sequence[Seat], clients: RelayClients, reporter: Prosecute) -> list[Chore]:
    """What relayers do by themselves."""

    async def judge() -> int:
        return sum(await asyncio.gather(*(one.relay.round() for one in seats)))

    async def forget() -> int:
        return sum([await one.relay.forget(KEPT_LIVES) for one in seats])

    return [
        Chore("relay", RELAY_SECONDS, judge),
        Chore("forget", FORGET_SECONDS, forget),
        Chore("draw", DRAW_SECONDS, partial(_draw, seats[0], clients)),
        Chore("watch", WATCH_SECONDS, reporter.round),
    ]


def _oracle_seats(home: Home, seats: Sequence[Seat], most: int) -> list[OracleSeat]:
    folders = home.root / "relayers"
    return [OracleSeat(folders / one.role, one.operator_id, one.sender) for one in seats[:most]]


async def _draw(seat: Seat, clients: RelayClients) -> int:
    """Seat the relayers of this epoch, unless somebody has."""

    def act() -> int:
        block = clients.node.block()
        epoch = clients.tree.registry.clock(at=block.hash).current_epoch(block.timestamp)
        return int(seat.acts.draw(epoch))

    return await asyncio.to_thread(act)


def _sender(home: Home, network: Network, role: str, account: AccountKey) -> LeasedSender:
    opening = partial(open_sender, network, home, role, account)
    return LeasedSender(address_of(account), opening)


def _chain_time(ledger: ChainRelay) -> Callable[[], int]:
    return lambda: ledger.head().timestamp
