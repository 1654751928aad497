"""Entries of the log as replay reads them. Source: contracts/interfaces/IStorageLog.vyi."""

from dataclasses import dataclass

from offchain.core.hashing import Digest, keccak
from offchain.storage.kv.op import Scheme, Subject

NO_BLOB = bytes(32)


@dataclass(frozen=True, slots=True)
class AccessChange:
    """What an ACCESS entry says; as IKVStreams.AccessChange."""

    action: int
    stream: bytes
    generation: int
    role: int
    subject: Subject
    prefix: bytes
    quota: int
    expiry: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A KV_BATCH entry: whose operations, and where they are."""

    streams: tuple[bytes, ...]
    blob_id: bytes
    operations: bytes

    @property
    def is_inline(self) -> bool:
        return self.blob_id == NO_BLOB


@dataclass(frozen=True, slots=True)
class Other:
    """An entry that says nothing about streams."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `time` is the log's clock, `block_hash` tells two chain views apart."""

    seq: int
    time: int
    block: int
    block_hash: bytes
    body: AccessChange | Batch | Other

    @property
    def mark(self) -> Digest:
        """Changes when another entry takes this one's place."""
        return keccak(self.seq.to_bytes(8, "big"), self.time.to_bytes(8, "big"), self.block_hash)


@dataclass(frozen=True, slots=True)
class LogHead:
    """How many entries there are, and how many of them no reorganisation can take away."""

    size: int
    final: int


def account_of(subject: Subject) -> bytes | None:
    """The 20 bytes of an account; None of a key."""
    return subject.digest[12:] if subject.scheme is Scheme.ACCOUNT else None
