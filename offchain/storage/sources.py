"""What is stored, as one stream that can be read anywhere, any number of times, from any thread.

  bytes | a file | a folder (manifest, then files)   ->   as it is, or sealed   ->   segments

A source is read twice: once for its root, once to be sent. Whoever sends compares what he reads
with the first time. Links and special files are refused, and a file is opened without following
one. Source: docs/protocol/storage.md#client.
"""

import hashlib
import os
import stat
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final, Protocol

from offchain.storage.artefact import TreeEntry, TreeKind, TreeManifest, require_safe_names
from offchain.storage.client_errors import SourceChanged, SourceInvalid
from offchain.storage.croissant import (
    CARD_NAME,
    FILE_NAME,
    MAX_BYTES,
    check_card,
    check_croissant,
)
from offchain.storage.safetensors import check_safetensors
from offchain.storage.sealed import SEALED_FRAME_BYTES, Seal

PIECE_BYTES: Final = 1 << 20
MAX_CARD_BYTES: Final = 1 << 20
MODEL_SUFFIX: Final = ".safetensors"
Buffer = bytes | bytearray | memoryview


class Source(Protocol):
    """A stream of `length` bytes; blocking."""

    @property
    def length(self) -> int: ...

    def read_at(self, start: int, size: int) -> Buffer:
        """Exactly `size` bytes from `start`. Raises: SourceChanged when they are not there."""
        ...


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes that a program holds."""

    content: bytes | bytearray | memoryview = field(repr=False)

    @property
    def length(self) -> int:
        return len(self.content)

    def read_at(self, start: int, size: int) -> Buffer:
        return bytes(self.content[start : start + size])


@dataclass(frozen=True, slots=True)
class FileSource:
    """One file, of the length it had when it was looked at."""

    path: Path
    length: int

    @classmethod
    def of(cls, path: Path) -> "FileSource":
        """Raises: SourceInvalid when it is no regular file or has no bytes."""
        length = _regular_length(path)
        if not length:
            raise SourceInvalid(file=path.name, bytes=0)
        return cls(path, length)

    def read_at(self, start: int, size: int) -> Buffer:
        return _read_at(self.path, start, size)


@dataclass(frozen=True, slots=True)
class TreeSource:
    """A folder: its manifest, then its files in the manifest's order."""

    root: Path
    manifest: TreeManifest
    head: bytes = field(repr=False)
    starts: tuple[int, ...] = field(repr=False)  # where each file begins in the stream

    @classmethod
    def of(cls, root: Path) -> "TreeSource":
        """Read, hash and check a folder. Raises: SourceInvalid, NameUnsafe, MetadataInvalid."""
        names = _names_in(root)
        require_safe_names(names)
        entries = tuple(_entry_of(root, name) for name in names)
        manifest = TreeManifest(_checked_kind(root, entries), entries)
        return cls.with_manifest(root, manifest)

    @classmethod
    def with_manifest(cls, root: Path, manifest: TreeManifest) -> "TreeSource":
        """A folder that was read before. Raises: SourceInvalid."""
        head = manifest.to_bytes()
        lengths = (entry.length for entry in manifest.entries[:-1])
        return cls(root, manifest, head, tuple(accumulate(lengths, initial=len(head))))

    @property
    def length(self) -> int:
        return len(self.head) + self.manifest.content_bytes

    def read_at(self, start: int, size: int) -> Buffer:
        pieces = [self.head[start : start + size]]
        at, left = start + len(pieces[0]), size - len(pieces[0])
        number = max(0, bisect_right(self.starts, at) - 1)
        while left and number < len(self.starts):
            entry = self.manifest.entries[number]
            inside = at - self.starts[number]
            take = min(left, entry.length - inside)
            if take:
                pieces.append(_read_at(self.root / entry.name, inside, take))
            at, left, number = at + take, left - take, number + 1
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class SealedSource:
    """Another source, sealed frame by frame as it is read."""

    plain: Source
    seal: Seal

    @property
    def length(self) -> int:
        return self.seal.head.sealed_length

    def read_at(self, start: int, size: int) -> Buffer:
        head = self.seal.head
        stop = min(start + size, head.sealed_length)
        room = bytearray(max(0, stop - start))
        view = memoryview(room)
        front = head.to_bytes()[start:stop]
        view[: len(front)] = front
        at = max(start, head.size)
        while at < stop:
            index, inside = divmod(at - head.size, SEALED_FRAME_BYTES)
            first, last = head.frame_at(index)
            end = min(last, stop)
            place = view[at - start : end - start]
            if inside == 0 and end == last:
                self.seal.seal_into(index, self._plain(index), place)
            else:
                place[:] = self.seal.seal(index, self._plain(index))[inside : end - first]
            at = end
        return room

    def _plain(self, index: int) -> Buffer:
        start, stop = self.seal.head.plain_span(index)
        return self.plain.read_at(start, stop - start)


