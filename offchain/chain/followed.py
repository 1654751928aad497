"""Every event of one kind that a filter names, read once as far as blocks are settled.

What lies deeper than `depth` below the block asked for is kept; the blocks above it are read anew
for each other block, so a reorganisation of less than that leaves nothing wrong behind.
"""

from collections.abc import Mapping
from threading import Lock
from typing import Generic, TypeVar

from offchain.chain.contract import ContractClient
from offchain.chain.event_ranges import events_between
from offchain.chain.model import Block
from offchain.chain.ports import ChainReader

T = TypeVar("T")


class Followed(Generic[T]):
    """The events of one kind with these indexed fields, up to any block that is near the newest."""

    def __init__(
        self,
        reader: ChainReader,
        client: ContractClient,
        kind: type[T],
        *,
        indexed: Mapping[str, object],
        first_block: int,
        depth: int,
    ) -> None:
        self._reader = reader
        self._client = client
        self._kind = kind
        self._indexed = indexed
        self._next = first_block
        self._depth = depth
        self._settled: list[T] = []
        self._newest: tuple[bytes, list[T]] = (b"", [])  # a block's hash, and what is above settled
        self._lock = Lock()

    def upto(self, block: Block) -> list[T]:
        """All of them up to and with this block, in order."""
        with self._lock:
            if self._newest[0] == block.hash:
                return self._settled + self._newest[1]
            settled = block.number - self._depth
            if settled >= self._next:
                self._settled += self._between(self._next, settled)
                self._next = settled + 1
            self._newest = block.hash, self._between(self._next, block.number)
            return self._settled + self._newest[1]

    def _between(self, first: int, last: int) -> list[T]:
        blocks = (first, last)
        return list(events_between(self._reader, self._client, self._kind, blocks, self._indexed))
