"""A paid file that is no codeword: the row that shows it, kept until the chain has heard of it.

A seat refuses exactly what `StorageProofs.prove_bad_row` can be shown: a row under the segment's
root that has an element >= r, or a combination that is not what C opens. It keeps the row, since
only it may ever have seen it, and shows it once the file counts as STORED; before that there is
nothing to void. Source: docs/protocol/storage.md#node.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Conflict, NotFound, Rejected
from offchain.core.matrix.errors import ElementNotCanonical, EncodingFault
from offchain.core.matrix.openings import open_header
from offchain.core.merkle import CosetTree
from offchain.node.bounded_answer import json_object
from offchain.node.disk import Disk, remove_durably, remove_leftovers, write_durably
from offchain.storage.frames import ShardBody
from offchain.storage.model import FileState, Segment
from offchain.storage.ports import StorageLedger

SUFFIX: Final = ".bad"
EARLY: Final = frozenset({FileState.SUBMITTED, FileState.PLACED})
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BadFile:
    """One row of one segment that is of no encoding; `path`: ten siblings, then b0 b1 b2."""

    file_id: bytes
    segment: Segment
    segment_path: tuple[bytes, ...] = field(repr=False)
    row: int
    data: bytes = field(repr=False)
    path: bytes = field(repr=False)
    opening: bytes = field(repr=False)


class BadFileDesk(Protocol):
    """Where a bad file is shown; returns once mined. Raises: Rejected, Conflict."""

    def prove_bad_row(self, bad: BadFile) -> None: ...


def bad_file_of(
    file_id: bytes, segment: Segment, body: ShardBody, fault: EncodingFault, engine: ErasureEngine
) -> BadFile:
    """The proof in a body whose path held and whose row, named by the fault, breaks the code."""
    run, row = body.run, int(str(fault.fields["row"]))
    tree = CosetTree.build(engine.row_roots(run.data), engine.keccak_many)
    position = row - run.first
    path = (*tree.path(position), *run.siblings, *run.coset_roots)
    is_plain = isinstance(fault, ElementNotCanonical)
    opening = b"" if is_plain else open_header(body.header, row, engine)
    data = run.data[position].tobytes()
    return BadFile(file_id, segment, body.path, row, data, b"".join(path), opening)


class BadFiles:
    """Proofs that wait, one file each, on a disk."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder

    def keep(self, bad: BadFile) -> None:
        """Durable on return. Raises: StoreFull, StoreBroken."""
        self._disk.names(self._folder)
        write_durably(self._disk, self._folder / (bad.file_id.hex() + SUFFIX), [_packed(bad)])

    def waiting(self) -> list[BadFile]:
        """Those that can be read; one that cannot is left where it is."""
        remove_leftovers(self._disk, self._folder)
        found = []
        for name in self._disk.names(self._folder):
            if name.endswith(SUFFIX):
                bad = _parsed(self._disk.read(self._folder / name))
                if bad is None or bad.file_id.hex() + SUFFIX != name:
                    log.error("bad_file_unreadable", extra={"file": name})
                else:
                    found.append(bad)
        return found

    def remove(self, file_id: bytes) -> None:
        remove_durably(self._disk, self._folder / (file_id.hex() + SUFFIX))


@dataclass(frozen=True, slots=True)
class ProsecuteBadFiles:
    """Shows what waits; `prosecute` is a chore, harmless when it is repeated."""

    ledger: StorageLedger
    shelf: BadFiles
    desk: BadFileDesk

    async def prosecute(self) -> int:
        """How many files were voided. Raises: Unavailable; then the rest waits."""
        return await asyncio.to_thread(self._prosecute)

    def _prosecute(self) -> int:
        return sum(self._judge(bad) for bad in self.shelf.waiting())

    def _judge(self, bad: BadFile) -> bool:
        try:
            state = self.ledger.view(bad.file_id, at=self.ledger.head().hash).file.state
            if state in EARLY:
                return False
            if state is FileState.STORED:
                self.desk.prove_bad_row(bad)
                log.info("file_voided", extra={"file_id": bad.file_id.hex(), "row": bad.row})
        except (Rejected, Conflict, NotFound) as error:
            log.warning("proof_refused", extra={"file_id": bad.file_id.hex(), "code": error.code})
            state = FileState.NONE
        self.shelf.remove(bad.file_id)
        return state is FileState.STORED


def _packed(bad: BadFile) -> bytes:
    segment = bad.segment
    return json.dumps(
        {
            "file_id": bad.file_id.hex(),
            "index": segment.index,
            "data_root": segment.data_root.hex(),
            "commitment_hash": segment.commitment_hash.hex(),
            "columns": segment.columns,
            "length": segment.length,
            "segment_path": [one.hex() for one in bad.segment_path],
            "row": bad.row,
            "data": bad.data.hex(),
            "path": bad.path.hex(),
            "opening": bad.opening.hex(),
        }
    ).encode()


def _parsed(raw: bytes) -> BadFile | None:
    value = json_object(raw)
    try:
        segment = Segment(
            _number(value["index"]),
            _bytes(value["data_root"]),
            _bytes(value["commitment_hash"]),
            _number(value["columns"]),
            _number(value["length"]),
        )
        above = value["segment_path"]
        path = tuple(map(_bytes, above)) if isinstance(above, Sequence) else ()
        rest = [_bytes(value[name]) for name in ("data", "path", "opening")]
        return BadFile(_bytes(value["file_id"]), segment, path, _number(value["row"]), *rest)
    except (KeyError, ValueError):
        return None


def _bytes(value: object) -> bytes:
    return bytes.fromhex(str(value))


def _number(value: object) -> int:
    return int(str(value))
