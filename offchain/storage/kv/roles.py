"""Who may do what in a stream: OWNER > ADMIN > WRITER > KEY_WRITER(prefix); rights are cells.

  right    u64 generation | u8 role | u64 quota | u64 expiry | u8 prefix length, prefix
  account  u64 last nonce | u64 bytes used since the right was given

The owner and admins come from the chain only (ACCESS entries); an owner or admin may let in writers
by a signed operation too, which is how session keys are made. A right counts in its own generation
and until its expiry in log time; a new owner is a new generation, so every older key ends at that
entry. Source: docs/protocol/storage.md#key-value-streams, INV-KV-5, INV-KV-10.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.storage.kv.cells import Cell, Kind, Space
from offchain.storage.kv.entry import AccessChange
from offchain.storage.kv.errors import OpMalformed, StateCorrupt
from offchain.storage.kv.op import Mode, Op, Subject
from offchain.storage.kv.state import StreamState

MAX_PREFIX_BYTES: Final = 64
_RIGHT: Final = struct.Struct(">QBQQB")
_WISH: Final = struct.Struct(">BQQB")
_ACCOUNT: Final = struct.Struct(">QQ")


class Role(IntEnum):
    """Less is more; numbers are IKVStreams'."""

    OWNER = 0
    ADMIN = 1
    WRITER = 2
    KEY_WRITER = 3


class Action(IntEnum):
    """What an ACCESS entry does."""

    CREATE = 1
    TRANSFER = 2
    GRANT = 3
    REVOKE = 4


@dataclass(frozen=True, slots=True)
class Right:
    """What a subject may do; `quota` in bytes, `expiry` in log time, 0: no bound."""

    generation: int
    role: Role
    prefix: bytes = b""
    quota: int = 0
    expiry: int = 0

    def to_bytes(self) -> bytes:
        head = _RIGHT.pack(self.generation, self.role, self.quota, self.expiry, len(self.prefix))
        return head + self.prefix

    @classmethod
    def parse(cls, raw: bytes) -> "Right":
        """Read a stored right. Raises: StateCorrupt."""
        try:
            generation, role, quota, expiry, length = _RIGHT.unpack_from(raw)
            return cls(generation, Role(role), raw[_RIGHT.size :][:length], quota, expiry)
        except (struct.error, ValueError) as error:
            raise StateCorrupt(right=raw.hex()) from error

    def holds(self, generation: int, now: int) -> bool:
        return self.generation == generation and (not self.expiry or now <= self.expiry)

    def allows(self, op: Op, generation: int, now: int) -> bool:
        """Whether a holder may send this operation at this log time."""
        if not self.holds(generation, now):
            return False
        if op.mode is Mode.ACCESS:
            return self.role <= Role.ADMIN
        if op.mode is Mode.ASSERT or self.role <= Role.WRITER:
            return True
        return op.key.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Account:
    """What a subject has done: its last nonce, and bytes written under its right."""

    nonce: int = 0
    used: int = 0

    def to_bytes(self) -> bytes:
        return _ACCOUNT.pack(self.nonce, self.used)


def right_of(state: StreamState, subject: Subject) -> Right | None:
    cell = state.cell(Space.RIGHT, subject.key)
    return None if cell is None else Right.parse(cell.value)


def account_of(state: StreamState, subject: Subject) -> Account:
    cell = state.cell(Space.ACCOUNT, subject.key)
    return Account() if cell is None else Account(*_ACCOUNT.unpack(cell.value))


def set_right(state: StreamState, subject: Subject, right: Right | None, version: int) -> None:
    """Give or take a right; what was used of a quota starts anew, nonces go on."""
    cell = None if right is None else Cell(version, Kind.RIGHT, right.to_bytes())
    state.put(Space.RIGHT, subject.key, cell)
    account = account_of(state, subject)
    if account.used:
        set_account(state, subject, Account(account.nonce), version)


def set_account(state: StreamState, subject: Subject, account: Account, version: int) -> None:
    state.put(Space.ACCOUNT, subject.key, Cell(version, Kind.ACCOUNT, account.to_bytes()))


def change_access(state: StreamState, change: AccessChange, version: int) -> None:
    """Apply an ACCESS entry; the contract has checked who wrote it."""
    generation = change.generation
    match Action(change.action):
        case Action.CREATE | Action.TRANSFER:
            state.set_generation(generation)
            set_right(state, change.subject, Right(generation, Role.OWNER), version)
        case Action.GRANT:
            role = Role(change.role)
            right = Right(generation, role, change.prefix, change.quota, change.expiry)
            set_right(state, change.subject, right, version)
        case Action.REVOKE:
            set_right(state, change.subject, None, version)


def wish_bytes(right: Right) -> bytes:
    """The value of an operation that gives this right."""
    return _WISH.pack(right.role, right.quota, right.expiry, len(right.prefix)) + right.prefix


def parse_wish(value: bytes, generation: int) -> Right | None:
    """The right an operation gives; None: it takes. Raises: OpMalformed."""
    if not value:
        return None
    try:
        number, quota, expiry, length = _WISH.unpack_from(value)
        role, prefix = Role(number), value[_WISH.size :]
    except (struct.error, ValueError) as error:
        raise OpMalformed(right=value.hex()) from error
    is_bounded = role is Role.WRITER and not prefix
    is_bounded |= role is Role.KEY_WRITER and 0 < len(prefix) <= MAX_PREFIX_BYTES
    if len(prefix) != length or not is_bounded:
        raise OpMalformed(right=value.hex())
    return Right(generation, role, prefix, quota, expiry)
