"""The storage client of a home: its account, journal, keys, and connections to seats."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.apps.da import network_of
from offchain.apps.home import Home
from offchain.apps.keystore import AccountKey, Keystore
from offchain.apps.network import SETTLED_DEPTH, Network, address_of, open_sender
from offchain.apps.operators import Enrolment
from offchain.apps.storage_chores import storage_ledger
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.core.erasure.choose import choose_engine
from offchain.node.disk import LocalDisk
from offchain.node.leased_sender import LeasedSender
from offchain.storage.adapters.chain_index import ChainStorageIndex
from offchain.storage.adapters.chain_ledger import ChainStorageLedger
from offchain.storage.adapters.chain_orders import ChainOrderTill
from offchain.storage.adapters.chain_till import ChainStorageTill
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.key_folder import KeyFolder
from offchain.storage.file_client import FileClient, FileClientParts
from offchain.storage.model import Profile
from offchain.storage.ports import StorageLedger
from offchain.storage.put_model import PutParts, PutRules
from offchain.storage.read_file import ReadParts, ReadRules

ROLE: Final = "storage-client"
THREADS: Final = 2
CLIENT_WEI: Final = 100 * 10**18  # from a devnet's faucet


@dataclass(frozen=True, slots=True)
class Opened:
    """A storage client, ready."""

    files: FileClient
    ledger: StorageLedger
    epoch_seconds: int
    longest_epochs: Callable[[Profile], int]


@asynccontextmanager
async def open_files(
    home: Home, rpc_url: str | None, *, journal_name: str = "puts"
) -> AsyncIterator[Opened]:
    """The home's storage client; a process that lives on keeps a journal of its own.

    Raises: HomeNotRunning, Unavailable.
    """
    network = await asyncio.to_thread(network_of, home, rpc_url)
    engine = await asyncio.to_thread(choose_engine)
    account = Keystore(home.keys).account(ROLE)
    await asyncio.to_thread(fund_client, network, home, account)
    opening = partial(open_sender, network, home, ROLE, account)
    sender = LeasedSender(address_of(account), opening)
    ledger = storage_ledger(network)
    till = await asyncio.to_thread(_till_of, network, sender)
    journal = DiskPuts(LocalDisk(), home.root / "client" / journal_name)
    await asyncio.to_thread(journal.open)
    async with HttpSeatClient() as seats:
        put = PutParts(
            ledger=ledger,
            till=till,
            client=seats,
            journal=journal,
            engine=engine,
            randomness=secrets.token_bytes,
        )
        parts = FileClientParts(
            read=ReadParts(ledger, _index_of(network, ledger), seats, engine),
            keys=file_keys(home),
            randomness=secrets.token_bytes,
            put=put,
            terms=till,
            orders=ChainOrderTill(
                network.node,
                network.orders,
                sender,
                first_block=network.deployments.first_block(),
            ),
            put_rules=PutRules(settled_depth=SETTLED_DEPTH, threads=THREADS),
            read_rules=ReadRules(threads=THREADS),
        )
        yield Opened(FileClient(parts), ledger, till.epoch_seconds, till.longest_epochs)


def file_keys(home: Home) -> KeyFolder:
    """The keys of what this home has sealed."""
    return KeyFolder(home.keys / "files")


def _index_of(network: Network, ledger: ChainStorageLedger) -> ChainStorageIndex:
    first = network.deployments.first_block()
    return ChainStorageIndex(network.node, network.log, ledger, first_block=first)


def _till_of(network: Network, sender: LeasedSender) -> ChainStorageTill:
    at = network.node.block().hash
    epoch_seconds = network.stake.epoch_start(1, at=at) - network.stake.epoch_start(0, at=at)
    return ChainStorageTill(
        network.node, network.log, network.market, sender, epoch_seconds=epoch_seconds
    )


def fund_client(network: Network, home: Home, account: AccountKey) -> None:
    """On a devnet the faucet fills the account."""
    if network.chain_id in DEVNET_CHAIN_IDS:
        Enrolment(network, home).fund([account], CLIENT_WEI)
