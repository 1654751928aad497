"""AGB1: an agent's bundle as one encrypted file whose every wrong delivery can be proven.

  header   "AGB1" | version u16 1 | suite u16 1 | length u64 | chunk u32 65,536 | count u32
           | contentRoot 32 | keyRoot 32                                                88 bytes
  chunk i  AES-256-GCM(key_i, nonce u96 i, aad header || u32 i || u8 last): 32 salt, data, 16 tag
  lists    leaves of keyRoot, 32 x count, then leaves of contentRoot, 32 x n

  key_i        HKDF-SHA-256(k, salt contentRoot, "apogee/chunk" || u32 i)
  contentRoot  keccak(0x04 || u64 length || tree of keccak(0 || u32 i || u32 j || salt_i || 64 B))
  keyRoot      tree of keccak(0x02 || u32 i || key_i)       keyCommit  keccak(0x03 || k)

Data is 65,536 bytes a chunk, the last one filled with zeros to a whole leaf of 64. A node of a tree
is keccak(left || right); an odd one is carried up as it is. The lists are in the clear: a leaf
hides its text behind the salt. Whoever is about to buy keeps the content leaves of the file on
sale; they are what a wrong delivery is held against. Salts, and so contentRoot, stay when a bundle
is encrypted again; the key and the file never do.
Source: docs/protocol/agents.md#bundles-and-delivery.
"""

import secrets
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from offchain.agents.bundle_trees import (
    Bytes2D,
    chunk_keys,
    content_root_of,
    key_leaves_of,
    tree_root,
)
from offchain.core.errors import Corrupt, InvalidInput
from offchain.core.hashing import DIGEST_BYTES, Digest, keccak
from offchain.core.merkle import HashMany, hash_each

MAGIC: Final = b"AGB1"
VERSION: Final = 1
SUITE: Final = 1
HEADER_BYTES: Final = 88
CHUNK_BYTES: Final = 65_536
LEAF_BYTES: Final = 64
CHUNK_LEAVES: Final = CHUNK_BYTES // LEAF_BYTES
SALT_BYTES: Final = 32
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
SEALED_CHUNK_BYTES: Final = SALT_BYTES + CHUNK_BYTES + TAG_BYTES
MAX_LENGTH: Final = 256 << 20
_HEADER: Final = struct.Struct(">4sHHQII32s32s")
_LEAF_HEAD: Final = 1 + 4 + 4 + SALT_BYTES
_AT_ONCE: Final = 16  # chunks: 1 MiB

_FIRST_COUNTER: Final = (2).to_bytes(4, "big")  # of a ciphertext in AES-GCM

Buffer = bytes | memoryview
Draw = Callable[[int], bytes]


class BundleInvalid(InvalidInput):
    """No bundle can be like this."""

    code = "agents.bundle.invalid"


class BundleBroken(Corrupt):
    """The file is no bundle of this content and key."""

    code = "agents.bundle.broken"


