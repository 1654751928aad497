"""Keys of accounts: sign transactions and digests, show nothing.

An EIP-1559 transaction is 0x02 || rlp([chain id, nonce, tip, max fee, gas, to, value, data,
access list, y parity, r, s]). Source: EIP-1559, EIP-2718.
"""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from coincurve import PrivateKey
from eth_keyfile.keyfile import decode_keyfile_json

from offchain.chain.devnet.network import DEV_ACCOUNTS, DEV_MNEMONIC
from offchain.chain.errors import KeyMissing, WellKnownKey
from offchain.chain.model import Address, show_address
from offchain.chain.ports import UnsignedTransaction
from offchain.chain.rlp_encoding import Item, encode_rlp
from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak

SECRET_BYTES: Final = 32
DEVNET_CHAIN_IDS: Final = frozenset({1_337, 31_337})
_TYPE: Final = b"\x02"
_LOW_V: Final = 27


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A key held in this process."""

    address: Address
    _key: PrivateKey = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes) -> "LocalSigner":
        """Raises: InvalidInput when these are no 32 bytes of a valid key."""
        if len(secret) != SECRET_BYTES:
            raise InvalidInput("a private key has 32 bytes", length=len(secret))
        try:
            key = PrivateKey(secret)
            point = key.public_key.format(compressed=False)
            return cls(Address(keccak(point[1:])[12:]), key)
        except ValueError as error:
            raise InvalidInput("not a private key of secp256k1") from error

    @classmethod
    def from_keystore(cls, path: Path, passphrase: str) -> "LocalSigner":
        """Open a keystore v3 file. Raises: KeyMissing."""
        try:
            body = json.loads(path.read_text())
            # eth_keyfile says str and hands it to hashlib, which wants bytes.
            password: Any = passphrase.encode()
            secret = decode_keyfile_json(body, password)
        except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
            raise KeyMissing(file=path.name, reason=str(error) or type(error).__name__) from error
        return cls.from_secret(bytes(secret))

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        fields: list[Item] = [
            transaction.chain_id,
            transaction.nonce,
            transaction.tip_wei,
            transaction.max_fee_wei,
            transaction.gas,
            transaction.to or b"",
            transaction.value_wei,
            transaction.data,
            [],
        ]
        signature = self._sign(keccak(_TYPE, encode_rlp(fields)))
        parity, r, s = signature[64], signature[:32], signature[32:64]
        numbers = [parity, int.from_bytes(r, "big"), int.from_bytes(s, "big")]
        return _TYPE + encode_rlp([*fields, *numbers])

    def sign_digest(self, digest: bytes) -> bytes:
        signature = self._sign(digest)
        return signature[:64] + bytes([_LOW_V + signature[64]])

    def _sign(self, digest: bytes) -> bytes:
        """Deterministic (RFC 6979) r || s || parity; s is low."""
        return bytes(self._key.sign_recoverable(digest, hasher=None))


@functools.cache
def well_known_addresses() -> frozenset[bytes]:
    """The accounts of the mnemonic that every tutorial prints."""
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    wallets = [
        Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
        for index in range(DEV_ACCOUNTS)
    ]
    return frozenset(bytes.fromhex(wallet.address[2:]) for wallet in wallets)


def refuse_well_known(address: Address, chain_id: int) -> None:
    """Raises: WellKnownKey when everybody has this key and the chain is no devnet."""
    if chain_id not in DEVNET_CHAIN_IDS and address in well_known_addresses():
        raise WellKnownKey(address=show_address(address), chain_id=chain_id)
