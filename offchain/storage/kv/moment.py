"""What a replica tells: how far it is, one state of all its streams, what became of operations."""

from dataclasses import dataclass, field

from offchain.storage.kv.errors import StreamNotFollowed
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.ports import Reader
from offchain.storage.kv.state import StreamView


@dataclass(frozen=True, slots=True)
class Position:
    """Entries applied, entries final in the base, entries in the log when it was last read."""

    applied: int
    final: int
    head: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One state of all streams; `next_seq` entries of the log are in it."""

    reader: Reader
    next_seq: int
    numbers: dict[bytes, int] = field(repr=False)

    def stream(self, stream: bytes) -> StreamView:
        """Raises: StreamNotFollowed unless it is followed and has been created."""
        number = self.numbers.get(stream)
        if number is None:
            raise StreamNotFollowed(stream=stream.hex())
        view = StreamView(self.reader, stream, number)
        if not view.meta.generation:
            raise StreamNotFollowed(stream=stream.hex())
        return view


@dataclass(frozen=True, slots=True)
class OpResult:
    """What became of an operation, and whether that can still change."""

    seq: int
    outcome: Outcome
    is_final: bool
