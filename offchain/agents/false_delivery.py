"""Finding what is wrong with a delivery, and the proof of it, from what a buyer holds; pure.

  KEY        the sealed key does not open to keyCommit           opens the one-time secret
  LENGTH     the file is longer or shorter than contentRoot says
  CONTENT    a leaf of the file is not the content's             opens a chunk's key, or the secret
  CHUNK_KEY  a leaf of keyRoot is not of the chunk's key         opens the one-time secret
  HEADER     the file begins otherwise than it must
  LIST       the file lists another content leaf

In this order: the first that applies is the proof. Tags of AES-GCM are no ground: the content
can be read without them. A delivery with none of these faults is correct; nothing proves it wrong.
Source: docs/protocol/agents.md#bundles-and-delivery.
"""

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Protocol

import numpy as np

from offchain.agents.bundle import (
    CHUNK_LEAVES,
    HEADER_BYTES,
    LEAF_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    LeafList,
    key_commit_of,
    leaf_digests,
    open_unchecked,
    spans,
)
from offchain.agents.bundle_trees import (
    Bytes2D,
    chunk_keys,
    key_leaves_of,
    tree_levels,
    tree_path,
    tree_root,
)
from offchain.agents.delivery import Delivery
from offchain.agents.seal import (
    ORDER,
    POINT_BYTES,
    SealBroken,
    SealContext,
    is_point,
    public_key_of,
    shared_point,
    unseal,
)
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.merkle import HashMany, hash_each


class Falsehood(IntFlag):
    """What was proven; the numbers are the contract's."""

    KEY = 1
    CHUNK_KEY = 2
    CONTENT = 4
    LENGTH = 8
    HEADER = 16
    LIST = 32


@dataclass(frozen=True, slots=True)
class Piece:
    """One storage leaf of a file, with its paths, as the contract takes it."""

    data_root: bytes
    commitment_hash: bytes
    path: bytes
    frame: bytes

    def fields(self) -> tuple[bytes, ...]:
        return (self.data_root, self.commitment_hash, self.path, self.frame)


