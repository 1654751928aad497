"""Whether a history of one register could have happened one operation at a time.

Wing and Gong's search with Lowe's memory: an operation may go next when nothing that is left ended
before it began; a set of done operations with a value is tried once. Source: Wing and Gong, 1993;
Lowe, Testing for linearizability, 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One call on one key; `expected` None: no condition; an unfinished call has no `end`."""

    kind: str  # "write", "cas" or "read"
    value: bytes | None  # written, or what a read returned
    start: float
    end: float | None = None
    expected: bytes | None = None
    is_done: bool = True  # a cas: whether it succeeded; unfinished: unknown


def is_linearizable(history: Sequence[Call]) -> bool:
    """Of a register that begins without a value. At most some dozens of calls overlap."""
    count = len(history)
    seen: set[tuple[int, bytes | None]] = set()
    waiting: list[tuple[int, bytes | None]] = [(0, None)]
    must = sum(1 << index for index, call in enumerate(history) if call.end is not None)
    while waiting:
        done, value = waiting.pop()
        if done & must == must:
            return True
        if (done, value) in seen:
            continue
        seen.add((done, value))
        left = [index for index in range(count) if not done >> index & 1]
        ends = [call.end for index in left if (call := history[index]).end is not None]
        horizon = min(ends)
        for index in left:
            if history[index].start <= horizon:
                waiting += [(done | 1 << index, after) for after in _after(history[index], value)]
    return False


def _after(call: Call, value: bytes | None) -> list[bytes | None]:
    """The values that this call may leave behind; none when it cannot be next."""
    if call.kind == "read":
        return [value] if call.value == value else []
    if call.kind == "write":
        return [call.value]
    fits = call.expected == value
    if call.end is None:
        return [call.value] if fits else [value]
    return [call.value if call.is_done else value] if fits == call.is_done else []
