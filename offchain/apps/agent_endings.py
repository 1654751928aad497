"""Sales, rentals, clones and false deliveries of a network that wait for somebody to end them."""

from offchain.agents.adapters.chain_findings import ChainFindings, FindingClients
from offchain.agents.adapters.chain_leases import ChainLeases, LeaseClients
from offchain.agents.adapters.chain_sales import ChainSales, SaleClients
from offchain.apps.network import SETTLED_DEPTH, Network


def chain_sales(network: Network) -> ChainSales:
    """Sales, read by one thread."""
    first = network.deployments.first_block()
    clients = SaleClients(network.node, network.agent_market, network.agents, first, SETTLED_DEPTH)
    return ChainSales(clients)


def chain_leases(network: Network) -> ChainLeases:
    """Rentals and orders of clones, read by one thread."""
    first = network.deployments.first_block()
    clients = LeaseClients(network.node, network.agent_leases, network.agents, first, SETTLED_DEPTH)
    return ChainLeases(clients)


def chain_findings(network: Network) -> ChainFindings:
    """False deliveries, read by one thread."""
    first = network.deployments.first_block()
    return ChainFindings(FindingClients(network.node, network.verifier, first, SETTLED_DEPTH))
