"""`apogee agent ...` typed by people of the world of traders: parsed, signed and told for real.

Only what lies outside of the chain is the world's: storage, the oracles' answers, who they are.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from eth_keyfile.keyfile import create_keyfile_json

from offchain.agents.adapters.memory_oracle import MemoryOracles
from offchain.apps import agent, agent_home, agent_quote, stake
from offchain.apps.agent_home import Outside
from offchain.apps.cli import main
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network
from offchain.chain.contract import ContractClient
from offchain.chain.deployments import Deployment
from offchain.chain.node import Node
from tests.support.trade_gates import GatedTransport
from tests.support.trade_world import SurroundingsClient, TradeWorld


@dataclass
class Screen:
    """What one command left: its exit code, what it printed, what it told beside it."""

    code: int
    out: str
    told: str

    @property
    def value(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, Any]:
        found = self.value["error"]
        assert isinstance(found, dict)
        return found


@dataclass
class Desk:
    """One home in which everybody of the world is a role."""

    world: TradeWorld
    home: Home
    capsys: pytest.CaptureFixture[str]

    def type(self, name: str, *words: object) -> Screen:
        """A command of `apogee agent` for people, as this role."""
        self.capsys.readouterr()
        flags = ("--as", name, "--home", str(self.home.root))
        code = main(["agent", *map(str, words), *flags])
        read = self.capsys.readouterr()
        return Screen(code, read.out, read.err)

    def __call__(self, name: str, *words: object, code: int = 0) -> dict[str, Any]:
        """A command for programs, agreed to; its one object."""
        screen = self.type(name, *words, "--json", "--yes")
        assert code == screen.code, screen.told
        return screen.value

    def ask(self, name: str, *words: object, code: int = 0) -> dict[str, Any]:
        """A command that signs nothing."""
        screen = self.type(name, *words, "--json")
        assert code == screen.code, screen.told
        return screen.value

    def refused(self, name: str, *words: object, code: int) -> dict[str, Any]:
        """The error of a command that is refused."""
        found = self(name, *words, code=code)["error"]
        assert isinstance(found, dict)
        return found


def a_desk(
    world: TradeWorld,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    patch: pytest.MonkeyPatch,
) -> Desk:
    """A home over the world; its wallets are the world's people's."""
    home = Home.at(folder)
    _give_keys(home, world)
    network = _network(world)
    patch.setattr(stake, "network_of", lambda _home, _url: network)
    patch.setattr(agent_home, "open_outside", lambda _home, _network: _outside(world))
    for module in (agent, agent_quote):
        patch.setattr(module, "chain_oracles", lambda _network: world.ledger)
    return Desk(world, home, capsys)


@asynccontextmanager
async def _outside(world: TradeWorld) -> AsyncIterator[Outside]:
    oracles = MemoryOracles(world.oracles, world.silent)
    yield Outside(world.files(world["stranger"].gate), oracles, world.ledger.standing)


def _give_keys(home: Home, world: TradeWorld) -> None:
    """Every person is a role."""
    store = Keystore(home.keys)
    store.account("faucet-keeper")  # makes the passphrase
    passphrase = (home.keys / "passphrase").read_text().strip()
    for name, one in world.people.items():
        wrapped = create_keyfile_json(one.secret, passphrase, kdf="scrypt", iterations=2)
        (home.keys / f"{name}.json").write_text(json.dumps(wrapped))


def _network(world: TradeWorld) -> Network:
    """Every client; what the world does not have is its twin, which answers for it."""
    twin = world.deployments.of(SurroundingsClient.contract)
    node = Node(GatedTransport(world.transport, world["stranger"].gate))
    kinds = dict(_clients())
    missing = [
        Deployment(kind.contract, twin.address, twin.block_number, None, (), "", "")  # type: ignore[arg-type]  # it has no transaction of its own
        for kind in kinds.values()
        if kind.contract not in world.deployments.contracts
    ]
    found = world.deployments.including(*missing)
    clients = {name: kind(found, node) for name, kind in kinds.items()}
    return Network(node=node, deployments=found, **clients)  # type: ignore[arg-type]  # by their names


def _clients() -> Iterator[tuple[str, type[ContractClient]]]:
    for name, kind in get_type_hints(Network).items():
        if isinstance(kind, type) and issubclass(kind, ContractClient):
            yield name, kind