@dataclass(frozen=True, slots=True)
class BundleShape:
    """What follows from how many bytes a bundle carries. Raises: BundleInvalid."""

    length: int

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_LENGTH:
            raise BundleInvalid(bytes=self.length, maximum=MAX_LENGTH)

    @property
    def chunks(self) -> int:
        return -(-self.length // CHUNK_BYTES)

    @property
    def leaves(self) -> int:
        return -(-self.length // LEAF_BYTES)

    @property
    def key_leaves_at(self) -> int:
        return HEADER_BYTES + self.chunks * (SALT_BYTES + TAG_BYTES) + self.leaves * LEAF_BYTES

    @property
    def content_leaves_at(self) -> int:
        return self.key_leaves_at + self.chunks * DIGEST_BYTES

    @property
    def file_bytes(self) -> int:
        return self.content_leaves_at + self.leaves * DIGEST_BYTES

    def chunk_at(self, chunk: int) -> int:
        """Where a chunk begins in the file."""
        return HEADER_BYTES + chunk * SEALED_CHUNK_BYTES

    def leaves_of(self, chunk: int) -> int:
        """Leaves of one chunk."""
        return min(CHUNK_LEAVES, self.leaves - chunk * CHUNK_LEAVES)

    def chunk_bytes(self, chunk: int) -> int:
        """Of a chunk in the file, its tag with it."""
        return SALT_BYTES + self.leaves_of(chunk) * LEAF_BYTES + TAG_BYTES

    def header(self, content_root: bytes, key_root: bytes) -> bytes:
        return _HEADER.pack(
            MAGIC, VERSION, SUITE, self.length, CHUNK_BYTES, self.chunks, content_root, key_root
        )


@dataclass(frozen=True, slots=True)
class BundleRoots:
    """What the chain knows of a bundle, and its length."""

    content_root: Digest
    key_root: Digest
    key_commit: Digest
    length: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """An encrypted file and its roots."""

    file: bytes = field(repr=False)
    roots: BundleRoots


@dataclass(frozen=True, slots=True)
class LeafList:
    """The content leaves of a bundle, checked against its contentRoot: (n, 32)."""

    shape: BundleShape
    leaves: Bytes2D = field(repr=False)

    def top(self, hash_many: HashMany = hash_each) -> Digest:
        """The root of the tree, without the length."""
        return tree_root(self.leaves, hash_many)


def key_commit_of(key: bytes) -> Digest:
    return keccak(b"\3", key)


def shape_of_file(size: int) -> BundleShape:
    """The shape of a file of so many bytes, its length rounded up to whole leaves.

    Raises: BundleInvalid, BundleBroken where no bundle has this size.
    """
    whole = SEALED_CHUNK_BYTES + DIGEST_BYTES + CHUNK_LEAVES * DIGEST_BYTES
    chunks = -(-(size - HEADER_BYTES) // whole)
    rest = size - HEADER_BYTES - chunks * (SALT_BYTES + TAG_BYTES + DIGEST_BYTES)
    leaves, odd = divmod(rest, LEAF_BYTES + DIGEST_BYTES)
    if odd or -(-leaves // CHUNK_LEAVES) != chunks:
        raise BundleBroken(part="size", bytes=size)
    return BundleShape(leaves * LEAF_BYTES)


def read_header(file: bytes) -> tuple[BundleShape, bytes, bytes]:
    """Shape, contentRoot and keyRoot that a file claims. Raises: BundleInvalid, BundleBroken."""
    if len(file) < HEADER_BYTES:
        raise BundleBroken(part="header", bytes=len(file))
    magic, version, suite, length, chunk, count, content, keys = _HEADER.unpack_from(file)
    if (magic, version, suite, chunk) != (MAGIC, VERSION, SUITE, CHUNK_BYTES):
        raise BundleBroken(part="header")
    shape = BundleShape(length)
    if count != shape.chunks or len(file) != shape.file_bytes:
        raise BundleBroken(part="size", bytes=len(file), expected=shape.file_bytes)
    return shape, content, keys


def content_leaves(
    file: bytes, content_root: bytes, *, hash_many: HashMany = hash_each
) -> LeafList:
    """The content leaves that a file lists, once they give `content_root`.

    A buyer does this before he pays. Raises: BundleInvalid, BundleBroken.
    """
    shape, _, _ = read_header(file)
    raw = np.frombuffer(file, np.uint8)[shape.content_leaves_at :]
    leaves = raw.reshape(shape.leaves, DIGEST_BYTES)
    if content_root_of(shape.length, tree_root(leaves, hash_many)) != content_root:
        raise BundleBroken(part="content leaves")
    return LeafList(shape, leaves)


def encrypt_bundle(
    data: bytes,
    *,
    key: bytes,
    draw: Draw = secrets.token_bytes,
    hash_many: HashMany = hash_each,
) -> Bundle:
    """A new bundle with fresh salts. Raises: BundleInvalid."""
    shape = BundleShape(len(data))
    plain = np.zeros(shape.leaves * LEAF_BYTES, np.uint8)
    plain[: len(data)] = np.frombuffer(data, np.uint8)
    salts = np.frombuffer(draw(SALT_BYTES * shape.chunks), np.uint8)
    salts = salts.reshape(shape.chunks, SALT_BYTES)

    def parts() -> Iterator[tuple[int, Bytes2D]]:
        for first, stop in spans(shape):
            text = plain[first * CHUNK_BYTES : stop * CHUNK_BYTES]
            yield first, salted(salts[first:stop], text)

    leaves = np.concatenate([leaf_digests(first, part, hash_many) for first, part in parts()])
    content_root = content_root_of(shape.length, tree_root(leaves, hash_many))
    out = _Writer(shape, key, content_root, hash_many)
    for first, part in parts():
        out.add(first, part)
    return out.finish(leaves)


def open_bundle(
    file: bytes, key: bytes, content_root: bytes, *, hash_many: HashMany = hash_each
) -> bytes:
    """The data of a file, once all of it is what this key and content make it.

    Raises: BundleInvalid, BundleBroken.
    """
    shape, _, _ = read_header(file)
    found = np.empty(shape.leaves * LEAF_BYTES, np.uint8)

    def take(first: int, chunks: Bytes2D) -> None:
        at = first * CHUNK_BYTES
        text = found[at : at + chunks.shape[0] * (chunks.shape[1] - SALT_BYTES)]
        text.reshape(len(chunks), -1)[:] = chunks[:, SALT_BYTES:]

    _read(file, _Reading(key, content_root, hash_many, is_strict=True), take)
    if found[shape.length :].any():
        raise BundleBroken(part="padding")
    return found[: shape.length].tobytes()


def reencrypt(
    file: bytes,
    old_key: bytes,
    new_key: bytes,
    content_root: bytes,
    *,
    hash_many: HashMany = hash_each,
) -> Bundle:
    """The same content under another key, a mebibyte of plaintext in memory at a time.

    A spoilt tag does not hold it up: the content leaves say what is right, and nobody can prove a
    tag wrong on chain. Raises: BundleInvalid, BundleBroken where the content is another.
    """
    shape, _, _ = read_header(file)
    out = _Writer(shape, new_key, content_root, hash_many)
    reading = _Reading(old_key, content_root, hash_many, is_strict=False)
    return out.finish(_read(file, reading, out.add))


def open_unchecked(chunk_key: bytes, chunk: int, sealed: Buffer) -> bytes:
    """Salt and data of a chunk without its tag, whatever they are."""
    counter = chunk.to_bytes(12, "big") + _FIRST_COUNTER
    return Cipher(AES256(chunk_key), CTR(counter)).decryptor().update(sealed)


def salted(salts: Bytes2D, text: npt.NDArray[np.uint8]) -> Bytes2D:
    """Chunks as they are encrypted: one row each, salt first; a short last one stands alone."""
    rows = np.empty((len(salts), SALT_BYTES + len(text) // len(salts)), np.uint8)
    rows[:, :SALT_BYTES] = salts
    rows[:, SALT_BYTES:] = text.reshape(len(salts), -1)
    return rows


def leaf_digests(first: int, chunks: Bytes2D, hash_many: HashMany) -> Bytes2D:
    """Content leaves of some chunks of equal size, the first of them number `first`."""
    count, leaves = len(chunks), (chunks.shape[1] - SALT_BYTES) // LEAF_BYTES
    messages = np.empty((count, leaves, _LEAF_HEAD + LEAF_BYTES), np.uint8)
    messages[..., 0] = 0
    places = np.arange(first, first + count).astype(">u4").view(np.uint8).reshape(count, 1, 4)
    messages[..., 1:5] = places
    messages[..., 5:9] = np.arange(leaves).astype(">u4").view(np.uint8).reshape(1, leaves, 4)
    messages[..., 9:_LEAF_HEAD] = chunks[:, None, :SALT_BYTES]
    messages[..., _LEAF_HEAD:] = chunks[:, SALT_BYTES:].reshape(count, leaves, LEAF_BYTES)
    return hash_many(messages.reshape(count * leaves, -1))


def spans(shape: BundleShape) -> Iterator[tuple[int, int]]:
    """Runs of chunks of equal size."""
    whole = shape.leaves // CHUNK_LEAVES
    for first in range(0, whole, _AT_ONCE):
        yield first, min(first + _AT_ONCE, whole)
    if whole < shape.chunks:
        yield whole, shape.chunks


def _aad(shape: BundleShape, header: bytes, chunk: int) -> bytes:
    return header + chunk.to_bytes(4, "big") + bytes([chunk == shape.chunks - 1])


class _Writer:
    """A file under one key, chunk by chunk."""

    def __init__(
        self, shape: BundleShape, key: bytes, content_root: bytes, hash_many: HashMany
    ) -> None:
        if len(key) != KEY_BYTES:
            raise BundleInvalid(key_bytes=len(key), expected=KEY_BYTES)
        self._shape, self._keys = shape, chunk_keys(key, content_root, shape.chunks)
        self._key_leaves = key_leaves_of(self._keys)
        key_root = tree_root(self._key_leaves, hash_many)
        self._roots = BundleRoots(Digest(content_root), key_root, key_commit_of(key), shape.length)
        self._header = shape.header(content_root, key_root)
        self._parts: list[bytes] = [self._header]

    def add(self, first: int, chunks: Bytes2D) -> None:
        for index, row in enumerate(chunks, first):
            cipher = AESGCM(self._keys[index])
            aad = _aad(self._shape, self._header, index)
            self._parts.append(cipher.encrypt(index.to_bytes(12, "big"), row.data, aad))

    def finish(self, leaves: Bytes2D) -> Bundle:
        file = b"".join([*self._parts, self._key_leaves.tobytes(), leaves.tobytes()])
        return Bundle(file, self._roots)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a file is read; strict: its tags must hold."""

    key: bytes = field(repr=False)
    content_root: bytes
    hash_many: HashMany
    is_strict: bool


def _read(file: bytes, reading: _Reading, take: Callable[[int, Bytes2D], None]) -> Bytes2D:
    """Hand over all chunks in order, each checked; the content leaves. Raises: BundleBroken, .."""
    shape, claimed, key_root = read_header(file)
    content_root, hash_many = reading.content_root, reading.hash_many
    listed = content_leaves(file, content_root, hash_many=hash_many).leaves
    keys = chunk_keys(reading.key, content_root, shape.chunks)
    key_leaves = key_leaves_of(keys)
    if claimed != content_root or key_root != tree_root(key_leaves, hash_many):
        raise BundleBroken(part="header")
    if file[shape.key_leaves_at : shape.content_leaves_at] != key_leaves.tobytes():
        raise BundleBroken(part="key leaves")
    for first, stop in spans(shape):
        size = SALT_BYTES + shape.leaves_of(first) * LEAF_BYTES
        rows = np.empty((stop - first, size), np.uint8)
        for index in range(first, stop):
            plain = _open_chunk(file, shape, index, keys[index], is_strict=reading.is_strict)
            rows[index - first] = np.frombuffer(plain, np.uint8)
        found = leaf_digests(first, rows, hash_many)
        at = first * CHUNK_LEAVES
        if not np.array_equal(found, listed[at : at + len(found)]):
            raise BundleBroken(part="content", chunk=first)
        take(first, rows)
    return listed


def _open_chunk(
    file: bytes, shape: BundleShape, index: int, chunk_key: bytes, *, is_strict: bool
) -> bytes:
    at = shape.chunk_at(index)
    sealed = memoryview(file)[at : at + shape.chunk_bytes(index)]
    aad = _aad(shape, file[:HEADER_BYTES], index)
    try:
        return AESGCM(chunk_key).decrypt(index.to_bytes(12, "big"), sealed, aad)
    except InvalidTag as error:
        if is_strict:
            raise BundleBroken(part="chunk", chunk=index) from error
        return open_unchecked(chunk_key, index, sealed[:-TAG_BYTES])
