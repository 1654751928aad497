"""One node as a process of its own, that may be told to die by SIGKILL at a disk step.

  da_node_process.py FOLDER PORT BLOBS [STEP]

Every process builds the same memory chain: four signers at PORT .. PORT+3, BLOBS paid blobs, with
operator 1 served here. STEP counts disk calls from the end of start-up; without it nothing fails.
"""

import asyncio
import sys
from pathlib import Path

from da_network import a_node, agreed_site, face_of, the_engine

from offchain.da.adapters.disk_journal import (
    DiskJournal,
)
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.http_node import build_node_app, node_server
from offchain.node.disk import LocalDisk
from offchain.node.faulty_disk import Fault, FaultyDisk
from offchain.node.folder_lock import FolderLock

NEVER = 1_000_000


async def serve(folder: Path, port: int, blobs: int, step: int) -> None:
    site, _ = agreed_site(port, blobs)
    lock = FolderLock(folder)
    disk = FaultyDisk(LocalDisk(), Fault.KILL, at_step=NEVER)
    store = DiskRows(disk, folder / "rows", the_engine().row_roots)
    store.open()
    journal = DiskJournal(disk, folder / "journal")
    journal.open()
    node = a_node(site, 1, store=store, journal=journal)
    await node.accept.restore()
    disk.arm(step)
    await node_server(build_node_app(face_of(node)), port).serve()
    lock.close()


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[2:]]
    asyncio.run(serve(Path(sys.argv[1]), numbers[0], numbers[1], (*numbers, NEVER)[2]))
