"""One suite over every medium: what a shard store promises, in a folder, in memory, in a bucket."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import IndexOutOfRange
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.node.disk import LocalDisk
from offchain.storage.adapters.folder_medium import FolderMedium
from offchain.storage.adapters.memory_medium import MemoryMedium
from offchain.storage.errors import (
    FormatUnknown,
    ShardCorrupt,
    ShardNotHeld,
    ShardRejected,
)
from offchain.storage.frames import run_of
from offchain.storage.judge import rows_lie_under, run_lies_under
from offchain.storage.medium import ASIDE, Medium
from offchain.storage.ports import Run, ScrubOutcome, Shard, ShardKey
from offchain.storage.shard_file import ShardKeyInvalid, file_bytes, name_of
from offchain.storage.shard_store import Shards
from tests.support.matrices import a_payload
from tests.support.s3_server import an_s3_medium
from tests.support.shards import a_shard, content_of, spoil

MEDIA = ("folder", "memory", "s3")


@contextmanager
def a_medium(kind: str, request: pytest.FixtureRequest) -> Iterator[Medium]:
    if kind == "s3":
        with an_s3_medium(request.getfixturevalue("s3")) as medium:
            yield medium
    elif kind == "folder":
        folder: Path = request.getfixturevalue("tmp_path") / "shards"
        yield FolderMedium(LocalDisk(past_cache=True), folder, free=lambda _: 1.0)
    else:
        yield MemoryMedium()


@pytest.fixture(params=MEDIA)
def medium(request: pytest.FixtureRequest) -> Iterator[Medium]:
    with a_medium(request.param, request) as made:
        yield made


def opened(medium: Medium, engine: ErasureEngine) -> Shards:
    store = Shards(medium, engine)
    store.open()
    return store


@pytest.mark.parametrize(("number", "rows"), [(3, 64), (47, 64), (2, 512), (0, 1_024)])
def test_store__put__runs_rows_and_header_come_back_after_a_restart(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob, number: int, rows: int
) -> None:
    shard = a_shard(blob, number, rows)
    root, first = shard.key.data_root, shard.key.first
    asyncio.run(opened(medium, engine).put(shard))

    store = opened(medium, engine)

    [held] = asyncio.run(store.held(root))
    assert (shard.key, blob.shape.columns) == (held.key, held.columns)
    assert held.size_bytes == medium.sizes()[name_of(shard.key)]
    for start, count in ((first, rows), (first + rows // 2, rows // 2), (first + rows - 1, 1)):
        run = asyncio.run(store.run(root, start, count))
        assert np.array_equal(blob.rows[start : start + count], run.data)
        assert run.siblings == run_of(blob, range(start, start + count)).siblings
        assert run_lies_under(root, run, engine)
    wanted = [first, first + 1, first + 7, first + rows - 1]
    got = asyncio.run(store.rows(root, wanted))
    assert wanted == [row.index for row in got]
    assert rows_lie_under(blob.header.coset_roots, got, engine)
    assert blob.header.to_bytes() == asyncio.run(store.header(root)).to_bytes()
    assert ScrubOutcome.SUCCESS is asyncio.run(store.verify(shard.key))


def test_store__put_again__changes_nothing(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    store, shard = opened(medium, engine), a_shard(blob)
    asyncio.run(store.put(shard))
    before = content_of(medium, shard.key)

    async def together() -> None:
        await asyncio.gather(*(store.put(shard) for _ in range(4)))

    asyncio.run(together())
    asyncio.run(opened(medium, engine).put(shard))

    assert before == content_of(medium, shard.key)
    assert [name_of(shard.key)] == list(medium.sizes())


def test_store__what_is_not_here__not_held(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    store, shard = opened(medium, engine), a_shard(blob, 3)
    asyncio.run(store.put(shard))
    root = shard.key.data_root
    for ask in (
        store.run(root, 0, 64),
        store.run(root, 128, 128),  # reaches past the shard
        store.rows(root, [shard.key.first, 0]),
        store.run(bytes(32), 192, 64),
        store.header(bytes(32)),
    ):
        with pytest.raises(ShardNotHeld):
            asyncio.run(ask)
    with pytest.raises(IndexOutOfRange):
        asyncio.run(store.run(root, 193, 64))
    assert asyncio.run(store.held(bytes(32))) == []
    assert ScrubOutcome.UNKNOWN is asyncio.run(store.verify(ShardKey(bytes(32), 0, 64)))


def test_store__rows_that_do_not_lie_under_the_root__refused_and_not_kept(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    store, shard = opened(medium, engine), a_shard(blob)
    data = shard.run.data.copy()
    data[0, 0, 31] ^= 1
    run = Run(shard.run.first, shard.run.siblings, shard.run.coset_roots, data)
    other = ShardKey(shard.key.data_root, 4, 64)
    for wrong in (
        Shard(shard.key, shard.header, run),
        Shard(other, shard.header, shard.run),
        Shard(ShardKey(bytes(32), 3, 64), shard.header, shard.run),
    ):
        with pytest.raises(ShardRejected):
            asyncio.run(store.put(wrong))
    with pytest.raises(ShardKeyInvalid):
        asyncio.run(store.put(Shard(ShardKey(bytes(32), 48, 64), shard.header, shard.run)))
    assert dict(medium.sizes()) == {}


def test_store__dropped__gone_for_good(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    store, shard = opened(medium, engine), a_shard(blob)
    asyncio.run(store.put(shard))
    asyncio.run(store.drop(shard.key))
    asyncio.run(store.drop(shard.key))
    assert dict(medium.sizes()) == {}
    with pytest.raises(ShardNotHeld):
        asyncio.run(store.run(shard.key.data_root, shard.key.first, 64))
    asyncio.run(store.put(shard))
    assert ScrubOutcome.SUCCESS is asyncio.run(store.verify(shard.key))


def test_inv_sto_14__byte_flipped_anywhere__found_by_scrub_and_never_served(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    shard = a_shard(blob)
    asyncio.run(opened(medium, engine).put(shard))
    good = content_of(medium, shard.key)
    for position in range(0, len(good), len(good) // 23):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        spoil(medium, shard.key, bytes(bad))

        assert ScrubOutcome.FAILURE is asyncio.run(opened(medium, engine).verify(shard.key))

        spoil(medium, shard.key, bytes(bad))
        assert_only_truth_leaves(opened(medium, engine), shard, blob)
        asyncio.run(opened(medium, engine).verify(shard.key))
        assert name_of(shard.key) not in medium.sizes()
        again = opened(medium, engine)
        assert ScrubOutcome.CONTAINED is asyncio.run(again.verify(shard.key))
        asyncio.run(again.put(shard))
        assert ScrubOutcome.SUCCESS is asyncio.run(again.verify(shard.key))


def assert_only_truth_leaves(store: Shards, shard: Shard, blob: EncodedBlob) -> None:
    """Read everything; whatever is not refused is what was put."""
    root, first = shard.key.data_root, shard.key.first
    for start in range(first, first + 64, 16):
        try:
            run = asyncio.run(store.run(root, start, 16))
            rows = asyncio.run(store.rows(root, [start, start + 9]))
        except (ShardCorrupt, ShardNotHeld):
            continue
        assert np.array_equal(blob.rows[start : start + 16], run.data)
        assert run.siblings == run_of(blob, range(start, start + 16)).siblings
        for row in rows:
            assert blob.row(row.index).path == row.path
            assert np.array_equal(blob.rows[row.index], row.data)
    try:
        header = asyncio.run(store.header(root))
    except (ShardCorrupt, ShardNotHeld):
        return
    assert blob.header.to_bytes() == header.to_bytes()


@pytest.mark.parametrize("size", [0, 1, 271, 272, 5_000, -33_000, -32_992, -1])
def test_inv_sto_14__file_cut_short__set_aside_and_never_served(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob, size: int
) -> None:
    shard = a_shard(blob)
    store = opened(medium, engine)
    asyncio.run(store.put(shard))
    spoil(medium, shard.key, content_of(medium, shard.key)[:size])

    assert_only_truth_leaves(store, shard, blob)  # was open while the file shrank
    assert asyncio.run(store.verify(shard.key)) in {ScrubOutcome.FAILURE, ScrubOutcome.CONTAINED}
    again = Shards(medium, engine)
    again.open()
    assert ScrubOutcome.CONTAINED is asyncio.run(again.verify(shard.key))
    assert asyncio.run(again.held()) == []


def test_inv_sto_14__files_swapped__neither_is_served(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    other = encode(a_payload(seed=2), engine)
    store = opened(medium, engine)
    shards = [a_shard(blob, 3), a_shard(blob, 4), a_shard(other, 3)]
    for shard in shards:
        asyncio.run(store.put(shard))
    contents = [content_of(medium, shard.key) for shard in shards]
    for shard, content in zip(shards, contents[1:] + contents[:1], strict=True):
        spoil(medium, shard.key, content)
    for shard in shards:
        with pytest.raises(ShardCorrupt):
            asyncio.run(store.run(shard.key.data_root, shard.key.first, 64))
        with pytest.raises(ShardNotHeld):
            asyncio.run(store.run(shard.key.data_root, shard.key.first, 64))
    assert sorted(medium.sizes()) == sorted(name_of(shard.key) + ASIDE for shard in shards)


def test_store__file_gone__reported_once_and_not_held(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    store, shard = opened(medium, engine), a_shard(blob)
    asyncio.run(store.put(shard))
    medium.remove(name_of(shard.key))
    with pytest.raises(ShardCorrupt):
        asyncio.run(store.rows(shard.key.data_root, [shard.key.first]))
    assert asyncio.run(store.held()) == []
    asyncio.run(store.put(shard))
    assert ScrubOutcome.SUCCESS is asyncio.run(store.verify(shard.key))


def test_store__another_version_of_the_format__refused_and_kept(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    import zlib

    store, shard = opened(medium, engine), a_shard(blob)
    asyncio.run(store.put(shard))
    head = b"AST2" + content_of(medium, shard.key)[4:44]
    later = head + zlib.crc32(head).to_bytes(4, "big") + content_of(medium, shard.key)[48:]
    spoil(medium, shard.key, later)
    with pytest.raises(FormatUnknown):
        asyncio.run(store.run(shard.key.data_root, shard.key.first, 64))
    assert ScrubOutcome.UNKNOWN is asyncio.run(store.verify(shard.key))
    assert later == content_of(medium, shard.key)


def test_store__names_that_are_no_shards__left_alone(
    medium: Medium, engine: ErasureEngine, blob: EncodedBlob
) -> None:
    opened(medium, engine)
    digits = bytes(32).hex()
    strangers = [
        "notes.txt",
        f"{digits}-48-64.shard",
        f"{digits}-1-1024.shard.old",
        f"{digits}-01-64.shard",
        f"{digits}-1-65.shard",
        f"{digits[:-2]}-1-64.shard",
    ]
    for name in strangers:
        medium.write(name, [b"x" * file_bytes(64, 8)])
    store = Shards(medium, engine)
    assert store.open() == []
    assert asyncio.run(store.held()) == []
    assert sorted(strangers) == sorted(medium.sizes())
