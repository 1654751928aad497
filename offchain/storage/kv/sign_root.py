"""A seat's word for a stream's root: computed here, final, one an entry, durable before it leaves.

Only roots that this replica has replayed from final entries are signed, entries rising: what was
signed last for a stream is written down before the signature is made, and a second root for the
same entry is never signed, whatever the log says by then. Source:
docs/protocol/storage.md#false-roots, INV-KV-9.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Protocol

from offchain.core.bls import PublicKey, Signature
from offchain.storage.false_root import SignedRoot, root_digest
from offchain.storage.kv.errors import RootChanged, RootNotHere, SeatNotOurs, StreamNotFollowed
from offchain.storage.kv.follow import Replica
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.kv.state import StreamView

KEPT_ROOTS: Final = 64  # of one stream


class SignedRoots(Protocol):
    """Which root was signed last for a stream; durable when `put` returns."""

    def last(self, stream: bytes) -> tuple[int, bytes] | None:
        """Entry and stream root."""
        ...

    def put(self, stream: bytes, seq: int, digest: bytes) -> None:
        """Raises: StoreFailed."""
        ...


@dataclass(frozen=True, slots=True)
class _Span:
    """A root, and the first entry after which it was the stream's."""

    first: int
    root: StreamRoot  # after the last one


class FinalRoots:
    """Roots of the last final states of a replica's streams."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._spans: dict[bytes, deque[_Span]] = {}
        self._seen = -1
        self._lock = Lock()

    def look(self) -> None:
        """Take in the final state, when it has moved."""
        base = self._replica.position().final
        with self._lock, self._replica.moment(final=True) as moment:
            if base == self._seen:
                return
            self._seen = base
            for stream in moment.numbers:
                with suppress(StreamNotFollowed):  # nobody has created it yet
                    self._note(moment.stream(stream), moment.next_seq - 1)

    def _note(self, view: StreamView, seq: int) -> None:
        root = view.root_at(seq)
        touched = view.meta.next_seq - 1
        spans = self._spans.setdefault(view.stream, deque(maxlen=KEPT_ROOTS))
        if spans and spans[-1].first == touched:
            spans.pop()
        spans.append(_Span(touched, root))

    def find(self, stream: bytes, seq: int | None = None) -> StreamRoot:
        """The root after an entry, the newest final one by default. Raises: RootNotHere."""
        with self._lock:
            spans = list(self._spans.get(stream, ()))
        for span in reversed(spans):
            if seq is None:
                return span.root
            if span.first <= seq <= span.root.seq:
                return replace(span.root, seq=seq)
        raise RootNotHere(stream=stream.hex(), seq=-1 if seq is None else seq)

    def touched(self, stream: bytes) -> int:
        """The last final entry that changed it. Raises: RootNotHere."""
        with self._lock:
            spans = self._spans.get(stream)
            if not spans:
                raise RootNotHere(stream=stream.hex())
            return spans[-1].first


@dataclass(frozen=True, slots=True)
class SignerParts:
    """`domain` is that of KVStreams; `epoch` the chain's present one; `is_ours` whether this
    operator has a seat in a replica group; `key` the one that counts for its seats.
    """

    roots: FinalRoots
    book: SignedRoots
    key: PublicKey
    sign: Callable[[bytes], Signature]
    domain: bytes
    epoch: Callable[[], int]
    is_ours: Callable[[int], bool]


class SignRoots:
    """Signs roots of a replica with its operator's BLS key; any thread, one at a time."""

    def __init__(self, parts: SignerParts) -> None:
        self._parts = parts
        self._lock = Lock()

    def sign(self, stream: bytes, group: int, *, seq: int | None, epoch: int | None) -> SignedRoot:
        """The root after an entry, signed for a group in an epoch; by default the newest ones.

        Raises: RootNotHere, RootChanged, SeatNotOurs, StoreFailed.
        """
        parts = self._parts
        present = parts.epoch()
        named = present if epoch is None else epoch
        if not parts.is_ours(group) or not present - 1 <= named <= present:
            raise SeatNotOurs(group=group, epoch=named, present=present)
        root = parts.roots.find(stream, seq)
        with self._lock:
            self._write_down(root)
            signature = parts.sign(root_digest(parts.domain, root, group, named))
        return SignedRoot(root, group, named, parts.key, signature)

    def _write_down(self, root: StreamRoot) -> None:
        last = self._parts.book.last(root.stream)
        if last == (root.seq, root.digest):
            return
        if last is not None and root.seq <= last[0]:
            raise RootChanged(seq=root.seq, signed=last[0])
        self._parts.book.put(root.stream, root.seq, root.digest)
