"""Soft acknowledgements: a batcher's signed promise that an operation will be in the log in time.

  SoftAck(bytes32 stream,bytes32 operation,uint64 includeBy)     EIP-712, domain of operations

`includeBy` is log time. An operation that is not in the log by then, with its acknowledgement,
shows a broken promise to anybody who has the log. Source:
docs/protocol/storage.md#key-value-streams, INV-KV-11.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import Digest, keccak
from offchain.storage.kv.batch_frame import split_batch
from offchain.storage.kv.entry import Batch, Entry
from offchain.storage.kv.errors import OpMalformed
from offchain.storage.kv.op import HoldsKey, account_signed

_TYPE: Final = keccak(b"SoftAck(bytes32 stream,bytes32 operation,uint64 includeBy)")


@dataclass(frozen=True, slots=True)
class SoftAck:
    """A promise; `batcher` is the account whose key signed it."""

    stream: bytes
    operation: bytes
    include_by: int
    batcher: bytes
    signature: bytes


def ack_digest(stream: bytes, operation: bytes, include_by: int, domain: bytes) -> Digest:
    struct = keccak(_TYPE, stream, operation, include_by.to_bytes(32, "big"))
    return keccak(b"\x19\x01", domain, struct)


def promise(
    stream: bytes,
    operation: bytes,
    include_by: int,
    *,
    batcher: tuple[bytes, HoldsKey],
    domain: bytes,
) -> SoftAck:
    account, key = batcher
    digest = ack_digest(stream, operation, include_by, domain)
    return SoftAck(stream, operation, include_by, account, key.sign_digest(digest))


def is_promised(ack: SoftAck, domain: bytes) -> bool:
    """Whether the batcher it names has signed it."""
    digest = ack_digest(ack.stream, ack.operation, ack.include_by, domain)
    return account_signed(ack.signature, digest) == ack.batcher


def is_broken(ack: SoftAck, entries: Iterable[tuple[Entry, bytes | None]], domain: bytes) -> bool:
    """Whether the log, with its batches' bytes up to past `include_by`, shows a broken promise.

    `entries` must end with one whose time is later; without it nothing is shown.
    """
    if not is_promised(ack, domain):
        return False
    for entry, payload in entries:
        if entry.time > ack.include_by:
            return True
        if not isinstance(entry.body, Batch) or ack.stream not in entry.body.streams:
            continue
        if payload is not None and _holds(payload, ack.operation):
            return False
    return False


def _holds(payload: bytes, operation: bytes) -> bool:
    try:
        return any(keccak(raw) == operation for raw in split_batch(payload))
    except OpMalformed:
        return False
