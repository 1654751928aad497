"""Batches of operations: "KVB1" | u32 count | count x (u32 length, op).

Source: docs/protocol/storage.md#key-value-streams.
"""

from collections.abc import Sequence
from typing import Final

from offchain.storage.kv.errors import OpMalformed

BATCH_MAGIC: Final = b"KVB1"
MAX_BATCH_OPS: Final = 65_535


def encode_batch(ops: Sequence[bytes]) -> bytes:
    """A batch of encoded operations. Raises: OpMalformed when there are none or too many."""
    if not 0 < len(ops) <= MAX_BATCH_OPS:
        raise OpMalformed(ops=len(ops), maximum=MAX_BATCH_OPS)
    parts = [BATCH_MAGIC, len(ops).to_bytes(4, "big")]
    for op in ops:
        parts += (len(op).to_bytes(4, "big"), op)
    return b"".join(parts)


def split_batch(raw: bytes) -> list[bytes]:
    """The operations of a batch, not parsed. Raises: OpMalformed when the frame is none."""
    count = int.from_bytes(raw[4:8], "big")
    if raw[:4] != BATCH_MAGIC or len(raw) < 8 or not 0 < count <= MAX_BATCH_OPS:
        raise OpMalformed(bytes=len(raw), count=count)
    ops: list[bytes] = []
    start = 8
    for _ in range(count):
        size = int.from_bytes(raw[start : start + 4], "big")
        start += 4 + size
        if start > len(raw):
            raise OpMalformed(bytes=len(raw), operation=len(ops))
        ops.append(raw[start - size : start])
    if start != len(raw):
        raise OpMalformed(bytes=len(raw), expected=start)
    return ops
