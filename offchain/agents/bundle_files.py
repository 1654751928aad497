"""The files of a bundle in one piece, and back; pure.

  0 "AGF1"  4 u32 files, then for each: u16 length of name | name | u32 length | bytes

Names are relative, with slashes, printable, in order, each once; so equal files are equal bytes.
Source: docs/protocol/agents.md#bundle.
"""

import struct
from collections.abc import Mapping
from typing import Final

from offchain.agents.manifest import MAX_FILES
from offchain.agents.runtime_errors import BundleMalformed

MAGIC: Final = b"AGF1"
MAX_BYTES: Final = 1 << 30
MAX_NAME: Final = 255
_COUNT: Final = struct.Struct(">4sI")
_NAME: Final = struct.Struct(">H")
_LENGTH: Final = struct.Struct(">I")


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Raises: BundleMalformed for a name that is not one."""
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        raise BundleMalformed(field="files", files=len(files))
    parts = [_COUNT.pack(MAGIC, len(files))]
    for name, raw in sorted(files.items(), key=lambda one: one[0].encode()):
        _require_name(name)
        parts += [_NAME.pack(len(name.encode())), name.encode(), _LENGTH.pack(len(raw)), raw]
    return b"".join(parts)


def unpack_files(data: bytes) -> dict[str, bytes]:
    """Raises: BundleMalformed for anything that `pack_files` does not write."""
    try:
        magic, count = _COUNT.unpack_from(data)
        if magic != MAGIC or count > MAX_FILES:
            raise BundleMalformed(field="files", files=count)
        files, at = {}, _COUNT.size
        for _ in range(count):
            name, at = _slice(data, at + 2, _NAME.unpack_from(data, at)[0])
            files[name.decode()], at = _slice(data, at + 4, _LENGTH.unpack_from(data, at)[0])
    except (struct.error, UnicodeDecodeError) as error:
        raise BundleMalformed(field="files", reason=str(error)[:80]) from error
    if pack_files(files) != data:
        raise BundleMalformed(field="files", reason="order")
    return files


def _slice(data: bytes, start: int, length: int) -> tuple[bytes, int]:
    if start + length > len(data):
        raise BundleMalformed(field="files", reason="short")
    return data[start : start + length], start + length


def _require_name(name: str) -> None:
    parts = name.split("/")
    is_relative = not any(one in {"", ".", ".."} for one in parts)
    if not (0 < len(name) <= MAX_NAME and is_relative and name.isprintable()):
        raise BundleMalformed(field="files", name=ascii(name[:MAX_NAME]))
    if len(name.encode()) > MAX_NAME:
        raise BundleMalformed(field="files", name=ascii(name[:MAX_NAME]))
