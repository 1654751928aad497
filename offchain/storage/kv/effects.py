"""What each kind of operation does to a stream, all of a unit or nothing.

Source: docs/protocol/storage.md#key-value-streams.
"""

from collections.abc import Callable
from typing import Final

from offchain.storage.kv.cells import (
    ABSENT,
    ANY,
    Cell,
    Kind,
    Space,
    counter_of,
    counter_value,
    element_key,
)
from offchain.storage.kv.errors import OpMalformed
from offchain.storage.kv.op import Mode, Op, Scheme, Subject
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.roles import Right, Role, parse_wish, right_of, set_right
from offchain.storage.kv.state import StreamState

COUNTER_LIMIT: Final = 1 << 127
MAX_LIST_DROP: Final = 1_024
MAX_LIST: Final = 1 << 63


class Fails(Exception):  # leaves one operation, not the process
    """An operation has no effect."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Draft:
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


def apply_op(draft: Draft, op: Op, version: int) -> None:
    """What an operation does at its place. Raises: Fails."""
    _EFFECTS[op.mode](draft, op, version)


def _require_version(cell: Cell | None, expected: int) -> None:
    if expected == ANY:
        return
    if expected != (ABSENT if cell is None else cell.version):
        raise Fails(Outcome.STALE)


def _put(draft: Draft, op: Op, version: int) -> None:
    cell = draft.cell(Space.USER, op.key)
    _require_version(cell, op.expected)
    if cell is not None and cell.kind is Kind.LIST:
        raise Fails(Outcome.WRONG_KIND)
    kind = Kind.FILE if op.is_file else Kind.BYTES
    draft.put(Space.USER, op.key, Cell(version, kind, op.value))


def _assert(draft: Draft, op: Op, version: int) -> None:
    del version
    _require_version(draft.cell(Space.USER, op.key), op.expected)


def _append(draft: Draft, op: Op, version: int) -> None:
    head = draft.cell(Space.USER, op.key)
    if head is not None and head.kind is not Kind.LIST:
        raise Fails(Outcome.WRONG_KIND)
    count = 0 if head is None else int.from_bytes(head.value, "big")
    if count >= MAX_LIST:
        raise Fails(Outcome.OVERFLOW)
    kind = Kind.FILE if op.is_file else Kind.BYTES
    draft.put(Space.ELEMENT, element_key(op.key, count), Cell(version, kind, op.value))
    draft.put(Space.USER, op.key, Cell(version, Kind.LIST, (count + 1).to_bytes(8, "big")))


def _add(draft: Draft, op: Op, version: int) -> None:
    cell = draft.cell(Space.USER, op.key)
    if cell is not None and cell.kind is not Kind.COUNTER:
        raise Fails(Outcome.WRONG_KIND)
    total = (0 if cell is None else counter_of(cell.value)) + counter_of(op.value)
    if not -COUNTER_LIMIT <= total < COUNTER_LIMIT:
        raise Fails(Outcome.OVERFLOW)
    draft.put(Space.USER, op.key, Cell(version, Kind.COUNTER, counter_value(total)))


def _delete(draft: Draft, op: Op, version: int) -> None:
    """Remove a key; of a list its last elements, all of them without a number."""
    cell = draft.cell(Space.USER, op.key)
    _require_version(cell, op.expected)
    if cell is not None and cell.kind is Kind.LIST:
        _drop(draft, op, cell, version)
    elif op.value:
        raise Fails(Outcome.WRONG_KIND)
    else:
        draft.put(Space.USER, op.key, None)


def _drop(draft: Draft, op: Op, head: Cell, version: int) -> None:
    count = int.from_bytes(head.value, "big")
    drop = min(count, int.from_bytes(op.value, "big")) if op.value else count
    if drop > MAX_LIST_DROP:
        raise Fails(Outcome.OVERFLOW)
    for index in range(count - drop, count):
        draft.put(Space.ELEMENT, element_key(op.key, index), None)
    left = (count - drop).to_bytes(8, "big")
    draft.put(Space.USER, op.key, Cell(version, Kind.LIST, left) if count > drop else None)


def _access(draft: Draft, op: Op, version: int) -> None:
    """Let a writer in or out; owner and admins are the chain's."""
    subject = Subject(Scheme(op.key[0]), op.key[1:])
    before = right_of(draft.state, subject)
    try:
        right = parse_wish(op.value, draft.state.generation)
    except OpMalformed as error:
        raise Fails(Outcome.MALFORMED) from error
    is_theirs = before is None or before.generation != draft.state.generation
    if not is_theirs and before is not None and before.role <= Role.ADMIN:
        raise Fails(Outcome.NO_RIGHT)
    draft.give(subject, right, version)


_EFFECTS: dict[Mode, Callable[[Draft, Op, int], None]] = {
    Mode.PUT: _put,
    Mode.CAS: _put,
    Mode.ASSERT: _assert,
    Mode.APPEND: _append,
    Mode.ADD: _add,
    Mode.DELETE: _delete,
    Mode.ACCESS: _access,
}
