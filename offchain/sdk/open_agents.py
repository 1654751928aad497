"""Builds the agent trader of a program: contracts, oracles, storage, and one wallet's keys."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from offchain.agents.adapters.chain_findings import ChainFindings, FindingClients
from offchain.agents.adapters.chain_leases import ChainLeases, LeaseClients
from offchain.agents.adapters.chain_oracles import ChainOracles, OracleClients
from offchain.agents.adapters.chain_sales import ChainSales, SaleClients
from offchain.agents.adapters.disk_deliveries import DiskShelf
from offchain.agents.adapters.http_oracle import HttpOracles
from offchain.agents.adapters.storage_root import storage_engines
from offchain.agents.adapters.stored_files import StoredFiles
from offchain.agents.buy_agent import Buy
from offchain.agents.deliver import Deliver, DeliverParts
from offchain.agents.delivery_keys import DeliveryKeys
from offchain.agents.hold import Hold
from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.mint_agent import Mint
from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.onchain_verifier import (
    DeliveryFraudProofsClient,
    KeyDeliveryVerifierClient,
)
from offchain.agents.refuse import Refuse
from offchain.agents.sell import Sell
from offchain.agents.token_view import TradeClients
from offchain.attestation.adapters.chain_relay import ChainRelay, RelayClients
from offchain.attestation.onchain_registry import AttestationRegistryClient
from offchain.attestation.report_data import Domain
from offchain.chain.due import execute_due
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Receipt, TypedCall
from offchain.core.erasure import ErasureEngine
from offchain.sdk.agent_parts import AgentBooks, AgentParts
from offchain.sdk.errors import NoAccount
from offchain.sdk.open_storage import (
    FINALITY_BLOCKS,
    StorageChain,
    StorageOwner,
    sender_of,
)
from offchain.sdk.storage import StorageParts
from offchain.staking.frozen_tree import TreeSources
from offchain.staking.onchain import OperatorRegistryClient, RandomBeaconClient
from offchain.storage.file_client import PutOptions
from offchain.storage.model import profile_named
from offchain.storage.onchain_market import StorageMarketClient

PROFILE = "durable"
TERM_SECONDS = 30 * 86_400


@asynccontextmanager
async def open_agents(
    chain: StorageChain,
    owner: StorageOwner,
    storage: StorageParts,
    engine: Callable[[], ErasureEngine],
) -> AsyncIterator[AgentParts]:
    """What one wallet trades with. Raises: NoAccount."""
    if owner.account is None:
        raise NoAccount
    node, deployments = chain.node, chain.deployments
    clients = TradeClients(
        node=node,
        nft=AgentNFTClient(deployments, node),
        market=AgentMarketClient(deployments, node),
        verifier=KeyDeliveryVerifierClient(deployments, node),
        chain_id=deployments.chain_id,
        first_block=deployments.first_block(),
    )
    sender, signer = sender_of(chain, owner), LocalSigner.from_secret(owner.account)

    def send(call: TypedCall, key: str) -> Receipt:
        return execute_due(sender, call, key=key)

    keys = DeliveryKeys(owner.account, clients.chain_id, clients.nft.address)
    engines = storage_engines()
    epochs = max(1, TERM_SECONDS // storage.epoch_seconds)
    options = PutOptions(profile=profile_named(PROFILE), term_epochs=epochs, is_public=True)
    folder = owner.folder / "agents"
    files = StoredFiles(storage.files, folder / "files", options)
    async with files, HttpOracles() as oracles:
        leader = Deliver(
            DeliverParts(
                oracles=oracles,
                standing=_oracles(chain, clients).standing,
                files=files,
                shelf=DiskShelf(folder / "deliveries"),
                randomness=secrets.token_bytes,
                chain_id=clients.chain_id,
                verifier=clients.verifier.address,
            )
        )
        buy = Buy(clients, keys, signer, files, engines, send)
        sell = Sell(clients, keys, signer, leader, send, secrets.token_bytes)
        hold, leases = Hold(buy, send), AgentLeasesClient(deployments, node)
        proofs = DeliveryFraudProofsClient(deployments, node)
        yield AgentParts(
            clients=clients,
            owner=signer.address,
            mint=Mint(clients.nft, keys, signer.address, files, engines, send),
            sell=sell,
            buy=buy,
            hold=hold,
            refuse=Refuse(buy, proofs, engine, send),
            lease=LeaseAgent(leases, hold, sell, send),
            books=agent_books(clients, leases),
        )


def agent_books(clients: TradeClients, leases: AgentLeasesClient) -> AgentBooks:
    """What waits for somebody to end it."""
    place = (clients.first_block, FINALITY_BLOCKS + 1)
    node, nft = clients.node, clients.nft
    return AgentBooks(
        ChainSales(SaleClients(node, clients.market, nft, *place)),
        ChainLeases(LeaseClients(node, leases, nft, *place)),
        ChainFindings(FindingClients(node, clients.verifier, *place)),
    )


def _oracles(chain: StorageChain, clients: TradeClients) -> ChainOracles:
    node, deployments = chain.node, chain.deployments
    registry = AttestationRegistryClient(deployments, node)
    operators = OperatorRegistryClient(deployments, node)
    relay = RelayClients(
        node=node,
        registry=registry,
        beacon=RandomBeaconClient(deployments, node),
        tree=TreeSources(node, operators, chain.stake, clients.first_block),
        domain=Domain(clients.chain_id, registry.address),
        depth=FINALITY_BLOCKS + 1,
    )
    return ChainOracles(
        OracleClients(
            node=node,
            nft=clients.nft,
            verifier=clients.verifier,
            relay=ChainRelay(relay, lambda _: []),
            storage=StorageMarketClient(deployments, node),
            first_block=clients.first_block,
            depth=FINALITY_BLOCKS + 1,
        )
    )
