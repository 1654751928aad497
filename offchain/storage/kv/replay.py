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
from enum import Enum

from offchain.core.hashing import Digest, keccak
from offchain.storage.kv.cells import (
    ABSENT,
    ANY,
    Cell,
    Kind,
    Space,
    counter_of,
    counter_value,
    element_key,
    version_of,
)
from offchain.storage.kv.entry import AccessChange, Batch, Entry
from offchain.storage.kv.errors import OpMalformed
from offchain.storage.kv.op import (
    Mode,
    Op,
    Scheme,
    Subject,
    claimed_subject,
    parse_op,
    split_batch,
    subject_of,
)
from offchain.storage.kv.roles import (
    Account,
    Right,
    Role,
    account_of,
    change_access,
    parse_wish,
    right_of,
    set_account,
    set_right,
)
from offchain.storage.kv.state import StreamState

COUNTER_LIMIT = 1 << 127
MAX_LIST_DROP = 1_024
MAX_LIST = 1 << 63
StateOf = Callable[[bytes], StreamState | None]  # None: this replica does not follow it
Verify = Callable[[Op], Subject | None]


class Outcome(Enum):
    """What became of an operation, or of a whole batch (VOID, MALFORMED)."""

    APPLIED = "APPLIED"
    STALE = "STALE"
    WRONG_KIND = "WRONG_KIND"
    OVERFLOW = "OVERFLOW"
    OVER_QUOTA = "OVER_QUOTA"
    GROUP_FAILED = "GROUP_FAILED"
    BROKEN_GROUP = "BROKEN_GROUP"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    REPLAYED = "REPLAYED"
    NO_RIGHT = "NO_RIGHT"
    EXPIRED = "EXPIRED"
    OLD_GENERATION = "OLD_GENERATION"
    NO_STREAM = "NO_STREAM"
    UNTAGGED = "UNTAGGED"
    MALFORMED = "MALFORMED"
    VOID = "VOID"


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


class _Fails(Exception):  # leaves one operation, not the process
    """An operation has no effect."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


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
        draft = _Draft(state)
        outcomes = [Outcome.GROUP_FAILED] * len(turns)
        try:
            allowed = [
                self._admit(draft, turn, outcomes, place) for place, turn in enumerate(turns)
            ]
        except _Fails:
            return outcomes
        subject = allowed[0][0]
        last = turns[-1]
        account = Account(last.op.nonce, account_of(state, subject).used)
        version = last.version
        try:
            for place, (turn, (_, right)) in enumerate(zip(turns, allowed, strict=True)):
                account = _spend(account, turn.op, right, outcomes, place)
                _apply(draft, turn, outcomes, place)
        except _Fails:
            kept = Account(last.op.nonce, account_of(state, subject).used)
            set_account(state, subject, kept, version)
            return outcomes
        draft.keep()
        set_account(state, subject, account, version)
        return [Outcome.APPLIED] * len(turns)

    def _admit(
        self, draft: "_Draft", turn: _Turn, outcomes: list[Outcome], place: int
    ) -> tuple[Subject, Right]:
        """Who signed and by which right. Raises: _Fails."""
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
            raise _Fails(outcomes[place])
        return claimed, right


class _Draft:
    """Writes of one unit over a stream's state."""

    def __init__(self, state: StreamState) -> None:
        self.state = state
        self._writes: dict[tuple[int, bytes], Cell | None] = {}
        self._rights: list[tuple[Subject, Right | None, int]] = []

    def cell(self, space: int, key: bytes) -> Cell | None:
        place = (int(space), key)
        return self._writes[place] if place in self._writes else self.state.cell(space, key)

    def put(self, space: int, key: bytes, cell: Cell | None) -> None:
        self._writes[int(space), key] = cell

    def give(self, subject: Subject, right: Right | None, version: int) -> None:
        self._rights.append((subject, right, version))

    def keep(self) -> None:
        for (space, key), cell in self._writes.items():
            self.state.put(space, key, cell)
        for subject, right, version in self._rights:
            set_right(self.state, subject, right, version)


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


def _spend(account: Account, op: Op, right: Right, outcomes: list[Outcome], place: int) -> Account:
    writes = op.mode in (Mode.PUT, Mode.CAS, Mode.APPEND, Mode.ADD)
    used = account.used + (len(op.key) + len(op.value) if writes else 0)
    if right.quota and used > right.quota:
        outcomes[place] = Outcome.OVER_QUOTA
        raise _Fails(Outcome.OVER_QUOTA)
    return Account(account.nonce, used)


