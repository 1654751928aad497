"""What oracles and receivers sign of a delivery, the bytes of the proofs, and the joint key; pure.

  Delivery, Access  EIP-712, domain "Apogee Key Delivery", "1", chain, KeyDeliveryVerifier
  ownership proof   contentRoot || old keyRoot || old keyCommit || old location || keyRoot ||
                    keyCommit || location || u64 deadline || 65 a signature, signers ascending
  access proof      u64 deadline || signature
  joint seed        keccak(TAG_SEED || context || every secret in the order of the signers)
  data key          HKDF-SHA-256(seed, "apogee/data-key")
  ephemeral scalar  HKDF-SHA-256(seed, "apogee/ephemeral" || u32 i), the first i that serves

The same file, key and seal follow from the same secrets at every oracle, to the last byte.
Source: docs/protocol/agents.md#bundles-and-delivery.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from itertools import count
from typing import Final

from offchain.agents.seal import is_ephemeral
from offchain.core.ecdsa import SIGNATURE_BYTES, signer_of
from offchain.core.errors import InvalidInput
from offchain.core.hashing import DIGEST_BYTES, TAG_AGENT_ORACLE, TAG_AGENT_SEED, Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest, words

MAX_SIGNERS: Final = 5
TRANSFER: Final = 1
CLONE: Final = 2
DEADLINE_BYTES: Final = 8
ROOTS_BYTES: Final = 7 * DIGEST_BYTES
DELIVERY_TYPE: Final = keccak(
    b"Delivery(address collection,uint256 token,uint64 epoch,uint8 op,address receiver,"
    b"bytes32 oldDataHash,bytes32 newDataHash,bytes32 contentRoot,bytes32 keyRoot,"
    b"bytes32 keyCommit,bytes32 location,bytes32 sealedKeyHash,bytes32 keyHash,bytes32 nonceHash,"
    b"uint64 deadline)"
)
ACCESS_TYPE: Final = keccak(
    b"Access(address collection,uint256 token,uint64 epoch,uint8 op,address receiver,"
    b"bytes32 oldDataHash,bytes32 newDataHash,bytes32 keyHash,bytes32 nonceHash,uint64 deadline)"
)


class DeliveryInvalid(InvalidInput):
    """No delivery can be like this."""

    code = "agents.delivery.invalid"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What oracles sign; names and order are the contract's. Addresses are 20 bytes."""

    collection: bytes
    token: int
    epoch: int
    op: int
    receiver: bytes
    old_data_hash: bytes
    new_data_hash: bytes
    content_root: bytes
    key_root: bytes
    key_commit: bytes
    location: bytes
    sealed_key_hash: bytes
    key_hash: bytes
    nonce_hash: bytes
    deadline: int

    def fields(self) -> tuple[int | bytes, ...]:
        """As the contract takes them."""
        return astuple(self)

    def digest(self, domain: bytes) -> Digest:
        return typed_digest(domain, DELIVERY_TYPE, *self.fields())

    def access(self, deadline: int) -> "Access":
        """What the receiver signs beside it."""
        return Access(
            collection=self.collection,
            token=self.token,
            epoch=self.epoch,
            op=self.op,
            receiver=self.receiver,
            old_data_hash=self.old_data_hash,
            new_data_hash=self.new_data_hash,
            key_hash=self.key_hash,
            nonce_hash=self.nonce_hash,
            deadline=deadline,
        )


@dataclass(frozen=True, slots=True)
class Access:
    """What the receiver, or his assistant, signs."""

    collection: bytes
    token: int
    epoch: int
    op: int
    receiver: bytes
    old_data_hash: bytes
    new_data_hash: bytes
    key_hash: bytes
    nonce_hash: bytes
    deadline: int

    def fields(self) -> tuple[int | bytes, ...]:
        """As the contract takes them."""
        return astuple(self)

    def digest(self, domain: bytes) -> Digest:
        return typed_digest(domain, ACCESS_TYPE, *self.fields())


@dataclass(frozen=True, slots=True)
class RootWords:
    """Old and new roots as an ownership proof opens them; `content_root` is both's."""

    content_root: bytes
    old_key_root: bytes
    old_key_commit: bytes
    old_location: bytes
    key_root: bytes
    key_commit: bytes
    location: bytes

    def to_bytes(self) -> bytes:
        return b"".join(
            (
                self.content_root,
                self.old_key_root,
                self.old_key_commit,
                self.old_location,
                self.key_root,
                self.key_commit,
                self.location,
            )
        )


