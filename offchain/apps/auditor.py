"""`apogee auditor`: judge the answers that the beacon drew, for operators staked in ALIGNMENT.

<home>/auditors/<role>/ballots.journal   what was decided, before it is sealed, until that is over
<home>/auditors/<role>/bundles/          what providers showed, until the audit is final

One process may serve several operators of its home: they share the models that are loaded, never
their ballots, and each judges by itself.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

from offchain.apps.compute_clients import chain_audits, chain_escrow
from offchain.apps.home import AUDITOR, Home, Manifest, auditor_heartbeat
from offchain.apps.keystore import Keystore
from offchain.apps.logging import configure_logging
from offchain.apps.network import Network, address_of, connect, deployment_file, open_sender
from offchain.apps.node_chores import Chore, repeat
from offchain.apps.operators import node_role
from offchain.apps.settings import AuditorSettings, read_settings
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.chain_audits import ChainAuditActs
from offchain.compute.adapters.http_bundles import HttpBundles
from offchain.compute.adapters.open_replayer import Replayers
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.sit import Sit, SitParts
from offchain.core.errors import NotFound
from offchain.node.disk import LocalDisk
from offchain.node.folder_lock import FolderLock
from offchain.node.journal import FileJournal
from offchain.node.leased_sender import LeasedSender

SIT_SECONDS: Final = 2.0
BEAT_SECONDS: Final = 3.0
FORGET_SECONDS: Final = 600.0
log = logging.getLogger(__name__)


class NobodyAudits(NotFound):
    """None of the operators named is known to the chain."""

    code = "auditor.nobody"
    next_step = "Stake in ALIGNMENT first: `apogee up` enrols the operators of a devnet."


def run_auditor(**flags: object) -> int:
    """Judge until SIGTERM or Ctrl-C."""
    settings = read_settings(AuditorSettings, **flags)
    configure_logging(AUDITOR, level=settings.log_level)
    home = Home.at(settings.home)
    rpc_url = settings.rpc_url or Manifest.load(home).url("devnet")
    folder = settings.deployments or home.deployments
    network = connect(rpc_url, deployment_file(folder, settings.network))
    replayers = Replayers(home.root / "models", settings.model_folders, settings.device)
    roles = settings.roles or _own_roles(home)
    asyncio.run(serve_auditors(home, network, roles, replayers))
    return 0


async def serve_auditors(
    home: Home, network: Network, roles: Sequence[str], replayers: Replayers
) -> None:
    """Sit for these operators until told to stop. Raises: NobodyAudits."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    folder = auditor_heartbeat(home).parent
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    await _beat(auditor_heartbeat(home))
    try:
        async with AsyncExitStack() as stack:
            sits = await open_sits(home, network, roles, replayers, stack)
            if not sits:
                raise NobodyAudits(roles=", ".join(roles))
            chores = [Chore("audit", SIT_SECONDS, partial(_round, sit)) for sit in sits]
            chores += [Chore("forget", FORGET_SECONDS, sit.forget) for sit in sits]
            chores.append(Chore("beat", BEAT_SECONDS, partial(_beat, auditor_heartbeat(home))))
            await _beat(auditor_heartbeat(home))
            tasks = [asyncio.create_task(repeat(chore)) for chore in chores]
            log.info("auditor_started", extra={"operators": len(sits)})
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        lock.close()
    log.info("auditor_stopped")


async def open_sits(
    home: Home,
    network: Network,
    roles: Sequence[str],
    replayers: Replayers,
    stack: AsyncExitStack,
) -> list[Sit]:
    """One for each operator that the chain knows."""
    audits, escrow = chain_audits(network), chain_escrow(network)
    at = network.node.block().hash
    sits = []
    for role in roles:
        account = Keystore(home.keys).account(role)
        operator_id = network.stake.operator_of(address_of(account), at=at)
        if not operator_id:
            continue
        opening = partial(open_sender, network, home, role, account)
        sender = LeasedSender(address_of(account), opening)
        signer = LocalSigner.from_secret(account.secret)
        bundles = await stack.enter_async_context(HttpBundles(signer, _chain_time(network)))
        folder = home.root / "auditors" / role
        folder.mkdir(parents=True, exist_ok=True)
        journal = FileJournal(LocalDisk(), folder / "ballots.journal")
        journal.open()
        sit = Sit(
            SitParts(
                ledger=audits,
                acts=ChainAuditActs(network.audits, sender),
                services=network.services,
                escrow=escrow,
                bundles=bundles,
                journal=journal,
                shelf=BundleShelf(LocalDisk(), folder / "bundles"),
                replayer=replayers.of_service,
                operator_id=operator_id,
            )
        )
        sit.open()
        sits.append(sit)
    return sits


def _own_roles(home: Home) -> tuple[str, ...]:
    """The operators with nodes in this home."""
    nodes = Manifest.load(home).nodes
    return tuple(node_role(index) for index in range(nodes))


def _chain_time(network: Network) -> Callable[[], int]:
    return lambda: network.node.block().timestamp


async def _round(sit: Sit) -> int:
    return len(await sit.round())


async def _beat(path: Path) -> int:
    await asyncio.to_thread(path.touch)
    return 0
