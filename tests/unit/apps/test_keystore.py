"""Keys are made once, open again, stay encrypted and private."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from offchain.apps.files import FileMissing, FileUnreadable
from offchain.apps.keystore import Keystore, KeyUnreadable, devnet_account


def test_account__asked_twice__is_the_same_and_its_file_is_private(tmp_path: Path) -> None:
    first = Keystore(tmp_path).account("operator")

    assert Keystore(tmp_path).account("operator") == first
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    assert first.secret.hex() not in (tmp_path / "operator.json").read_text()
    assert first.secret.hex() not in repr(first)


def test_bls_key__asked_twice__is_the_same_and_not_the_account(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path)
    account, key = keystore.account("operator"), keystore.bls("operator")

    assert Keystore(tmp_path).bls("operator").public_key() == key.public_key()
    assert key.to_bytes() != account.secret
    assert keystore.roles() == ["operator"]


def test_keys__wanted_by_many_at_once__are_made_once(tmp_path: Path) -> None:
    def keys(_: int) -> tuple[str, bytes]:
        keystore = Keystore(tmp_path / "keys")
        return keystore.account("operator").address, keystore.bls("operator").to_bytes()

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(keys, range(8)))

    assert len(found) == 1


def test_account__file_is_changed__is_unreadable(tmp_path: Path) -> None:
    Keystore(tmp_path).account("operator")
    path = tmp_path / "operator.json"
    wrapped = json.loads(path.read_text())
    wrapped["crypto"]["ciphertext"] = "00" * 32
    path.write_text(json.dumps(wrapped))

    with pytest.raises(KeyUnreadable):
        Keystore(tmp_path).account("operator")


def test_account__passphrase_is_lost__makes_no_second_one(tmp_path: Path) -> None:
    Keystore(tmp_path).account("operator")
    (tmp_path / "passphrase").unlink()

    with pytest.raises(FileMissing):
        Keystore(tmp_path).account("operator")
    assert not (tmp_path / "passphrase").exists()


def test_account__passphrase_is_readable_by_others__is_refused(tmp_path: Path) -> None:
    Keystore(tmp_path).account("operator")
    (tmp_path / "passphrase").chmod(0o644)

    with pytest.raises(FileUnreadable):
        Keystore(tmp_path).account("operator")


def test_devnet_account__of_index_0__is_the_faucet_everybody_knows() -> None:
    assert devnet_account(0).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
