"""Events of one kind over any number of blocks, asked for in ranges that every node answers."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from offchain.chain.contract import ContractClient
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
    first, last = blocks
    for start in range(first, last + 1, RANGE_BLOCKS):
        wanted = client.event_filter(
            kind,
            first_block=BlockNumber(start),
            last_block=BlockNumber(min(last, start + RANGE_BLOCKS - 1)),
            indexed=indexed,
        )
        yield from client.events_in(kind, reader.logs(wanted))
