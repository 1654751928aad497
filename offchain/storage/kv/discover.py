"""Which streams a log has created, and where."""

from collections.abc import Iterator
from typing import Final

from offchain.storage.kv.entry import AccessChange, Entry
from offchain.storage.kv.errors import SeqGap
from offchain.storage.kv.ports import LogSource
from offchain.storage.kv.roles import Action

ENTRIES_A_READ: Final = 256


def created_by(entry: Entry) -> bytes | None:
    """The stream that an entry creates."""
    match entry.body:
        case AccessChange(action=Action.CREATE) as change:
            return change.stream
        case _:
            return None


def created_below(source: LogSource, end: int) -> Iterator[tuple[int, bytes]]:
    """Entries before `end` that create a stream. Raises: Unavailable, SeqGap."""
    start = 0
    while start < end:
        entries = list(source.entries(start, min(ENTRIES_A_READ, end - start)))
        if not entries:
            raise SeqGap(seq=start, expected=end)
        for entry in entries:
            stream = created_by(entry)
            if stream is not None:
                yield entry.seq, stream
        start += len(entries)
