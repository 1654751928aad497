"""AGB1: round trips, what one other byte does, and the format written out a second time."""

import hashlib
import struct
from random import Random

import numpy as np
import pytest
import sha3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.agents.bundle import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MAX_LENGTH,
    Bundle,
    BundleBroken,
    BundleInvalid,
    BundleShape,
    content_leaves,
    encrypt_bundle,
    open_bundle,
    read_header,
    reencrypt,
    shape_of_file,
)
from offchain.agents.bundle_trees import (
    tree_levels,
    tree_path,
)
from offchain.core.hashing import keccak
from offchain.core.merkle import Digests
from tests.support.da_encoding import the_engine

OLD, NEW = keccak(b"old"), keccak(b"new")
SIZE = 2 * CHUNK_BYTES + 130  # three chunks, the last of three leaves


def hashes(rows: Digests) -> Digests:
    return the_engine().keccak_many(rows)


def a_bundle(size: int = SIZE, key: bytes = OLD) -> tuple[bytes, Bundle]:
    random = Random(size)
    data = random.randbytes(size)
    return data, encrypt_bundle(data, key=key, draw=random.randbytes, hash_many=hashes)


def keccak256(*parts: bytes) -> bytes:
    return bytes(sha3.keccak_256(b"".join(parts)).digest())


def plain_root(leaves: list[bytes]) -> bytes:
    """The tree, written out."""
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2], strict=False)
        leaves = [keccak256(a, b) for a, b in pairs] + leaves[len(leaves) & ~1 :]
    return leaves[0]


