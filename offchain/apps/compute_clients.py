"""The compute market of a network, as provider, gateway, auditor and worker read it."""

from offchain.apps.network import SETTLED_DEPTH, Network
from offchain.chain.model import BlockRef, parse_address
from offchain.compute.adapters.chain_audits import AuditClients, ChainAudits
from offchain.compute.adapters.chain_escrow import ChainEscrow, EscrowClients
from offchain.compute.adapters.chain_evidence import ChainEvidence
from offchain.staking.frozen_tree import TreeSources


def escrow_clients(network: Network) -> EscrowClients:
    """Services, money, and whose operator an address is."""

    def operator_of(address: bytes, at: BlockRef) -> int:
        return network.stake.operator_of(parse_address(address), at=at)

    return EscrowClients(network.node, network.services, network.escrow, operator_of)


def chain_escrow(network: Network) -> ChainEscrow:
    """Buckets, batches, vouchers."""
    return ChainEscrow(escrow_clients(network))


def chain_evidence(network: Network) -> ChainEvidence:
    """What stands behind a signer in a TEE."""
    first = network.deployments.first_block()
    return ChainEvidence(network.attestations, network.node, first)


def audit_clients(network: Network) -> AuditClients:
    """The contracts that audits touch."""
    first = network.deployments.first_block()
    return AuditClients(
        node=network.node,
        court=network.audits,
        escrow=network.escrow,
        registry=network.services,
        beacon=network.beacon,
        tree=TreeSources(network.node, network.registry, network.stake, first),
        depth=SETTLED_DEPTH,
    )


def chain_audits(network: Network) -> ChainAudits:
    """What is open, and who is to be drawn."""
    return ChainAudits(audit_clients(network))
