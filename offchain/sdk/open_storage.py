"""Builds the storage client of a program: chain, account, keystore, journal and seats."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.chain.deployments import Deployments
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.keys import LocalSigner
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from offchain.core.erasure import ErasureEngine
from offchain.node.disk import LocalDisk
from offchain.node.leased_sender import LeasedSender
from offchain.sdk.storage import StorageParts
from offchain.staking.onchain import RandomBeaconClient, StakeManagerClient
from offchain.storage.adapters.chain_index import ChainStorageIndex
from offchain.storage.adapters.chain_ledger import ChainStorageLedger, StorageClients
from offchain.storage.adapters.chain_till import ChainStorageTill
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.key_folder import KeyFolder
from offchain.storage.file_client import FileClient, FileClientParts
from offchain.storage.onchain_draws import StorageDrawsClient
from offchain.storage.onchain_log import StorageLogClient
from offchain.storage.onchain_market import StorageMarketClient
from offchain.storage.onchain_proofs import StorageProofsClient
from offchain.storage.onchain_seats import StorageSeatsClient
from offchain.storage.put_model import PutParts, PutRules
from offchain.storage.read_file import ReadParts, ReadRules

FINALITY_BLOCKS: Final = 3
LOCK_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class StorageChain:
    """A chain with Apogee on it."""

    node: Node
    deployments: Deployments
    stake: StakeManagerClient


@dataclass(frozen=True, slots=True)
class StorageOwner:
    """Who stores, if anybody, and where that is remembered."""

    folder: Path
    account: bytes | None = field(repr=False)


@asynccontextmanager
async def open_storage(
    chain: StorageChain, owner: StorageOwner, engine: Callable[[], ErasureEngine], *, threads: int
) -> AsyncIterator[StorageParts]:
    """What a storage client works with; it reads only when there is no account."""
    ledger = ledger_of(chain)
    log = StorageLogClient(chain.deployments, chain.node)
    first = chain.deployments.first_block()
    index = ChainStorageIndex(chain.node, log, ledger, first_block=first)
    at = (await asyncio.to_thread(chain.node.block)).hash
    start, end = (chain.stake.epoch_start(epoch, at=at) for epoch in (0, 1))
    chosen = await asyncio.to_thread(engine)
    async with HttpSeatClient() as seats:
        put, till = None, None
        if owner.account is not None:
            till = ChainStorageTill(
                chain.node,
                log,
                StorageMarketClient(chain.deployments, chain.node),
                sender_of(chain, owner),
                epoch_seconds=end - start,
            )
            journal = DiskPuts(LocalDisk(), owner.folder / "client" / "puts")
            await asyncio.to_thread(journal.open)
            put = PutParts(
                ledger=ledger,
                till=till,
                client=seats,
                journal=journal,
                engine=chosen,
                randomness=secrets.token_bytes,
            )
        parts = FileClientParts(
            read=ReadParts(ledger, index, seats, chosen),
            keys=KeyFolder(owner.folder / "keys" / "files"),
            randomness=secrets.token_bytes,
            put=put,
            terms=till,
            put_rules=PutRules(settled_depth=FINALITY_BLOCKS + 1, threads=threads),
            read_rules=ReadRules(threads=threads),
        )
        yield StorageParts(FileClient(parts), end - start, can_store=put is not None)


def ledger_of(chain: StorageChain) -> ChainStorageLedger:
    """What the chain says of files and groups."""
    deployments, node = chain.deployments, chain.node
    return ChainStorageLedger(
        StorageClients(
            reader=node,
            stake=chain.stake,
            seats=StorageSeatsClient(deployments, node),
            draws=StorageDrawsClient(deployments, node),
            market=StorageMarketClient(deployments, node),
            proofs=StorageProofsClient(deployments, node),
            beacon=RandomBeaconClient(deployments, node),
        )
    )


def sender_of(chain: StorageChain, owner: StorageOwner) -> LeasedSender:
    """The one sender of the owner's account."""
    assert owner.account is not None
    signer = LocalSigner.from_secret(owner.account)
    outbox = owner.folder / "outbox"

    def opening() -> TransactionSender:
        outbox.mkdir(parents=True, exist_ok=True)
        return TransactionSender.open(
            chain.node,
            signer,
            outbox / f"storage-{signer.address.hex()}.sqlite",
            policy=SenderPolicy(finality_blocks=FINALITY_BLOCKS),
            lock_seconds=LOCK_SECONDS,
        )

    return LeasedSender(signer.address, opening)
