"""A home with storage nodes that is up in the background, and what tests ask and do in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from offchain.apps.home import Home, Manifest
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, connect, deployment_file, open_sender
from offchain.apps.operators import node_role
from offchain.apps.rpc_probe import RpcProbe
from offchain.apps.storage_chores import storage_ledger
from offchain.chain.model import Receipt, TypedCall
from offchain.storage.adapters.chain_ledger import ChainStorageLedger
from offchain.storage.model import profile_named
from offchain.storage.ports import GroupView
from tests.support.apogee_command import run_apogee
from tests.support.deployed_chain import BACKEND, DeployedChain
from tests.support.epochs import enter_served_epoch
from tests.support.waiting import wait_until

PATIENCE_SECONDS = 600


@dataclass
class StoredHome:
    """One home; operators are named by the number of their node."""

    home: Home
    sent: int = field(default=0)

    @cached_property
    def network(self) -> Network:
        return connect(self.manifest.url("devnet"), deployment_file(self.home.deployments))

    @property
    def manifest(self) -> Manifest:
        return Manifest.load(self.home)

    @property
    def rpc(self) -> RpcProbe:
        return RpcProbe(self.manifest.url("devnet"))

    @cached_property
    def ledger(self) -> ChainStorageLedger:
        return storage_ledger(self.network)

    def group(self, profile: str) -> GroupView:
        """The open group of a profile; waits until one is drawn."""
        number = profile_named(profile).number
        market = self.network.market

        def listed() -> tuple[int, ...]:
            return market.listed_groups(number, at=self.network.node.block().hash)

        wait_until(lambda: bool(listed()), seconds=PATIENCE_SECONDS, what="an open group")
        return self.ledger.group(listed()[0], at=self.network.node.block().hash)

    def node_of(self, operator: int) -> int:
        """Which node an operator runs."""
        at = self.network.node.block().hash
        for index in range(self.manifest.nodes):
            account = Keystore(self.home.keys).account(node_role(index))
            if self.network.stake.operator_of(address_of(account), at=at) == operator:
                return index
        raise AssertionError(operator)

    def send(self, operator: int, call: TypedCall) -> Receipt:
        """Send with an operator's account, beside its node."""
        role = node_role(self.node_of(operator))
        account = Keystore(self.home.keys).account(role)
        self.sent += 1
        with open_sender(self.network, self.home, role, account) as sender:
            return sender.execute(call, key=f"test:{self.sent}")

    def next_epoch(self) -> int:
        """Enter the coming epoch once the worker has contributed all its seats."""
        return enter_served_epoch(self.network, self.rpc, seconds=PATIENCE_SECONDS)

    def put(self, path: Path, content: bytes, profile: str) -> str:
        """Store bytes, sealed; the id."""
        path.write_bytes(content)
        told = run_apogee(
            *("storage", "put", str(path), "--profile", profile, "--term", "1d"),
            *("--home", str(self.home.root), "--json"),
        ).json()
        assert told["state"] == "STORED"
        return str(told["id"])

    def get(self, file_id: str, path: Path) -> bytes:
        run_apogee(
            *("storage", "get", file_id, "-o", str(path), "--home", str(self.home.root), "--json")
        )
        return path.read_bytes()


@contextmanager
def a_stored_home(folder: Path, chain: DeployedChain, *, nodes: int) -> Iterator[StoredHome]:
    """`apogee up` in the background over a copied chain, taken down at the end."""
    home = Home.at(folder / "apogee")
    chain.copy_to(home)
    run_apogee(
        *("up", "--home", str(home.root), "--backend", BACKEND, "--nodes", str(nodes)),
        *("--detach", "--json"),
        seconds=1_200,
    )
    place = StoredHome(home)
    try:
        yield place
    finally:
        run_apogee("down", "--home", str(home.root), code=None)
        if "network" in place.__dict__:
            place.network.node.close()
