"""One storage node as a process of its own, that may be told to die by SIGKILL at a disk step.

  storage_node_process.py FOLDER PORT FILES [STEP]

Every process builds the same chain in memory: one operator at PORT with every seat of a group, and
FILES placed files. STEP counts disk calls from the end of start-up; without it nothing fails.
"""

import asyncio
import sys
from pathlib import Path

from storage_node import a_node_on_disk, agreed_files

from offchain.core.erasure.choose import choose_engine
from offchain.node.disk import LocalDisk
from offchain.node.faulty_disk import Fault, FaultyDisk
from offchain.node.folder_lock import FolderLock
from offchain.storage.adapters.http_node import build_storage_app, storage_server

NEVER = 1_000_000


async def serve(folder: Path, port: int, files: int, step: int) -> None:
    market, _ = agreed_files(port, files)
    lock = FolderLock(folder)
    disk = FaultyDisk(LocalDisk(), Fault.KILL, at_step=NEVER)
    node = a_node_on_disk(market, choose_engine(), disk, folder)
    await node.accept.prepare()
    disk.arm(step)
    await storage_server(build_storage_app(node.face()), port).serve()
    lock.close()


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[2:]]
    asyncio.run(serve(Path(sys.argv[1]), numbers[0], numbers[1], (*numbers, NEVER)[2]))
