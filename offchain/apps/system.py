"""The whole of Apogee on one machine, step by step: chain, contracts, operators, nodes, worker.

`apogee up` and `apogee demo` are these steps with another ending. Every step looks at what is there
and continues; the caller's thread owns all processes.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from offchain.apps.attestation import admit_code
from offchain.apps.beacon import serve_beacon
from offchain.apps.compilation import Compilation
from offchain.apps.deploy import deploy_contracts
from offchain.apps.devnet import resolve_backend
from offchain.apps.devnet_time import enter_epoch, first_open_epoch, travel_to
from offchain.apps.home import (
    AUDITOR,
    GATEWAY,
    LOOPBACK,
    NETWORK,
    RELAYER,
    Home,
    Manifest,
    choose_ports,
    node_name,
    process_names,
    project_tools,
    storage_node_name,
)
from offchain.apps.lifecycle import health_of, heartbeat_of
from offchain.apps.network import Network, connect, deployment_file, draw_parts, open_sender
from offchain.apps.nursery import Nursery, Preparation, can_fork
from offchain.apps.operators import Enrolment, Operator, operators_of
from offchain.apps.processes import (
    Health,
    ProcessSpec,
    http_health,
    own_command,
)
from offchain.apps.provider_home import ProviderFile, ProviderPlace
from offchain.apps.rpc_probe import RpcProbe
from offchain.apps.settings import UpSettings
from offchain.apps.storage_jobs import (
    count_keepers,
    profiles_for,
    serve_groups,
    waiting_groups,
)
from offchain.apps.supervisor import Supervisor
from offchain.chain.deployments import verify_deployments
from offchain.chain.event_ranges import events_between
from offchain.chain.sender import TransactionSender
from offchain.jobs.draw import DrawTable
from offchain.staking.beacon import SEATS
from offchain.staking.court_events import Contributed
from offchain.storage.model import PROFILES

DEVNET_CHAIN_ID: Final = 31_337
START_SECONDS: Final = 300.0


class System:
    """One home being brought up."""

    def __init__(
        self,
        home: Home,
        settings: UpSettings,
        supervisor: Supervisor,
        *,
        tell: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self.home = home
        self.settings = settings
        self.supervisor = supervisor
        self.manifest = self._load_or_make_manifest()
        self._tell = tell
        self._stop = stop

    @property
    def rpc(self) -> RpcProbe:
        return RpcProbe(self.manifest.url("devnet"))

    def network(self) -> Network:
        return connect(self.manifest.url("devnet"), deployment_file(self.home.deployments))

    def start_chain(self) -> str:
        """Start the devnet; which backend it runs."""
        backend = resolve_backend(project_tools(), self.home.devnet, self.settings.backend)
        self.manifest = replace(self.manifest, backend=backend)
        self.manifest.save(self.home)
        port = str(self.manifest.ports["devnet"])
        command = own_command(
            "devnet", "--home", str(self.home.root), "--backend", backend, "--port", port
        )
        self._start("devnet", command)
        self.supervisor.wait_healthy(["devnet"], self._stop)
        return backend

    def deploy(self) -> bool:
        """Deploy with ape unless this home's contracts are on its chain; whether it did."""
        file = deployment_file(self.home.deployments)
        if file.exists():
            network = self.network()
            at = network.node.block().hash
            verify_deployments(network.deployments, network.node, at=at)
            return False
        deploy_contracts(
            self.manifest.url("devnet"),
            self.home.deployments,
            name=NETWORK,
            divisor=self.settings.divisor,
            say=self._tell,
        )
        return True

    def operators(self, *, keeps: bool = False) -> list[Operator]:
        """The home's operators; `keeps`: they have storage nodes too."""
        nodes, url = range(self.manifest.nodes), self.manifest.url
        storage = [url(storage_node_name(index)) for index in nodes] if keeps else []
        return operators_of(self.home, [url(node_name(index)) for index in nodes], storage)

    def enrol(self, *, keeps: bool = False) -> dict[str, int]:
        """Fund, register, stake and join every operator; ids by role."""
        operators = self.operators(keeps=keeps)
        enrolment = Enrolment(self.network(), self.home)
        enrolment.fund([one.account for one in operators])
        return enrolment.enrol(operators, self._tell)

    def open_table(self) -> int:
        """Be in an epoch that has a table; the clock moves only where no beacon was ever served.

        Members weigh something from the coming epoch on, so the first epoch whose seats they hold
        is the one after it. Both are entered, and its seats contributed, before the first table.
        """
        network, operator = self.network(), self.operators()[0]
        is_new = not _was_served(network)  # on a slow machine members may weigh something already
        with open_sender(network, self.home, operator.role, operator.account) as sender:
            if is_new:
                self._enter(network, first_open_epoch(network))
                self._request_groups(network, sender)
                self._enter_served(network, sender)
            table = DrawTable(draw_parts(network, sender))
            epoch = table.current_epoch()
            table.draw(epoch)
        return epoch

    def open_groups(self) -> dict[str, int]:
        """Have groups of storage drawn; the open ones by their profile's name."""
        network, operator = self.network(), self.operators()[0]
        with open_sender(network, self.home, operator.role, operator.account) as sender:
            groups = serve_groups(network, sender.account)
            for number in waiting_groups(network):
                groups.draw(number, sender)
        at = network.node.block().hash
        found = {}
        for profile in PROFILES:
            listed = network.market.listed_groups(profile.number, at=at)
            if listed:
                found[profile.name] = listed[0]
        return found

    def _request_groups(self, network: Network, sender: TransactionSender) -> None:
        """Ask for a group of every profile that there are operators for."""
        block = network.node.block()
        epoch = network.stake.current_epoch(at=block.hash)
        groups = serve_groups(network, sender.account)
        for profile in profiles_for(count_keepers(network, epoch, block)):
            groups.request(profile, sender)

    def seats(self, epoch: int) -> int:
        """How many of the beacon's seats contributed to an epoch."""
        network = self.network()
        at = network.node.block().hash
        return network.beacon.seats_of(epoch, at=at).bit_count()

    def _enter(self, network: Network, epoch: int) -> None:
        moved = enter_epoch(network, self.rpc, epoch)
        self._tell(f"moved the devnet's clock {moved} s forward to epoch {epoch}")

    def _enter_served(self, network: Network, sender: TransactionSender) -> None:
        """Contribute the seats of the coming epoch in its window, then enter it."""
        at = network.node.block().hash
        epoch = network.stake.current_epoch(at=at) + 1
        travel_to(self.rpc, network.stake.epoch_cutoff(epoch, at=at))
        outcome = serve_beacon(network, self.home, sender.account).contribute(epoch, sender)
        at = network.node.block().hash
        seats = network.beacon.seats_of(epoch, at=at).bit_count()
        self._tell(f"beacon: {seats} of {SEATS} seats of epoch {epoch}, {outcome.value}")
        self._enter(network, epoch)

    def compile_kernels(self) -> Preparation:
        """Begin to compile the erasure kernels once, beside other steps, for every node.

        Where processes can be forked, the one that does it is the one they are forked from.
        """
        log = self.home.log("kernels")
        if not can_fork():
            return Compilation(log)
        nursery = Nursery(self.home.root, log)
        self.supervisor.attach(nursery)
        return nursery

    def launch_nodes(self) -> None:
        """Start every node; each waits until its operator is registered."""
        for index in range(self.manifest.nodes):
            self.launch_node(index)

    def launch_node(self, index: int, *flags: str) -> None:
        """Start one node, with flags of its own."""
        place = ("--home", str(self.home.root), "--index", str(index))
        self._start(node_name(index), own_command("da-node", *place, *flags))

    def wait_nodes(self) -> None:
        names = [node_name(index) for index in range(self.manifest.nodes)]
        self.supervisor.wait_healthy(names, self._stop)

    def launch_storage_nodes(self, *flags: str) -> None:
        """Start every storage node; each waits until its operator is registered."""
        for index in range(self.manifest.nodes):
            self.launch_storage_node(index, *flags)

    def launch_storage_node(self, index: int, *flags: str) -> None:
        """Start one storage node, with flags of its own."""
        place = ("--home", str(self.home.root), "--index", str(index))
        self._start(storage_node_name(index), own_command("storage-node", *place, *flags))

    def wait_storage_nodes(self) -> None:
        names = [storage_node_name(index) for index in range(self.manifest.nodes)]
        self.supervisor.wait_healthy(names, self._stop)

    def start_worker(self) -> None:
        self._start("worker", own_command("worker", "--home", str(self.home.root)))
        self.supervisor.wait_healthy(["worker"], self._stop)

    def start_gateway(self) -> None:
        self._start(GATEWAY, own_command(GATEWAY, "--home", str(self.home.root)))
        self.supervisor.wait_healthy([GATEWAY], self._stop)

    def launch_provider(self, role: str, *flags: str) -> None:
        """Start a provider that `apogee provider init` brought to serving, its code listed."""
        self.admit_code()
        file = ProviderFile.load(ProviderPlace(self.home, role))
        health = http_health(f"http://{LOOPBACK}:{file.port}/healthz")
        place = ("--home", str(self.home.root), "--as", role)
        self._start(role, own_command("provider", *place, *flags), health)

    def wait_providers(self, roles: tuple[str, ...]) -> None:
        self.supervisor.wait_healthy(list(roles), self._stop)

    def launch_auditor(self) -> None:
        """Start the auditors of every operator with nodes here."""
        self._start(AUDITOR, own_command(AUDITOR, "--home", str(self.home.root)))

    def wait_auditor(self) -> None:
        self.supervisor.wait_healthy([AUDITOR], self._stop)

    def admit_code(self) -> bytes:
        """Make this devnet's software vendor, and list the source as it is; its measurement."""
        return admit_code(self.network(), self.home)

    def launch_relayer(self) -> None:
        """Start the relayers of every operator with nodes here."""
        self._start(RELAYER, own_command(RELAYER, "--home", str(self.home.root)))

    def wait_relayer(self) -> None:
        self.supervisor.wait_healthy([RELAYER], self._stop)

    def _start(self, name: str, argv: tuple[str, ...], health: Health | None = None) -> None:
        spec = ProcessSpec(
            name=name,
            argv=argv,
            log=self.home.log(name),
            pid_file=self.home.pid_file(name),
            health=health or health_of(self.home, self.manifest, name),
            start_seconds=START_SECONDS,
            heartbeat=heartbeat_of(self.home, name),
        )
        self.supervisor.start([spec])

    def _load_or_make_manifest(self) -> Manifest:
        if self.home.manifest.exists():
            return self._with_every_port(Manifest.load(self.home))
        nodes = self.settings.nodes
        manifest = Manifest(
            DEVNET_CHAIN_ID, self.settings.backend, nodes, choose_ports(process_names(nodes))
        )
        manifest.save(self.home)
        return manifest

    def _with_every_port(self, manifest: Manifest) -> Manifest:
        """A home that was made when Apogee had fewer processes gets ports for the others."""
        missing = [one for one in process_names(manifest.nodes) if one not in manifest.ports]
        if missing:
            manifest = replace(manifest, ports={**manifest.ports, **choose_ports(missing)})
            manifest.save(self.home)
        return manifest


def _was_served(network: Network) -> bool:
    """Whether anybody ever contributed to the beacon."""
    blocks = (network.deployments.first_block(), network.node.block().number)
    found = events_between(network.node, network.beacon, Contributed, blocks, {})
    return next(found, None) is not None
