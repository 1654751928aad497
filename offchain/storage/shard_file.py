"""The file that keeps one shard, immutable, whole or absent, big-endian.

  0    "AST1"  4 u32 m  8 D (32)  40 u16 shard  42 u16 rows  44 u32 crc of 0..43
  48   4 siblings, lowest first, the unused ones zero (128)    176 b0 b1 b2 (96)
  272  rows x 32m bytes
  then the roots of the rows (rows x 32), the header frame (32,960), keccak(header frame) (32)

The rows' roots fold to D, so a row that is read alone is checked against D; the last digest is for
the header, of which D binds only the coset roots. The name says which shard it is:

  <D in hex>-<shard>-<rows>.shard

Source: docs/protocol/storage.md#node.
"""

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from offchain.core.errors import InvalidInput
from offchain.core.field import FIELD_BYTES
from offchain.core.hashing import DIGEST_BYTES, keccak
from offchain.core.layout import COLUMN_STEP, MAX_COLUMNS, K, N
from offchain.core.matrix.runs import HashMany, run_depth
from offchain.core.merkle import CosetTree, Digests, data_root, fold_path
from offchain.core.wire import HEADER_BYTES, Header
from offchain.node.disk import Chunk
from offchain.storage.errors import FormatUnknown, ShardCorrupt
from offchain.storage.frames import siblings_of
from offchain.storage.ports import Shard, ShardKey

MAGIC: Final = b"AST1"
MIN_ROWS: Final = 64
MAX_SIBLINGS: Final = 4
FRONT_BYTES: Final = 272
_HEAD: Final = struct.Struct(">4sI32sHH")
_CRC: Final = struct.Struct(">I")
_NAME: Final = re.compile(r"([0-9a-f]{64})-(\d{1,2})-(64|128|256|512|1024)\.shard", re.ASCII)
_ROOTS_AT: Final = _HEAD.size + _CRC.size + MAX_SIBLINGS * DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class ShardFront:
    """What the first 272 bytes say: the width, and what leads from the shard to D."""

    columns: int
    siblings: tuple[bytes, ...] = field(repr=False)
    coset_roots: tuple[bytes, bytes, bytes] = field(repr=False)


class ShardKeyInvalid(InvalidInput):
    """No shard of a matrix has this number and these rows."""

    code = "storage.shard.key_invalid"


def require_key(key: ShardKey) -> None:
    """Raises: ShardKeyInvalid unless such a shard exists."""
    is_run = MIN_ROWS <= key.rows <= K and key.rows & (key.rows - 1) == 0
    if len(key.data_root) != DIGEST_BYTES or not is_run or not 0 <= key.first <= N - key.rows:
        raise ShardKeyInvalid(number=key.number, rows=key.rows)


def name_of(key: ShardKey) -> str:
    """The name of its file."""
    return f"{key.data_root.hex()}-{key.number}-{key.rows}.shard"


def key_named(name: str) -> ShardKey | None:
    """The shard that a name says, None for every other name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    key = ShardKey(bytes.fromhex(found[1]), int(found[2]), int(found[3]))
    return key if name_of(key) == name and key.first <= N - key.rows else None


def file_bytes(rows: int, columns: int) -> int:
    """How long the file of a shard is."""
    return roots_offset(rows, columns) + rows * DIGEST_BYTES + HEADER_BYTES + DIGEST_BYTES


def columns_in(size: int, rows: int) -> int | None:
    """The width of a shard whose file has this size, None when none has."""
    columns, rest = divmod(size - file_bytes(rows, 0), rows * FIELD_BYTES)
    is_width = columns % COLUMN_STEP == 0 and COLUMN_STEP <= columns <= MAX_COLUMNS
    return columns if is_width and not rest else None


def row_offset(position: int, columns: int) -> int:
    """Where the row at this position in the shard starts."""
    return FRONT_BYTES + position * FIELD_BYTES * columns


def roots_offset(rows: int, columns: int) -> int:
    """Where the rows' roots start."""
    return row_offset(rows, columns)


def header_offset(rows: int, columns: int) -> int:
    """Where the header frame starts."""
    return roots_offset(rows, columns) + rows * DIGEST_BYTES


