"""Clients of KeyDeliveryVerifier and DeliveryFraudProofs: oracles, deliveries, and what was a lie.

Method and field names are the contracts'; addresses are 20 raw bytes, times seconds.
Source: docs/protocol/agents.md#bundles-and-delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.agents.delivery import Access, Delivery, OwnershipProof
from offchain.agents.false_delivery import Falsehood, FalseProof
from offchain.agents.reverts_agents_verifier import FRAUD_PROOFS, VERIFIER
from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import words

NO_SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class OracleEntry:
    """`operator_id` is zero for a key that never was an oracle's."""

    operator_id: int
    until: int


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is empty where nothing was proven; `reporter` zero where nobody had announced it."""

    kind: Falsehood
    reporter: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a collection says of its transfer. `op`: 1 TRANSFER, 2 CLONE."""

    token: int
    epoch: int
    op: int
    receiver: bytes
    threshold: int
    key_hash: bytes

    def fields(self) -> tuple[int | bytes, ...]:
        return (self.token, self.epoch, self.op, self.receiver, self.threshold, self.key_hash)


@dataclass(frozen=True, slots=True)
class OracleEnrolled:
    signer: bytes
    operator_id: int
    until: int


@dataclass(frozen=True, slots=True)
class OracleExpelled:
    signer: bytes
    operator_id: int


@dataclass(frozen=True, slots=True)
class EndpointAnnounced:
    operator_id: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class DeliveryVerified:
    """With it and the collection's events anyone can say what was signed."""

    collection: bytes
    token: int
    digest: bytes
    nonce_hash: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class DeliveryProvenFalse:
    digest: bytes
    kind: Falsehood
    reporter: bytes


@dataclass(frozen=True, slots=True)
class OraclePunished:
    digest: bytes
    operator_id: int


def proof_commitment(digest: bytes, reporter: bytes, salt: bytes) -> Digest:
    """What announces a proof a block before it is shown; without, it earns nothing."""
    return keccak(words(digest, reporter, salt))


class KeyDeliveryVerifierClient(ContractClient):
    """Operators enrol; anyone commits, punishes and reads."""

    contract = "KeyDeliveryVerifier"
    reverts = VERIFIER

    def enrol(self, signer: bytes) -> TypedCall:
        """Take an attested oracle on the caller's operator, or renew it."""
        return self._build("enrol", signer)

    def announce(self, endpoint: str) -> TypedCall:
        return self._build("announce", endpoint)

    def expel(self, signer: bytes) -> TypedCall:
        return self._build("expel", signer)

    def commit(self, commitment: bytes) -> TypedCall:
        return self._build("commit", commitment)

    def punish(self, digest: bytes, signatures: Sequence[bytes]) -> TypedCall:
        """Slash those who signed what was proven false; at most five at once."""
        return self._build("punish", digest, b"".join(signatures))

    def is_false(self, digest: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_false", digest, at=at)

    def finding(self, digest: bytes, *, at: BlockRef) -> Finding:
        return self._read(Finding, "finding", digest, at=at)

    def delivery_digest(
        self, collection: bytes, context: Context, proof: OwnershipProof, *, at: BlockRef
    ) -> bytes:
        arguments = (collection, context.fields(), proof.fields())
        return self._read(bytes, "delivery_digest", *arguments, at=at)

    def access_digest(self, access: Access, *, at: BlockRef) -> bytes:
        return self._read(bytes, "access_digest", access.fields(), at=at)

    def is_spent(self, collection: bytes, token: int, nonce_hash: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_spent", collection, token, nonce_hash, at=at)

    def oracle(self, signer: bytes, *, at: BlockRef) -> OracleEntry:
        return self._read(OracleEntry, "oracle", signer, at=at)

    def is_oracle(self, signer: bytes, *, at: BlockRef) -> bool:
        """Whether a signature of this key counts."""
        return self._read(bool, "is_oracle", signer, at=at)

    def endpoint_of(self, operator_id: int, *, at: BlockRef) -> str:
        """Where an operator's oracles answer; empty: nowhere."""
        return self._read(str, "endpoint_of", operator_id, at=at)

    def fraud_proofs(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "fraud_proofs", at=at)

    def evidence_seconds(self, offence: int, *, at: BlockRef) -> int:
        return self._read(int, "evidence_seconds", offence, at=at)


class DeliveryFraudProofsClient(ContractClient):
    """Anyone who holds a delivery proves it wrong."""

    contract = "DeliveryFraudProofs"
    reverts = FRAUD_PROOFS

    def prove(
        self, verifier: bytes, delivery: Delivery, proof: FalseProof, *, salt: bytes = NO_SALT
    ) -> TypedCall:
        """Show one lie; `salt` is that of the sender's commitment."""
        arguments = (verifier, delivery.fields(), *proof.arguments, salt)
        return self._build(proof.function, *arguments)
