"""Clients of StorageLog and KVStreams, and the events they write.

Method and field names are the contracts'; addresses are 20 raw bytes, amounts wei, times seconds.
Source: docs/protocol/storage.md#the-log, docs/protocol/storage.md#streams.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, Log, TypedCall
from offchain.storage import reverts_log as reverts
from offchain.storage.kv.op import Subject
from offchain.storage.kv.proof import Leaf, Proof, StreamRoot
from offchain.storage.log_book import Placed
from offchain.storage.log_entries import EntryCorrupt, EntryKind, LoggedEntry, Submission
from offchain.storage.stream_book import Grant

NO_LEAF = Leaf(bytes(32), 0, 0, bytes(32))


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry; `data` is read by log_entries.py."""

    seq: int
    id: bytes
    author: bytes
    kind: int
    time: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where and when a file entered the log."""

    seq: int
    block_number: int
    time: int


@dataclass(frozen=True, slots=True)
class StreamCreated:
    stream: bytes
    owner: bytes
    salt: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class OwnerChanged:
    stream: bytes
    owner: bytes
    former: bytes
    generation: int
    seq: int


@dataclass(frozen=True, slots=True)
class Granted:
    stream: bytes
    subject: bytes
    role: int
    generation: int
    seq: int


@dataclass(frozen=True, slots=True)
class Revoked:
    stream: bytes
    subject: bytes
    generation: int
    seq: int


@dataclass(frozen=True, slots=True)
class RootPosted:
    stream: bytes
    seq: int
    group: int
    generation: int
    tree_root: bytes
    keys: int
    byte_count: int
    stream_root: bytes
    signed: int  # seats
    epoch: int
    silent: int  # bitmap of seats that have not signed


@dataclass(frozen=True, slots=True)
class Stream:
    """All zero when nobody has created it; `head` is seq + 1 of the newest posted root."""

    owner: bytes
    generation: int
    head: int
    posted_at: int
    group: int


@dataclass(frozen=True, slots=True)
class Post:
    """A posted root and who stood for it; `stream_root` is zero when there is none."""

    stream_root: bytes
    group: int
    epoch: int
    posted_at: int
    silent: int  # bitmap of seats


@dataclass(frozen=True, slots=True)
class RootQuorum:
    """Seats of `group` that stood for a root in an epoch: all but `absent`, whose keys are here."""

    group: int
    epoch: int
    absent: int  # bit s: seat s has not signed
    absent_keys: bytes
    signature: bytes


class StorageLogClient(ContractClient):
    """What exists, in which order."""

    contract = "StorageLog"
    reverts = reverts.LOG

    def size(self, *, at: BlockRef) -> int:
        """Entries so far."""
        return self._read(int, "size", at=at)

    def root(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "root", at=at)

    def root_at(self, epoch: int, *, at: BlockRef) -> bytes:
        """When a past epoch ended. Raises: EpochNotOver."""
        return self._read(bytes, "root_at", epoch, at=at)

    def size_at(self, epoch: int, *, at: BlockRef) -> int:
        """Raises: EpochNotOver."""
        return self._read(int, "size_at", epoch, at=at)

    def is_known(self, file_id: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_known", file_id, at=at)

    def seq_of(self, file_id: bytes, *, at: BlockRef) -> int:
        """Raises: FileUnknown."""
        return self._read(int, "seq_of", file_id, at=at)

    def submitted(self, file_id: bytes, *, at: BlockRef) -> Submitted:
        """Raises: FileUnknown."""
        return self._read(Submitted, "submitted", file_id, at=at)

    def submission_id(self, owner: bytes, root: bytes, nonce: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "submission_id", owner, root, nonce, at=at)

    def submission_digest(self, submission: Submission, *, at: BlockRef) -> bytes:
        return self._read(bytes, "submission_digest", submission, at=at)

    def domain_separator(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "domain_separator", at=at)

    def verify_entry(
        self, root: bytes, size: int, entry: Placed, path: Sequence[bytes], *, at: BlockRef
    ) -> bool:
        return self._read(bool, "verify_entry", root, size, entry, list(path), at=at)

    def market(self, *, at: BlockRef) -> bytes:
        """The zero address until wired."""
        return self._read(bytes, "market", at=at)

    def streams(self, *, at: BlockRef) -> bytes:
        """The zero address until wired."""
        return self._read(bytes, "streams", at=at)

    def entries(self, first_block: int, last_block: int) -> list[LoggedEntry]:
        """Every entry of these blocks, in order. Raises: TooManyResults, EntryCorrupt."""
        wanted = self.event_filter(Appended, first_block=first_block, last_block=last_block)
        return self.entries_in(self._reader.logs(wanted))

    def entries_in(self, logs: Sequence[Log]) -> list[LoggedEntry]:
        """The entries among logs in chain order. Raises: EntryCorrupt when one is missing."""
        found = [self.entry_of(log) for log in logs if self._is_entry(log)]
        for before, after in itertools.pairwise(found):
            if after.seq != before.seq + 1:
                raise EntryCorrupt(expected=before.seq + 1, seq=after.seq)
        return found

    def entry_of(self, log: Log) -> LoggedEntry:
        """One log as its entry. Raises: EntryCorrupt, AnswerMalformed."""
        event = self.decode_event(Appended, log)
        try:
            kind = EntryKind(event.kind)
        except ValueError as error:
            raise EntryCorrupt(kind=event.kind) from error
        return LoggedEntry(
            seq=event.seq,
            id=event.id,
            author=event.author,
            kind=kind,
            time=event.time,
            data=event.data,
            block_number=log.block_number,
            block_hash=log.block_hash,
        )

    def submit(
        self, submission: Submission, signature: bytes = b"", *, value_wei: int
    ) -> TypedCall:
        """`signature` is empty when the owner sends it; what is not charged comes back."""
        return self._build("submit", submission, signature, value_wei=value_wei)

    def append_batch(self, streams: Sequence[bytes], blob_id: bytes) -> TypedCall:
        """Operations that lie in an available blob."""
        return self._build("append_batch", list(streams), blob_id)

    def append_inline(self, streams: Sequence[bytes], operations: bytes) -> TypedCall:
        """At most 4,096 bytes of operations."""
        return self._build("append_inline", list(streams), operations)

    def wire(self, market: bytes, streams: bytes) -> TypedCall:
        """By governance, once."""
        return self._build("wire", market, streams)

    def _is_entry(self, log: Log) -> bool:
        return log.address == self.address and log.topics[:1] == (self.topic_of(Appended),)


class KVStreamsClient(ContractClient):
    """Who may write where, and what replicas have signed for."""

    contract = "KVStreams"
    reverts = reverts.STREAMS

    def stream_id(self, owner: bytes, salt: bytes, *, at: BlockRef) -> bytes:
        return self._read(bytes, "stream_id", owner, salt, at=at)

    def stream(self, stream: bytes, *, at: BlockRef) -> Stream:
        return self._read(Stream, "stream", stream, at=at)

    def is_admin(self, stream: bytes, account: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_admin", stream, account, at=at)

    def root_of(self, stream: bytes, seq: int, *, at: BlockRef) -> bytes:
        """The posted stream root; zero when none was posted for exactly this entry."""
        return self._read(bytes, "root_of", stream, seq, at=at)

    def post_of(self, stream: bytes, seq: int, *, at: BlockRef) -> Post:
        """The root that was posted for exactly this entry."""
        return self._read(Post, "post_of", stream, seq, at=at)

    def root_digest(self, root: StreamRoot, group: int, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "root_digest", root, group, epoch, at=at)

    def domain_separator(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "domain_separator", at=at)

    def verify(
        self, root: StreamRoot, leaf: Leaf, siblings: Sequence[bytes], *, at: BlockRef
    ) -> bool:
        """Whether a key has a value under a posted root."""
        return self._read(bool, "verify", root, leaf, list(siblings), at=at)

    def verify_absence(
        self, root: StreamRoot, key_hash: bytes, proof: Proof, *, at: BlockRef
    ) -> bool:
        """Whether a key has no value under a posted root."""
        other, siblings = proof.other or NO_LEAF, list(proof.siblings)
        return self._read(bool, "verify_absence", root, key_hash, other, siblings, at=at)

    def create(self, salt: bytes) -> TypedCall:
        """The sender's stream; its id is `stream_id(sender, salt)`."""
        return self._build("create", salt)

    def transfer_owner(self, stream: bytes, to: bytes) -> TypedCall:
        """Every right of the generation before ends with this entry."""
        return self._build("transfer_owner", stream, to)

    def grant(self, stream: bytes, grant: Grant) -> TypedCall:
        right = (
            grant.role,
            grant.subject.scheme,
            grant.subject.digest,
            grant.prefix,
            grant.quota,
            grant.expiry,
        )
        return self._build("grant", stream, right)

    def revoke(self, stream: bytes, subject: Subject) -> TypedCall:
        """Take every right from a subject."""
        return self._build("revoke", stream, subject.scheme, subject.digest)

    def post_root(self, root: StreamRoot, quorum: RootQuorum) -> TypedCall:
        """By anybody who has the signatures of at least four seats."""
        return self._build(
            "post_root",
            root,
            quorum.group,
            quorum.epoch,
            quorum.absent,
            quorum.absent_keys,
            quorum.signature,
        )
