"""ABI words and EIP-712 digests as contracts make them (contracts/shared/typed_data.vy); pure.

word     32 bytes: an integer or an address to the right, 32 bytes as they are
digest   keccak(0x19 0x01 || domain || struct hash)
"""

from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.hashing import DIGEST_BYTES, Digest, keccak

ADDRESS_BYTES: Final = 20
DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


def word(value: int | bytes) -> bytes:
    """One ABI word: an integer or an address to the right, 32 bytes as they are."""
    if isinstance(value, int):
        return value.to_bytes(DIGEST_BYTES, "big")
    if len(value) == DIGEST_BYTES:
        return value
    if len(value) == ADDRESS_BYTES:
        return bytes(DIGEST_BYTES - ADDRESS_BYTES) + value
    raise InvalidInput("an ABI word is an integer, an address or 32 bytes", length=len(value))


def words(*values: int | bytes) -> bytes:
    """ABI words in a row."""
    # Most are plain integers: written here, they cost half of a call of `word`.
    return b"".join(
        [value.to_bytes(32, "big") if type(value) is int else word(value) for value in values]
    )


def domain_of(name: str, version: str, *, chain_id: int, contract: bytes) -> Digest:
    """The EIP-712 domain separator of one contract on one chain."""
    return keccak(
        words(DOMAIN_TYPE, keccak(name.encode()), keccak(version.encode()), chain_id, contract)
    )


def typed_digest(domain: bytes, *struct: int | bytes) -> Digest:
    """What is signed: `struct` are the words of the struct, its type hash first."""
    return keccak(b"\x19\x01", domain, keccak(words(*struct)))
