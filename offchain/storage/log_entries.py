"""Entries of the log and what they say: the bytes of each kind, what binds them, what is signed.

  entry hash   keccak(words(time, author, keccak(data)))
  leaf         keccak(0x00 || u64 seq || id || u8 kind || entry hash)
  FILE         data = the ten words of a Submission             id = the submission's id
  KV_BATCH     data = ABI-encoded Batch(streams, blob id, operations)
               id = the blob's id, or keccak(operations)
  ACCESS       data = u8 version | u8 action | stream 32 | u64 generation | u8 role | u8 subject
               kind | subject 32 | u64 quota | u64 expiry | u8 prefix length | prefix; id = stream

Source: docs/protocol/storage.md#the-log; contracts/interfaces/IStorageLog.vyi, IKVStreams.vyi.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.core.errors import Corrupt
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest, words
from offchain.storage.kv.entry import NO_BLOB, AccessChange, Batch
from offchain.storage.kv.op import Scheme, Subject

MAX_STREAMS: Final = 64
MAX_INLINE_BYTES: Final = 4_096
MAX_PREFIX_BYTES: Final = 64
ACCESS_VERSION: Final = 1
SUBMISSION_WORDS: Final = 10
SUBMISSION_TYPE: Final = keccak(
    b"Submission(address owner,uint64 nonce,bytes32 root,uint32 segments,uint64 length,"
    b"uint8 profile,uint8 kind,uint32 termEpochs,uint128 maxCost,uint64 validUntil)"
)
_ACCESS: Final = struct.Struct(">BB32sQBB32sQQB")
_LEAF: Final = struct.Struct(">cQ32sB32s")
_WORD: Final = 32


class EntryKind(IntEnum):
    """Numbers are StorageLog's."""

    FILE = 1
    KV_BATCH = 2
    ACCESS = 3


class EntryCorrupt(Corrupt):
    """The bytes of an entry are not what its contract writes."""

    code = "storage.log.entry_corrupt"
    next_step = "Read the log from another node: this one does not tell what the contract wrote."


@dataclass(frozen=True, slots=True)
class Submission:
    """A file as it enters the log; field names are the contract's."""

    owner: bytes
    nonce: int
    root: bytes
    segments: int
    length: int
    profile: int
    kind: int
    term_epochs: int
    max_cost: int  # wei
    valid_until: int  # seconds

    def encoded(self) -> bytes:
        """Its ABI words."""
        return words(
            self.owner,
            self.nonce,
            self.root,
            self.segments,
            self.length,
            self.profile,
            self.kind,
            self.term_epochs,
            self.max_cost,
            self.valid_until,
        )


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One entry at its place, as its event tells it."""

    seq: int
    id: bytes
    author: bytes
    kind: EntryKind
    time: int
    data: bytes
    block_number: int
    block_hash: bytes

    @property
    def entry_hash(self) -> Digest:
        return entry_hash(self.time, self.author, self.data)

    @property
    def leaf(self) -> Digest:
        return entry_leaf(self.seq, self.id, self.kind, self.entry_hash)


def entry_hash(time: int, author: bytes, data: bytes) -> Digest:
    """What a leaf says of an entry besides place, id and kind."""
    return keccak(words(time, author, keccak(data)))


def entry_leaf(seq: int, entry_id: bytes, kind: int, hashed: bytes) -> Digest:
    """An entry's leaf in the log's tree."""
    return keccak(_LEAF.pack(b"\0", seq, entry_id, kind, hashed))


def submission_domain(*, chain_id: int, log: bytes) -> Digest:
    """The EIP-712 domain separator of submissions."""
    return domain_of("Apogee Storage", "1", chain_id=chain_id, contract=log)


def submission_digest(domain: bytes, submission: Submission) -> Digest:
    """What an owner signs for somebody else to submit."""
    encoded = submission.encoded()
    parts = [encoded[at : at + _WORD] for at in range(0, len(encoded), _WORD)]
    return typed_digest(domain, SUBMISSION_TYPE, *parts)


def parse_submission(data: bytes) -> Submission:
    """Read a FILE entry. Raises: EntryCorrupt."""
    if len(data) != SUBMISSION_WORDS * _WORD:
        raise EntryCorrupt(kind="FILE", length=len(data))
    parts = [data[at : at + _WORD] for at in range(0, len(data), _WORD)]
    numbers = [int.from_bytes(part, "big") for part in parts]
    submission = Submission(parts[0][12:], numbers[1], parts[2], *numbers[3:])
    if submission.encoded() != data:
        raise EntryCorrupt(kind="FILE", reason="owner is no address")
    return submission


def encode_batch(batch: Batch) -> bytes:
    """The data of a KV_BATCH entry."""
    streams = words(len(batch.streams), *batch.streams)
    operations = words(len(batch.operations)) + _padded(batch.operations)
    return words(_WORD, 3 * _WORD, batch.blob_id, 3 * _WORD + len(streams)) + streams + operations


def parse_batch(data: bytes) -> Batch:
    """Read a KV_BATCH entry. Raises: EntryCorrupt."""
    count = _number(data, 4)
    if not 1 <= count <= MAX_STREAMS:
        raise EntryCorrupt(kind="KV_BATCH", streams=count)
    first = 5 * _WORD
    streams = tuple(data[first + _WORD * i : first + _WORD * (i + 1)] for i in range(count))
    size = _number(data, 5 + count)
    start = first + _WORD * (count + 1)
    batch = Batch(streams, data[2 * _WORD : 3 * _WORD], data[start : start + size])
    is_whole = size <= MAX_INLINE_BYTES and batch.is_inline == (size > 0)
    if not is_whole or encode_batch(batch) != data:
        raise EntryCorrupt(kind="KV_BATCH", length=len(data))
    return batch


def batch_id(batch: Batch) -> bytes:
    """The id that a batch has in the log."""
    return keccak(batch.operations) if batch.blob_id == NO_BLOB else batch.blob_id


def encode_access(change: AccessChange) -> bytes:
    """The data of an ACCESS entry."""
    head = _ACCESS.pack(
        ACCESS_VERSION,
        change.action,
        change.stream,
        change.generation,
        change.role,
        change.subject.scheme,
        change.subject.digest,
        change.quota,
        change.expiry,
        len(change.prefix),
    )
    return head + change.prefix


def parse_access(data: bytes) -> AccessChange:
    """Read an ACCESS entry. Raises: EntryCorrupt."""
    if not _ACCESS.size <= len(data) <= _ACCESS.size + MAX_PREFIX_BYTES:
        raise EntryCorrupt(kind="ACCESS", length=len(data))
    version, action, stream, generation, role, scheme, digest, quota, expiry, size = (
        _ACCESS.unpack_from(data)
    )
    prefix = data[_ACCESS.size :]
    if version != ACCESS_VERSION or len(prefix) != size or scheme not in set(Scheme):
        raise EntryCorrupt(kind="ACCESS", version=version)
    subject = Subject(Scheme(scheme), digest)
    return AccessChange(action, stream, generation, role, subject, prefix, quota, expiry)


def check_order(entries: Sequence[LoggedEntry], first: int) -> None:
    """Entries follow one another from number `first` on. Raises: EntryCorrupt."""
    for expected, entry in enumerate(entries, first):
        if entry.seq != expected:
            raise EntryCorrupt(expected=expected, seq=entry.seq)


def _number(data: bytes, position: int) -> int:
    raw = data[position * _WORD : (position + 1) * _WORD]
    if len(raw) != _WORD:
        raise EntryCorrupt(kind="KV_BATCH", length=len(data))
    return int.from_bytes(raw, "big")


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % _WORD)
