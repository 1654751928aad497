"""Hashes of the state tree and proofs under a stream's root; pure. Contract twin: kv_path.vy.

  key hash    keccak(u8 space || key)         space 0: the user's keys; 1..3: cells.py
  leaf        keccak(0x00 || key hash || u64 version || u8 kind || keccak(value))      74 bytes
  node        keccak(0x01 || left || right)   empty = 0; a subtree of one leaf is that leaf
  path        bit d of the key hash, the most significant first, chooses right below depth d
  stream root keccak(T_KV || stream || u64 seq || u64 generation || tree root
              || u64 keys || u64 bytes)

A proof's siblings are lowest first. Absence: the path ends in `empty`, or in another leaf whose key
hash begins with the same bits. Source: docs/protocol/storage.md#key-value-streams, INV-KV-4.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import DIGEST_BYTES, Digest, keccak

TAG_KV: Final = keccak(b"apogee.storage.kv.v1")
TAG_STREAM: Final = keccak(b"apogee.storage.stream.v1")
EMPTY: Final = Digest(bytes(DIGEST_BYTES))
KEY_BITS: Final = 256
_LEAF: Final = struct.Struct(">32sQB32s")
_ROOT: Final = struct.Struct(">32s32sQQ32sQQ")
assert _LEAF.size + 1 == 74


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the tree holds of one key."""

    key_hash: bytes
    version: int
    kind: int
    value_hash: bytes

    @property
    def digest(self) -> Digest:
        return leaf_digest(self.key_hash, self.version, self.kind, self.value_hash)


@dataclass(frozen=True, slots=True)
class StreamRoot:
    """A stream's state after entry `seq` of the log; `byte_count` is of keys and values."""

    stream: bytes
    seq: int
    generation: int
    tree_root: bytes
    keys: int
    byte_count: int

    @property
    def digest(self) -> Digest:
        return keccak(
            _ROOT.pack(
                TAG_KV,
                self.stream,
                self.seq,
                self.generation,
                self.tree_root,
                self.keys,
                self.byte_count,
            )
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """A path to a tree root; `other` is the leaf that an absent key's path ends in, if any."""

    siblings: tuple[bytes, ...]
    other: Leaf | None = None


def stream_id(chain_id: int, owner: bytes, salt: bytes) -> Digest:
    """The id of the stream that `owner` creates with `salt`; nobody else can have it."""
    return keccak(TAG_STREAM, chain_id.to_bytes(32, "big"), bytes(12), owner, salt)


def key_hash(space: int, key: bytes) -> Digest:
    return keccak(bytes((space,)), key)


def leaf_digest(hashed_key: bytes, version: int, kind: int, value_hash: bytes) -> Digest:
    return keccak(b"\x00", _LEAF.pack(hashed_key, version, kind, value_hash))


def node_digest(left: bytes, right: bytes) -> Digest:
    return keccak(b"\x01", left, right)


def bit_at(hashed_key: bytes, depth: int) -> int:
    """0: left below this depth, 1: right."""
    return hashed_key[depth >> 3] >> (7 - (depth & 7)) & 1


def fold(start: bytes, hashed_key: bytes, siblings: Sequence[bytes]) -> bytes:
    """The root above `start`, which lies at depth len(siblings) on the key's path."""
    for index, sibling in enumerate(siblings):
        depth = len(siblings) - 1 - index
        pair = (sibling, start) if bit_at(hashed_key, depth) else (start, sibling)
        start = node_digest(*pair)
    return start


def verify_presence(tree_root: bytes, leaf: Leaf, siblings: Sequence[bytes]) -> bool:
    """Whether the tree holds this leaf."""
    return _are_digests(siblings) and fold(leaf.digest, leaf.key_hash, siblings) == tree_root


def verify_absence(tree_root: bytes, hashed_key: bytes, proof: Proof) -> bool:
    """Whether the tree lacks this key."""
    siblings, other = proof.siblings, proof.other
    if not _are_digests(siblings):
        return False
    if other is None:
        return fold(EMPTY, hashed_key, siblings) == tree_root
    depth = len(siblings)
    if other.key_hash == hashed_key or common_bits(other.key_hash, hashed_key) < depth:
        return False
    return fold(other.digest, hashed_key, siblings) == tree_root


def common_bits(first: bytes, second: bytes) -> int:
    """How many leading bits two key hashes share."""
    different = int.from_bytes(first, "big") ^ int.from_bytes(second, "big")
    return KEY_BITS - different.bit_length()


def _are_digests(siblings: Sequence[bytes]) -> bool:
    return len(siblings) <= KEY_BITS and all(len(one) == DIGEST_BYTES for one in siblings)
