"""StorageLog without a chain: entries in order, their tree, past roots and proofs.

The tests run it beside the contract; whoever follows the log runs it over events to prove entries.
All perfect subtrees are kept, 64 bytes an entry. The log is a row of perfect trees, one for each
bit of its size, largest first.

  root   keccak(0x02 || u64 size || fold), fold joins the two rightmost trees until one is left
  path   siblings in the entry's tree, lowest first; then the fold of the trees to its right, if
         there are any; then the trees to its left, nearest first

Source: docs/protocol/storage.md#the-log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.core.errors import NotFound
from offchain.core.hashing import DIGEST_BYTES, Digest, keccak
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.storage.log_entries import (
    EntryKind,
    Submission,
    entry_hash,
    entry_leaf,
)
from offchain.storage.model import MAX_FILE_BYTES, submission_id
from offchain.storage.reverts_log import (
    EpochNotOver,
    NotTheOwner,
    SubmissionInvalid,
    SubmissionLate,
)

MAX_LEVELS: Final = 40
NO_FOLD: Final = bytes(DIGEST_BYTES)


class EntryUnknown(NotFound):
    """The log has no such entry."""

    code = "storage.log.entry_unknown"


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry at its place, as a proof speaks of it; field names are the contract's."""

    seq: int
    id: bytes
    kind: int
    entry_hash: bytes

    @property
    def leaf(self) -> Digest:
        return entry_leaf(self.seq, self.id, self.kind, self.entry_hash)


@dataclass(frozen=True, slots=True)
class _Ended:
    epoch: int
    size: int


@dataclass(slots=True)
class LogTree:
    """Leaves in order; the root and a path at any size the log ever had."""

    _levels: list[list[bytes]] = field(default_factory=lambda: [[]])

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """One leaf more, and every perfect tree that it completes."""
        node = leaf
        for level in range(MAX_LEVELS):
            if len(self._levels) == level:
                self._levels.append([])
            self._levels[level].append(node)
            if len(self._levels[level]) % 2:
                return
            node = node_of(*self._levels[level][-2:])

    def root(self, size: int | None = None) -> Digest:
        """Of the log when it had `size` entries; now by default. Raises: EntryUnknown."""
        whole = self.size if size is None else size
        if not 0 <= whole <= self.size:
            raise EntryUnknown(size=whole, entries=self.size)
        return root_of(whole, self._fold(whole, MAX_LEVELS))

    def path(self, seq: int, size: int | None = None) -> tuple[bytes, ...]:
        """Proves entry `seq` under `root(size)`. Raises: EntryUnknown."""
        whole = self.size if size is None else size
        if not 0 <= seq < whole <= self.size:
            raise EntryUnknown(seq=seq, size=whole)
        top = level_of(seq, whole)
        path = [self._levels[level][seq >> level ^ 1] for level in range(top)]
        if whole & (1 << top) - 1:
            path.append(self._fold(whole, top))
        path += [
            self._peak(whole, level) for level in range(top + 1, MAX_LEVELS) if whole >> level & 1
        ]
        return tuple(path)

    def _peak(self, size: int, level: int) -> bytes:
        """The tree of `2**level` leaves in a log of `size`, which has one."""
        return self._levels[level][(size >> level) - 1]

    def _fold(self, size: int, levels: int) -> bytes:
        folded = NO_FOLD
        peaks = [self._peak(size, level) for level in range(levels) if size >> level & 1]
        for number, peak in enumerate(peaks):
            folded = node_of(peak, folded) if number else peak
        return folded


