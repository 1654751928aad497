"""What this home has published and is publishing: the tokens with which an upload goes on.

  disperser/uploads/<first 16 digits of the salt>.json   file, size, time of change, days, salt,
                                                         state, and in the end the reference

A token is written before anything is paid. The same command finds the open token of the same file
and so the same salt, the same blob ids, and everything that is paid already; it is closed when the
reference is known. Without its file's content it gives nothing away and pays for nothing else.
"""

import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from offchain.apps.files import FileUnreadable, read_json, write_json
from offchain.core.errors import InvalidInput

SALT_BYTES: Final = 32
KEPT: Final = 1_000  # closed tokens; the oldest go first
OPEN: Final = "open"
DONE: Final = "done"


class SaltInvalid(InvalidInput):
    """A salt is 64 hex digits."""

    code = "da.salt.invalid"
    next_step = "Leave --salt out, or pass the `salt` that an earlier `apogee da put --json` told."


@dataclass(frozen=True, slots=True)
class Upload:
    """One publication of one file; `changed_ns` is the file's time of change."""

    file: str
    size_bytes: int
    changed_ns: int
    days: int
    salt: str
    started: int
    state: str = OPEN
    reference: str = ""

    @property
    def raw_salt(self) -> bytes:
        return bytes.fromhex(self.salt)

    def is_of(self, other: "Upload") -> bool:
        """Whether both are about the same unchanged file for the same time."""
        mine = (self.file, self.size_bytes, self.changed_ns, self.days)
        return mine == (other.file, other.size_bytes, other.changed_ns, other.days)


class UploadBook:
    """The tokens in one folder."""

    def __init__(self, folder: Path, *, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept

    def begin(self, file: Path, *, days: int, salt: str | None = None) -> Upload:
        """The open token of this file, or a new one, durable on return. Raises: SaltInvalid."""
        found = file.stat()
        new = Upload(
            file=str(file.resolve()),
            size_bytes=found.st_size,
            changed_ns=found.st_mtime_ns,
            days=days,
            salt=_checked(salt) if salt else secrets.token_hex(SALT_BYTES),
            started=int(time.time()),
        )
        for one in self.all():
            if one.state == OPEN and one.is_of(new) and (salt is None or one.salt == new.salt):
                return one
        self._write(new)
        return new

    def finish(self, upload: Upload, reference: str) -> None:
        """It is published: the next command with this file is a new publication."""
        self._write(replace(upload, state=DONE, reference=reference))
        closed = [one for one in self.all() if one.state == DONE]
        for one in closed[: -self._kept]:
            self._path(one).unlink(missing_ok=True)

    def forget(self, upload: Upload) -> None:
        """It can never be finished, because its fee came back."""
        self._path(upload).unlink(missing_ok=True)

    def all(self) -> list[Upload]:
        """Every token, oldest first. Raises: FileUnreadable."""
        found = [_parse(path) for path in self._folder.glob("*.json")]
        return sorted(found, key=lambda upload: (upload.started, upload.salt))

    def _write(self, upload: Upload) -> None:
        write_json(self._path(upload), asdict(upload))

    def _path(self, upload: Upload) -> Path:
        return self._folder / f"{upload.salt[:16]}.json"


def _parse(path: Path) -> Upload:
    value = read_json(path)
    try:
        return Upload(
            file=str(value["file"]),
            size_bytes=int(str(value["size_bytes"])),
            changed_ns=int(str(value["changed_ns"])),
            days=int(str(value["days"])),
            salt=_checked(str(value["salt"])),
            started=int(str(value["started"])),
            state=str(value["state"]),
            reference=str(value["reference"]),
        )
    except (KeyError, ValueError, SaltInvalid) as error:
        raise FileUnreadable(path=path, reason=str(error)) from error


def _checked(salt: str) -> str:
    digits = salt.removeprefix("0x").lower()
    if len(digits) != 2 * SALT_BYTES or not set(digits) <= set("0123456789abcdef"):
        raise SaltInvalid(salt=salt[:80])
    return digits
