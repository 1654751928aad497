"""An agent's run in a process of its own, to be killed.

Usage: agent_process.py FOLDER URL, the provider's. The chain is the memory market with the same
content as the test's; storage and memory are folders, so that acts outlive the process. Prints a
line when each act is journaled, then `done` and the report.
"""

import asyncio
import sys
from pathlib import Path

from offchain.agents.plan import follow
from offchain.agents.runtime_tools import MemoryStorage
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.core.hashing import keccak
from tests.support.agents_runtime import (
    MARKET,
    STORE_PRICE,
    TEXT,
    Around,
    a_run,
    a_skill,
    an_intent,
)
from tests.support.compute_provider import CHAT, at_endpoint


class FolderStorage(MemoryStorage):
    """Each payment is a file that is made once; a second one for a key would be seen."""

    def __init__(self, folder: Path) -> None:
        super().__init__(price=STORE_PRICE, payee=MARKET)
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.add(TEXT.encode())

    async def put(self, data: bytes, *, key: str, most: int) -> tuple[bytes, int]:
        paid = self._folder / keccak(key.encode()).hex()
        if not paid.exists():
            with (self._folder / "payments").open("a") as book:
                book.write(f"{key}\n")
            paid.write_bytes(data)
        return keccak(data), most


async def run(folder: Path, url: str) -> None:
    """Until it ends, or the process is killed."""
    around = Around(folder=folder, storage=FolderStorage(folder / "stored"))
    service = around.market.state.services[CHAT]
    around.market.state.services[CHAT] = at_endpoint(service, url)
    async with HttpProviderClient() as http:
        acting = a_run(around, http, an_intent(file=keccak(TEXT.encode()).hex()))
        write = acting.parts.journal.write

        async def told(kind: object, body: object) -> None:
            await write(kind, body)  # type: ignore[arg-type]  # as it was given
            print(f"act {kind}", flush=True)

        acting.parts.journal.write = told  # type: ignore[method-assign]  # to be heard outside
        report = await follow(acting, a_skill())
        print(f"done {report.log.spent} {report.text}", flush=True)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
