"""Events of one kind over any number of blocks, asked for in ranges that every node answers."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from offchain.chain.contract import ContractClient
from offchain.chain.model import Log
from offchain.chain.ports import ChainReader
from offchain.core.units import BlockNumber

RANGE_BLOCKS: Final = 1_000
T = TypeVar("T")


def events_between(
    reader: ChainReader,
    client: ContractClient,
    kind: type[T],
    blocks: tuple[int, int],
    indexed: Mapping[str, object],
) -> Iterator[T]:
    """What `client`'s contract wrote from the first block to the last, both included, in order."""
    for logs in _ranges(reader, client, kind, blocks, indexed):
        yield from client.events_in(kind, logs)


def logs_between(
    reader: ChainReader,
    client: ContractClient,
    kind: type,
    blocks: tuple[int, int],
    indexed: Mapping[str, object],
) -> Iterator[Log]:
    """The same with their places: which transaction wrote them."""
    for logs in _ranges(reader, client, kind, blocks, indexed):
        yield from logs


def _ranges(
    reader: ChainReader,
    client: ContractClient,
    kind: type,
    blocks: tuple[int, int],
    indexed: Mapping[str, object],
) -> Iterator[list[Log]]:
    first, last = blocks
    for start in range(first, last + 1, RANGE_BLOCKS):
        wanted = client.event_filter(
            kind,
            first_block=BlockNumber(start),
            last_block=BlockNumber(min(last, start + RANGE_BLOCKS - 1)),
            indexed=indexed,
        )
        yield reader.logs(wanted)