class Pieces(Protocol):
    """A file as storage keeps it."""

    @property
    def length(self) -> int: ...

    @property
    def top(self) -> bytes:
        """The root of the tree over its segments."""
        ...

    def pieces(self, at: int, size: int) -> tuple[Piece, ...]:
        """The storage leaves that hold these bytes, one or two."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedSeal:
    """A sealed key and what opens it."""

    sealed_key: bytes
    secret: bytes = field(repr=False)
    public_key: bytes
    shared: bytes = field(repr=False)

    def fields(self) -> tuple[bytes, ...]:
        return (self.sealed_key, self.secret, self.public_key, self.shared)


@dataclass(frozen=True, slots=True)
class ContentLeaf:
    """One leaf of the content with its path to contentRoot."""

    length: int
    top: bytes
    chunk: int
    leaf: int
    leaf_hash: bytes
    path: tuple[bytes, ...]

    def fields(self) -> tuple[object, ...]:
        return (self.length, self.top, self.chunk, self.leaf, self.leaf_hash, list(self.path))


@dataclass(frozen=True, slots=True)
class FalseProof:
    """A proof: the contract's function, and its arguments between the delivery and the salt."""

    kind: Falsehood
    function: str
    arguments: tuple[object, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Held:
    """What a buyer holds: `leaves` from before he paid, `stored` what storage gives now."""

    chain_id: int
    delivery: Delivery
    sealed_key: bytes
    secret: bytes = field(repr=False)
    leaves: LeafList
    file: bytes = field(repr=False)
    stored: Pieces
    hash_many: HashMany = hash_each

    def seal_context(self) -> SealContext:
        one = self.delivery
        return SealContext(
            self.chain_id, one.collection, one.token, one.epoch, one.receiver, one.new_data_hash
        )


def find_fault(held: Held) -> FalseProof | None:
    """The proof that a delivery is false; None for a correct one. Raises: BundleInvalid."""
    key = data_key_of(held)
    if key is None:
        return FalseProof(Falsehood.KEY, "prove_wrong_key", (opened_seal(held).fields(),))
    shape, top = held.leaves.shape, held.leaves.top(held.hash_many)
    if held.stored.length != shape.file_bytes:
        lengths = (shape.length, top, held.stored.length, held.stored.top)
        return FalseProof(Falsehood.LENGTH, "prove_wrong_length", lengths)
    keys = chunk_keys(key, held.delivery.content_root, shape.chunks)
    key_levels = tree_levels(key_leaves_of(keys), held.hash_many)
    has_keys = key_levels[-1][0].tobytes() == held.delivery.key_root
    wrong = _wrong_leaf(held, keys)
    if wrong is not None:
        return _content_proof(held, wrong, keys, key_levels if has_keys else None)
    if not has_keys:
        return _chunk_key_proof(held, key_levels[0])
    header = shape.header(held.delivery.content_root, held.delivery.key_root)
    if held.file[:HEADER_BYTES] != header:
        [piece] = held.stored.pieces(0, HEADER_BYTES)
        arguments = (shape.length, top, piece.fields())
        return FalseProof(Falsehood.HEADER, "prove_wrong_header", arguments)
    return _list_proof(held)


def data_key_of(held: Held) -> bytes | None:
    """The key that was delivered; None where what was sealed is not what was committed to."""
    try:
        key = unseal(held.sealed_key, held.secret, held.seal_context())
    except SealBroken:
        return None
    is_provable = int.from_bytes(held.sealed_key[:32], "big") < ORDER
    return key if is_provable and key_commit_of(key) == held.delivery.key_commit else None


def content_of(held: Held, index: int) -> ContentLeaf:
    """A leaf of the true content, by its number in the whole."""
    levels = tree_levels(held.leaves.leaves, held.hash_many)
    chunk, leaf = divmod(index, CHUNK_LEAVES)
    return ContentLeaf(
        length=held.leaves.shape.length,
        top=levels[-1][0].tobytes(),
        chunk=chunk,
        leaf=leaf,
        leaf_hash=levels[0][index].tobytes(),
        path=tuple(tree_path(levels, index)),
    )


def opened_seal(held: Held) -> OpenedSeal:
    """What opens the seal; no shared point where the seal has none."""
    public_key, point = public_key_of(held.secret), held.sealed_key[:POINT_BYTES]
    shared = shared_point(held.secret, point) if is_point(point) else bytes(POINT_BYTES)
    return OpenedSeal(held.sealed_key, held.secret, public_key, shared)


def _wrong_leaf(held: Held, keys: list[bytes]) -> int | None:
    """The first leaf that the file does not decrypt to."""
    shape, view = held.leaves.shape, memoryview(held.file)
    for first, stop in spans(shape):
        rows = []
        for index in range(first, stop):
            at = shape.chunk_at(index)
            sealed = view[at : at + shape.chunk_bytes(index) - TAG_BYTES]
            rows.append(np.frombuffer(open_unchecked(keys[index], index, sealed), np.uint8))
        found = leaf_digests(first, np.stack(rows), held.hash_many)
        begin = first * CHUNK_LEAVES
        differs = (found != held.leaves.leaves[begin : begin + len(found)]).any(axis=1)
        if differs.any():
            return begin + int(differs.argmax())
    return None


def _content_proof(
    held: Held, index: int, keys: list[bytes], key_levels: list[Bytes2D] | None
) -> FalseProof:
    """One chunk's key is opened; all of it where keyRoot gives no path."""
    content = content_of(held, index)
    at = held.leaves.shape.chunk_at(content.chunk)
    salt = held.stored.pieces(at, SALT_BYTES)
    data = held.stored.pieces(at + SALT_BYTES + content.leaf * LEAF_BYTES, LEAF_BYTES)
    pieces = [one.fields() for one in (*salt, *data)]
    if key_levels is None:
        secret = (content.fields(), opened_seal(held).fields(), pieces)
        return FalseProof(Falsehood.CONTENT, "prove_wrong_content_by_secret", secret)
    path = tree_path(key_levels, content.chunk)
    opened = (content.fields(), keys[content.chunk], path, pieces)
    return FalseProof(Falsehood.CONTENT, "prove_wrong_content", opened)


def _chunk_key_proof(held: Held, right: Bytes2D) -> FalseProof | None:
    """Against the key leaves that the file lists; None where those are not keyRoot's either.

    Then the content is right and only keyRoot is nobody's: there is nothing to open.
    """
    shape = held.leaves.shape
    raw = np.frombuffer(held.file, np.uint8)[shape.key_leaves_at : shape.content_leaves_at]
    listed = raw.reshape(shape.chunks, DIGEST_BYTES)
    if tree_root(listed, held.hash_many) != held.delivery.key_root:
        return None
    levels = tree_levels(listed, held.hash_many)
    chunk = int((listed != right).any(axis=1).argmax())
    arguments = (
        opened_seal(held).fields(),
        shape.length,
        held.leaves.top(held.hash_many),
        chunk,
        listed[chunk].tobytes(),
        tree_path(levels, chunk),
    )
    return FalseProof(Falsehood.CHUNK_KEY, "prove_wrong_chunk_key", arguments)


def _list_proof(held: Held) -> FalseProof | None:
    shape = held.leaves.shape
    raw = np.frombuffer(held.file, np.uint8)[shape.content_leaves_at :]
    listed = raw.reshape(shape.leaves, DIGEST_BYTES)
    differs = (listed != held.leaves.leaves).any(axis=1)
    if not differs.any():
        return None
    index = int(differs.argmax())
    at = shape.content_leaves_at + index * DIGEST_BYTES
    pieces = [one.fields() for one in held.stored.pieces(at, DIGEST_BYTES)]
    arguments = (content_of(held, index).fields(), pieces)
    return FalseProof(Falsehood.LIST, "prove_wrong_list", arguments)
