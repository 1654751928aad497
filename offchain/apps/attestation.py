"""Attestation of a network, as relayers, subjects and the worker of a home read it.

<home>/devnet/tee/   the software vendor of a devnet: its root is what makes evidence simulated
"""

from functools import cache
from pathlib import Path
from typing import Final

from offchain.agents.delivery import oracle_service
from offchain.agents.onchain_verifier import EndpointAnnounced
from offchain.agents.oracle_words import oracle_subject
from offchain.apps.home import Home, project_root
from offchain.apps.keystore import devnet_account
from offchain.apps.network import SETTLED_DEPTH, Network, open_sender
from offchain.attestation.adapters.chain_court import CourtClients
from offchain.attestation.adapters.chain_policy import PolicyJudge
from offchain.attestation.adapters.chain_relay import ChainRelay, RelayClients
from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_tee import (
    OS_IMAGE,
    SoftwareTee,
    TdPlan,
    compose_of_source,
    create_vendor_folder,
    open_vendor_folder,
    read_root,
)
from offchain.attestation.compose import compose_hash
from offchain.attestation.model import MeasurementClass, TcbStatus
from offchain.attestation.onchain_registry import Measurement
from offchain.attestation.policy import Policy
from offchain.attestation.relay_ports import SubjectPlace
from offchain.attestation.report_data import REPORT_DATA_BYTES, Domain
from offchain.chain.due import execute_due
from offchain.chain.followed import Followed
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.chain.model import Block, TypedCall
from offchain.compute.model import ServiceState
from offchain.core.units import DAY
from offchain.staking.frozen_tree import TreeSources

BROKER: Final = "broker"
ORACLE: Final = "oracle"  # measured apart: what may deliver keys of agents
CLASSES: Final = {BROKER: MeasurementClass.BROKER, ORACLE: MeasurementClass.ORACLE}
LISTED_SECONDS: Final = 3_650 * DAY  # of measured code on a devnet
SOURCE: Final = "offchain"  # what runs in the enclave, in the checkout


def tee_folder(home: Home) -> Path:
    """Where a devnet's software vendor lies."""
    return home.devnet / "tee"


def relay_clients(network: Network) -> RelayClients:
    """The contracts that relaying touches."""
    first = network.deployments.first_block()
    return RelayClients(
        node=network.node,
        registry=network.attestations,
        beacon=network.beacon,
        tree=TreeSources(network.node, network.registry, network.stake, first),
        domain=Domain(network.chain_id, network.attestations.address),
        depth=SETTLED_DEPTH,
    )


def court_clients(network: Network) -> CourtClients:
    """What makes relayers answer for a verdict."""
    return CourtClients(relay_clients(network), network.false_verdicts, network.evidence_demands)


def chain_relay(network: Network) -> ChainRelay:
    """Who sits, which services and oracles there are, what is registered."""
    first = network.deployments.first_block()
    announced = Followed(
        network.node,
        network.verifier,
        EndpointAnnounced,
        indexed={},
        first_block=first,
        depth=SETTLED_DEPTH,
    )

    def subjects(block: Block) -> list[SubjectPlace]:
        services = [
            SubjectPlace(one.id, one.signer, one.provider, one.endpoint)
            for one in network.services.services(at=block.hash)
            if one.state is ServiceState.ACTIVE
        ]
        told = {one.operator_id: one.endpoint for one in announced.upto(block)}
        oracles = [
            SubjectPlace(oracle_service(operator), b"", oracle_subject(operator), endpoint)
            for operator, endpoint in told.items()
            if endpoint
        ]
        return services + oracles

    return ChainRelay(relay_clients(network), subjects)


def relay_judge(network: Network, home: Home) -> PolicyJudge:
    """The production policy; on a devnet that has a software vendor, its root is known too."""
    libraries = [DcapQvl()]
    folder = tee_folder(home)
    if network.chain_id in DEVNET_CHAIN_IDS and (folder / "root.der").exists():
        libraries.append(DcapQvl(read_root(folder)))
    return PolicyJudge(network.attestations, libraries, Policy(measurements=()))


@cache
def measured_compose(name: str) -> str:
    """What a process is measured as: the source that it runs, read once."""
    return compose_of_source(name, [project_root() / SOURCE])


def has_software_tee(network: Network, home: Home) -> bool:
    """Whether a process of this home can run in the devnet's software TEE."""
    return network.chain_id in DEVNET_CHAIN_IDS and (tee_folder(home) / "vendor.json").exists()


def open_enclave(network: Network, home: Home, name: str = BROKER) -> SoftwareTee:
    """The simulated machine that this process runs in. Raises: VendorFileBroken."""
    vendor = open_vendor_folder(tee_folder(home), chain_id=network.chain_id)
    started = network.node.block().timestamp
    return SoftwareTee(vendor, TdPlan(compose=measured_compose(name)), started)


def admit_code(network: Network, home: Home) -> bytes:
    """Devnet only: make the software vendor, and list what the source measures as now, as broker
    and as oracle; the broker's id.
    """
    block = network.node.block()
    measured_compose.cache_clear()
    vendor = create_vendor_folder(tee_folder(home), chain_id=network.chain_id, now=block.timestamp)
    calls = {}
    for name in CLASSES:
        machine = SoftwareTee(vendor, TdPlan(compose=measured_compose(name)), block.timestamp)
        known = network.attestations.measurement(machine.measurement_id, at=block.hash)
        if not known.valid_until or known.delisted_at:
            key = f"attestation.list:{machine.measurement_id.hex()}:{block.number}"
            calls[key] = _listing(network, machine, CLASSES[name], block)
        if name == BROKER:
            broker = machine.measurement_id
    if calls:
        with open_sender(network, home, "faucet", devnet_account(0)) as governance:
            for key, call in calls.items():
                execute_due(governance, call, key=key)
    return broker


def _listing(
    network: Network, machine: SoftwareTee, kind: MeasurementClass, block: Block
) -> TypedCall:
    body, plan = machine.body(bytes(REPORT_DATA_BYTES)), machine.plan
    entry = Measurement(
        measurement_id=machine.measurement_id,
        os_image=OS_IMAGE,
        compose_hash=compose_hash(plan.compose),
        measurement_class=int(kind),
        td_attributes=plan.td_attributes.to_bytes(8, "little"),
        xfam=plan.xfam.to_bytes(8, "little"),
        max_status=int(TcbStatus.UP_TO_DATE),
        needs_gpu=False,
        valid_until=block.timestamp + LISTED_SECONDS,
        listed_at=block.timestamp,
        delisted_at=0,
    )
    registers = b"".join((body.mr_td, *body.rtmrs[:3]))
    return network.attestations.list_measurement(entry, registers)
