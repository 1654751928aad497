"""A home whose contracts stand on a devnet of its own, and the worker process that serves it.

Everything is the production path: ape deploys, `Enrolment` stakes, `apogee worker` works. No node
answers at the endpoints, so what is paid for stays unconfirmed.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from offchain.apps.beacon import serve_beacon
from offchain.apps.devnet_time import enter_epoch, first_open_epoch, travel_to
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, connect, deployment_file, open_sender
from offchain.apps.operators import Enrolment, Operator, operators_of
from offchain.apps.rpc_probe import RpcProbe
from offchain.apps.worker import WORKER_ROLE, build_work
from offchain.chain.model import Address, Receipt, TypedCall
from offchain.jobs.work import Work
from tests.support.apogee_command import start_apogee
from tests.support.deployed_chain import BACKEND, DeployedChain
from tests.support.devnet_process import DevnetProcess, running_devnet


@dataclass
class JobHome:
    """One home on a devnet; several homes may share it."""

    home: Home
    url: str
    devnet: DevnetProcess
    works: int = 0

    @cached_property
    def network(self) -> Network:
        return connect(self.url, deployment_file(self.home.deployments))

    def close(self) -> None:
        self.network.node.close()

    @property
    def rpc(self) -> RpcProbe:
        return RpcProbe(self.url)

    def now(self) -> int:
        return self.network.node.block().timestamp

    def travel(self, seconds: int) -> None:
        travel_to(self.rpc, self.now() + seconds)

    def enter(self, epoch: int) -> None:
        enter_epoch(self.network, self.rpc, epoch)

    def enter_first_open(self) -> int:
        epoch = first_open_epoch(self.network)
        self.enter(epoch)
        return epoch

    def to_window(self) -> int:
        """Go to where the coming epoch's seats may be contributed; that epoch."""
        network = self.network
        at = network.node.block().hash
        epoch = network.stake.current_epoch(at=at) + 1
        travel_to(self.rpc, network.stake.epoch_cutoff(epoch, at=at))
        return epoch

    def enrol(self, ports: list[int]) -> dict[str, int]:
        """Operators with a node at each port, and the disperser; ids by role."""
        operators = self.operators(ports)
        enrolment = Enrolment(self.network, self.home)
        enrolment.fund([one.account for one in operators])
        return enrolment.enrol(operators, print)

    def operators(self, ports: list[int]) -> list[Operator]:
        return operators_of(self.home, [f"http://127.0.0.1:{port}" for port in ports])

    def account(self, role: str) -> Address:
        return address_of(Keystore(self.home.keys).account(role))

    def send(self, role: str, call: TypedCall, key: str) -> Receipt:
        account = Keystore(self.home.keys).account(role)
        with open_sender(self.network, self.home, role, account) as sender:
            return sender.execute(call, key=key)

    def settle(self, role: str) -> None:
        """Let a role's sender see what is deep enough to be settled."""
        account = Keystore(self.home.keys).account(role)
        with open_sender(self.network, self.home, role, account) as sender:
            sender.maintain()

    def work(self) -> Work:
        """The worker's jobs, in this process: what it would find, what it would do."""
        Enrolment(self.network, self.home).fund([Keystore(self.home.keys).account(WORKER_ROLE)])
        self.works += 1  # each reads the events from the start, beside the worker's own place
        watch = self.home.root / "watches" / str(self.works)
        return build_work(self.network, self.home, watch=watch)

    def contribute(self, epoch: int) -> str:
        """Contribute own seats in this process; the outcome."""
        account = Keystore(self.home.keys).account(WORKER_ROLE)
        Enrolment(self.network, self.home).fund([account])
        with open_sender(self.network, self.home, WORKER_ROLE, account) as sender:
            served = serve_beacon(self.network, self.home, sender.account)
            return served.contribute(epoch, sender).value

    def worker_transactions(self) -> int:
        network = self.network
        return network.node.nonce(self.account(WORKER_ROLE), at=network.node.block().hash)

    @contextmanager
    def worker(self) -> "Iterator[subprocess.Popen[bytes]]":
        """A real `apogee worker` over this home, killed at the end."""
        process = start_apogee(
            *("worker", "--home", str(self.home.root), "--rpc-url", self.url),
            log=self.home.root / "worker.log",
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def log(self) -> str:
        path = self.home.root / "worker.log"
        return path.read_text() if path.exists() else ""


@contextmanager
def a_job_home(folder: Path, chain: DeployedChain) -> Iterator[JobHome]:
    """A devnet with contracts and a home without operators."""
    home = Home.at(folder / "home")
    chain.copy_state(folder / "chain")
    chain.copy_addresses(home)
    with running_devnet(BACKEND, folder / "chain", heartbeat_seconds=1.0) as devnet:
        place = JobHome(home, devnet.url, devnet)
        yield place
        place.close()


def another_home(first: JobHome, folder: Path) -> JobHome:
    """A second home on the same chain, with keys of its own."""
    home = Home.at(folder)
    home.deployments.mkdir(parents=True)
    file = deployment_file(home.deployments)
    file.write_bytes(deployment_file(first.home.deployments).read_bytes())
    return JobHome(home, first.url, first.devnet)
