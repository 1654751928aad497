"""One process a folder."""

import fcntl
import os
from pathlib import Path

from offchain.node.errors import NodeAlreadyRuns


class FolderLock:
    """Holds a folder for one process until it is closed or the process ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise NodeAlreadyRuns(folder=folder.name) from error

    def close(self) -> None:
        os.close(self._descriptor)
