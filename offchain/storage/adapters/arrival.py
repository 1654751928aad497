"""A file or folder on its way in, beside its place: what came is kept, and a repeat goes on.

  <name>.part/state.json   whose it is; for a file the mark (`content_mark.py`) of each whole
                           128 MiB that is durable
  <name>.part/content      a file's bytes so far
  <name>.part/manifest     a folder's manifest, once it came whole
  <name>.part/tree/        a folder's files, each under its own name

It becomes <name> in one step when everything is there and, in a folder, every file has the hash
that the manifest states. Nothing is written outside <name>.part, whatever a manifest says: names
were checked (`artefact.py`), folders are made here, and no link is followed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from offchain.core.errors import Conflict
from offchain.node.direct_io import DirectFile
from offchain.node.disk import LocalDisk, refused, write_durably
from offchain.storage.artefact import HEAD_BYTES, TreeKind, TreeManifest, is_tree, manifest_end
from offchain.storage.client_errors import (
    ArtefactMalformed,
    FileContradicted,
    TargetUnusable,
)
from offchain.storage.content_mark import Marker
from offchain.storage.sources import Buffer

SUFFIX: Final = ".part"
CHECKPOINT_BYTES: Final = 128 << 20
PIECE_BYTES: Final = 1 << 20
FORMAT: Final = 1


class ArrivalForeign(Conflict):
    """Something else is on its way to the same place."""

    code = "storage.arrival.foreign"
    next_step = "Remove the .part folder, or name another target."


class _Sink(Protocol):
    """Takes the plain stream in order."""

    def write(self, piece: Buffer) -> None: ...

    def finish(self, target: Path) -> None: ...

    def close(self) -> None: ...


class Arrival:
    """One arrival; `begin`, `write` in order, then `finish`. Blocking."""

    def __init__(self, target: Path, file_id: bytes, *, length: int, is_raw: bool) -> None:
        self._target = target
        self._folder = target.with_name(target.name + SUFFIX)
        self._claim = {"format": FORMAT, "file_id": file_id.hex(), "raw": is_raw, "bytes": length}
        self._length = length
        self._is_raw = is_raw
        self._start = bytearray()
        self._sink: _Sink | None = None
        self.files = 1
        self.kind: TreeKind | None = None

    def begin(self) -> int:
        """Claim the place; from which plain byte on it is needed.

        Raises: TargetUnusable, ArrivalForeign, StoreFull, StoreBroken.
        """
        if not self._target.parent.is_dir() or self._target.exists():
            raise TargetUnusable(target=self._target.name)
        if self._folder.is_symlink():
            raise ArrivalForeign(target=self._folder.name)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        state = _state_in(self._folder)
        if state and any(state.get(name) != value for name, value in self._claim.items()):
            raise ArrivalForeign(target=self._folder.name)
        if not state:
            self._save([])
        manifest = self._folder / "manifest"
        if manifest.exists():
            return self._resume_tree(manifest.read_bytes())
        pieces = state.get("pieces")
        if not isinstance(pieces, list) or not pieces:
            return 0
        sink = _FileSink(self._folder, self._save)
        self._sink = sink
        return sink.resume([str(one) for one in pieces])

    def write(self, piece: Buffer) -> None:
        """Take the next plain bytes. Raises: ArtefactMalformed, FileContradicted, StoreFull."""
        if self._sink is not None:
            self._sink.write(piece)
            return
        self._start += piece
        start = bytes(self._start)
        if self._is_raw or (len(start) >= HEAD_BYTES and not is_tree(start)):
            self._sink = _FileSink(self._folder, self._save)
            self._sink.write(start)
        elif len(start) >= HEAD_BYTES and len(start) >= manifest_end(start):
            end = manifest_end(start)
            sink = self._tree(TreeManifest.parse(start[:end]))
            write_durably(LocalDisk(), self._folder / "manifest", [start[:end]])
            sink.begin(0)
            self._sink = sink
            sink.write(start[end:])
        if self._sink is not None:
            self._start.clear()

    def finish(self) -> None:
        """Put it in its place. Raises: TargetUnusable, ArtefactMalformed, FileContradicted."""
        if self._sink is None and self._start and not is_tree(bytes(self._start)):
            self._sink = _FileSink(self._folder, self._save)  # shorter than a head
            self._sink.write(bytes(self._start))
        if self._sink is None:
            raise ArtefactMalformed(reason="manifest cut off", bytes=len(self._start))
        if self._target.exists():
            raise TargetUnusable(target=self._target.name)
        self._sink.finish(self._target)
        shutil.rmtree(self._folder)

    def close(self) -> None:
        """Let go; without `finish` what is there stays for the next time."""
        if self._sink is not None:
            self._sink.close()

    def _resume_tree(self, raw: bytes) -> int:
        sink = self._tree(TreeManifest.parse(raw))
        self._sink = sink
        return len(raw) + sink.resume()

    def _tree(self, manifest: TreeManifest) -> "_TreeSink":
        if len(manifest.to_bytes()) + manifest.content_bytes != self._length:
            raise ArtefactMalformed(reason="length", bytes=self._length)
        self.kind, self.files = manifest.kind, len(manifest.entries)
        return _TreeSink(self._folder / "tree", manifest)

    def _save(self, pieces: list[str]) -> None:
        raw = json.dumps({**self._claim, "pieces": pieces}).encode()
        write_durably(LocalDisk(), self._folder / "state.json", [raw])


class _FileSink:
    """One file; durable and remembered at every 128 MiB."""

    def __init__(self, folder: Path, save: Callable[[list[str]], None]) -> None:
        self._path = folder / "content"
        self._save = save
        self._pieces: list[str] = []
        self._marker = Marker()
        self._in_piece = 0
        self._direct: DirectFile | None = None
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        self._file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)

    def resume(self, pieces: list[str]) -> int:
        """Keep what is durable and unchanged; its length."""
        for expected in pieces:
            marker, left = Marker.again(_bytes_in(expected)), CHECKPOINT_BYTES
            while left and (part := self._file.read(min(PIECE_BYTES, left))):
                marker.update(part)
                left -= len(part)
            if left or marker.mark().hex() != expected:
                break
            self._pieces.append(expected)
        kept = len(self._pieces) * CHECKPOINT_BYTES
        self._file.truncate(kept)
        self._file.seek(kept)
        return kept

    def write(self, piece: Buffer) -> None:
        if not self._pieces and not self._in_piece:
            self._file.truncate(0)
        view = memoryview(piece)
        while view:
            part = view[: CHECKPOINT_BYTES - self._in_piece]
            self._put(part)
            self._marker.update(part)
            self._in_piece += len(part)
            view = view[len(part) :]
            if self._in_piece == CHECKPOINT_BYTES:
                os.fsync(self._file.fileno())  # whole rooms: nothing waits in the process
                self._pieces.append(self._marker.mark().hex())
                self._marker, self._in_piece = Marker(), 0
                self._save(self._pieces)

    def finish(self, target: Path) -> None:
        try:
            if self._direct is not None:
                self._direct.flush()
        except OSError as error:
            raise refused(error, self._path) from error
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.rename(target)
        LocalDisk().sync(target.parent)

    def close(self) -> None:
        if self._direct is not None:
            self._direct.close()
        self._file.close()

    def _put(self, part: memoryview) -> None:
        try:
            if self._direct is None:
                self._direct = DirectFile(self._file.fileno())
            self._direct.write(part)
        except OSError as error:
            raise refused(error, self._path) from error


class _TreeSink:
    """A folder's files one after the other, each compared with the manifest when it is whole."""

    def __init__(self, root: Path, manifest: TreeManifest) -> None:
        self._root = root
        self._entries = manifest.entries
        self._number = 0
        self._left = 0
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    def begin(self, number: int) -> None:
        """Go on with file `number`."""
        self._root.mkdir(mode=0o700, exist_ok=True)
        self._number = number
        self._open()

    def resume(self) -> int:
        """Keep whole files from the first on; how many content bytes they have."""
        number = 0
        while number < len(self._entries) and self._is_whole(number):
            number += 1
        self.begin(number)
        return sum(entry.length for entry in self._entries[:number])

    def write(self, piece: Buffer) -> None:
        view = memoryview(piece)
        while view:
            if self._file is None:
                raise ArtefactMalformed(reason="bytes after the last file", bytes=len(view))
            part = view[: self._left]
            try:
                self._file.write(part)
            except OSError as error:
                raise refused(error, self._path(self._number)) from error
            self._digest.update(part)
            self._left -= len(part)
            view = view[len(part) :]
            if not self._left:
                self._settle()

    def finish(self, target: Path) -> None:
        if self._number != len(self._entries):
            raise ArtefactMalformed(reason="cut off", file=self._entries[self._number].name)
        for folder, _, _ in os.walk(self._root):
            LocalDisk().sync(Path(folder))
        self._root.rename(target)
        LocalDisk().sync(target.parent)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        """Open the next file that has bytes; empty ones are made on the way."""
        self._file = None
        while self._number < len(self._entries) and self._file is None:
            entry, path = self._entries[self._number], self._path(self._number)
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW
            self._file = os.fdopen(os.open(path, flags, 0o644), "wb", buffering=0)
            self._left, self._digest = entry.length, hashlib.sha256()
            if not self._left:
                self._check()

    def _settle(self) -> None:
        self._check()
        self._open()

    def _check(self) -> None:
        """A file is whole. Raises: FileContradicted."""
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        entry = self._entries[self._number]
        if self._digest.digest() != entry.sha256:
            raise FileContradicted(file=entry.name, sha256=self._digest.hexdigest())
        self._number += 1

    def _is_whole(self, number: int) -> bool:
        entry, path = self._entries[number], self._path(number)
        if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.length:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(PIECE_BYTES):
                digest.update(part)
        return digest.digest() == entry.sha256

    def _path(self, number: int) -> Path:
        return self._root / self._entries[number].name


def _bytes_in(text: str) -> bytes:
    """What a hexadecimal text says; nothing of any other."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _state_in(folder: Path) -> dict[str, object]:
    """What an earlier run wrote; empty when there is nothing that can be read."""
    try:
        found = json.loads((folder / "state.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