def pack_shard(shard: Shard, roots: Digests) -> list[Chunk]:
    """The parts of the file, in order; rows are views."""
    key, run = shard.key, shard.run
    head = _HEAD.pack(MAGIC, shard.header.columns, key.data_root, key.number, key.rows)
    blank = bytes((MAX_SIBLINGS - len(run.siblings)) * DIGEST_BYTES)
    front = b"".join((head, _CRC.pack(zlib.crc32(head)), *run.siblings, blank, *run.coset_roots))
    assert len(front) == FRONT_BYTES
    header = shard.header.to_bytes()
    data = np.ascontiguousarray(run.data).reshape(-1).data
    return [front, data, roots.tobytes(), header, keccak(header)]


def parse_front(raw: bytes, key: ShardKey) -> ShardFront:
    """Read the front of the file of this very shard. Raises: ShardCorrupt, FormatUnknown."""
    if len(raw) < FRONT_BYTES:
        raise _corrupt(key, "short")
    magic, columns, root, number, rows = _HEAD.unpack_from(raw)
    if _CRC.unpack_from(raw, _HEAD.size) != (zlib.crc32(raw[: _HEAD.size]),):
        raise _corrupt(key, "front")
    if magic != MAGIC:
        raise FormatUnknown(found=magic.hex(), known=MAGIC.hex())
    if (root, number, rows) != (key.data_root, key.number, key.rows):
        raise _corrupt(key, "another shard")
    above = _HEAD.size + _CRC.size
    siblings = tuple(
        raw[start : start + DIGEST_BYTES]
        for start in range(above, above + siblings_of(rows) * DIGEST_BYTES, DIGEST_BYTES)
    )
    if raw[above + len(siblings) * DIGEST_BYTES : _ROOTS_AT].strip(b"\0"):
        raise _corrupt(key, "front")
    b0, b1, b2 = (
        raw[start : start + DIGEST_BYTES] for start in range(_ROOTS_AT, FRONT_BYTES, DIGEST_BYTES)
    )
    if data_root(b0, b1, b2) != key.data_root:
        raise _corrupt(key, "coset roots")
    return ShardFront(columns, siblings, (b0, b1, b2))


def parse_roots(raw: bytes, key: ShardKey, front: ShardFront, hash_many: HashMany) -> CosetTree:
    """The tree over the shard's rows, folded to D. Raises: ShardCorrupt."""
    if len(raw) != key.rows * DIGEST_BYTES:
        raise _corrupt(key, "short")
    tree = CosetTree.build(np.frombuffer(raw, np.uint8).reshape(-1, DIGEST_BYTES), hash_many)
    coset, position = divmod(key.first, K)
    folded = fold_path(tree.root, position // key.rows, front.siblings)
    if folded != front.coset_roots[coset]:
        raise _corrupt(key, "row roots")
    return tree


def parse_header(raw: bytes, key: ShardKey) -> Header:
    """The header behind the shard and its digest. Raises: ShardCorrupt."""
    if len(raw) != HEADER_BYTES + DIGEST_BYTES:
        raise _corrupt(key, "short")
    if keccak(raw[:HEADER_BYTES]) != raw[HEADER_BYTES:]:
        raise _corrupt(key, "header digest")
    header = Header.parse(raw[:HEADER_BYTES])
    if header.data_root != key.data_root:
        raise _corrupt(key, "another header")
    return header


def run_siblings_in(
    tree: CosetTree, key: ShardKey, front: ShardFront, *, first: int, count: int
) -> tuple[bytes, ...]:
    """What leads from aligned rows inside the shard to their coset root."""
    depth = run_depth(count)
    position = (first - key.first) // count
    inside = tuple(
        level[position >> above ^ 1].tobytes() for above, level in enumerate(tree.levels[depth:-1])
    )
    return inside + front.siblings


def _corrupt(key: ShardKey, reason: str) -> ShardCorrupt:
    return ShardCorrupt(
        reason=reason, data_root=key.data_root.hex(), shard=key.number, rows=key.rows
    )
