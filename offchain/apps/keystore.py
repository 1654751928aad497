"""Keys of a home: an encrypted Ethereum keystore and an encrypted BLS key for each operator.

  keys/passphrase          made once, 0600; protects the files against being copied alone
  keys/<role>.json         owner or account key, keystore v3 (scrypt), 0600
  keys/<role>.bls.json     BLS12-381 secret, same cipher and file form, 0600
  keys/.lock               held while a key is made: two processes may want the same one

Keys that everybody knows are refused off a devnet by the sender of transactions.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.apps.files import PRIVATE, FileMissing, FileUnreadable, read_json, write_bytes
from offchain.chain.devnet.network import DEV_MNEMONIC
from offchain.core.bls import SecretKey
from offchain.core.errors import Corrupt

BLS_SUFFIX: Final = ".bls.json"
SCRYPT_ROUNDS: Final = 4_096  # the passphrase is 256 random bits, stretching adds nothing to it


class KeyUnreadable(Corrupt):
    """A key file cannot be opened with this home's passphrase."""

    code = "key.unreadable"
    next_step = "Restore keys/ as a whole: key files and passphrase belong together."


@dataclass(frozen=True, slots=True)
class AccountKey:
    """An Ethereum account; the secret is never printed."""

    address: str
    secret: bytes = field(repr=False)


class Keystore:
    """The keys in one folder, made on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def account(self, role: str) -> AccountKey:
        """The account of a role, made when there is none. Raises: KeyUnreadable."""
        path = self._folder / f"{role}.json"
        if not path.exists():
            with self._alone():
                if not path.exists():
                    self._make(path, secrets.token_bytes(32))
        return account_key(self._read(path))

    def bls(self, role: str) -> SecretKey:
        """The BLS key of a role, made when there is none. Raises: KeyUnreadable."""
        path = self._folder / f"{role}{BLS_SUFFIX}"
        if not path.exists():
            with self._alone():
                if not path.exists():
                    self._make(path, SecretKey.from_seed(secrets.token_bytes(48)).to_bytes())
        return SecretKey(int.from_bytes(self._read(path), "big"))

    def has(self, role: str) -> bool:
        return (self._folder / f"{role}.json").exists()

    def roles(self) -> list[str]:
        """Every role that has an account here."""
        paths = set(self._paths(".json")) - set(self._paths(BLS_SUFFIX))
        return sorted(path.name.removesuffix(".json") for path in paths)

    def bls_roles(self) -> list[str]:
        """Every role that has a BLS key here."""
        return sorted(path.name.removesuffix(BLS_SUFFIX) for path in self._paths(BLS_SUFFIX))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Make keys while no other process or thread does."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _make(self, path: Path, secret: bytes) -> None:
        from eth_keyfile.keyfile import create_keyfile_json

        wrapped = create_keyfile_json(
            secret, self._passphrase(), kdf="scrypt", iterations=SCRYPT_ROUNDS
        )
        write_bytes(path, json.dumps(wrapped).encode(), mode=PRIVATE)

    def _read(self, path: Path) -> bytes:
        from eth_keyfile.keyfile import decode_keyfile_json

        wrapped = read_json(path)
        try:
            return bytes(decode_keyfile_json(wrapped, self._passphrase()))
        except (ValueError, KeyError, TypeError) as error:
            raise KeyUnreadable(path=path, reason=str(error)) from error

    def _paths(self, suffix: str) -> list[Path]:
        return list(self._folder.glob(f"*{suffix}"))

    def _passphrase(self) -> str:
        path = self._folder / "passphrase"
        try:
            passphrase = path.read_text().strip()
        except FileNotFoundError as error:
            if any(self._folder.glob("*.json")):
                raise FileMissing(path=path) from error
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            passphrase = secrets.token_hex(32)
            write_bytes(path, f"{passphrase}\n".encode(), mode=PRIVATE)
        if path.stat().st_mode & 0o077:
            raise FileUnreadable(path=path, reason="others may read it; run chmod 600 on it")
        return passphrase


def account_key(secret: bytes) -> AccountKey:
    from eth_keys.datatypes import PrivateKey

    return AccountKey(PrivateKey(secret).public_key.to_checksum_address(), secret)


def devnet_account(index: int) -> AccountKey:
    """Account `index` of every devnet; everybody has this key."""
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    wallet = Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return AccountKey(wallet.address, bytes(wallet.key))