@dataclass(frozen=True, slots=True)
class OwnershipProof:
    """The oracles' word, with the EIP's fields."""

    old_data_hash: bytes
    new_data_hash: bytes
    sealed_key: bytes
    public_key: bytes
    nonce: bytes
    roots: RootWords
    deadline: int
    signatures: tuple[bytes, ...]

    def fields(self) -> tuple[int | bytes, ...]:
        """As the contract takes them. Raises: DeliveryInvalid."""
        proof = pack_ownership(self.roots, self.deadline, self.signatures)
        return (
            0,
            self.old_data_hash,
            self.new_data_hash,
            self.sealed_key,
            self.public_key,
            self.nonce,
            proof,
        )

    def delivery(
        self, *, collection: bytes, token: int, epoch: int, op: int, receiver: bytes
    ) -> Delivery:
        """What was signed, in the context of a transfer."""
        return Delivery(
            collection=collection,
            token=token,
            epoch=epoch,
            op=op,
            receiver=receiver,
            old_data_hash=self.old_data_hash,
            new_data_hash=self.new_data_hash,
            content_root=self.roots.content_root,
            key_root=self.roots.key_root,
            key_commit=self.roots.key_commit,
            location=self.roots.location,
            sealed_key_hash=keccak(self.sealed_key),
            key_hash=keccak(self.public_key),
            nonce_hash=keccak(self.nonce),
            deadline=self.deadline,
        )


@dataclass(frozen=True, slots=True)
class AccessProof:
    """The receiver's word; `proof` is empty where a locker holds his key."""

    old_data_hash: bytes
    new_data_hash: bytes
    nonce: bytes
    public_key: bytes
    proof: bytes

    def fields(self) -> tuple[bytes, ...]:
        """As the contract takes them."""
        return (self.old_data_hash, self.new_data_hash, self.nonce, self.public_key, self.proof)


@dataclass(frozen=True, slots=True)
class JointKeys:
    """What follows from a joint seed."""

    data_key: bytes = field(repr=False)
    scalar: bytes = field(repr=False)  # of the ephemeral key of the seal


def verifier_domain(*, chain_id: int, verifier: bytes) -> Digest:
    """The EIP-712 domain separator of deliveries."""
    return domain_of("Apogee Key Delivery", "1", chain_id=chain_id, contract=verifier)


def oracle_service(operator_id: int) -> Digest:
    """The service id under which an operator's oracle is attested."""
    return keccak(words(TAG_AGENT_ORACLE, operator_id))


def pack_access(deadline: int, signature: bytes) -> bytes:
    return deadline.to_bytes(DEADLINE_BYTES, "big") + signature


def pack_ownership(roots: RootWords, deadline: int, signatures: Sequence[bytes]) -> bytes:
    """Raises: DeliveryInvalid."""
    if not 1 <= len(signatures) <= MAX_SIGNERS:
        raise DeliveryInvalid(signatures=len(signatures), maximum=MAX_SIGNERS)
    if any(len(one) != SIGNATURE_BYTES for one in signatures):
        raise DeliveryInvalid(part="signatures")
    return roots.to_bytes() + deadline.to_bytes(DEADLINE_BYTES, "big") + b"".join(signatures)


def in_order(digest: bytes, signatures: Sequence[bytes]) -> tuple[bytes, ...]:
    """Signatures as a proof lists them: by ascending signer. Raises: DeliveryInvalid."""
    signed = sorted((signer_of(digest, one) or b"", one) for one in signatures)
    if any(not signer for signer, _ in signed):
        raise DeliveryInvalid(part="signatures")
    return tuple(one for _, one in signed)


def joint_seed(secrets: Sequence[bytes], context: bytes) -> Digest:
    """The seed of all oracles' secrets, in the order of the signers. Raises: DeliveryInvalid."""
    if not secrets or any(len(one) != DIGEST_BYTES for one in (*secrets, context)):
        raise DeliveryInvalid(part="secrets", count=len(secrets))
    return keccak(TAG_AGENT_SEED, context, *secrets)


def keys_of(seed: bytes) -> JointKeys:
    """The data key and the scalar of its seal."""
    early = hmac.digest(bytes(DIGEST_BYTES), seed, hashlib.sha256)
    data_key = hmac.digest(early, b"apogee/data-key\1", hashlib.sha256)
    for index in count():
        info = b"apogee/ephemeral" + index.to_bytes(4, "big") + b"\1"
        scalar = hmac.digest(early, info, hashlib.sha256)
        if is_ephemeral(scalar):
            break
    return JointKeys(data_key, scalar)
