"""Signatures: equal to eth_account's, byte for byte; keys that everybody has are refused."""

import json
from pathlib import Path

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.errors import KeyMissing, WellKnownKey
from offchain.chain.keys import LocalSigner, refuse_well_known, well_known_addresses
from offchain.chain.model import Address, show_address
from offchain.chain.ports import UnsignedTransaction
from offchain.core.errors import InvalidInput

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRETS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
TRANSACTIONS = st.builds(
    UnsignedTransaction,
    chain_id=st.integers(1, 2**40),
    nonce=st.integers(0, 2**40),
    to=st.none() | st.binary(min_size=20, max_size=20).map(Address),
    data=st.binary(max_size=300),
    value_wei=st.integers(0, 2**90),
    gas=st.integers(21_000, 2**30),
    max_fee_wei=st.integers(0, 2**60),
    tip_wei=st.integers(0, 2**60),
)


@given(SECRETS, TRANSACTIONS)
def test_sign_transaction__any_fields__same_bytes_as_eth_account(
    secret: bytes, transaction: UnsignedTransaction
) -> None:
    fields = {
        "type": 2,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "data": transaction.data,
        "value": transaction.value_wei,
        "gas": transaction.gas,
        "maxFeePerGas": transaction.max_fee_wei,
        "maxPriorityFeePerGas": transaction.tip_wei,
    }
    if transaction.to is not None:
        fields["to"] = transaction.to

    expected = bytes(Account.sign_transaction(fields, secret).raw_transaction)

    assert expected == LocalSigner.from_secret(secret).sign_transaction(transaction)


@given(SECRETS, st.binary(min_size=32, max_size=32))
def test_sign_digest__any_digest__recovers_to_the_address_with_low_s(
    secret: bytes, digest: bytes
) -> None:
    signer = LocalSigner.from_secret(secret)

    signature = signer.sign_digest(digest)

    recovered = Account._recover_hash(digest, signature=signature)
    assert recovered == show_address(signer.address)
    assert signature[64] in {27, 28}
    assert int.from_bytes(signature[32:64], "big") <= ORDER // 2


@pytest.mark.parametrize(
    "secret", [b"", b"\x01" * 31, b"\x01" * 33, bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32]
)
def test_from_secret__no_key__refused(secret: bytes) -> None:
    with pytest.raises(InvalidInput):
        LocalSigner.from_secret(secret)


def test_repr__shows_no_secret() -> None:
    secret = b"\x77" * 32

    shown = repr(LocalSigner.from_secret(secret))

    assert "77" * 8 not in shown
    assert "_key" not in shown


@pytest.mark.parametrize("kdf", ["pbkdf2", "scrypt"])
def test_from_keystore__right_passphrase__same_key(tmp_path: Path, kdf: str) -> None:
    path = tmp_path / "owner.json"
    path.write_text(json.dumps(create_keyfile_json(b"\x05" * 32, b"open", kdf=kdf, iterations=2)))

    signer = LocalSigner.from_keystore(path, "open")

    assert signer.address == LocalSigner.from_secret(b"\x05" * 32).address


def test_from_keystore__wrong_passphrase_or_file__key_missing(tmp_path: Path) -> None:
    path = tmp_path / "owner.json"
    path.write_text(json.dumps(create_keyfile_json(b"\x05" * 32, b"open", iterations=2)))
    (tmp_path / "broken.json").write_text('{"version": 3}')
    (tmp_path / "text.json").write_text("not json")

    for name, passphrase in (
        ("owner.json", "wrong"),
        ("absent.json", "open"),
        ("broken.json", "open"),
        ("text.json", "open"),
    ):
        with pytest.raises(KeyMissing):
            LocalSigner.from_keystore(tmp_path / name, passphrase)


def test_well_known_keys__public_chain__refused_on_devnets_not() -> None:
    stranger = LocalSigner.from_secret(b"\x11" * 32).address

    assert len(well_known_addresses()) == 10
    for address in well_known_addresses():
        refuse_well_known(Address(address), 31_337)
        refuse_well_known(Address(address), 1_337)
        with pytest.raises(WellKnownKey):
            refuse_well_known(Address(address), 1)
    refuse_well_known(stranger, 1)
