"""The bytes of log entries: what is written is read again, anything else is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.storage.kv.entry import NO_BLOB, AccessChange, Batch
from offchain.storage.kv.op import Scheme, Subject
from offchain.storage.log_book import LogTree, Placed, is_entry
from offchain.storage.log_entries import (
    EntryCorrupt,
    EntryKind,
    Submission,
    batch_id,
    encode_access,
    encode_batch,
    parse_access,
    parse_batch,
    parse_submission,
)

WORD = st.binary(min_size=32, max_size=32)
U64 = st.integers(0, 2**64 - 1)


@given(
    streams=st.lists(WORD, min_size=1, max_size=64),
    operations=st.binary(max_size=4_096),
    blob=WORD.filter(any),
)
def test_parse_batch__what_was_encoded__comes_back(
    streams: list[bytes], operations: bytes, blob: bytes
) -> None:
    batch = Batch(tuple(streams), NO_BLOB if operations else blob, operations)
    data = encode_batch(batch)

    assert parse_batch(data) == batch
    assert batch_id(batch) == (keccak(operations) if operations else blob)
    for other in (data[:-1], data[:-32], data + bytes(32), data[32:], b""):
        with pytest.raises(EntryCorrupt):
            parse_batch(other)


@pytest.mark.parametrize(
    "batch",
    [
        Batch((), NO_BLOB, b"x"),
        Batch((bytes(32),) * 65, NO_BLOB, b"x"),
        Batch((bytes(32),), NO_BLOB, bytes(4_097)),
        Batch((bytes(32),), NO_BLOB, b""),
        Batch((bytes(32),), keccak(b"blob"), b"x"),
    ],
)
def test_parse_batch__what_no_contract_writes__is_refused(batch: Batch) -> None:
    with pytest.raises(EntryCorrupt):
        parse_batch(encode_batch(batch))


@given(
    action=st.integers(1, 4),
    role=st.integers(0, 3),
    scheme=st.sampled_from(list(Scheme)),
    digest=WORD,
    prefix=st.binary(max_size=64),
    numbers=st.tuples(U64, U64, U64),
)
def test_parse_access__what_was_encoded__comes_back(
    action: int,
    role: int,
    scheme: Scheme,
    digest: bytes,
    prefix: bytes,
    numbers: tuple[int, int, int],
) -> None:
    generation, quota, expiry = numbers
    subject = Subject(scheme, digest)
    change = AccessChange(action, digest, generation, role, subject, prefix, quota, expiry)
    data = encode_access(change)

    assert parse_access(data) == change
    for other in (data[:-1], data + b"\0", b"\2" + data[1:], b""):
        with pytest.raises(EntryCorrupt):
            parse_access(other)


def test_parse_submission__owner_is_no_address__is_refused() -> None:
    submission = Submission(
        bytes(20), 1, keccak(b"root"), 1, 5, 3, EntryKind.FILE, 10, 7, 2**64 - 1
    )
    data = submission.encoded()

    assert parse_submission(data) == submission
    for other in (b"\1" + data[1:], data[:-1], data + bytes(32)):
        with pytest.raises(EntryCorrupt):
            parse_submission(other)


@given(size=st.integers(1, 200), later=st.integers(0, 100), place=st.integers(0, 199))
def test_inv_sto_5__log_that_grows__keeps_every_root_and_entry(
    size: int, later: int, place: int
) -> None:
    tree = LogTree()
    entries = [Placed(seq, keccak(bytes([seq % 256])), 1, keccak(b"e")) for seq in range(300)]
    for entry in entries[:size]:
        tree.append(entry.leaf)
    root = tree.root()
    for entry in entries[size : size + later]:
        tree.append(entry.leaf)

    assert tree.root(size) == root
    entry = entries[place % size]
    for at in (size, size + later):
        assert is_entry(tree.root(at), at, entry, tree.path(entry.seq, at))
        assert not is_entry(tree.root(at), at, replace(entry, kind=2), tree.path(entry.seq, at))
