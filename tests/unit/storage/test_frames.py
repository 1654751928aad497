"""Frames of a storage node: round trips, and every other length, order and place refused."""

import numpy as np
import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import IndexOutOfRange, Shape
from offchain.core.matrix.check import CheckedHeader
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.matrix.errors import (
    CombinationMismatch,
    ElementNotCanonical,
    PaddingNotZero,
    PathMismatch,
    RowLength,
    TopByteNotZero,
)
from offchain.core.matrix.runs import check_run, require_aligned
from offchain.core.wire import FrameError
from offchain.storage.frames import (
    FrameInvalid,
    have_bitmap,
    parse_run,
    parse_segment_table,
    parse_shard_body,
    run_frame,
    run_of,
    segment_table,
    segments_in,
    shard_body,
    shard_body_bytes,
)
from offchain.storage.judge import judge_run, leaf_of, rows_lie_under, run_lies_under
from offchain.storage.model import (
    PROFILES,
    FileShape,
    Segment,
    file_root,
    profile_named,
    rows_of,
    segment_path,
)
from offchain.storage.ports import Run
from tests.support.matrices import sealed


def joined(body) -> bytes:
    return b"".join(body.chunks())


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_shard_body__every_seat_of_a_profile__comes_back_and_holds(
    profile, blob: EncodedBlob, checked: CheckedHeader, engine: ErasureEngine
) -> None:
    shape = FileShape.of(blob.shape.length)
    for seat in {0, profile.seats // 2, profile.seats - 1}:
        rows = rows_of(profile, seat)
        raw = joined(shard_body(blob, (), profile, seat))
        assert shard_body_bytes(shape, 0, profile) == len(raw)

        parsed = parse_shard_body(raw, shape, 0, rows=rows)

        assert parsed.path == ()
        assert Segment.of(0, blob.header).is_header(parsed.header)
        roots = check_run(
            checked, parsed.run.data, rows.start, siblings=parsed.run.siblings, engine=engine
        )
        assert roots.shape == (len(rows), 32)
        assert run_lies_under(blob.header.data_root, parsed.run, engine)


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: b""])
def test_shard_body__other_length__refused(change, blob: EncodedBlob) -> None:
    profile = profile_named("durable")
    raw = joined(shard_body(blob, (), profile, 3))
    with pytest.raises(FrameInvalid):
        parse_shard_body(change(raw), FileShape.of(blob.shape.length), 0, rows=rows_of(profile, 3))


def test_shard_body__other_magic_or_header__refused(blob: EncodedBlob) -> None:
    profile = profile_named("durable")
    shape = FileShape.of(blob.shape.length)
    raw = bytearray(joined(shard_body(blob, (), profile, 3)))
    with pytest.raises(FrameInvalid):
        parse_shard_body(b"XXXX" + raw[4:], shape, 0, rows=rows_of(profile, 3))
    raw[4] ^= 1
    with pytest.raises(FrameError):
        parse_shard_body(raw, shape, 0, rows=rows_of(profile, 3))


def test_run__right_path_wrong_place__refused(blob: EncodedBlob, engine: ErasureEngine) -> None:
    run = run_of(blob, range(64, 128))
    moved = Run(128, run.siblings, run.coset_roots, run.data)
    assert run_lies_under(blob.header.data_root, run, engine)
    assert not run_lies_under(blob.header.data_root, moved, engine)
    assert not run_lies_under(bytes(32), run, engine)
    with pytest.raises(RowLength):
        judge_run(moved, range(64, 128), blob.header, engine)
    with pytest.raises(PathMismatch):
        judge_run(moved, range(128, 192), blob.header, engine)
    with pytest.raises(RowLength):
        judge_run(run, range(64, 96), blob.header, engine)


@pytest.mark.parametrize(("first", "count"), [(0, 3), (32, 64), (-64, 64), (3_072, 64), (0, 2_048)])
def test_run__rows_that_are_no_subtree__refused(first: int, count: int) -> None:
    with pytest.raises(IndexOutOfRange):
        require_aligned(first, count)


