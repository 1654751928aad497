"""A disperser of a home, ready to publish: its key, journal, outbox, and connections to nodes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import SETTLED_DEPTH, Network, address_of, open_sender
from offchain.chain.sender import TransactionSender
from offchain.core.erasure import ErasureEngine
from offchain.da.adapters.chain_ledger import ChainClients, ChainLedger
from offchain.da.adapters.chain_till import ChainTill
from offchain.da.adapters.disk_dispersals import DiskDispersals
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.deliver import DeliverRows, DeliveryRules
from offchain.da.disperse import DispersalRules, DisperseBlob, DisperserParts, Watcher
from offchain.da.read_part import PartReader
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.node.disk import LocalDisk

ROLE: Final = "disperser"
READ_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Publisher:
    """A disperser and what it works with."""

    disperse: DisperseBlob
    journal: DiskDispersals
    sender: TransactionSender


@asynccontextmanager
async def open_publisher(
    network: Network,
    home: Home,
    engine: ErasureEngine,
    *,
    watch: Watcher,
    threads: int,
    lock_seconds: float = 0,
) -> AsyncIterator[Publisher]:
    """The home's one disperser. Raises: OutboxBusy while another process publishes."""
    account = Keystore(home.keys).account(ROLE)
    opening = partial(open_sender, network, home, ROLE, account, lock_seconds=lock_seconds)
    with await asyncio.to_thread(opening) as sender:
        async with HttpNodeClient() as client:
            journal = DiskDispersals(LocalDisk(), home.dispersals)
            journal.open()
            ledger = ledger_of(network)
            deliver = DeliverRows(
                ledger, client, LocalRequestSigner(account.secret), rules=DeliveryRules()
            )
            address = address_of(account)
            parts = DisperserParts(
                ledger=ledger,
                till=ChainTill(network.node, network.entrance, sender),
                deliver=deliver,
                journal=journal,
                engine=engine,
                payer=address,
                disperser=address,
            )
            # One block of depth before sending: a reorg there costs only the sending again.
            rules = DispersalRules(confirmations=1, settled_depth=SETTLED_DEPTH, threads=threads)
            yield Publisher(DisperseBlob(parts, rules, watch), journal, sender)


@asynccontextmanager
async def open_reader(
    network: Network, engine: ErasureEngine, *, threads: int
) -> AsyncIterator[RetrieveBlob]:
    """Reads blobs from the nodes that the chain names; needs no key."""
    async with HttpNodeClient() as client:
        rules = RetrievalRules(deadline_seconds=READ_SECONDS, threads=threads)
        yield RetrieveBlob(ledger_of(network), client, engine, rules=rules)


@asynccontextmanager
async def open_part_reader(
    network: Network, engine: ErasureEngine, *, threads: int
) -> AsyncIterator[PartReader]:
    """Reads parts and items of blobs; needs no key."""
    ledger = ledger_of(network)
    rules = RetrievalRules(deadline_seconds=READ_SECONDS, threads=threads)
    async with HttpNodeClient() as client:
        whole = RetrieveBlob(ledger, client, engine, rules=rules)
        yield PartReader(ledger, client, engine, whole)


def ledger_of(network: Network) -> ChainLedger:
    return ChainLedger(ChainClients(network.node, network.entrance, network.signers, network.stake))
