"""A seller whose process is killed with SIGKILL: his home, opened again, finishes the delivery."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Listener
from pathlib import Path
from threading import Thread
from typing import Any

from offchain.agents.onchain_market import SaleState
from offchain.chain.model import Address
from tests.support.trade_gates import Gate
from tests.support.trade_process import KEY
from tests.support.trade_world import PRICE, TradeWorld, minted, ordered

ROOT = Path(__file__).resolve().parents[3]
# A package of the same name among the installed ones would win over this folder.
LAUNCH = (
    "import runpy, sys, types; sys.modules['tests'] = types.ModuleType('tests'); "
    "sys.modules['tests'].__path__ = ['tests']; sys.path.insert(0, ''); "
    "runpy.run_path('tests/support/trade_process.py', run_name='__main__')"
)
RECORDED = 17  # the effect after which the transaction lies in the outbox, and nowhere else
SECONDS = 240


@contextmanager
def outside_of(world: TradeWorld, socket: str) -> Iterator[None]:
    """The chain and storage, for one process."""
    files = world.files(Gate())
    listener = Listener(socket, authkey=KEY)

    def answer(what: str, arguments: tuple[Any, ...]) -> object:
        match what:
            case "ask":
                return world.transport.ask(*arguments)
            case "put":
                file, data_hash, name = arguments
                return asyncio.run(files.put(file, data_hash, name=name))
            case "get":
                return asyncio.run(files.get(*arguments))
            case "root":
                found = world.store.content.get(*arguments)
                return None if found is None else world.engines.root_of(found)
            case _:
                return list(world.deployments.contracts.values())

    def serve() -> None:
        try:
            with listener.accept() as line:
                while True:
                    line.send(answer(*line.recv()))
        except (EOFError, OSError):
            return  # the process is gone

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.close()
        thread.join(SECONDS)


async def killed(socket: str, folder: Path, sale: int) -> int:
    """How a process that delivers this sale ended."""
    arguments = (socket, str(folder), str(sale), str(RECORDED))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAUNCH, *arguments, cwd=ROOT
    )
    async with asyncio.timeout(SECONDS):
        return await process.wait()


def test_seller__killed_before_his_transaction_left__it_is_sent_once(
    trade: TradeWorld, tmp_path: Path
) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await minted(seller)
        sale = await buyer.buy.buy(ordered(seller, token), price=PRICE)
        sent = trade.node.nonce(Address(seller.address), at=trade.at)
        seller.close()
        socket = str(tmp_path / "outside")

        with outside_of(trade, socket):
            assert await killed(socket, trade.folder, sale) == -signal.SIGKILL
        assert trade.sale(sale).state is SaleState.LOCKED
        seller.open()
        delivered = await seller.sell.hand_over(sale)

        assert delivered.state is SaleState.DELIVERED
        assert trade.node.nonce(Address(seller.address), at=trade.at) == sent + 1
        assert trade.store.paid.count(f"sale-{sale}-0") == 1
        await buyer.buy.take(sale)
        assert trade.owner(token) == buyer.address
        assert trade.held() == trade.owed()

    asyncio.run(story())
