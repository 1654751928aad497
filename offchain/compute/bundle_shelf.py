"""Bundles of audits in a folder, one file each: a provider's own, or what an auditor was shown."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably

SUFFIX: Final = ".bundle"


class BundleShelf:
    """Blocking; called in a thread. Raises: StoreFull, StoreBroken."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        remove_leftovers(disk, folder)

    def keep(self, audit: int, raw: bytes) -> None:
        """Durable on return."""
        write_durably(self._disk, self._path(audit), [raw])

    def find(self, audit: int) -> bytes | None:
        path = self._path(audit)
        try:
            return self._disk.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error, path) from error

    def keep_only(self, audits: Collection[int]) -> None:
        """Drop the bundles of all other audits."""
        wanted = {self._path(audit).name for audit in audits}
        for name in self._disk.names(self._folder):
            if name.endswith(SUFFIX) and name not in wanted:
                remove_durably(self._disk, self._folder / name)

    def _path(self, audit: int) -> Path:
        return self._folder / f"{audit:064x}{SUFFIX}"
