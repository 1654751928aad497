"""Files, segments, seats and ids: what the contracts compute too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import TAG_STORAGE_FILE, TAG_STORAGE_SUBMISSION, keccak
from offchain.core.layout import K, columns_for
from offchain.storage.model import (
    MAX_FILE_BYTES,
    PROFILES,
    SEGMENT_BYTES,
    FileInvalid,
    FileShape,
    ProfileUnknown,
    Segment,
    file_root,
    held_digest,
    held_domain,
    is_segment_of,
    kept_bytes,
    path_length,
    profile_named,
    profile_of,
    rows_of,
    segment_path,
    submission_id,
)

OWNER, LOG = bytes([1]) * 20, bytes([2]) * 20


def some_segments(count: int, last: int = 1_000) -> list[Segment]:
    lengths = [SEGMENT_BYTES] * (count - 1) + [last]
    return [
        Segment(index, keccak(b"D", bytes([index])), keccak(b"C"), columns_for(length), length)
        for index, length in enumerate(lengths)
    ]


def test_file_root__one_segment__still_bound_to_the_file() -> None:
    [segment] = some_segments(1)
    leaf = keccak(
        b"\0",
        (0).to_bytes(4, "big"),
        segment.data_root,
        segment.commitment_hash,
        segment.columns.to_bytes(4, "big"),
        segment.length.to_bytes(8, "big"),
    )
    bound = keccak(TAG_STORAGE_FILE, (1).to_bytes(4, "big"), (1_000).to_bytes(8, "big"), leaf)
    assert bound == file_root([segment])


def test_file_root__three_segments__odd_one_is_carried_up() -> None:
    segments = some_segments(3)
    leaves = [segment.leaf() for segment in segments]
    tree = keccak(b"\1", keccak(b"\1", leaves[0], leaves[1]), leaves[2])
    length = sum(segment.length for segment in segments)
    assert file_root(segments) == keccak(
        TAG_STORAGE_FILE, (3).to_bytes(4, "big"), length.to_bytes(8, "big"), tree
    )
    assert segment_path(segments, 2) == (keccak(b"\1", leaves[0], leaves[1]),)


@given(st.integers(1, 40), st.data())
def test_segment_path__any_place__proves_that_place_only(count: int, data: st.DataObject) -> None:
    segments = some_segments(count)
    root, shape = file_root(segments), FileShape.of(sum(s.length for s in segments))
    index = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count - 1))
    path = segment_path(segments, index)

    assert len(path) == path_length(count, index)
    assert is_segment_of(root, shape, segments[index], path)
    assert is_segment_of(root, shape, segments[other], path) == (index == other)
    assert not is_segment_of(root, shape, segments[index], (*path, bytes(32)))
    assert not path or not is_segment_of(root, shape, segments[index], path[:-1])
    assert not is_segment_of(bytes(32), shape, segments[index], path)


@pytest.mark.parametrize("change", ["data_root", "commitment_hash", "columns", "length", "index"])
def test_segment__one_field_altered__is_no_segment_of_the_file(change: str) -> None:
    segments = some_segments(5)
    root, shape = file_root(segments), FileShape.of(sum(s.length for s in segments))
    values = {
        "index": 4,
        "data_root": segments[4].data_root,
        "commitment_hash": segments[4].commitment_hash,
        "columns": segments[4].columns,
        "length": segments[4].length,
    }
    old = values[change]
    values[change] = bytes(32) if isinstance(old, bytes) else old - 1
    assert not is_segment_of(root, shape, Segment(**values), segment_path(segments, 4))


def test_file__segments_of_wrong_length__refused() -> None:
    short = some_segments(2)
    wrong = [Segment(0, bytes(32), bytes(32), 8, 5), short[1]]
    for segments in (wrong, [short[1]], short[:1] * 2):
        with pytest.raises(FileInvalid):
            file_root(segments)
    for length in (0, -1, MAX_FILE_BYTES + 1):
        with pytest.raises(FileInvalid):
            FileShape.of(length)
    with pytest.raises(FileInvalid):
        FileShape(2, 10)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_profile__rows_of_its_seats__any_enough_of_them_are_k_rows(profile) -> None:
    rows = [set(rows_of(profile, seat)) for seat in range(profile.seats)]
    assert all(len(mine) == profile.rows_per_seat for mine in rows)
    for start in range(profile.seats - profile.enough + 1):
        assert len(set().union(*rows[start : start + profile.enough])) >= K
    assert profile.enough <= profile.receipts <= profile.seats
    assert profile_named(profile.name) is profile_of(profile.number) is profile
    with pytest.raises(ProfileUnknown):
        rows_of(profile, profile.seats)


def test_kept_bytes__durable__64_rows_of_each_segment() -> None:
    durable = profile_named("durable")
    assert kept_bytes(durable, 1) == 64 * 32 * 8
    assert kept_bytes(durable, SEGMENT_BYTES + 1) == 64 * 32 * (1_024 + 8)


def test_submission_id__any_part_changed__another_id() -> None:
    parts = {"chain_id": 1, "log": LOG, "owner": OWNER, "root": bytes(32), "nonce": 0}
    known = submission_id(**parts)
    assert known == keccak(
        TAG_STORAGE_SUBMISSION,
        (1).to_bytes(32, "big"),
        bytes(12) + LOG,
        bytes(12) + OWNER,
        bytes(32),
        bytes(32),
    )
    for name, value in {"chain_id": 2, "log": OWNER, "owner": LOG, "nonce": 1}.items():
        assert submission_id(**{**parts, name: value}) != known


def test_held_digest__any_part_changed__another_digest() -> None:
    domain = held_domain(chain_id=1, market=LOG)
    parts = {"file_id": bytes(32), "root": bytes(32), "group": 1, "expiry": 2}
    known = held_digest(domain, **parts)
    changed = {"file_id": b"\1" * 32, "root": b"\1" * 32, "group": 2, "expiry": 3}
    for name, value in changed.items():
        assert held_digest(domain, **{**parts, name: value}) != known
    assert held_digest(held_domain(chain_id=2, market=LOG), **parts) != known
