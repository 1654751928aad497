"""A seller in a process of his own, to be killed with SIGKILL; the chain and storage are outside.

Usage: trade_process.py SOCKET FOLDER SALE DEADLY. Over the socket it asks for the chain's answers
and for files, as a client of two services would; everything else is its own: the home in FOLDER,
and oracles that die with it. It delivers the sale and kills itself after effect number DEADLY.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Client, Connection
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any, Final

from offchain.agents.adapters.storage_root import storage_engines
from offchain.agents.delivery_ports import BundleFiles
from offchain.chain.deployments import Deployments
from offchain.chain.node import Node
from offchain.chain.ports import Answer, Question
from tests.support.da_encoding import the_engine
from tests.support.trade_deploy import ORACLES, PEOPLE, open_oracle
from tests.support.trade_gates import Gate
from tests.support.trade_world import Person, TradeWorld

KEY: Final = b"a test's own"
SELLER: Final = "seller"


class Outside:
    """What is asked of the test's process: `ask`, `put`, `get`, `root`."""

    def __init__(self, socket: str) -> None:
        self._line: Connection[Any, Any] = Client(socket, authkey=KEY)
        self._turn = Lock()

    def __call__(self, what: str, *arguments: object) -> Any:
        with self._turn:
            self._line.send((what, arguments))
            return self._line.recv()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        found: list[Answer] = self("ask", list(questions))
        return found

    def close(self) -> None:
        self._line.close()


class OutsideFiles:
    """`BundleFiles` of the test's process."""

    def __init__(self, outside: Outside, gate: Gate) -> None:
        self._outside, self._gate = outside, gate

    async def put(self, file: bytes, data_hash: bytes, *, name: str) -> bytes:
        location: bytes = self._outside("put", file, data_hash, name)
        self._gate.passed("stored")
        return location

    async def get(self, location: bytes, data_hash: bytes) -> bytes:
        file: bytes = self._outside("get", location, data_hash)
        return file


class OutsideWorld(TradeWorld):
    """The world as this process reaches it."""

    outside: Outside

    def files(self, gate: Gate) -> BundleFiles:
        return OutsideFiles(self.outside, gate)

    def _is_live(self, location: bytes, *, at: bytes) -> bool:
        del at
        return self.outside("root", location) is not None

    def _file(self, location: bytes, *, at: bytes) -> Any:
        del at
        return SimpleNamespace(root=self.outside("root", location))


def main(socket: str, folder: str, sale: str, deadly: str) -> None:
    outside = Outside(socket)
    node = Node(outside)
    found = Deployments("trade", node.chain_id())
    for one in outside("deployments"):
        found = found.including(one)
    engines = storage_engines(the_engine())
    world = OutsideWorld(outside, node, found, Path(folder), engines)  # type: ignore[arg-type]  # a transport
    world.outside = outside
    for number in range(ORACLES):
        open_oracle(world, number)
    seller = Person(world, SELLER, PEOPLE.index(SELLER))
    seller.gate.set(int(deadly))
    seller.gate.kill = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(seller.sell.hand_over(int(sale)))


if __name__ == "__main__":
    main(*sys.argv[1:])
