"""The worker's jobs around compute, its attestations and trade in agents, for a network."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from offchain.apps.agent_endings import chain_findings, chain_leases, chain_sales
from offchain.apps.attestation import court_clients
from offchain.apps.compute_clients import audit_clients
from offchain.apps.network import Network
from offchain.attestation.adapters.chain_court import ChainDemands
from offchain.chain.model import Address
from offchain.chain.sender import TransactionSender
from offchain.compute.adapters.chain_audits import ChainAudits
from offchain.jobs.agents import AgentJobs, AgentParts
from offchain.jobs.attestation import AttestationJobs, AttestationParts
from offchain.jobs.compute import ComputeJobs, ComputeParts
from offchain.jobs.job_market import MarketJobs, MarketParts
from offchain.jobs.model import Outcome
from offchain.jobs.tried_calls import Sending

OpenSender = Callable[[], AbstractContextManager[TransactionSender]]


def compute_jobs(network: Network, sender_address: Address, open_sender: OpenSender) -> ComputeJobs:
    """Draws, deadlines, releases and dues of the market."""
    clients, sending = audit_clients(network), sending_with(open_sender)
    return ComputeJobs(ComputeParts(clients, ChainAudits(clients), sender_address, sending))


def market_jobs(network: Network, sender_address: Address, open_sender: OpenSender) -> MarketJobs:
    """Awards, milestones, juries of bought work."""
    sending = sending_with(open_sender)
    return MarketJobs(MarketParts(network.jobs, audit_clients(network), sender_address, sending))


def attestation_jobs(
    network: Network, sender_address: Address, open_sender: OpenSender
) -> AttestationJobs:
    """Draws of relayers, and demands for evidence that nobody answered."""
    clients = court_clients(network)
    demands, sending = ChainDemands(clients), sending_with(open_sender)
    return AttestationJobs(AttestationParts(clients.relay, demands, sender_address, sending))


def agent_jobs(network: Network, sender_address: Address, open_sender: OpenSender) -> AgentJobs:
    """Sales, rentals and clones of agents that time or a proof has decided."""
    return AgentJobs(
        AgentParts(
            node=network.node,
            sales=chain_sales(network),
            leases=chain_leases(network),
            findings=chain_findings(network),
            sender_address=sender_address,
            sending=sending_with(open_sender),
        )
    )


def sending_with(open_sender: OpenSender) -> Sending:
    def sending(act: Callable[[TransactionSender], Outcome]) -> Outcome:
        with open_sender() as sender:
            return act(sender)

    return sending