@dataclass(slots=True)
class LogBook:
    """Entries of one StorageLog at `address`; `genesis` is the start of epoch 0."""

    chain_id: int
    address: bytes
    genesis: int
    epoch_seconds: int
    tree: LogTree = field(default_factory=LogTree)
    entries: list[Placed] = field(default_factory=list)
    files: dict[bytes, int] = field(default_factory=dict)
    _newest_epoch: int = 0
    _ended: list[_Ended] = field(default_factory=list)

    def id_of(self, submission: Submission) -> Digest:
        """The id that a submission has, entered or not."""
        return submission_id(
            chain_id=self.chain_id,
            log=self.address,
            owner=submission.owner,
            root=submission.root,
            nonce=submission.nonce,
        )

    def submit(
        self, submission: Submission, *, now: int, is_authorised: bool = True
    ) -> tuple[int, bool]:
        """The file's place and whether it is new; `is_authorised`: its owner calls or has signed.

        Raises: SubmissionInvalid, SubmissionLate, NotTheOwner.
        """
        file_id = self.id_of(submission)
        if file_id in self.files:
            return self.files[file_id], False
        check_submission(submission, now=now)
        if not is_authorised:
            raise NotTheOwner(owner=submission.owner.hex())
        seq = self.append(file_id, EntryKind.FILE, submission.owner, submission.encoded(), now=now)
        self.files[file_id] = seq
        return seq, True

    def append(
        self, entry_id: bytes, kind: EntryKind, author: bytes, data: bytes, *, now: int
    ) -> int:
        """One entry more; its place."""
        epoch = self.epoch_at(now)
        seq = self.tree.size
        if seq and self._newest_epoch < epoch:
            self._ended.append(_Ended(self._newest_epoch, seq))
        self._newest_epoch = epoch
        placed = Placed(seq, entry_id, kind, entry_hash(now, author, data))
        self.entries.append(placed)
        self.tree.append(placed.leaf)
        return seq

    def epoch_at(self, now: int) -> int:
        return (now - self.genesis) // self.epoch_seconds

    def size_at(self, epoch: int, *, now: int) -> int:
        """How many entries there were when a past epoch ended. Raises: EpochNotOver."""
        if epoch >= self.epoch_at(now):
            raise EpochNotOver(epoch=epoch)
        if self._newest_epoch <= epoch:
            return self.tree.size
        past = [mark.size for mark in self._ended if mark.epoch <= epoch]
        return past[-1] if past else 0

    def root_at(self, epoch: int, *, now: int) -> Digest:
        """The root when a past epoch ended. Raises: EpochNotOver."""
        return self.tree.root(self.size_at(epoch, now=now))


def check_submission(submission: Submission, *, now: int) -> None:
    """Raises: SubmissionInvalid, SubmissionLate."""
    if submission.kind != EntryKind.FILE:
        raise SubmissionInvalid(kind=submission.kind)
    if not any(submission.owner) or not any(submission.root):
        raise SubmissionInvalid(owner=submission.owner.hex(), root=submission.root.hex())
    if now > submission.valid_until:
        raise SubmissionLate(valid_until=submission.valid_until, now=now)
    if not 1 <= submission.length <= MAX_FILE_BYTES:
        raise SubmissionInvalid(length=submission.length)
    if submission.segments != -(-submission.length // MAX_PAYLOAD_BYTES):
        raise SubmissionInvalid(segments=submission.segments, length=submission.length)


def node_of(left: bytes, right: bytes) -> Digest:
    return keccak(b"\x01", left, right)


def root_of(size: int, folded: bytes) -> Digest:
    """Binds the size, so that one root tells one place for each entry."""
    return keccak(b"\x02", size.to_bytes(8, "big"), folded)


def level_of(seq: int, size: int) -> int:
    """The height of the perfect tree that entry `seq` of a log of `size` lies in."""
    return (seq ^ size).bit_length() - 1


def is_entry(root: bytes, size: int, placed: Placed, path: Sequence[bytes]) -> bool:
    """Whether a log of this root and size has the entry at its place, by exactly this path."""
    if not 0 <= placed.seq < size < 1 << MAX_LEVELS:
        return False
    top = level_of(placed.seq, size)
    left = list(path)
    has_right = size & (1 << top) - 1 != 0
    if len(left) != top + has_right + (size >> top + 1).bit_count():
        return False
    node: bytes = placed.leaf
    for level in range(top):
        sibling = left.pop(0)
        node = node_of(sibling, node) if placed.seq >> level & 1 else node_of(node, sibling)
    if has_right:
        node = node_of(node, left.pop(0))
    for peak in left:
        node = node_of(peak, node)
    return root_of(size, node) == root
