"""What a delivery is before anybody makes it, and what oracles need from the chain and each other.

Order: all of a delivery that is known before the joint key is. Its id names the delivery: whoever
wants another key for the same token makes another order with another nonce.
Source: docs/protocol/agents.md#delivery-oracle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Protocol

from offchain.core.hashing import TAG_AGENT_ORDER, Digest, keccak
from offchain.core.typed_data import words

MAX_SIGNERS: Final = 5
MAX_FILE_BYTES: Final = 64 << 20  # of one AGB1 file
MAX_AHEAD_SECONDS: Final = 86_400  # a deadline, from now
SHARE_BYTES: Final = 32
KEY_BYTES: Final = 32  # X25519
DELIVERY_KEY_BYTES: Final = 64  # secp256k1, x and y
DATA_KEY_BYTES: Final = 32


class Op(IntEnum):
    """What a delivery is for; the numbers are the contracts'."""

    TRANSFER = 1
    CLONE = 2


@dataclass(frozen=True, slots=True)
class DataEntry:
    """One data entry of a token with the roots that its `rootsHash` is of."""

    data_hash: bytes
    content_root: bytes
    key_root: bytes
    key_commit: bytes
    location: bytes

    @property
    def roots_hash(self) -> Digest:
        return keccak(self.content_root, self.key_root, self.key_commit, self.location)


@dataclass(frozen=True, slots=True)
class Order:
    """A delivery that is asked for. `signers` ascend; `delivery_key` is B, x and y."""

    chain_id: int
    verifier: bytes
    collection: bytes
    token: int
    epoch: int
    op: Op
    receiver: bytes
    old: DataEntry
    delivery_key: bytes
    nonce: bytes
    deadline: int
    signers: tuple[bytes, ...]

    @property
    def id(self) -> Digest:
        old = self.old
        return keccak(
            words(
                TAG_AGENT_ORDER,
                self.chain_id,
                self.verifier,
                self.collection,
                self.token,
                self.epoch,
                int(self.op),
                self.receiver,
                old.data_hash,
                old.roots_hash,
                keccak(self.delivery_key),
                keccak(self.nonce),
                self.deadline,
                keccak(words(*self.signers)),
            )
        )


@dataclass(frozen=True, slots=True)
class Commitment:
    """What one oracle committed to. `key`: its enclave's X25519 key; signed by its signer."""

    signer: bytes
    key: bytes
    commitment: bytes
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Share:
    """One oracle's secret, sealed to one other's enclave."""

    sender: bytes
    receiver: bytes
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Derived:
    """What every oracle of an order makes: the same bytes."""

    new_data_hash: bytes
    key_root: bytes
    key_commit: bytes
    sealed_key: bytes


@dataclass(frozen=True, slots=True)
class DeriveWish:
    """What an oracle needs to make the new key and file.

    `shares`: those sealed to it; `old_key`: the data key in use, sealed to its enclave;
    `wants_file`: whether the new file comes back with the answer.
    """

    order: Order
    commitments: tuple[Commitment, ...]
    shares: tuple[Share, ...]
    old_key: bytes = field(repr=False)
    wants_file: bool = False


@dataclass(frozen=True, slots=True)
class OraclePlace:
    """An enrolled oracle and where it answers; `until` chain seconds, `key_hash` of its enclave."""

    signer: bytes
    operator_id: int
    endpoint: str
    until: int
    key_hash: bytes
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as an oracle sees it, at one block."""

    time: int
    epoch: int
    threshold: int
    entries: tuple[tuple[bytes, bytes], ...]  # data hash and roots hash


class OracleLedger(Protocol):
    """What the chain says; blocking. Raises: Unavailable when no node answers."""

    def token(self, collection: bytes, token: int) -> TokenView:
        """Raises: NotFound, and OrderRefused for a collection that is not Apogee's."""
        ...

    def oracle(self, signer: bytes) -> OraclePlace | None:
        """A standing oracle, by its key."""
        ...

    def stored_root(self, location: bytes) -> bytes | None:
        """The root of a live file of Apogee storage; None where there is none."""
        ...


class Oracles(Protocol):
    """The way to oracles. Raises: OracleSilent, OracleRefused, OracleInvalid."""

    async def commit(self, place: OraclePlace, order: Order) -> Commitment: ...

    async def share(
        self, place: OraclePlace, order: Order, commitments: Sequence[Commitment]
    ) -> Sequence[Share]: ...

    async def derive(
        self, place: OraclePlace, wish: DeriveWish, old_file: bytes
    ) -> tuple[Derived, bytes]:
        """The result, and the new file where the wish wants it."""
        ...

    async def sign(self, place: OraclePlace, order: Order, location: bytes) -> bytes:
        """The oracle's signature of the Delivery, 65 bytes."""
        ...
