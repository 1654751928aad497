"""What replay must do, written again as plainly as it can be: dictionaries, copies, no tree.

Operations are read and signatures checked by the code under test (tests/unit/storage/kv/test_op.py
holds those to independent encoders); everything after that is decided here anew.
"""

import copy
from dataclasses import dataclass, field

from offchain.storage.kv.batch_frame import split_batch
from offchain.storage.kv.cells import ABSENT
from offchain.storage.kv.entry import AccessChange, Batch, Entry
from offchain.storage.kv.errors import OpMalformed
from offchain.storage.kv.op import (
    Mode,
    Op,
    parse_op,
    subject_of,
)
from tests.support.kv import DOMAIN, hashed, naive_leaf, naive_root

BYTES, FILE, COUNTER, LIST, RIGHT, ACCOUNT = range(1, 7)
USER, ELEMENT, RIGHTS, ACCOUNTS = range(4)


@dataclass
class Stream:
    """Cells by (space, key): (version, kind, value)."""

    generation: int = 0
    cells: dict[tuple[int, bytes], tuple[int, int, bytes]] = field(default_factory=dict)
    rights: dict[bytes, tuple[int, int, bytes, int, int]] = field(default_factory=dict)
    accounts: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def root(self) -> bytes:
        leaves = {}
        for (space, key), (version, kind, value) in self.cells.items():
            place = hashed(bytes([space]), key)
            leaves[place] = naive_leaf(place, version, kind, value)
        return naive_root(leaves)

    def size(self) -> tuple[int, int]:
        total = sum(len(key) + len(cell[2]) for (_, key), cell in self.cells.items())
        return len(self.cells), total

    def give(self, who: bytes, right: tuple[int, int, bytes, int, int] | None, at: int) -> None:
        self.rights.pop(who, None)
        self.cells.pop((RIGHTS, who), None)
        if right is not None:
            generation, role, prefix, quota, expiry = self.rights.setdefault(who, right)
            value = generation.to_bytes(8, "big") + bytes([role]) + quota.to_bytes(8, "big")
            value += expiry.to_bytes(8, "big") + bytes([len(prefix)]) + prefix
            self.cells[RIGHTS, who] = (at, RIGHT, value)
        nonce, used = self.accounts.get(who, (0, 0))
        if used:
            self.note(who, nonce, 0, at)

    def note(self, who: bytes, nonce: int, used: int, at: int) -> None:
        self.accounts[who] = (nonce, used)
        value = nonce.to_bytes(8, "big") + used.to_bytes(8, "big")
        self.cells[ACCOUNTS, who] = (at, ACCOUNT, value)


class Model:
    """Streams by id, replayed entry by entry."""

    def __init__(self) -> None:
        self.streams: dict[bytes, Stream] = {}

    def apply(self, entry: Entry, payload: bytes | None) -> list[str] | str:
        body = entry.body
        if isinstance(body, AccessChange):
            self._access(entry, body)
            return []
        if not isinstance(body, Batch):
            return []
        if payload is None:
            return "VOID"
        try:
            raw = split_batch(payload)
        except OpMalformed:
            return "MALFORMED"
        return self._batch(entry, body, raw)

    def _access(self, entry: Entry, change: AccessChange) -> None:
        stream = self.streams.setdefault(change.stream, Stream())
        who, at = bytes([change.subject.scheme]) + change.subject.digest, entry.seq << 16
        if change.action in (1, 2):
            stream.generation = change.generation
            stream.give(who, (change.generation, 0, b"", 0, 0), at)
        elif change.action == 3:
            right = (change.generation, change.role, change.prefix, change.quota, change.expiry)
            stream.give(who, right, at)
        else:
            stream.give(who, None, at)

    def _batch(self, entry: Entry, body: Batch, raw: list[bytes]) -> list[str]:
        outcomes = ["MALFORMED"] * len(raw)
        ops: list[Op | None] = []
        for data in raw:
            try:
                ops.append(parse_op(data))
            except OpMalformed:
                ops.append(None)
        index = 0
        while index < len(ops):
            unit = self._unit(ops, index)
            if unit:
                outcomes[index : index + len(unit)] = self._run(entry, body, index, unit)
            index += max(1, len(unit))
        return outcomes

    def _unit(self, ops: list[Op | None], index: int) -> list[Op]:
        first = ops[index]
        if first is None:
            return []
        unit = [first]
        while first.group_place == 0 and len(unit) < first.group_size:
            place = index + len(unit)
            op = ops[place] if place < len(ops) else None
            if op is None or (op.group_size, op.group_place) != (first.group_size, len(unit)):
                break
            if (op.stream, op.signer, op.scheme) != (first.stream, first.signer, first.scheme):
                break
            if op.nonce != first.nonce + len(unit):
                break
            unit.append(op)
        return unit

    def _run(self, entry: Entry, body: Batch, index: int, unit: list[Op]) -> list[str]:
        first = unit[0]
        stream = self.streams.get(first.stream)
        if first.stream not in body.streams:
            return ["UNTAGGED"] * len(unit)
        if stream is None or not stream.generation:
            return ["NO_STREAM"] * len(unit)
        if len(unit) != max(1, first.group_size):
            return ["BROKEN_GROUP"] * len(unit)
        failed = ["GROUP_FAILED"] * len(unit)
        who = b""
        for place, op in enumerate(unit):
            who, fault = self._door(entry, stream, op, place)
            if fault:
                failed[place] = fault
                return failed
        trial = copy.deepcopy(stream)
        last, at = unit[-1].nonce, entry.seq << 16 | index + len(unit) - 1
        used = stream.accounts.get(who, (0, 0))[1]
        for place, op in enumerate(unit):
            quota = stream.rights[who][3]
            if op.mode in (Mode.PUT, Mode.CAS, Mode.APPEND, Mode.ADD):
                used += len(op.key) + len(op.value)
            fault = "OVER_QUOTA" if quota and used > quota else ""
            fault = fault or _effect(trial, op, entry.seq << 16 | index + place, stream)
            if fault:
                failed[place] = fault
                stream.note(who, last, stream.accounts.get(who, (0, 0))[1], at)
                return failed
        trial.note(who, last, used, at)
        self.streams[first.stream] = trial
        return ["APPLIED"] * len(unit)

    def _door(self, entry: Entry, stream: Stream, op: Op, place: int) -> tuple[bytes, str]:
        digest = bytes(12) + op.signer if op.scheme == 1 else hashed(op.signature[64:])
        who = bytes([op.scheme]) + digest
        if op.generation != stream.generation:
            return who, "OLD_GENERATION"
        if entry.time > op.valid_until:
            return who, "EXPIRED"
        generation, role, prefix, _, expiry = stream.rights.get(who, (0, 9, b"", 0, 0))
        is_free = op.mode == Mode.ASSERT or role <= 2 or op.key.startswith(prefix)
        is_free = role <= 1 if op.mode == Mode.ACCESS else is_free
        if generation != stream.generation or (expiry and entry.time > expiry) or not is_free:
            return who, "NO_RIGHT"
        if op.nonce - place <= stream.accounts.get(who, (0, 0))[0]:
            return who, "REPLAYED"
        signed = subject_of(op, DOMAIN)
        return who, "" if signed and signed.key == who else "BAD_SIGNATURE"


