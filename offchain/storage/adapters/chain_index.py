"""Which files there are, read from the log's own events, window by window.

The log is append-only, so windows that are final are read once a process; a node that answers too
much at once is asked for less.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from offchain.chain.errors import TooManyResults
from offchain.chain.model import Block, BlockRef
from offchain.chain.ports import ChainReader
from offchain.storage.adapters.chain_ledger import ChainStorageLedger
from offchain.storage.log_entries import EntryKind, LoggedEntry
from offchain.storage.model import FileState
from offchain.storage.onchain_log import StorageLogClient
from offchain.storage.ports import StoredFile

WINDOW_BLOCKS: Final = 10_000
FINAL_BLOCKS: Final = 64  # older ones do not leave the chain
ROOT_WORD: Final = slice(64, 96)  # of a Submission's ABI words


class ChainStorageIndex:
    """A `StorageIndex` over StorageLog."""

    def __init__(
        self,
        reader: ChainReader,
        log: StorageLogClient,
        ledger: ChainStorageLedger,
        *,
        first_block: int,
    ) -> None:
        self._reader = reader
        self._log = log
        self._ledger = ledger
        self._next = first_block
        self._final: list[LoggedEntry] = []

    def ids_of_root(self, root: bytes, *, at: BlockRef) -> Sequence[bytes]:
        block = self._reader.block(at)
        return [one.id for one in reversed(self._files(block)) if one.data[ROOT_WORD] == root]

    def files_of(self, owner: bytes, *, at: BlockRef) -> Sequence[StoredFile]:
        block = self._reader.block(at)
        mine = (one for one in self._files(block) if one.author == owner)
        found = (self._ledger.view(one.id, at=block.hash).file for one in mine)
        return [file for file in found if file.state is not FileState.NONE]

    def _files(self, head: Block) -> list[LoggedEntry]:
        """Every file's entry up to a block, oldest first."""
        final = head.number - FINAL_BLOCKS
        if final >= self._next:
            self._final += self._entries(self._next, final)
            self._next = final + 1
        return [*self._final, *self._entries(self._next, head.number)]

    def _entries(self, first: int, last: int) -> Iterator[LoggedEntry]:
        size = WINDOW_BLOCKS
        while first <= last:
            end = min(last, first + size - 1)
            try:
                found = self._log.entries(first, end)
            except TooManyResults:
                if size == 1:
                    raise
                size = max(1, size // 2)
                continue
            yield from (one for one in found if one.kind is EntryKind.FILE)
            first = end + 1