def _apply(draft: _Draft, turn: _Turn, outcomes: list[Outcome], place: int) -> None:
    try:
        _EFFECTS[turn.op.mode](draft, turn.op, turn.version)
    except _Fails as fails:
        outcomes[place] = fails.outcome
        raise


def _require_version(cell: Cell | None, expected: int) -> None:
    if expected == ANY:
        return
    if expected != (ABSENT if cell is None else cell.version):
        raise _Fails(Outcome.STALE)


def _put(draft: _Draft, op: Op, version: int) -> None:
    cell = draft.cell(Space.USER, op.key)
    _require_version(cell, op.expected)
    if cell is not None and cell.kind is Kind.LIST:
        raise _Fails(Outcome.WRONG_KIND)
    kind = Kind.FILE if op.is_file else Kind.BYTES
    draft.put(Space.USER, op.key, Cell(version, kind, op.value))


def _assert(draft: _Draft, op: Op, version: int) -> None:
    del version
    _require_version(draft.cell(Space.USER, op.key), op.expected)


def _append(draft: _Draft, op: Op, version: int) -> None:
    head = draft.cell(Space.USER, op.key)
    if head is not None and head.kind is not Kind.LIST:
        raise _Fails(Outcome.WRONG_KIND)
    count = 0 if head is None else int.from_bytes(head.value, "big")
    if count >= MAX_LIST:
        raise _Fails(Outcome.OVERFLOW)
    kind = Kind.FILE if op.is_file else Kind.BYTES
    draft.put(Space.ELEMENT, element_key(op.key, count), Cell(version, kind, op.value))
    draft.put(Space.USER, op.key, Cell(version, Kind.LIST, (count + 1).to_bytes(8, "big")))


def _add(draft: _Draft, op: Op, version: int) -> None:
    cell = draft.cell(Space.USER, op.key)
    if cell is not None and cell.kind is not Kind.COUNTER:
        raise _Fails(Outcome.WRONG_KIND)
    total = (0 if cell is None else counter_of(cell.value)) + counter_of(op.value)
    if not -COUNTER_LIMIT <= total < COUNTER_LIMIT:
        raise _Fails(Outcome.OVERFLOW)
    draft.put(Space.USER, op.key, Cell(version, Kind.COUNTER, counter_value(total)))


def _delete(draft: _Draft, op: Op, version: int) -> None:
    """Remove a key; of a list its last elements, all of them without a number."""
    cell = draft.cell(Space.USER, op.key)
    _require_version(cell, op.expected)
    if cell is not None and cell.kind is Kind.LIST:
        _drop(draft, op, cell, version)
    elif op.value:
        raise _Fails(Outcome.WRONG_KIND)
    else:
        draft.put(Space.USER, op.key, None)


def _drop(draft: _Draft, op: Op, head: Cell, version: int) -> None:
    count = int.from_bytes(head.value, "big")
    drop = min(count, int.from_bytes(op.value, "big")) if op.value else count
    if drop > MAX_LIST_DROP:
        raise _Fails(Outcome.OVERFLOW)
    for index in range(count - drop, count):
        draft.put(Space.ELEMENT, element_key(op.key, index), None)
    left = (count - drop).to_bytes(8, "big")
    draft.put(Space.USER, op.key, Cell(version, Kind.LIST, left) if count > drop else None)


def _access(draft: _Draft, op: Op, version: int) -> None:
    """Let a writer in or out; owner and admins are the chain's."""
    subject = Subject(Scheme(op.key[0]), op.key[1:])
    before = right_of(draft.state, subject)
    try:
        right = parse_wish(op.value, draft.state.generation)
    except OpMalformed as error:
        raise _Fails(Outcome.MALFORMED) from error
    is_theirs = before is None or before.generation != draft.state.generation
    if not is_theirs and before is not None and before.role <= Role.ADMIN:
        raise _Fails(Outcome.NO_RIGHT)
    draft.give(subject, right, version)


_EFFECTS: dict[Mode, Callable[[_Draft, Op, int], None]] = {
    Mode.PUT: _put,
    Mode.CAS: _put,
    Mode.ASSERT: _assert,
    Mode.APPEND: _append,
    Mode.ADD: _add,
    Mode.DELETE: _delete,
    Mode.ACCESS: _access,
}