def _effect(trial: Stream, op: Op, at: int, before: Stream) -> str:  # noqa: C901, PLR0912  # a table
    cell = trial.cells.get((USER, op.key))
    kind = cell[1] if cell else 0
    seen = cell[0] if cell else ABSENT
    if op.mode in (Mode.CAS, Mode.ASSERT, Mode.DELETE) and op.expected not in (0, seen):
        return "STALE"
    count = int.from_bytes(cell[2], "big") if cell and kind == LIST else 0
    content = FILE if op.is_file else BYTES
    match op.mode:
        case Mode.PUT | Mode.CAS:
            if kind == LIST:
                return "WRONG_KIND"
            trial.cells[USER, op.key] = (at, content, op.value)
        case Mode.APPEND:
            if kind not in (0, LIST):
                return "WRONG_KIND"
            trial.cells[ELEMENT, op.key + count.to_bytes(8, "big")] = (at, content, op.value)
            trial.cells[USER, op.key] = (at, LIST, (count + 1).to_bytes(8, "big"))
        case Mode.ADD:
            if kind not in (0, COUNTER):
                return "WRONG_KIND"
            total = int.from_bytes(op.value, "big", signed=True)
            total += int.from_bytes(cell[2], "big", signed=True) if cell else 0
            if not -(2**127) <= total < 2**127:
                return "OVERFLOW"
            trial.cells[USER, op.key] = (at, COUNTER, total.to_bytes(16, "big", signed=True))
        case Mode.DELETE if kind == LIST:
            drop = min(count, int.from_bytes(op.value, "big")) if op.value else count
            if drop > 1_024:
                return "OVERFLOW"
            for index in range(count - drop, count):
                del trial.cells[ELEMENT, op.key + index.to_bytes(8, "big")]
            trial.cells[USER, op.key] = (at, LIST, (count - drop).to_bytes(8, "big"))
            if drop == count:
                del trial.cells[USER, op.key]
        case Mode.DELETE:
            if op.value:
                return "WRONG_KIND"
            trial.cells.pop((USER, op.key), None)
        case Mode.ACCESS:
            return _let_in(trial, op, at, before)
    return ""


def _let_in(trial: Stream, op: Op, at: int, before: Stream) -> str:
    present = before.rights.get(op.key)
    right = None
    if op.value:
        if len(op.value) < 18:
            return "MALFORMED"
        role, prefix = op.value[0], op.value[18:]
        is_good = (role == 2 and not prefix) or (role == 3 and 0 < len(prefix) <= 64)
        if op.value[17] != len(prefix) or not is_good:
            return "MALFORMED"
        quota, expiry = (int.from_bytes(op.value[i : i + 8], "big") for i in (1, 9))
        right = (before.generation, role, prefix, quota, expiry)
    if present and present[0] == before.generation and present[1] <= 1:
        return "NO_RIGHT"
    trial.give(op.key, right, at)
    return ""
