"""A home: the folder in which one Apogee keeps everything, and the ports it uses.

  home.json             ports, chain id, backend        written once, kept over restarts
  supervisor.lock       held while `up` runs; pid and start time of its owner
  run/<process>.json    pid and start time of each running process
  logs/<process>.log    what each process printed
  devnet/               chain state          deployments/  addresses
  keys/                 operators' keys      nodes/<n>/    rows of one da-node
  storage/<n>/          shards of one storage-node
  disperser/            journal, uploads     jobs/         queues of the embedded broker
  gateway/              answers kept         connection.json  where programs find all this
  relayers/<role>/      verdicts given, and the evidence they rest on

Source: docs/how-to/run-apogee-locally.md.
"""

import socket
from dataclasses import dataclass
from pathlib import Path

from offchain.apps.files import FileUnreadable, read_json, write_json
from offchain.chain.devnet.ports import free_ports
from offchain.core.errors import Unavailable

LOOPBACK = "127.0.0.1"
MANIFEST_VERSION = 1
NETWORK = "devnet"
GATEWAY = "gateway"
AUDITOR = "auditor"
RELAYER = "relayer"


class NoFreePort(Unavailable):
    """A port this home has published is used by another program."""

    code = "home.port_taken"
    next_step = "Stop the program on that port (`ss -ltnp`), or start with another --home."


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one Apogee; every path inside it is named here once."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> "Home":
        return cls(root.expanduser().resolve())

    @property
    def manifest(self) -> Path:
        return self.root / "home.json"

    @property
    def lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def deployments(self) -> Path:
        return self.root / "deployments"

    @property
    def devnet(self) -> Path:
        return self.root / "devnet"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def disperser(self) -> Path:
        return self.root / "disperser"

    @property
    def dispersals(self) -> Path:
        return self.disperser / "dispersals"

    @property
    def uploads(self) -> Path:
        return self.disperser / "uploads"

    @property
    def gateway(self) -> Path:
        return self.root / "gateway"

    @property
    def connection(self) -> Path:
        return self.root / "connection.json"

    def node(self, index: int) -> Path:
        return self.root / "nodes" / str(index)

    def storage_node(self, index: int) -> Path:
        return self.root / "storage" / str(index)

    def log(self, process: str) -> Path:
        return self.root / "logs" / f"{process}.log"

    def pid_file(self, process: str) -> Path:
        return self.root / "run" / f"{process}.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a home remembers of itself between two starts."""

    chain_id: int
    backend: str  # anvil or pyevm, as resolved at the first start
    nodes: int
    ports: dict[str, int]  # process name -> port on loopback

    def url(self, process: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[process]}"

    def save(self, home: Home) -> None:
        write_json(
            home.manifest,
            {
                "version": MANIFEST_VERSION,
                "chain_id": self.chain_id,
                "backend": self.backend,
                "nodes": self.nodes,
                "ports": self.ports,
            },
        )

    @classmethod
    def load(cls, home: Home) -> "Manifest":
        """Raises: FileMissing before the first `up`, FileUnreadable when it makes no sense."""
        value = read_json(home.manifest)
        ports = value.get("ports")
        if value.get("version") != MANIFEST_VERSION or not isinstance(ports, dict):
            raise FileUnreadable(path=home.manifest, reason="written by another version")
        numbers = [value.get("chain_id"), value.get("nodes"), *ports.values()]
        if not all(isinstance(number, int) for number in numbers):
            raise FileUnreadable(path=home.manifest, reason="a number is missing")
        return cls(
            chain_id=int(str(value["chain_id"])),
            backend=str(value.get("backend")),
            nodes=int(str(value["nodes"])),
            ports={str(name): int(port) for name, port in ports.items()},
        )


def project_root() -> Path:
    """The checkout this package runs from."""
    return Path(__file__).resolve().parents[2]


def project_tools() -> Path:
    """Where programs brought by npm are kept, shared by every home of this checkout."""
    return project_root() / ".tools"


def process_names(nodes: int) -> list[str]:
    """Every process of a home that has an HTTP face."""
    numbers = range(nodes)
    da_nodes, storage_nodes = map(node_name, numbers), map(storage_node_name, numbers)
    return ["devnet", *da_nodes, *storage_nodes, GATEWAY, RELAYER]


def node_name(index: int) -> str:
    return f"da-node-{index}"


def storage_node_name(index: int) -> str:
    return f"storage-node-{index}"


def choose_ports(names: list[str]) -> dict[str, int]:
    """A free loopback port for each name, all different."""
    return dict(zip(names, free_ports(len(names)), strict=True))


def is_port_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def auditor_heartbeat(home: Home) -> Path:
    """Touched while the auditor works."""
    return home.root / "auditors" / "heartbeat"
