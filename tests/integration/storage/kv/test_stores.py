"""One suite over every store: sqlite, lmdb, memory."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.storage.kv.adapters.lmdb_store import LmdbStore
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.errors import RootMismatch, StoreFailed
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.ports import Block, KVStore

END = b"\xff" * 2_000
KINDS = ("memory", "sqlite", "lmdb")


def _opened(kind: str, folder: Path) -> KVStore:
    match kind:
        case "sqlite":
            return SqliteStore(folder)
        case "lmdb":
            return LmdbStore(folder, map_bytes=1 << 26)
        case _:
            return MemoryStore()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KVStore]:
    opened = _opened(request.param, tmp_path)
    yield opened
    opened.close()


def _key(rng: random.Random) -> bytes:
    """Short and long keys, many with a long beginning in common."""
    size = rng.choice([1, 2, 477, 478, 479, 511, 512, 1_030])
    return (b"a" * size)[: size - 1] + bytes([rng.randrange(97, 100)])


def test_store__random_commits__equal_a_dictionary(store: KVStore) -> None:
    rng = random.Random(5)
    model: dict[bytes, bytes] = {}
    for _ in range(30):
        changes: dict[bytes, bytes | None] = {}
        for _ in range(rng.randrange(1, 12)):
            changes[_key(rng)] = rng.choice([None, rng.randbytes(rng.choice([0, 3, 70_000]))])

        store.commit(changes)

        for key, value in changes.items():
            model.pop(key, None)
            if value is not None:
                model[key] = value
        first, end, limit = _key(rng), rng.choice([_key(rng), END]), rng.randrange(1, 9)
        wanted = sorted((k, v) for k, v in model.items() if first <= k < end)
        with store.view() as view:
            assert list(view.scan(b"", END, 999)) == sorted(model.items())
            assert list(view.scan(first, end, limit)) == wanted[:limit]
            assert view.get(first) == model.get(first)


def test_overlay__over_every_store__reads_as_if_committed(store: KVStore) -> None:
    rng = random.Random(6)
    model = {_key(rng): b"base" for _ in range(12)}
    store.commit(model)
    with store.view() as view:
        overlay = Overlay(view)
        for _ in range(12):
            key, value = _key(rng), rng.choice([None, b"new"])
            overlay.put(key, value)
            model.pop(key, None)
            if value is not None:
                model[key] = value

            first, end, limit = _key(rng), rng.choice([_key(rng), END]), rng.randrange(1, 9)
            wanted = sorted((k, v) for k, v in model.items() if first <= k < end)
            assert list(overlay.scan(first, end, limit)) == wanted[:limit]
            assert overlay.get(first) == model.get(first)


@pytest.mark.parametrize("kind", ["sqlite", "lmdb"])  # a dictionary keeps commits waiting instead
def test_view__while_others_commit__does_not_move(kind: str, tmp_path: Path) -> None:
    store = _opened(kind, tmp_path)
    store.commit({b"k": b"old"})
    with store.view() as view:
        assert view.get(b"k") == b"old"

        store.commit({b"k": b"new", b"other": b"1"})

        assert view.get(b"k") == b"old"
        assert view.get(b"other") is None
    with store.view() as view:
        assert view.get(b"k") == b"new"
    store.close()


def test_load__many_pairs__are_all_there(store: KVStore) -> None:
    pairs = [(b"%08d" % number, b"v%d" % number) for number in range(5_000)]

    store.load(pairs)

    with store.view() as view:
        assert list(view.scan(b"", END, 6_000)) == pairs


def _blocks(pairs: list[tuple[bytes, bytes]], prefix: bytes) -> list[Block]:
    """Pairs in order, three a block."""
    blocks = []
    for start in range(0, len(pairs), 3):
        part = [(key[len(prefix) :], value) for key, value in pairs[start : start + 3]]
        records = b"".join(
            len(rest).to_bytes(2, "big") + len(value).to_bytes(4, "big") + rest + value
            for rest, value in part
        )
        blocks.append(Block(prefix, part[0][0], records))
    return blocks


def test_load__blocks_then_random_commits__equal_a_dictionary(store: KVStore) -> None:
    rng = random.Random(7)
    store.commit({b"1other": b"before", b"3last": b"before"})
    held = {b"2" + _key(rng): rng.randbytes(rng.choice([0, 3, 900])) for _ in range(40)}
    pairs = sorted(held.items())
    model = held | {b"1other": b"before", b"3last": b"before", b"0meta": b"m"}

    store.load([(b"0meta", b"m")], _blocks(pairs, b"2"))

    for _ in range(40):
        key = rng.choice([b"2" + _key(rng), rng.choice(pairs)[0], b"1other", b"4new"])
        value = rng.choice([None, b"changed"])
        store.commit({key: value})
        model.pop(key, None)
        if value is not None:
            model[key] = value
        first, end, limit = (
            b"2" + _key(rng),
            rng.choice([b"2" + _key(rng), END]),
            rng.randrange(1, 9),
        )
        wanted = sorted((k, v) for k, v in model.items() if first <= k < end)
        with store.view() as view:
            assert list(view.scan(b"", END, 999)) == sorted(model.items())
            assert list(view.scan(first, end, limit)) == wanted[:limit]
            assert view.get(first) == model.get(first)
            assert view.get(key) == model.get(key)


def test_load__fails_in_the_middle__keeps_nothing(store: KVStore) -> None:
    def refuse() -> Iterator[tuple[bytes, bytes]]:
        yield b"0meta", b"m"
        raise RootMismatch(reason="not what it says")

    with pytest.raises(RootMismatch):
        store.load(refuse(), _blocks([(b"2a", b"1"), (b"2b", b"2")], b"2"))

    with store.view() as view:
        assert list(view.scan(b"", END, 9)) == []
        assert view.get(b"2a") is None


@pytest.mark.parametrize("kind", ["sqlite", "lmdb"])
def test_store__opened_again__holds_what_was_committed(kind: str, tmp_path: Path) -> None:
    first = _opened(kind, tmp_path)
    first.commit({b"k": b"v", b"gone": b"x"})
    first.commit({b"gone": None})
    first.close()

    second = _opened(kind, tmp_path)

    with second.view() as view:
        assert list(view.scan(b"", END, 9)) == [(b"k", b"v")]
    second.close()


@pytest.mark.parametrize("kind", ["sqlite", "lmdb"])
def test_store__file_of_something_else__is_refused(kind: str, tmp_path: Path) -> None:
    name = "streams.sqlite" if kind == "sqlite" else "streams.lmdb/data.mdb"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"no database" * 1_000)

    with pytest.raises(StoreFailed):
        _opened(kind, tmp_path)


def test_lmdb__map_full__keeps_nothing_of_the_commit(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, map_bytes=1 << 16)
    store.commit({b"k": b"old"})

    with pytest.raises(StoreFailed):
        store.commit({b"k": b"new", b"large": bytes(1 << 17)})

    with store.view() as view:
        assert view.get(b"k") == b"old"
    store.close()
