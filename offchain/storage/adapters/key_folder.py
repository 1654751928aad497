"""Keys of sealed files in a folder of the client's keystore, each sealed under its passphrase.

  passphrase            64 hex digits, made once, 0600
  <key id>.key          "AFK1" | salt 16 | AES-256-GCM(key) 48, 0600
  reading.key           the same form: the X25519 secret to which others wrap keys; made when asked

The sealing key is HKDF(passphrase, salt): the passphrase is 256 random bits, stretching adds
nothing. Whoever has a key file alone has nothing; the passphrase stays on this machine.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.core.errors import Corrupt
from offchain.node.disk import Chunk, LocalDisk, write_durably
from offchain.storage.sealed import KEY_BYTES

MAGIC: Final = b"AFK1"
SALT_BYTES: Final = 16
SUFFIX: Final = ".key"
READING: Final = "reading"
PHRASE_FILE: Final = "passphrase"
INFO: Final = b"apogee.storage.key-file.v1"
_NONCE: Final = bytes(12)


class FileKeyUnreadable(Corrupt):
    """A key file cannot be opened with this keystore's passphrase."""

    code = "storage.key.unreadable"
    next_step = "Restore the keystore as a whole: key files and passphrase belong together."


class KeyFolder:
    """A `FileKeys` in one folder, made on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key_id: bytes, key: bytes) -> None:
        self._write(key_id.hex(), key)

    def find(self, key_id: bytes) -> bytes | None:
        return self._read(key_id.hex())

    def reading_secrets(self) -> Sequence[bytes]:
        found = self._read(READING)
        return [] if found is None else [found]

    def reading_secret(self) -> bytes:
        """The secret of this reader, made when there is none."""
        found = self._read(READING)
        if found is None:
            found = secrets.token_bytes(KEY_BYTES)
            self._write(READING, found)
        return found

    def _write(self, name: str, key: bytes) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        sealed = AESGCM(self._sealing_key(salt)).encrypt(_NONCE, key, name.encode())
        path = self._folder / (name + SUFFIX)
        write_durably(_PrivateDisk(), path, [MAGIC, salt, sealed])

    def _read(self, name: str) -> bytes | None:
        path = self._folder / (name + SUFFIX)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        start = len(MAGIC) + SALT_BYTES
        salt, sealed = raw[len(MAGIC) : start], raw[start:]
        if raw[: len(MAGIC)] != MAGIC:
            raise FileKeyUnreadable(file=path.name)
        try:
            return AESGCM(self._sealing_key(salt)).decrypt(_NONCE, sealed, name.encode())
        except (InvalidTag, ValueError) as error:
            raise FileKeyUnreadable(file=path.name) from error

    def _sealing_key(self, salt: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt, INFO).derive(self._passphrase())

    def _passphrase(self) -> bytes:
        path = self._folder / PHRASE_FILE
        try:
            digits = path.read_text().strip()
        except FileNotFoundError as error:
            if any(self._folder.glob("*" + SUFFIX)):
                raise FileKeyUnreadable(file=PHRASE_FILE, reason="missing") from error
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            digits = secrets.token_hex(KEY_BYTES)
            write_durably(_PrivateDisk(), path, [digits.encode()])
        if path.stat().st_mode & 0o077:
            raise FileKeyUnreadable(file=PHRASE_FILE, reason="others may read it")
        try:
            return bytes.fromhex(digits)
        except ValueError as error:
            raise FileKeyUnreadable(file=PHRASE_FILE) from error


class _PrivateDisk(LocalDisk):
    """Makes files that only their owner may read."""

    def write(self, path: Path, parts: Iterable[Chunk]) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(b"".join(parts))
