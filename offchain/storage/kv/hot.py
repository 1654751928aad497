"""What a batcher has promised but the log does not hold yet: reads that see their own writes.

Promised operations are played over the newest state, as if they were the next entry, without
hashing; what would have no effect is refused before it is promised. When the log moves, the rest is
played again. Source: docs/protocol/storage.md#key-value-streams, INV-KV-8.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.cells import Cell, Space
from offchain.storage.kv.entry import NO_BLOB, Batch, Entry
from offchain.storage.kv.follow import Replica
from offchain.storage.kv.op import (
    Op,
    Subject,
    claimed_subject,
    subject_of,
)
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.replay import Verify, play
from offchain.storage.kv.state import Cells, StreamState

_LATEST: Final = 1 << 40  # the number of an entry that is later than all


@dataclass(frozen=True, slots=True)
class Promised:
    """An operation that was let in, with the bytes that were signed."""

    op: Op
    raw: bytes
    digest: bytes


class HotState:
    """Values as they will be once everything promised is in the log.

    One thread at a time admits and forgets; any thread reads.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._waiting: dict[bytes, Promised] = {}
        self._cells: dict[bytes, dict[tuple[int, bytes], Cell | None]] = {}
        self._gone = 0

    @property
    def waiting(self) -> Sequence[Promised]:
        return list(self._waiting.values())

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._waiting

    def admit(self, ops: Sequence[Promised], now: int) -> list[Outcome]:
        """What each would do; those that would be applied are let in."""
        domain = self._replica.domain
        fresh = [one for one in ops if one.digest not in self._waiting]
        cells = self._cells
        outcomes, written = self._play(fresh, now, lambda op: subject_of(op, domain), cells)
        good = [one for one in fresh if outcomes[one.digest] is Outcome.APPLIED]
        self._replica.vouch(one.digest for one in good)
        if len(good) < len(fresh):
            # The refused must leave no trace, so the good ones are played without them.
            again, written = self._play(good, now, claimed_subject, cells)
            outcomes |= again
        for stream, fresh_cells in written.items():
            cells.setdefault(stream, {}).update(fresh_cells)
        self._waiting |= {one.digest: one for one in good}
        return [outcomes.get(one.digest, Outcome.APPLIED) for one in ops]

    def forget(self, digests: Iterable[bytes], now: int, *, is_logged: bool = False) -> None:
        """These are in the log, or have no place any more; play the rest anew.

        What was logged left the values that are shown already: the rest is played again only when
        as much has gone as is left, so that each operation is played a few times at most.
        """
        for digest in digests:
            self._gone += self._waiting.pop(digest, None) is not None
        if is_logged and self._gone < len(self._waiting):
            return
        self._gone = 0
        # Signatures were checked when they were let in.
        _, written = self._play(list(self._waiting.values()), now, claimed_subject, {})
        self._cells = {stream: dict(cells) for stream, cells in written.items()}

    def cell(self, stream: bytes, space: int, key: bytes) -> Cell | None:
        """A value by the newest promise. Raises: StreamNotFollowed."""
        cells = self._cells.get(stream, {})
        if (space, key) in cells:
            return cells[space, key]
        with self._replica.moment() as moment:
            return moment.stream(stream).cell(space, key)

    def nonce(self, stream: bytes, subject: Subject) -> int:
        """The last nonce of a signer, promises included. Raises: StreamNotFollowed."""
        cell = self.cell(stream, Space.ACCOUNT, subject.key)
        return 0 if cell is None else int.from_bytes(cell.value[:8], "big")

    def _play(
        self, ops: Sequence[Promised], now: int, verify: Verify, above: Mapping[bytes, Cells]
    ) -> tuple[dict[bytes, Outcome], dict[bytes, Cells]]:
        """Outcomes by digest, and the cells they write by stream."""
        if not ops:
            return {}, {}
        streams = tuple({one.op.stream for one in ops})
        body = Batch(streams, NO_BLOB, encode_batch([one.raw for one in ops]))
        entry = Entry(_LATEST, now, 0, bytes(32), body)
        with self._replica.moment() as moment:
            states = {
                stream: StreamState(Overlay(moment.reader), stream, number, below=above.get(stream))
                for stream in streams
                if (number := moment.numbers.get(stream)) is not None
            }
            played = play(entry, body.operations, states.get, verify)
        written = {stream: state.unsettled for stream, state in states.items()}
        return {result.digest: result.outcome for result in played.results}, written