def test_run_frame__round_trip__and_only_the_run_asked_for(blob: EncodedBlob) -> None:
    run = run_of(blob, range(1_024, 1_536))
    raw = b"".join(run_frame(run).pieces)
    columns = blob.shape.columns

    again = parse_run(raw, first=1_024, count=512, columns=columns)

    assert np.array_equal(run.data, again.data)
    assert (run.siblings, run.coset_roots) == (again.siblings, again.coset_roots)
    for wrong in (raw[:-1], raw + b"\0", raw[:4] + b"\xff" + raw[5:], b""):
        with pytest.raises(FrameInvalid):
            parse_run(wrong, first=1_024, count=512, columns=columns)
    with pytest.raises(FrameInvalid):
        parse_run(raw, first=0, count=512, columns=columns)


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        ((3, 2, 0), 0xFF, ElementNotCanonical),
        ((3, 2, 0), 1, TopByteNotZero),
        ((1_023, 7, 9), 1, PaddingNotZero),
        ((3, 2, 9), None, CombinationMismatch),
        ((1_500, 2, 9), None, CombinationMismatch),
    ],
)
def test_check_run__rows_that_break_the_code_under_d__named(
    place, value, fault, blob: EncodedBlob, engine: ErasureEngine, checked
) -> None:
    rows = blob.rows.copy()
    rows[place] = rows[place] ^ 1 if value is None else value
    bad = sealed(rows, Shape(blob.shape.length, blob.shape.columns), engine)
    first = place[0] // 64 * 64
    run = run_of(bad, range(first, first + 64))
    judged = CheckedHeader(bad.header, checked.shape, checked.challenge, checked.values)
    if fault is CombinationMismatch:
        judged = CheckedHeader(
            bad.header,
            checked.shape,
            checked.challenge,
            engine.extend_combinations(engine.combine(blob.rows[:1_024], checked.challenge)),
        )
    with pytest.raises(fault):
        check_run(judged, run.data, first, siblings=run.siblings, engine=engine)


def test_rows__one_of_another_matrix__do_not_lie_under(
    blob: EncodedBlob, engine: ErasureEngine
) -> None:
    rows = [blob.row(5), blob.row(2_000)]
    wrong = rows[1]._replace(data=rows[0].data)
    roots = blob.header.coset_roots
    assert rows_lie_under(roots, rows, engine)
    assert rows_lie_under(roots, [], engine)
    assert not rows_lie_under(roots, [rows[0], wrong], engine)


def test_leaf__of_another_place__is_none(blob: EncodedBlob) -> None:
    segment = Segment.of(0, blob.header)
    raw = blob.leaf_frame(70, 0).to_bytes()
    data = blob.rows[70].reshape(-1)[:256].tobytes()
    assert data == leaf_of(segment, raw, row=70, leaf=0)
    assert leaf_of(segment, raw, row=71, leaf=0) is None
    flipped = raw[:10] + bytes([raw[10] ^ 1]) + raw[11:]
    assert leaf_of(segment, flipped, row=70, leaf=0) is None
    with pytest.raises(FrameError):
        leaf_of(segment, raw[:-1], row=70, leaf=0)


def test_segment_table__of_another_file__refused(blob: EncodedBlob) -> None:
    segments = [Segment.of(0, blob.header)]
    shape, root = FileShape.of(blob.shape.length), file_root(segments)
    raw = segment_table(segments)
    assert segments == parse_segment_table(raw, root, shape)
    for wrong in (raw[:-1], raw + b"\0", bytes(64)):
        with pytest.raises(FrameInvalid):
            parse_segment_table(wrong, root, shape)
    assert segment_path(segments, 0) == ()


def test_have__bits__come_back() -> None:
    assert {0, 7, 8, 1_023} == segments_in(have_bitmap([0, 7, 8, 1_023]))
    assert set() == segments_in(have_bitmap([]))
    with pytest.raises(FrameInvalid):
        segments_in(bytes(127))
