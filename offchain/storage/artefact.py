"""A folder as one artefact: one stream, one root, and a manifest that cannot lead out of a folder.

  0 "APD1" | 4 u32 manifest bytes | 8 manifest (JSON) | the files' bytes back to back, in its order

  manifest  {"format": "apogee.directory.v1", "kind": "folder" | "model" | "dataset",
             "files": [{"name": "a/b.bin", "bytes": 3, "sha256": "..64 digits.."}, ...]}

A name is a relative path of safe parts; two names differ in more than case, and no file's name is
another one's folder. What is read from outside becomes a `TreeManifest` in one place, or nothing.
Source: docs/protocol/storage.md#client.
"""

import json
import struct
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self, TypeVar

from pydantic_core import from_json

from offchain.storage.client_errors import ArtefactMalformed, SourceInvalid

T = TypeVar("T")
MAGIC: Final = b"APD1"
FORMAT: Final = "apogee.directory.v1"
MAX_FILES: Final = 65_536
MAX_MANIFEST_BYTES: Final = 16 << 20
MAX_NAME_BYTES: Final = 1_024
MAX_PART_BYTES: Final = 240  # of a name; leaves room for the suffix of a file under way
MAX_DEPTH: Final = 32
MAX_FILE_BYTES: Final = 1 << 40
_HEAD: Final = struct.Struct(">4sI")
HEAD_BYTES: Final = _HEAD.size
_RESERVED: Final = frozenset('\\:*?"<>|')


class TreeKind(Enum):
    """What a folder is, as far as its files tell."""

    FOLDER = "folder"
    MODEL = "model"
    DATASET = "dataset"


class NameUnsafe(SourceInvalid):
    """A file's name cannot stand in an artefact."""

    code = "storage.name.unsafe"
    next_step = "Rename the file: relative parts, no `..`, no control characters, no link."


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a folder."""

    name: str
    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class TreeManifest:
    """All files of a folder in the order of their names."""

    kind: TreeKind
    entries: tuple[TreeEntry, ...]

    def __post_init__(self) -> None:
        require_safe_names([entry.name for entry in self.entries])

    @property
    def content_bytes(self) -> int:
        return sum(entry.length for entry in self.entries)

    def to_bytes(self) -> bytes:
        """Head and manifest, as they stand before the files' bytes. Raises: SourceInvalid."""
        files = [
            {"name": entry.name, "bytes": entry.length, "sha256": entry.sha256.hex()}
            for entry in self.entries
        ]
        body = {"format": FORMAT, "kind": self.kind.value, "files": files}
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        if len(raw) > MAX_MANIFEST_BYTES:
            raise SourceInvalid(reason="the manifest is too long", bytes=len(raw))
        return _HEAD.pack(MAGIC, len(raw)) + raw

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read head and manifest, and nothing after them. Raises: ArtefactMalformed."""
        if len(raw) < HEAD_BYTES or len(raw) != manifest_end(raw):
            raise ArtefactMalformed(reason="length", bytes=len(raw))
        try:
            found = from_json(raw[HEAD_BYTES:], allow_inf_nan=False)
            return cls(TreeKind(_of(found, "kind", str)), _entries(found))
        except (ValueError, SourceInvalid) as error:
            raise ArtefactMalformed(reason=str(error)[:200]) from error


def is_tree(start: bytes) -> bool:
    """Whether these first bytes are those of a folder."""
    return start[: len(MAGIC)] == MAGIC


def manifest_end(start: bytes) -> int:
    """Where the manifest that begins here ends. Raises: ArtefactMalformed."""
    if len(start) < HEAD_BYTES or not is_tree(start):
        raise ArtefactMalformed(reason="no folder", bytes=len(start))
    size = int(_HEAD.unpack_from(start)[1])
    if not 0 < size <= MAX_MANIFEST_BYTES:
        raise ArtefactMalformed(reason="manifest length", bytes=size, maximum=MAX_MANIFEST_BYTES)
    return HEAD_BYTES + size


def require_safe_names(names: Iterable[str]) -> None:
    """Check a folder's names together. Raises: NameUnsafe, SourceInvalid."""
    listed = list(names)
    if not 1 <= len(listed) <= MAX_FILES:
        raise SourceInvalid(files=len(listed), maximum=MAX_FILES)
    if listed != sorted(listed):
        raise NameUnsafe(reason="names are not in order")
    files: set[str] = set()
    folders: set[str] = set()
    for name in listed:
        _require_safe(name)
        folded = _folded(name)
        if folded in files:
            raise NameUnsafe(name=name[:120], reason="the same name twice")
        files.add(folded)
        parts = folded.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    both = files & folders
    if both:
        raise NameUnsafe(name=min(both)[:120], reason="a file and a folder")


def _require_safe(name: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise NameUnsafe(name=ascii(name)[:120], reason="no text") from error
    parts = name.split("/")
    if size > MAX_NAME_BYTES or len(parts) > MAX_DEPTH:
        raise NameUnsafe(name=name[:120], bytes=size, depth=len(parts))
    for part in parts:
        is_dots = part.strip(". ") == "" or part != part.rstrip(". ")
        is_odd = any(unicodedata.category(one)[0] == "C" or one in _RESERVED for one in part)
        if is_dots or is_odd or len(part.encode()) > MAX_PART_BYTES:
            raise NameUnsafe(name=name[:120], part=ascii(part)[:80])
    if unicodedata.normalize("NFC", name) != name:
        raise NameUnsafe(name=name[:120], reason="not in normal form C")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _entries(found: object) -> tuple[TreeEntry, ...]:
    if _of(found, "format", str) != FORMAT:
        raise ValueError("format")
    listed = _of(found, "files", list)
    if len(listed) > MAX_FILES:
        raise ValueError("too many files")
    return tuple(_entry(one) for one in listed)


def _entry(found: object) -> TreeEntry:
    digits, length = _of(found, "sha256", str), _of(found, "bytes", int)
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise ValueError("sha256")
    if isinstance(length, bool) or not 0 <= length <= MAX_FILE_BYTES:
        raise ValueError("bytes")
    return TreeEntry(_of(found, "name", str), length, bytes.fromhex(digits))


def _of(found: object, name: str, kind: type[T]) -> T:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, kind):
        raise ValueError(name)  # noqa: TRY004 - a bad document, not a wrong call
    return value
