"""Two roots of one stream at one entry: what a seat signs, what convicts it, and the words of both.

  root digest   EIP-712 of StreamRoot with the group and the epoch in which it is signed
  claim         generation, tree root, keys, byte count, group, epoch         words
  equivocation  stream | seq | claim | claim | key 4 | signature 8 | signature 8          34 words
  contradiction stream | seq | seat | claim | key 4 | signature 8                         21 words
  subject       keccak(stream || seq || epoch), the later epoch of both; once an operator

Replay is a function of the log, so one of the two is false; which one is not decided here. An
honest seat signs one root for an entry (kv/sign_root.py), so nothing convicts it (INV-KV-9). The
tests run `judge_signatures` and `judge_posted` beside KVFraudProofs. Source:
docs/protocol/storage.md#false-roots.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.core.bls import PublicKey, Signature, verify
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import typed_digest, words
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.reverts_log import RootNotFalse

KV_FALSE_ROOT: Final = 10
ROOT_TYPE: Final = keccak(
    b"StreamRoot(bytes32 stream,uint64 seq,uint64 generation,bytes32 treeRoot,"
    b"uint64 keys,uint64 byteCount,uint64 group,uint64 epoch)"
)
OperatorOf = Callable[[PublicKey], int]  # 0: nobody has ever proven it


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """One key's word for a root; `epoch` is the one whose stake answers."""

    root: StreamRoot
    group: int
    epoch: int
    key: PublicKey
    signature: Signature


@dataclass(frozen=True, slots=True)
class PostedRoot:
    """A root that was posted, and who stood for it; `holders` by seat at that time."""

    root: StreamRoot
    epoch: int
    silent: int  # bitmap of seats
    holders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conviction:
    """What the court is told."""

    operator: int
    epoch: int
    subject: Digest


def root_digest(domain: bytes, root: StreamRoot, group: int, epoch: int) -> Digest:
    """What a seat of a group signs for a root; `domain` is that of KVStreams."""
    return typed_digest(
        domain,
        ROOT_TYPE,
        root.stream,
        root.seq,
        root.generation,
        root.tree_root,
        root.keys,
        root.byte_count,
        group,
        epoch,
    )


def is_signed(claim: SignedRoot, domain: bytes) -> bool:
    """Whether the key it names has signed it."""
    digest = root_digest(domain, claim.root, claim.group, claim.epoch)
    return verify(claim.key, digest, claim.signature)


def encode_signatures(first: SignedRoot, second: SignedRoot) -> bytes:
    """Evidence that one key signed two roots. Raises: RootNotFalse when they are not of one."""
    _require_same_entry(first.root, second.root)
    return b"".join(
        (
            words(first.root.stream, first.root.seq),
            _claim(first),
            _claim(second),
            first.key.eip2537(),
            first.signature.eip2537(),
            second.signature.eip2537(),
        )
    )


def encode_posted(seat: int, claim: SignedRoot) -> bytes:
    """Evidence that a seat signed another root than the one that was posted with its word."""
    head = words(claim.root.stream, claim.root.seq, seat)
    return b"".join((head, _claim(claim), claim.key.eip2537(), claim.signature.eip2537()))


def judge_signatures(
    first: SignedRoot, second: SignedRoot, *, domain: bytes, operator_of: OperatorOf
) -> Conviction:
    """Whom two signatures convict. Raises: RootNotFalse."""
    _require_same_entry(first.root, second.root)
    _require_other(first.root, second.root)
    if first.key != second.key or not (is_signed(first, domain) and is_signed(second, domain)):
        raise RootNotFalse(reason="wrong signature")
    return _conviction(operator_of(first.key), first.root, max(first.epoch, second.epoch))


def judge_posted(
    posted: PostedRoot, seat: int, claim: SignedRoot, *, domain: bytes, operator_of: OperatorOf
) -> Conviction:
    """Whom a signature beside a posted root convicts. Raises: RootNotFalse."""
    _require_same_entry(posted.root, claim.root)
    _require_other(posted.root, claim.root)
    if seat >= len(posted.holders) or posted.silent >> seat & 1:
        raise RootNotFalse(reason="seat was silent")
    if not is_signed(claim, domain):
        raise RootNotFalse(reason="wrong signature")
    operator = operator_of(claim.key)
    if posted.holders[seat] != operator:
        raise RootNotFalse(reason="seat of another")
    return _conviction(operator, claim.root, max(posted.epoch, claim.epoch))


def subject_of(stream: bytes, seq: int, epoch: int) -> Digest:
    """What is punished once an operator."""
    return keccak(words(stream, seq, epoch))


def _claim(claim: SignedRoot) -> bytes:
    root = claim.root
    return words(
        root.generation, root.tree_root, root.keys, root.byte_count, claim.group, claim.epoch
    )


def _conviction(operator: int, root: StreamRoot, epoch: int) -> Conviction:
    if not operator:
        raise RootNotFalse(reason="nobody's key")
    return Conviction(operator, epoch, subject_of(root.stream, root.seq, epoch))


def _require_same_entry(first: StreamRoot, second: StreamRoot) -> None:
    if (first.stream, first.seq) != (second.stream, second.seq):
        raise RootNotFalse(reason="of two entries")


def _require_other(first: StreamRoot, second: StreamRoot) -> None:
    if first.digest == second.digest:
        raise RootNotFalse(reason="same root")
