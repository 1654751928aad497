"""The keys that data keys are sealed to: one for each purchase, made from the wallet's key; pure.

  b = 1 + HKDF-SHA-256(wallet secret, info = TAG ‖ u64 chain id ‖ collection ‖ purpose) mod (n - 1)
  B = b·G, x ‖ y

Nothing is stored: whoever has the wallet's key, and reads the chain, can open what was sealed for
him. A purpose is used once, so what a dispute shows of one purchase opens no other.

  purpose   bought: digest of the order          offered: keccak("offer" ‖ nonce), nonces from 1 on
            own: keccak("own" ‖ data hash)       given: keccak("gift" ‖ token ‖ epoch)
            cloned: keccak("clone" ‖ token ‖ epoch ‖ number), numbers from 1 on

Source: docs/protocol/agents.md#delivery-oracle.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.agents.seal import public_key_of
from offchain.core.hashing import TAG_AGENT_DELIVERY_KEY, Digest, keccak
from offchain.core.typed_data import word

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MAX_OFFERS: Final = 256  # nonces that are looked through for a key
_WIDE: Final = 48  # bytes reduced: the bias is below 2^-128


@dataclass(frozen=True, slots=True)
class DeliveryKeys:
    """The one-time keys of one wallet for one collection."""

    wallet: bytes = field(repr=False)
    chain_id: int
    collection: bytes

    def secret(self, purpose: bytes) -> bytes:
        """b, 32 bytes."""
        info = TAG_AGENT_DELIVERY_KEY + self.chain_id.to_bytes(8, "big") + self.collection + purpose
        wide = HKDF(SHA256(), _WIDE, salt=None, info=info).derive(self.wallet)
        return (1 + int.from_bytes(wide, "big") % (_ORDER - 1)).to_bytes(32, "big")

    def public(self, purpose: bytes) -> bytes:
        """B, 64 bytes."""
        return public_key_of(self.secret(purpose))


def own_purpose(data_hash: bytes) -> Digest:
    """What an owner seals to himself, at mint and at update."""
    return keccak(b"own", data_hash)


def gift_purpose(token: int, epoch: int) -> Digest:
    """A token that is given in this epoch."""
    return keccak(b"gift", word(token), word(epoch))


def offer_purpose(nonce: int) -> Digest:
    """An offer: its digest names the key, so the key cannot follow from its digest."""
    return keccak(b"offer", word(nonce))


def clone_purpose(token: int, epoch: int, number: int) -> Digest:
    """A clone that is asked for of a token."""
    return keccak(b"clone", word(token), word(epoch), word(number))