def source_at(path: Path) -> FileSource | TreeSource:
    """A file or a folder. Raises: SourceInvalid, NameUnsafe, MetadataInvalid."""
    if path.is_symlink():
        raise SourceInvalid(file=path.name, reason="a link")
    return TreeSource.of(path) if path.is_dir() else FileSource.of(path)


def _names_in(root: Path) -> list[str]:
    """Every file below a folder, in order of name; hidden ones too. Raises: SourceInvalid."""
    names: list[str] = []
    for folder, folders, files in os.walk(root, followlinks=False):
        for name in (*folders, *files):
            mode = (Path(folder) / name).lstat().st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise SourceInvalid(file=name[:120], reason="a link or a special file")
        names += [(Path(folder) / name).relative_to(root).as_posix() for name in files]
    if not names:
        raise SourceInvalid(folder=root.name, files=0)
    return sorted(names)


def _entry_of(root: Path, name: str) -> TreeEntry:
    length = _regular_length(root / name)
    digest = hashlib.sha256()
    for start in range(0, length, PIECE_BYTES):
        digest.update(_read_at(root / name, start, min(PIECE_BYTES, length - start)))
    return TreeEntry(name, length, digest.digest())


def _checked_kind(root: Path, entries: Sequence[TreeEntry]) -> TreeKind:
    """What the folder is; what it says of itself is checked. Raises: MetadataInvalid."""
    lengths = {entry.name: entry.length for entry in entries}
    tensors = [name for name in lengths if name.endswith(MODEL_SUFFIX)]
    for name in tensors:
        check_safetensors(root / name)
    if FILE_NAME in lengths:
        raw = _read_at(root / FILE_NAME, 0, min(lengths[FILE_NAME], MAX_BYTES + 1))
        check_croissant(raw, entries)
        if CARD_NAME in lengths:
            check_card(_read_at(root / CARD_NAME, 0, min(lengths[CARD_NAME], MAX_CARD_BYTES)))
        return TreeKind.DATASET
    is_model = bool(tensors) and "config.json" in lengths
    return TreeKind.MODEL if is_model else TreeKind.FOLDER


def _regular_length(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError as error:
        raise SourceInvalid(file=path.name, reason=type(error).__name__) from error
    if not stat.S_ISREG(found.st_mode):
        raise SourceInvalid(file=path.name, reason="no regular file")
    return found.st_size


def _read_at(path: Path, start: int, size: int) -> bytes:
    """Bytes of a file without following a link. Raises: SourceChanged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise SourceChanged(file=path.name, reason=type(error).__name__) from error
    try:
        raw = os.pread(descriptor, size, start)
    except OSError as error:
        raise SourceChanged(file=path.name, reason=type(error).__name__) from error
    finally:
        os.close(descriptor)
    if len(raw) != size:
        raise SourceChanged(file=path.name, at=start, bytes=len(raw), expected=size)
    return raw
