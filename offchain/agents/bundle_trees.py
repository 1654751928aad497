"""What a bundle's roots are roots of: keys of chunks, and trees whose odd nodes are carried up.

  key_i        HKDF-SHA-256(k, salt contentRoot, "apogee/chunk" || u32 i)
  keyRoot      tree of keccak(0x02 || u32 i || key_i)
  contentRoot  keccak(0x04 || u64 length || tree of the content leaves)

A node is keccak(left || right), 64 bytes, which no leaf has.
Source: docs/protocol/agents.md#bundles-and-delivery.
"""

import hashlib
import hmac
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.core.hashing import DIGEST_BYTES, Digest, keccak
from offchain.core.merkle import HashMany, hash_each

Bytes2D = npt.NDArray[np.uint8]
_CHUNK_INFO: Final = b"apogee/chunk"


def chunk_keys(key: bytes, content_root: bytes, count: int) -> list[bytes]:
    """key_0 .. of HKDF-SHA-256: one extraction, one expansion of one block each."""
    early = hmac.digest(content_root, key, hashlib.sha256)
    return [
        hmac.digest(early, _CHUNK_INFO + index.to_bytes(4, "big") + b"\1", hashlib.sha256)
        for index in range(count)
    ]


def key_leaf(chunk: int, chunk_key: bytes) -> Digest:
    return keccak(b"\2", chunk.to_bytes(4, "big"), chunk_key)


def key_leaves_of(keys: list[bytes]) -> Bytes2D:
    raw = b"".join(key_leaf(index, one) for index, one in enumerate(keys))
    return np.frombuffer(raw, np.uint8).reshape(-1, DIGEST_BYTES)


def content_root_of(length: int, top: bytes) -> Digest:
    return keccak(b"\4", length.to_bytes(8, "big"), top)


def tree_levels(leaves: Bytes2D, hash_many: HashMany = hash_each) -> list[Bytes2D]:
    """All levels of a tree, its leaves first, the root alone in the last."""
    levels = [leaves]
    while (width := len(levels[-1])) > 1:
        below = np.ascontiguousarray(levels[-1])
        above = hash_many(below[: width & ~1].reshape(-1, 2 * DIGEST_BYTES))
        levels.append(np.concatenate([above, below[width & ~1 :]]))
    return levels


def tree_root(leaves: Bytes2D, hash_many: HashMany = hash_each) -> Digest:
    return Digest(tree_levels(leaves, hash_many)[-1][0].tobytes())


def tree_path(levels: list[Bytes2D], index: int) -> list[bytes]:
    """Siblings of a leaf, lowest first; a level at which its node is carried has none."""
    return [
        level[index >> depth ^ 1].tobytes()
        for depth, level in enumerate(levels[:-1])
        if index >> depth ^ 1 < len(level)
    ]
