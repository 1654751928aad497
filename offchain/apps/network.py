"""A chain with Apogee on it, as one value: the node, the deployment and every contract's client."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.onchain_registries import (
    AgentIdentityClient,
    AgentReputationClient,
    AgentValidationClient,
)
from offchain.agents.onchain_verifier import (
    DeliveryFraudProofsClient,
    KeyDeliveryVerifierClient,
)
from offchain.apps.home import NETWORK, Home
from offchain.apps.keystore import AccountKey
from offchain.attestation.onchain_fraud import (
    AttestationDemandsClient,
    AttestationFraudProofsClient,
)
from offchain.attestation.onchain_registry import AttestationRegistryClient
from offchain.chain.adapters.rpc import HttpTransport
from offchain.chain.deployments import Deployments, load_deployments
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, parse_address
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from offchain.compute.onchain_audit_court import AuditCourtClient
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.onchain_job_market import JobMarketClient
from offchain.compute.onchain_receipt_court import ReceiptCourtClient
from offchain.compute.onchain_registry import ServiceRegistryClient
from offchain.core.errors import NotFound
from offchain.da.onchain import DAEntranceClient, DASignersClient
from offchain.da.onchain_challenges import DAChallengesClient, DAFraudProofsClient
from offchain.jobs.draw import DrawParts
from offchain.staking.contribute import BeaconParts
from offchain.staking.onchain import (
    OperatorRegistryClient,
    RandomBeaconClient,
    SlashingCourtClient,
    StakeManagerClient,
)
from offchain.storage.onchain_draws import StorageDrawsClient
from offchain.storage.onchain_fraud import KVFraudProofsClient
from offchain.storage.onchain_log import KVStreamsClient, StorageLogClient
from offchain.storage.onchain_market import StandingOrdersClient, StorageMarketClient
from offchain.storage.onchain_proofs import StorageProofsClient
from offchain.storage.onchain_seats import StorageSeatsClient

# A devnet may be reorganised on purpose; three blocks are followed before an effect is settled.
# What a join costs depends on who joined before it and in which epoch: up to half as much again.
DEVNET_POLICY = SenderPolicy(finality_blocks=3, gas_margin_bps=20_000)
TURN_SECONDS: Final = 120.0  # a node of the same operator may be sending
# From this depth on no sender repeats an effect, so only from here on may its inputs be forgotten.
SETTLED_DEPTH: Final = DEVNET_POLICY.finality_blocks + 1


class NotDeployedHere(NotFound):
    """No contracts are deployed for this network."""

    code = "network.not_deployed"
    next_step = "Run `apogee up`, or deploy with `ape run deploy --network ...`."


@dataclass(frozen=True, slots=True)
class Network:
    """One chain and Apogee's contracts on it."""

    node: Node
    deployments: Deployments
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    beacon: RandomBeaconClient
    court: SlashingCourtClient
    signers: DASignersClient
    entrance: DAEntranceClient
    challenges: DAChallengesClient
    fraud_proofs: DAFraudProofsClient
    log: StorageLogClient
    streams: KVStreamsClient
    false_roots: KVFraudProofsClient
    seats: StorageSeatsClient
    draws: StorageDrawsClient
    market: StorageMarketClient
    orders: StandingOrdersClient
    proofs: StorageProofsClient
    services: ServiceRegistryClient
    escrow: ComputeEscrowClient
    receipts: ReceiptCourtClient
    audits: AuditCourtClient
    jobs: JobMarketClient
    attestations: AttestationRegistryClient
    false_verdicts: AttestationFraudProofsClient
    evidence_demands: AttestationDemandsClient
    verifier: KeyDeliveryVerifierClient
    delivery_proofs: DeliveryFraudProofsClient
    agents: AgentNFTClient
    agent_market: AgentMarketClient
    agent_leases: AgentLeasesClient
    agent_account: AgentAccountClient
    agent_identity: AgentIdentityClient
    agent_reputation: AgentReputationClient
    agent_validation: AgentValidationClient

    @property
    def chain_id(self) -> int:
        return self.deployments.chain_id


def deployment_file(folder: Path, network: str = NETWORK) -> Path:
    return folder / f"{network}.json"


def connect(rpc_url: str, file: Path) -> Network:
    """Clients for a deployment. Raises: NotDeployedHere."""
    if not file.exists():
        raise NotDeployedHere(file=file)
    node, deployments = Node(HttpTransport(rpc_url)), load_deployments(file)
    return Network(
        node=node,
        deployments=deployments,
        registry=OperatorRegistryClient(deployments, node),
        stake=StakeManagerClient(deployments, node),
        beacon=RandomBeaconClient(deployments, node),
        court=SlashingCourtClient(deployments, node),
        signers=DASignersClient(deployments, node),
        entrance=DAEntranceClient(deployments, node),
        challenges=DAChallengesClient(deployments, node),
        fraud_proofs=DAFraudProofsClient(deployments, node),
        log=StorageLogClient(deployments, node),
        streams=KVStreamsClient(deployments, node),
        false_roots=KVFraudProofsClient(deployments, node),
        seats=StorageSeatsClient(deployments, node),
        draws=StorageDrawsClient(deployments, node),
        market=StorageMarketClient(deployments, node),
        orders=StandingOrdersClient(deployments, node),
        proofs=StorageProofsClient(deployments, node),
        services=ServiceRegistryClient(deployments, node),
        escrow=ComputeEscrowClient(deployments, node),
        receipts=ReceiptCourtClient(deployments, node),
        audits=AuditCourtClient(deployments, node),
        jobs=JobMarketClient(deployments, node),
        attestations=AttestationRegistryClient(deployments, node),
        false_verdicts=AttestationFraudProofsClient(deployments, node),
        evidence_demands=AttestationDemandsClient(deployments, node),
        verifier=KeyDeliveryVerifierClient(deployments, node),
        delivery_proofs=DeliveryFraudProofsClient(deployments, node),
        agents=AgentNFTClient(deployments, node),
        agent_market=AgentMarketClient(deployments, node),
        agent_leases=AgentLeasesClient(deployments, node),
        agent_account=AgentAccountClient(deployments, node),
        agent_identity=AgentIdentityClient(deployments, node),
        agent_reputation=AgentReputationClient(deployments, node),
        agent_validation=AgentValidationClient(deployments, node),
    )


def open_sender(
    network: Network,
    home: Home,
    role: str,
    account: AccountKey,
    *,
    lock_seconds: float = TURN_SECONDS,
) -> TransactionSender:
    """The one sender of an account of this home; its outbox survives a kill.

    Raises: OutboxBusy when another process still has it after `lock_seconds`.
    """
    folder = home.root / "outbox"
    folder.mkdir(parents=True, exist_ok=True)
    signer = LocalSigner.from_secret(account.secret)
    return TransactionSender.open(
        network.node,
        signer,
        folder / f"{role}.sqlite",
        policy=DEVNET_POLICY,
        lock_seconds=lock_seconds,
    )


def draw_parts(network: Network, sender: TransactionSender | None) -> DrawParts:
    """What drawing this network's tables needs."""
    return DrawParts(network.node, network.registry, network.stake, network.signers, sender)


def beacon_parts(network: Network) -> BeaconParts:
    """What serving this network's beacon reads."""
    return BeaconParts(
        network.node,
        network.registry,
        network.stake,
        network.beacon,
        network.deployments.first_block(),
    )


def address_of(account: AccountKey) -> Address:
    return parse_address(account.address)
