"""A replica: follows the log, keeps final entries in a store and later ones above it.

  store    number 0: POSITION -> u64 entries in the base | STREAM || id -> u32 number, u8 whole
           EVERY -> empty: each stream created below the position was followed, if it was wanted
  layers   one per entry that is not final: its mark and its changes, dropped when a reorganisation
           takes the entry away; the base never rolls back (INV-KV-12)

One thread advances a replica, any thread reads it. A reader sees one moment: the layers as
published, over the base as it was or with some of the same layers committed. A stream that is
wanted is followed from its creation on; one followed later is replayed from the start, or from a
snapshot, until it stands where the others do. Source: docs/protocol/storage.md#key-value-streams,
INV-KV-1, INV-KV-3, INV-KV-12.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from offchain.storage.kv.discover import created_below, created_by
from offchain.storage.kv.entry import Batch, Entry
from offchain.storage.kv.errors import RootMismatch, SeqGap, SnapshotOld
from offchain.storage.kv.moment import Moment, OpResult, Position
from offchain.storage.kv.op import Op, Subject, claimed_subject, subject_of
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.ports import KVStore, LogSource, PayloadSource
from offchain.storage.kv.replay import Replayed, replay, replay_checked
from offchain.storage.kv.snapshot import Snapshot, Trust
from offchain.storage.kv.state import StreamState, StreamView

_NUMBER: Final = (0).to_bytes(4, "big")
POSITION: Final = _NUMBER + b"G"
STREAM: Final = _NUMBER + b"S"
EVERY: Final = _NUMBER + b"E"
ENTRIES_A_COMMIT: Final = 32
BYTES_A_COMMIT: Final = 8 << 20
ENTRIES_A_READ: Final = 256
RESULTS: Final = 1 << 17
VOUCHED: Final = 1 << 17
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicaParts:
    """What a replica works with; `domain` is that of operations on its chain.

    `wants` says which streams are followed from their creation on, `most` how many in all.
    """

    store: KVStore
    source: LogSource
    payloads: PayloadSource
    domain: bytes
    wants: Callable[[bytes], bool] | None = None
    most: int = 4_096


@dataclass(frozen=True, slots=True)
class _Layer:
    """The effect of one entry that is not final."""

    mark: bytes
    seq: int
    changes: dict[bytes, bytes | None]
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Published:
    """What readers take: changes above the base, and how far they reach; None: the base alone."""

    changes: dict[bytes, bytes | None] | None
    next_seq: int
    order: list[bytes] = field(default_factory=list)


Watcher = Callable[[Replayed], None]


class Replica:
    """Streams of one store, in the order of one log."""

    def __init__(self, parts: ReplicaParts) -> None:
        self._parts = parts
        self._layers: list[_Layer] = []
        self._numbers: dict[bytes, int] = {}
        self._watchers: list[Watcher] = []
        self._results: OrderedDict[bytes, tuple[int, Outcome]] = OrderedDict()
        self._vouched: set[bytes] = set()
        self._base = self._head = 0
        self._advancing = Lock()
        with parts.store.view() as base:
            raw = base.get(POSITION)
            self._base = 0 if raw is None else int.from_bytes(raw, "big")
            for key, value in base.scan(STREAM, STREAM + b"\xff" * 33, 1 << 20):
                if value[4]:
                    self._numbers[key[len(STREAM) :]] = int.from_bytes(value[:4], "big")
        self._published = _Published(None, self._base)

    @property
    def streams(self) -> Sequence[bytes]:
        return list(self._numbers)

    @property
    def domain(self) -> bytes:
        return self._parts.domain

    def position(self) -> Position:
        return Position(self._published.next_seq, self._base, self._head)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with every entry's effect, in the advancing thread; the way to stop it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def result_of(self, digest: bytes) -> OpResult | None:
        """What became of an operation; None when it is not in the log or long past."""
        found = self._results.get(digest)
        return None if found is None else OpResult(*found, is_final=found[0] < self._base)

    def vouch(self, digests: Iterable[bytes]) -> None:
        """Signatures of these operations, all bytes included, were checked in this process."""
        if len(self._vouched) > VOUCHED:
            self._vouched = set()
        self._vouched.update(digests)

    @contextmanager
    def moment(self, *, final: bool = False) -> Iterator[Moment]:
        """The newest state, or the newest that no reorganisation can change."""
        while True:
            published = self._published
            with self._parts.store.view() as base:
                raw = base.get(POSITION)
                below = 0 if raw is None else int.from_bytes(raw, "big")
                if final or published.changes is None:
                    yield Moment(base, below, self._numbers)
                    return
                if below <= published.next_seq:
                    reader = Overlay.of(published.changes, published.order, base)
                    yield Moment(reader, published.next_seq, self._numbers)
                    return

    def follow(self, stream: bytes, *, created: int = 0) -> None:
        """Hold a stream from now on; replays what it has missed since `created`.

        Raises: Unavailable.
        """
        with self._advancing:
            if stream in self._numbers:
                return
            number = self._number_for(stream)
            self._catch_up(stream, number, created)
            self._numbers = {**self._numbers, stream: number}
            self._replay_layers()

    def load(self, snapshot: Snapshot, trust: Trust) -> None:
        """Hold a stream from a snapshot that `trust` accepts the root of.

        Raises: RootMismatch, SnapshotOld when the stream is here or the replica not that far.
        """
        root = snapshot.root
        if not trust(root):
            raise RootMismatch(seq=root.seq, digest=root.digest.hex())
        with self._advancing:
            if root.stream in self._numbers:
                raise SnapshotOld(stream=root.stream.hex())
            number = self._number_for(root.stream)
            if self._base <= root.seq and self._numbers:
                raise SnapshotOld(seq=root.seq, replica=self._base)
            self._parts.store.load(snapshot.pairs(number), snapshot.blocks(number))
            if self._base <= root.seq:  # an empty replica begins here
                self._layers.clear()
                self._commit({}, root.seq + 1)
            self._catch_up(root.stream, number)
            self._numbers = {**self._numbers, root.stream: number}
            self._replay_layers()

    def follow_wanted(self) -> None:
        """Follow what is wanted of streams that were created before anybody looked for them.

        Raises: Unavailable.
        """
        wants = self._parts.wants
        with self._parts.store.view() as base:
            is_done = base.get(EVERY) is not None
        if wants is not None and not is_done:
            for seq, stream in created_below(self._parts.source, self._base):
                if wants(stream) and len(self._numbers) < self._parts.most:
                    self.follow(stream, created=seq)
        if is_done is (wants is None):
            with self._advancing:
                self._parts.store.commit({EVERY: None if wants is None else b""})

    def advance(self) -> int:
        """Apply what is new, drop what is gone, commit what is final; entries applied.

        Raises: Unavailable; then what came before it is applied, and the next call goes on.
        """
        with self._advancing:
            return self._advance()

    def _advance(self) -> int:
        head = self._parts.source.head()
        self._head = head.size
        self._drop_gone(head.size)
        count = 0
        while (start := self._base + len(self._layers)) < head.size:
            entries = list(self._parts.source.entries(start, ENTRIES_A_READ))
            if not entries:
                break
            count += self._apply_all(entries, head.final)
        self._commit_final(head.final)
        return count

    def _apply_all(self, entries: Sequence[Entry], final: int) -> int:
        """Final entries go into the base, many in one commit; others become layers."""
        done = 0
        while done < len(entries):
            if not self._layers and entries[done].seq < final:
                done += self._apply_final(entries[done:], final)
                continue
            entry = entries[done]
            self._require_next(entry)
            changes, effect = self._effect(entry, self._pending())
            digests = tuple(one.digest for one in effect.results)
            self._layers.append(_Layer(entry.mark, entry.seq, changes, digests))
            self._publish({**self._pending(), **changes})
            self._tell(effect)
            done += 1
        return done

    def _apply_final(self, entries: Sequence[Entry], final: int) -> int:
        merged: dict[bytes, bytes | None] = {}
        effects: list[Replayed] = []
        size = 0
        for entry in entries[:ENTRIES_A_COMMIT]:
            if entry.seq >= final or size > BYTES_A_COMMIT:
                break
            self._require_next(entry, len(effects))
            changes, effect = self._effect(entry, merged)
            merged |= changes
            size += sum(len(value or b"") for value in changes.values())
            effects.append(effect)
        self._commit(merged, self._base + len(effects))
        self._publish()
        for effect in effects:
            self._tell(effect)
        return len(effects)

    def _effect(
        self, entry: Entry, above: dict[bytes, bytes | None]
    ) -> tuple[dict[bytes, bytes | None], Replayed]:
        """What an entry changes over the base with the changes `above` it."""
        self._take_in(entry)
        if isinstance(entry.body, Batch) and self._numbers.keys().isdisjoint(entry.body.streams):
            return {}, Replayed(entry.seq)
        payload = self._payload(entry)
        with self._parts.store.view() as base:
            overlay = Overlay(Overlay.of(above, sorted(above), base))
            states: dict[bytes, StreamState] = {}

            def state_of(stream: bytes) -> StreamState | None:
                number = self._numbers.get(stream)
                if number is not None and stream not in states:
                    states[stream] = StreamState(overlay, stream, number)
                return states.get(stream)

            effect = replay_checked(entry, payload, state_of, self._subject_of)
        return overlay.changes, effect

    def _take_in(self, entry: Entry) -> None:
        """Follow a stream that is created here, if it is wanted."""
        stream, wants = created_by(entry), self._parts.wants
        if stream is None or wants is None or stream in self._numbers:
            return
        if len(self._numbers) < self._parts.most and wants(stream):
            number = self._number_for(stream)
            self._parts.store.commit({STREAM + stream: number.to_bytes(4, "big") + b"\x01"})
            self._numbers = {**self._numbers, stream: number}

    def _subject_of(self, op: Op) -> Subject | None:
        if self._vouched and op.digest in self._vouched:
            return claimed_subject(op)
        return subject_of(op, self._parts.domain)

    def _payload(self, entry: Entry) -> bytes | None:
        """A batch's bytes; None is VOID."""
        body = entry.body
        if not isinstance(body, Batch):
            return b""
        if body.is_inline:
            return body.operations
        return self._parts.payloads.payload(body.blob_id)

    def _drop_gone(self, size: int) -> None:
        """Forget layers whose entries the log no longer has."""
        if not self._layers:
            return
        kept = 0
        for entry in self._parts.source.entries(self._base, len(self._layers)):
            if kept >= len(self._layers) or entry.mark != self._layers[kept].mark:
                break
            kept += 1
        kept = min(kept, max(0, size - self._base))
        if kept < len(self._layers):
            log.info("log_reorganised", extra={"entries": len(self._layers) - kept})
            for digest in (one for layer in self._layers[kept:] for one in layer.digests):
                if self._results.get(digest, (0,))[0] >= self._layers[kept].seq:
                    del self._results[digest]
            del self._layers[kept:]
            self._publish()

    def _commit_final(self, final: int) -> None:
        merged: dict[bytes, bytes | None] = {}
        count = 0
        for layer in self._layers:
            if layer.seq >= final:
                break
            merged |= layer.changes
            count += 1
        if count:
            self._commit(merged, self._base + count)
            del self._layers[:count]
            self._publish()

    def _commit(self, changes: dict[bytes, bytes | None], base: int) -> None:
        self._parts.store.commit({**changes, POSITION: base.to_bytes(8, "big")})
        self._base = base

    def _pending(self) -> dict[bytes, bytes | None]:
        changes = self._published.changes
        return {} if changes is None else changes

    def _publish(self, changes: dict[bytes, bytes | None] | None = None) -> None:
        """Let readers see the layers; `changes` are theirs together, when known."""
        if changes is None and self._layers:
            changes = {}
            for layer in self._layers:
                changes |= layer.changes
        order = sorted(changes or ())
        self._published = _Published(changes, self._base + len(self._layers), order)

    def _tell(self, effect: Replayed) -> None:
        for one in effect.results:
            self._results.setdefault(one.digest, (effect.seq, one.outcome))
        while len(self._results) > RESULTS:
            self._results.popitem(last=False)
        for watcher in list(self._watchers):
            watcher(effect)

    def _require_next(self, entry: Entry, more: int = 0) -> None:
        expected = self._base + len(self._layers) + more
        if entry.seq != expected:
            raise SeqGap(seq=entry.seq, expected=expected)

    def _number_for(self, stream: bytes) -> int:
        """The stream's number here, new or from a catch-up that was interrupted."""
        with self._parts.store.view() as base:
            raw = base.get(STREAM + stream)
            if raw is not None:
                return int.from_bytes(raw[:4], "big")
            taken = base.scan(STREAM, STREAM + b"\xff" * 33, 1 << 20)
        number = 1 + max((int.from_bytes(value[:4], "big") for _, value in taken), default=0)
        self._parts.store.commit({STREAM + stream: number.to_bytes(4, "big") + b"\x00"})
        return number

    def _catch_up(self, stream: bytes, number: int, created: int = 0) -> None:
        """Replay one stream up to where the base stands."""
        with self._parts.store.view() as base:
            start = max(created, StreamView(base, stream, number).meta.next_seq)
        while start < self._base:
            count = min(ENTRIES_A_READ, self._base - start)
            entries = list(self._parts.source.entries(start, count))
            for entry in entries:
                self._replay_one(entry, stream, number)
            if not entries:
                raise SeqGap(seq=start, expected=self._base)
            start += len(entries)
        self._parts.store.commit({STREAM + stream: number.to_bytes(4, "big") + b"\x01"})

    def _replay_one(self, entry: Entry, stream: bytes, number: int) -> None:
        if isinstance(entry.body, Batch) and stream not in entry.body.streams:
            return
        payload = self._payload(entry)
        with self._parts.store.view() as base:
            overlay = Overlay(base)
            state = StreamState(overlay, stream, number)
            replay(entry, payload, lambda one: state if one == stream else None, self.domain)
        if overlay.changes:
            self._parts.store.commit(overlay.changes)

    def _replay_layers(self) -> None:
        """A stream came in: entries above the base are read and applied again."""
        self._layers.clear()
        self._publish()
