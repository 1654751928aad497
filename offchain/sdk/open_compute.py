"""Builds the compute client of a program: chain, account, books and providers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from offchain.chain.dispatch import SenderPolicy
from offchain.chain.due import execute_due
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.chain.model import Receipt, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.compute.adapters.account_file import AccountFiles
from offchain.compute.adapters.chain_escrow import ChainEscrow, EscrowClients
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.buy import Buyer, FactsReader
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.onchain_registry import ServiceRegistryClient
from offchain.node.disk import LocalDisk
from offchain.node.leased_sender import LeasedSender
from offchain.sdk.compute import ComputeParts
from offchain.sdk.connection import Connection
from offchain.sdk.errors import NoEvidenceHere, NoGateway
from offchain.sdk.gateway_private import AsyncGatewayPrivate, GatewayParts
from offchain.sdk.open_evidence import open_evidence, open_sources, rules_of
from offchain.sdk.open_storage import StorageChain, StorageOwner

FINALITY_BLOCKS: Final = 3
LOCK_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class ComputeWish:
    """`simulated_root`: certificate of a devnet's software TEE, DER."""

    owner: StorageOwner
    simulated_root: Path | None = None


@asynccontextmanager
async def open_compute(chain: StorageChain, wish: ComputeWish) -> AsyncIterator[ComputeParts]:
    """What a compute client works with; without an account it only reads."""
    owner = wish.owner
    registry = ServiceRegistryClient(chain.deployments, chain.node)
    contract = ComputeEscrowClient(chain.deployments, chain.node)
    escrow = escrow_of(chain, registry, contract)
    if owner.account is None:
        yield ComputeParts(registry, escrow, contract)
        return
    signer = LocalSigner.from_secret(owner.account)
    folder = owner.folder / "client" / "compute" / signer.address.hex()
    shelf = await asyncio.to_thread(AccountFiles, LocalDisk(), folder)
    sender = _sender_of(chain, owner, signer)
    evidence = open_evidence(chain.deployments, chain.node)
    async with HttpProviderClient() as client:
        buyer = Buyer(
            registry,
            escrow,
            client,
            signer,
            clock=time.time,
            shelf=shelf,
            may_simulate=chain.deployments.chain_id in DEVNET_CHAIN_IDS,
            evidence=evidence,
        )
        parts = ComputeParts(
            registry, escrow, contract, buyer, signer.address, partial(_send, sender)
        )
        if evidence is not None:
            rules = rules_of(chain.deployments.chain_id, wish.simulated_root)
            keys, trust = open_sources(registry, evidence, client, rules)
            parts = replace(parts, keys=keys, trust=trust)
        yield parts


@asynccontextmanager
async def open_private(
    chain: StorageChain, connection: Connection
) -> AsyncIterator[AsyncGatewayPrivate]:
    """Private answers through the connection's gateway. Raises: NoGateway, NoEvidenceHere."""
    evidence = open_evidence(chain.deployments, chain.node)
    if not connection.gateway_url or not connection.api_key:
        raise NoGateway
    if evidence is None:
        raise NoEvidenceHere
    registry = ServiceRegistryClient(chain.deployments, chain.node)
    contract = ComputeEscrowClient(chain.deployments, chain.node)
    chain_id = chain.deployments.chain_id
    async with HttpProviderClient() as client:
        rules = rules_of(chain_id, connection.simulated_root)
        keys, trust = open_sources(registry, evidence, client, rules)
        parts = GatewayParts(
            url=connection.gateway_url,
            api_key=connection.api_key,
            reader=FactsReader(registry, escrow_of(chain, registry, contract), evidence),
            keys=keys,
            clock=time.time,
            may_simulate=chain_id in DEVNET_CHAIN_IDS,
            trust=trust,
        )
        async with AsyncGatewayPrivate(parts) as private:
            yield private


def escrow_of(
    chain: StorageChain, registry: ServiceRegistryClient, contract: ComputeEscrowClient
) -> ChainEscrow:
    """Buckets, delegates and vouchers as this chain tells of them."""
    return ChainEscrow(
        EscrowClients(
            chain.node,
            registry,
            contract,
            lambda address, at: chain.stake.operator_of(address, at=at),
        )
    )


def _send(sender: LeasedSender, call: TypedCall, key: str) -> Receipt:
    return execute_due(sender, call, key=key)


def _sender_of(chain: StorageChain, owner: StorageOwner, signer: LocalSigner) -> LeasedSender:
    outbox = owner.folder / "outbox"

    def opening() -> TransactionSender:
        outbox.mkdir(parents=True, exist_ok=True)
        return TransactionSender.open(
            chain.node,
            signer,
            outbox / f"compute-{signer.address.hex()}.sqlite",
            policy=SenderPolicy(finality_blocks=FINALITY_BLOCKS),
            lock_seconds=LOCK_SECONDS,
        )

    return LeasedSender(signer.address, opening)
