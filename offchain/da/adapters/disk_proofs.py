"""Proofs of fraud that a node has in hand, kept until they are brought before the contracts.

  <blob id>.fraud    header frame || rows frame with the one row

A row proves itself: what is read back is judged again, and what proves nothing is removed.
"""

import logging
from pathlib import Path
from typing import Final

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.matrix.check import check_header
from offchain.core.wire import HEADER_BYTES, Header, encode_rows, parse_rows
from offchain.da.fraud import BottomProven, find_fraud
from offchain.node.disk import Disk, remove_durably, remove_leftovers, write_durably

SUFFIX: Final = ".fraud"
log = logging.getLogger(__name__)


class DiskProofs:
    """A `ProofShelf`: at most one proof for a blob, which is enough."""

    def __init__(self, disk: Disk, folder: Path, engine: ErasureEngine) -> None:
        self._disk = disk
        self._folder = folder
        self._engine = engine
        remove_leftovers(disk, folder)

    def keep(self, blob_id: bytes, proven: BottomProven) -> None:
        frame = encode_rows(blob_id, proven.header.columns, [proven.row])
        write_durably(self._disk, self._path(blob_id), [proven.header.to_bytes(), frame])

    def waiting(self) -> list[tuple[bytes, BottomProven]]:
        found = []
        for name in self._disk.names(self._folder):
            if not name.endswith(SUFFIX):
                continue
            blob_id = bytes.fromhex(name.removesuffix(SUFFIX))
            proven = self._read(blob_id)
            if proven is None:
                log.error("proof_unusable", extra={"blob_id": blob_id.hex()})
                self.remove(blob_id)
            else:
                found.append((blob_id, proven))
        return found

    def remove(self, blob_id: bytes) -> None:
        remove_durably(self._disk, self._path(blob_id))

    def _read(self, blob_id: bytes) -> BottomProven | None:
        raw = self._disk.read(self._path(blob_id))
        try:
            checked = check_header(Header.parse(raw[:HEADER_BYTES]), self._engine)
            columns = checked.shape.columns
            frame = parse_rows(raw[HEADER_BYTES:], columns=columns, max_rows=1)
        except ApogeeError:
            return None
        return find_fraud(checked, frame.rows, self._engine)

    def _path(self, blob_id: bytes) -> Path:
        return self._folder / (blob_id.hex() + SUFFIX)