def plain_file(data: bytes, key: bytes, salts: list[bytes]) -> bytes:
    """The format from its description, by other libraries."""
    chunks = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    chunks[-1] += bytes(-len(chunks[-1]) % 64)
    leaves = [
        keccak256(b"\0", struct.pack(">II", i, j), salts[i], chunk[64 * j : 64 * j + 64])
        for i, chunk in enumerate(chunks)
        for j in range(len(chunk) // 64)
    ]
    content_root = keccak256(b"\4", struct.pack(">Q", len(data)), plain_root(leaves))
    keys = [
        HKDF(SHA256(), 32, content_root, b"apogee/chunk" + struct.pack(">I", i)).derive(key)
        for i in range(len(chunks))
    ]
    key_leaves = [keccak256(b"\2", struct.pack(">I", i), one) for i, one in enumerate(keys)]
    header = b"AGB1" + struct.pack(">HHQII", 1, 1, len(data), 65_536, len(chunks))
    header += content_root + plain_root(key_leaves)
    sealed = [
        AESGCM(keys[i]).encrypt(
            i.to_bytes(12, "big"),
            salts[i] + chunk,
            header + struct.pack(">IB", i, i == len(chunks) - 1),
        )
        for i, chunk in enumerate(chunks)
    ]
    return b"".join([header, *sealed, *key_leaves, *leaves])


@pytest.mark.parametrize("size", [1, 64, 65, CHUNK_BYTES, CHUNK_BYTES + 1, SIZE])
def test_encrypt__any_shape__is_the_format_written_out(size: int) -> None:
    data, bundle = a_bundle(size)
    random = Random(size)
    random.randbytes(size)
    drawn = random.randbytes(32 * BundleShape(size).chunks)
    salts = [drawn[at : at + 32] for at in range(0, len(drawn), 32)]

    assert plain_file(data, OLD, salts) == bundle.file
    assert keccak256(b"\3", OLD) == bundle.roots.key_commit
    assert (bundle.roots.content_root, bundle.roots.key_root) == (
        bundle.file[24:56],
        bundle.file[56:88],
    )


def test_encrypt__fixed_inputs__known_digest() -> None:
    bundle = encrypt_bundle(b"an agent" * 40, key=bytes(32), draw=bytes)

    expected = plain_file(b"an agent" * 40, bytes(32), [bytes(32)])
    assert hashlib.sha256(expected).digest() == hashlib.sha256(bundle.file).digest()


@settings(max_examples=15, deadline=None)
@given(data=st.binary(min_size=1, max_size=700), old=st.binary(min_size=32, max_size=32))
def test_round_trip__any_data_and_key__comes_back_under_the_new_key(
    data: bytes, old: bytes
) -> None:
    bundle = encrypt_bundle(data, key=old)
    new = keccak(old)

    again = reencrypt(bundle.file, old, new, bundle.roots.content_root)

    assert data == open_bundle(again.file, new, bundle.roots.content_root)
    assert bundle.roots.content_root == again.roots.content_root
    assert bundle.file[HEADER_BYTES : HEADER_BYTES + 32] != again.file[HEADER_BYTES:][:32]
    with pytest.raises(BundleBroken):
        open_bundle(again.file, old, bundle.roots.content_root)


def test_reencrypt__twice_with_the_same_key__same_bytes_by_every_engine() -> None:
    _, bundle = a_bundle()
    root = bundle.roots.content_root

    fast = reencrypt(bundle.file, OLD, NEW, root, hash_many=hashes)

    assert fast == reencrypt(bundle.file, OLD, NEW, root)


@settings(max_examples=30, deadline=None)
@given(at=st.integers(0, BundleShape(SIZE).file_bytes - 1), bit=st.integers(0, 7))
def test_open__one_flipped_bit_anywhere__refused(at: int, bit: int) -> None:
    _, bundle = a_bundle()
    file = bytearray(bundle.file)
    file[at] ^= 1 << bit

    with pytest.raises((BundleBroken, BundleInvalid)):
        open_bundle(bytes(file), OLD, bundle.roots.content_root, hash_many=hashes)


def test_open__chunks_swapped_cut_or_longer__refused() -> None:
    _, bundle = a_bundle()
    shape, root, file = BundleShape(SIZE), bundle.roots.content_root, bundle.file
    first, second, third = (shape.chunk_at(index) for index in range(3))
    swapped = file[:first] + file[second:third] + file[first:second] + file[third:]

    for other in (swapped, file[:-1], file + b"\0", file[:87], b""):
        with pytest.raises(BundleBroken):
            open_bundle(other, OLD, root, hash_many=hashes)


def test_open__padding_that_is_not_zero__refused() -> None:
    data = b"x" * 64
    whole = encrypt_bundle(data, key=OLD, draw=bytes)
    leaf = content_leaves(whole.file, whole.roots.content_root).leaves[0].tobytes()
    root = keccak(b"\4", (63).to_bytes(8, "big"), leaf)
    file = bytearray(plain_file(data, OLD, [bytes(32)]))
    file[8:16] = (63).to_bytes(8, "big")
    keys = HKDF(SHA256(), 32, root, b"apogee/chunk" + bytes(4)).derive(OLD)
    key_root = keccak256(b"\2", bytes(4), keys)
    header = bytes(file[:24]) + root + key_root
    sealed = AESGCM(keys).encrypt(bytes(12), bytes(32) + data, header + bytes(4) + b"\1")

    with pytest.raises(BundleBroken, match="padding"):
        open_bundle(header + sealed + key_root + leaf, OLD, root)


def test_reencrypt__content_of_another_root_or_key__refused() -> None:
    _, bundle = a_bundle()
    _, other = a_bundle(SIZE - 1)

    for file, key, root in (
        (bundle.file, NEW, bundle.roots.content_root),
        (bundle.file, OLD, other.roots.content_root),
        (other.file, OLD, bundle.roots.content_root),
    ):
        with pytest.raises(BundleBroken):
            reencrypt(file, key, NEW, root, hash_many=hashes)


def test_reencrypt__tag_spoilt__content_decides() -> None:
    data, bundle = a_bundle()
    file = bytearray(bundle.file)
    file[BundleShape(SIZE).chunk_at(1) - 1] ^= 1

    again = reencrypt(bytes(file), OLD, NEW, bundle.roots.content_root, hash_many=hashes)

    assert data == open_bundle(again.file, NEW, again.roots.content_root, hash_many=hashes)


def test_content_leaves__list_of_another_content__refused() -> None:
    _, bundle = a_bundle()

    listed = content_leaves(bundle.file, bundle.roots.content_root, hash_many=hashes)

    assert listed.shape.leaves == len(listed.leaves)
    with pytest.raises(BundleBroken):
        content_leaves(bundle.file, keccak(b"another"), hash_many=hashes)
    with pytest.raises(BundleBroken):
        spoilt = bundle.file[:-1] + bytes([bundle.file[-1] ^ 1])
        content_leaves(spoilt, bundle.roots.content_root, hash_many=hashes)


@pytest.mark.parametrize("length", [0, -1, MAX_LENGTH + 1])
def test_shape__no_bytes_or_too_many__refused(length: int) -> None:
    with pytest.raises(BundleInvalid):
        BundleShape(length)


def test_header__length_that_no_bundle_has__refused() -> None:
    _, bundle = a_bundle(100)

    for raw in (bytes(8), b"\xff" * 8):
        with pytest.raises(BundleInvalid):
            read_header(bundle.file[:8] + raw + bundle.file[16:])


@settings(max_examples=30)
@given(length=st.integers(1, 3 * CHUNK_BYTES), odd=st.integers(1, 95))
def test_shape_of_file__any_length__is_found_again(length: int, odd: int) -> None:
    shape = BundleShape(length)

    assert shape.leaves == shape_of_file(shape.file_bytes).leaves
    with pytest.raises((BundleBroken, BundleInvalid)):
        shape_of_file(shape.file_bytes + odd)


@settings(max_examples=15)
@given(count=st.integers(1, 40))
def test_tree_path__every_leaf__folds_to_the_root(count: int) -> None:
    leaves = [keccak(bytes([number])) for number in range(count)]
    levels = tree_levels(np.frombuffer(b"".join(leaves), np.uint8).reshape(-1, 32))

    assert plain_root(list(leaves)) == levels[-1][0].tobytes()
    for index, leaf in enumerate(leaves):
        path, node, place, width = tree_path(levels, index), leaf, index, count
        while width > 1:
            if place ^ 1 < width:
                beside = path.pop(0)
                node = keccak(beside, node) if place & 1 else keccak(node, beside)
            place, width = place >> 1, (width + 1) >> 1
        assert (plain_root(list(leaves)), []) == (node, path)


def test_key__of_another_length__refused() -> None:
    with pytest.raises(BundleInvalid):
        encrypt_bundle(b"data", key=b"short")
