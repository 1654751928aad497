"""Files that a crash leaves either old or new: write beside, fsync, rename."""

import json
import os
import tempfile
from pathlib import Path

from offchain.core.errors import Corrupt, NotFound

PRIVATE = 0o600
READABLE = 0o644


class FileUnreadable(Corrupt):
    """A file of this home is not what was written."""

    code = "home.file_unreadable"
    next_step = "Restore the file from a backup, or start afresh with another --home."


class FileMissing(NotFound):
    """A file this command needs is not there."""

    code = "home.file_missing"
    next_step = "Run `apogee up` first, or name the right folder with --home."


def write_bytes(path: Path, content: bytes, *, mode: int = READABLE) -> None:
    """Replace `path` as one step; the content is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".tmp")
    try:
        os.fchmod(handle, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_json(path: Path, value: object, *, mode: int = READABLE) -> None:
    """Replace a JSON file as one step."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode(), mode=mode)


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from disk. Raises: FileMissing, FileUnreadable."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise FileMissing(path=path) from error
    except (ValueError, OSError) as error:
        raise FileUnreadable(path=path, reason=str(error)) from error
    if not isinstance(value, dict):
        raise FileUnreadable(path=path, reason="not a JSON object")
    return value
