"""Replay: the state of a stream as a function of log entries, their bytes, and nothing else.

No clock, setting, luck or identity of a node enters. Each operation has one outcome, decided in
this order; only what stands below the line uses up its nonce, so nobody can burn or repeat
another's.

  VOID MALFORMED UNTAGGED NO_STREAM BROKEN_GROUP OLD_GENERATION EXPIRED NO_RIGHT REPLAYED
  BAD_SIGNATURE
  ---------------------------------------------------------------------------------------
  OVER_QUOTA STALE WRONG_KIND OVERFLOW NO_RIGHT (of a right to give) APPLIED

GROUP_FAILED is an operation whose group did not apply because of a neighbour. An operation or group
touches one stream, so a replica that holds few streams replays those as every other one does.
Source: docs/protocol/storage.md#key-value-streams, INV-KV-1..3, 5..7, 10.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from offchain.core.hashing import Digest, keccak
from offchain.storage.kv.batch_frame import split_batch
from offchain.storage.kv.cells import version_of
from offchain.storage.kv.effects import Draft, Fails, apply_op
from offchain.storage.kv.entry import AccessChange, Batch, Entry
from offchain.storage.kv.errors import OpMalformed
from offchain.storage.kv.op import Mode, Op, Subject, claimed_subject, parse_op, subject_of
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.roles import (
    Account,
    Right,
    account_of,
    change_access,
    right_of,
    set_account,
)
from offchain.storage.kv.state import StreamState

StateOf = Callable[[bytes], StreamState | None]  # None: this replica does not follow it
Verify = Callable[[Op], Subject | None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one operation of an entry."""

    index: int
    stream: bytes
    digest: Digest
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Replayed:
    """An entry's effect; `fault` when the batch as a whole had none."""

    seq: int
    results: tuple[Result, ...] = ()
    fault: Outcome | None = None
    written: Mapping[bytes, Sequence[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One operation at its place."""

    index: int
    op: Op
    version: int
    digest: Digest


def replay(entry: Entry, payload: bytes | None, state_of: StateOf, domain: bytes) -> Replayed:
    """Apply one entry to the streams that `state_of` gives; `payload` None: VOID.

    The states are settled: their roots are those after this entry.
    """
    return replay_checked(entry, payload, state_of, lambda op: subject_of(op, domain))


def replay_checked(
    entry: Entry, payload: bytes | None, state_of: StateOf, verify: Verify
) -> Replayed:
    """As `replay`; `verify` must answer as `subject_of` does, from memory or anew."""
    touched: dict[bytes, StreamState] = {}

    def seen(stream: bytes) -> StreamState | None:
        state = state_of(stream)
        if state is not None:
            touched[stream] = state
        return state

    played = play(entry, payload, seen, verify)
    written = {stream: state.settle(entry.seq) for stream, state in touched.items()}
    return replace(played, written=written)


def play(entry: Entry, payload: bytes | None, state_of: StateOf, verify: Verify) -> Replayed:
    """As `replay` without settling; `verify` must answer as `subject_of` does."""
    match entry.body:
        case AccessChange() as change:
            state = state_of(change.stream)
            if state is not None:
                change_access(state, change, version_of(entry.seq, 0))
            return Replayed(entry.seq)
        case Batch() as batch:
            return _Replay(entry, batch, state_of, verify).run(payload)
        case _:
            return Replayed(entry.seq)


class _Replay:
    """One batch entry."""

    def __init__(self, entry: Entry, batch: Batch, state_of: StateOf, verify: Verify) -> None:
        self._entry = entry
        self._tags = frozenset(batch.streams)
        self._verify = verify
        self._states = {
            stream: state for stream in batch.streams if (state := state_of(stream)) is not None
        }

    def run(self, payload: bytes | None) -> Replayed:
        seq = self._entry.seq
        if payload is None:
            return Replayed(seq, fault=Outcome.VOID)
        try:
            raw = split_batch(payload)
        except OpMalformed:
            return Replayed(seq, fault=Outcome.MALFORMED)
        results: list[Result] = []
        for turns in self._units(raw, results):
            outcomes = self._unit(turns)
            results += [
                Result(turn.index, turn.op.stream, turn.digest, outcome)
                for turn, outcome in zip(turns, outcomes, strict=True)
            ]
        results.sort(key=lambda result: result.index)
        return Replayed(seq, tuple(results))

    def _units(self, raw: Sequence[bytes], results: list[Result]) -> Iterator[list[_Turn]]:
        """Operations that stand or fall together; those that are none get their result here."""
        waiting: list[_Turn] = []
        for index, data in enumerate(raw):
            digest = keccak(data)
            try:
                op = parse_op(data)
            except OpMalformed:
                results.append(Result(index, bytes(32), digest, Outcome.MALFORMED))
                op = None
            turn = None if op is None else self._turn(index, op, digest)
            if waiting and not (turn and _goes_on(waiting, turn.op)):
                yield waiting
                waiting = []
            if turn is None:
                continue
            waiting.append(turn)
            if len(waiting) == max(1, turn.op.group_size):
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def _turn(self, index: int, op: Op, digest: Digest) -> _Turn:
        return _Turn(index, op, version_of(self._entry.seq, index), digest)

    def _unit(self, turns: Sequence[_Turn]) -> list[Outcome]:
        """The outcomes of one group, or of one operation alone; all of its writes or none."""
        first = turns[0].op
        if first.stream not in self._tags:
            return [Outcome.UNTAGGED] * len(turns)
        state = self._states.get(first.stream)
        if state is None or not state.generation:
            return [Outcome.NO_STREAM] * len(turns)
        if len(turns) != max(1, first.group_size):
            return [Outcome.BROKEN_GROUP] * len(turns)
        draft = Draft(state)
        outcomes = [Outcome.GROUP_FAILED] * len(turns)
        try:
            allowed = [
                self._admit(draft, turn, outcomes, place) for place, turn in enumerate(turns)
            ]
        except Fails:
            return outcomes
        subject = allowed[0][0]
        last = turns[-1]
        account = Account(last.op.nonce, account_of(state, subject).used)
        version = last.version
        place = 0
        try:
            for turn, (_, right) in zip(turns, allowed, strict=True):
                place = turn.op.group_place
                account = _spend(account, turn.op, right)
                apply_op(draft, turn.op, turn.version)
        except Fails as fails:
            outcomes[place] = fails.outcome
            kept = Account(last.op.nonce, account_of(state, subject).used)
            set_account(state, subject, kept, version)
            return outcomes
        draft.keep()
        set_account(state, subject, account, version)
        return [Outcome.APPLIED] * len(turns)

    def _admit(
        self, draft: Draft, turn: _Turn, outcomes: list[Outcome], place: int
    ) -> tuple[Subject, Right]:
        """Who signed and by which right. Raises: Fails."""
        op, state = turn.op, draft.state
        claimed = claimed_subject(op)
        right = right_of(state, claimed)
        outcome = None
        if op.generation != state.generation:
            outcome = Outcome.OLD_GENERATION
        elif self._entry.time > op.valid_until:
            outcome = Outcome.EXPIRED
        elif right is None or not right.allows(op, state.generation, self._entry.time):
            outcome = Outcome.NO_RIGHT
        elif op.nonce - place <= account_of(state, claimed).nonce:
            outcome = Outcome.REPLAYED
        elif self._verify(op) != claimed:
            outcome = Outcome.BAD_SIGNATURE
        if outcome is not None or right is None:
            outcomes[place] = outcome or Outcome.NO_RIGHT
            raise Fails(outcomes[place])
        return claimed, right


def _goes_on(waiting: Sequence[_Turn], op: Op) -> bool:
    """Whether this operation is the next of the group that is waiting."""
    first = waiting[0].op
    return (
        op.group_size == first.group_size
        and op.group_place == len(waiting)
        and first.group_place == 0
        and op.nonce == first.nonce + len(waiting)
        and (op.stream, op.signer, op.scheme) == (first.stream, first.signer, first.scheme)
        and claimed_subject(op) == claimed_subject(first)
    )


def _spend(account: Account, op: Op, right: Right) -> Account:
    writes = op.mode in (Mode.PUT, Mode.CAS, Mode.APPEND, Mode.ADD)
    used = account.used + (len(op.key) + len(op.value) if writes else 0)
    if right.quota and used > right.quota:
        raise Fails(Outcome.OVER_QUOTA)
    return Account(account.nonce, used)
