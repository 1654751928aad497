"""The log on the chain: entries with what they say, and a way to append inline batches.

Which block holds an entry is remembered for final blocks only; everything above them is read anew,
so a reorganisation is seen as it is. Sources of bigger batches are handed in by whoever has them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from offchain.chain.due import Executes, execute_due
from offchain.chain.errors import TooManyResults
from offchain.chain.ports import ChainReader
from offchain.core.units import BlockNumber
from offchain.storage.kv.entry import AccessChange, Batch, Entry, LogHead, Other
from offchain.storage.kv.errors import PayloadUnavailable
from offchain.storage.log_entries import EntryKind, LoggedEntry, parse_access, parse_batch
from offchain.storage.onchain_log import StorageLogClient

BLOCKS_A_READ: Final = 2_000
MAX_INLINE_BYTES: Final = 4_096


class ChainLog:
    """A `LogSource` over StorageLog."""

    def __init__(
        self, reader: ChainReader, client: StorageLogClient, *, first_block: int, finality: int
    ) -> None:
        """`first_block`: that of the deployment; `finality`: blocks after which nothing changes."""
        self._reader = reader
        self._client = client
        self._finality = finality
        self._marks: list[tuple[int, int]] = [(0, first_block)]  # entry, a block not after it

    def head(self) -> LogHead:
        newest = self._reader.block()
        settled = max(0, newest.number - self._finality)
        size = self._client.size(at=newest.hash)
        if settled < self._marks[0][1]:
            return LogHead(size, 0)
        final = self._client.size(at=self._reader.block(BlockNumber(settled)).hash)
        if final > self._marks[-1][0] and settled > self._marks[-1][1]:
            # Entries from `final` on are in later blocks.
            self._marks.append((final, settled))
        return LogHead(size, min(size, final))

    def entries(self, first: int, count: int) -> Iterator[Entry]:
        start = next(block for seq, block in reversed(self._marks) if seq <= first)
        newest, step = self._reader.block().number, BLOCKS_A_READ
        given = 0
        while start <= newest and given < count:
            end = min(newest, start + step - 1)
            try:
                found = self._client.entries(start, end)
            except TooManyResults:
                if step == 1:
                    raise
                step = max(1, step // 2)
                continue
            for logged in found:
                if logged.seq >= first and given < count:
                    yield entry_of(logged)
                    given += 1
            start = end + 1


class InlineSink:
    """A `BatchSink` for batches that fit into a transaction; larger ones go to `publish`.

    `publish(key, batch)` makes the bytes available under the blob id that it returns.
    """

    def __init__(
        self,
        client: StorageLogClient,
        sender: Executes,
        *,
        publish: Callable[[str, bytes], bytes] | None = None,
    ) -> None:
        self._client = client
        self._sender = sender
        self._publish = publish

    def widen(self, publish: Callable[[str, bytes], bytes]) -> None:
        """Bring long batches too, from here on."""
        self._publish = publish

    def append(self, key: str, streams: Sequence[bytes], batch: bytes) -> int:
        if len(batch) <= MAX_INLINE_BYTES:
            call = self._client.append_inline(streams, batch)
        elif self._publish is not None:
            call = self._client.append_batch(streams, self._publish(key, batch))
        else:
            raise PayloadUnavailable(bytes=len(batch), maximum=MAX_INLINE_BYTES)
        receipt = execute_due(self._sender, call, key=f"kv-batch:{key}")
        found = self._client.entries_in(receipt.logs)
        if not found:
            raise PayloadUnavailable(reason="no entry in the receipt")
        return found[0].seq


def entry_of(logged: LoggedEntry) -> Entry:
    """An entry as replay reads it; one that no contract of ours writes says nothing."""
    return Entry(
        logged.seq, logged.time, logged.block_number, bytes(logged.block_hash), _body(logged)
    )


def _body(logged: LoggedEntry) -> AccessChange | Batch | Other:
    match logged.kind:
        case EntryKind.KV_BATCH:
            return parse_batch(logged.data)
        case EntryKind.ACCESS:
            return parse_access(logged.data)
        case _:
            return Other()
