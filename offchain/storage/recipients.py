"""A file's key wrapped to others: X25519, HKDF-SHA-256, AES-256-GCM, one ephemeral key each.

  wrap    ephemeral public key 32 | AES-256-GCM(file key) 48
  secret  HKDF(X25519(ephemeral, recipient), salt = file salt, info = both public keys)

The wrapping key is used once, so its nonce is zero. Who may read is in the file's head and so under
its root; taking a reader away means storing the file again under another key.
"""

from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.core.errors import InvalidInput
from offchain.storage.sealed import KEY_BYTES, SealHead, key_id_of

INFO: Final = b"apogee.storage.wrap.v1"
PUBLIC_BYTES: Final = 32
_NONCE: Final = bytes(12)


class RecipientInvalid(InvalidInput):
    """A recipient is an X25519 public key: 64 hex digits, and no point of small order."""

    code = "storage.recipient.invalid"
    next_step = "Ask the reader for what `apogee storage key` prints."


def public_key_of(secret: bytes) -> bytes:
    """The X25519 public key of 32 secret bytes."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def parse_recipient(text: str) -> bytes:
    """Read a public key. Raises: RecipientInvalid."""
    digits = text.removeprefix("0x").lower()
    if len(digits) != 2 * PUBLIC_BYTES or not set(digits) <= set("0123456789abcdef"):
        raise RecipientInvalid(recipient=text[:80])
    return bytes.fromhex(digits)


def wrap_key(
    key: bytes, recipient: bytes, *, salt: bytes, randomness: Callable[[int], bytes]
) -> bytes:
    """The key for one reader, 80 bytes. Raises: RecipientInvalid."""
    ephemeral = X25519PrivateKey.from_private_bytes(randomness(KEY_BYTES))
    public = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    except ValueError as error:
        raise RecipientInvalid(recipient=recipient.hex()) from error
    wrapping = _derived(shared, salt, public, recipient)
    return public + AESGCM(wrapping).encrypt(_NONCE, key, salt)


def unwrap_key(head: SealHead, secrets: Iterable[bytes]) -> bytes | None:
    """The file's key with one of these X25519 secrets; None when it is wrapped to none of them."""
    for secret in secrets:
        private = X25519PrivateKey.from_private_bytes(secret)
        mine = private.public_key().public_bytes_raw()
        for wrap in head.wraps:
            public, sealed = wrap[:PUBLIC_BYTES], wrap[PUBLIC_BYTES:]
            try:
                shared = private.exchange(X25519PublicKey.from_public_bytes(public))
                wrapping = _derived(shared, head.salt, public, mine)
                key = AESGCM(wrapping).decrypt(_NONCE, sealed, head.salt)
            except (InvalidTag, ValueError):
                continue
            if len(key) == KEY_BYTES and key_id_of(key) == head.key_id:
                return key
    return None


def _derived(shared: bytes, salt: bytes, public: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, INFO + public + recipient).derive(shared)
