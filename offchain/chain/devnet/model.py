"""What the embedded node keeps: blocks, mined transactions, receipts, logs.

All byte fields are raw bytes; amounts are wei, times are seconds of chain time.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Log:
    """One event entry as the EVM wrote it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did; `contract_address` only when it created one."""

    succeeded: bool
    gas_used: int
    cumulative_gas_used: int
    effective_gas_price_wei: int
    contract_address: bytes | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A transaction at its place in a block."""

    hash: bytes
    raw: bytes
    sender: bytes
    block_number: int
    block_hash: bytes
    position: int
    first_log_index: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed block.

    `state_root` is the state after it; it differs from the header's only where a developer
    edited the state of the head by hand (`anvil_setBalance` and its like).
    """

    header: Any
    state_root: bytes
    transaction_hashes: tuple[bytes, ...]

    @property
    def number(self) -> int:
        return int(self.header.block_number)

    @property
    def hash(self) -> bytes:
        return bytes(self.header.hash)


@dataclass(frozen=True, slots=True)
class PlacedLog:
    """A log with the place it has in the chain, as `eth_getLogs` tells it."""

    log: Log
    block_number: int
    block_hash: bytes
    block_timestamp: int
    transaction_hash: bytes
    transaction_position: int
    log_index: int


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which logs are wanted: inclusive block range, any of `addresses`, topics by position.

    An empty tuple of alternatives at a position matches anything.
    """

    first_block: int
    last_block: int
    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A transaction that waits: its nonce is not due, or mining is by hand."""

    hash: bytes
    raw: bytes
    sender: bytes
    nonce: int
    arrival: int
