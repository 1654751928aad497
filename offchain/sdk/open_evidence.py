"""What a program checks evidence with: the chain's registry, and the roots that it trusts."""

from pathlib import Path

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.onchain_registry import AttestationRegistryClient
from offchain.chain.deployments import Deployments
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.chain.ports import ChainReader
from offchain.compute.adapters.chain_evidence import ChainEvidence
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.ports import ServiceLedger
from offchain.compute.private_source import KeySource
from offchain.compute.trust import Rules
from offchain.compute.trust_source import TrustSource


def open_evidence(deployments: Deployments, node: ChainReader) -> ChainEvidence | None:
    """None on a network without a registry of attestations."""
    if AttestationRegistryClient.contract not in deployments.contracts:
        return None
    registry = AttestationRegistryClient(deployments, node)
    return ChainEvidence(registry, node, deployments.first_block())


def rules_of(chain_id: int, simulated_root: Path | None) -> Rules:
    """The vendor's root; on a local chain the root of its software TEE too, when it is there."""
    is_local = chain_id in DEVNET_CHAIN_IDS
    if not is_local or simulated_root is None or not simulated_root.exists():
        return Rules((DcapQvl(),))
    root = DcapQvl(simulated_root.read_bytes())
    return Rules((DcapQvl(), root), allow_simulated=True)


def open_sources(
    services: ServiceLedger, evidence: ChainEvidence, client: HttpProviderClient, rules: Rules
) -> tuple[KeySource, TrustSource]:
    """Where keys to seal to come from, and what answers are trusted by."""
    keys = KeySource(services, evidence, client)
    return keys, TrustSource(services, evidence, client, rules)
