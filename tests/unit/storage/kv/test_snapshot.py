"""Snapshots: what one replica writes another goes on from; nothing with a wrong root is taken."""

import random

import pytest

from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.cells import Cell, Kind, Space
from offchain.storage.kv.errors import RootMismatch, SnapshotOld
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import Mode
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.kv.roles import Role
from offchain.storage.kv.snapshot import (
    Snapshot,
    pack_snapshot,
    snapshot_root,
    write_snapshot,
)
from offchain.storage.kv.state import StreamState, StreamView
from tests.support.kv import (
    DOMAIN,
    STREAM,
    Log,
    MemoryLog,
    Writer,
    account,
    batch,
    created,
    granted,
    hashed,
)

END = b"\xff" * 9


def _replica(source: MemoryLog, store: MemoryStore | None = None) -> Replica:
    return Replica(ReplicaParts(store or MemoryStore(), source, source, DOMAIN))


def _written(replica: Replica) -> bytes:
    with replica.moment(final=True) as moment:
        return b"".join(write_snapshot(moment.stream(STREAM), moment.next_seq - 1))


def _root(replica: Replica) -> StreamRoot:
    with replica.moment() as moment:
        return moment.stream(STREAM).root_at(moment.next_seq - 1)


def _busy_log(entries: int) -> MemoryLog:
    """A stream with writers, lists and removals, all final."""
    rng = random.Random(entries)
    log, owner, writer = Log(), Writer(), Writer(account("writer"))
    log.add(created())
    log.add(granted(writer.key.subject, Role.WRITER))
    for _ in range(entries):
        ops = []
        for _ in range(30):
            who, key = rng.choice([owner, writer]), b"key %d" % rng.randrange(900)
            ops.append(
                rng.choice(
                    [
                        lambda who=who, key=key: who.put(key, rng.randbytes(rng.choice([3, 300]))),
                        lambda who=who, key=key: who.op(Mode.DELETE, key),
                        lambda who=who: who.op(Mode.APPEND, b"list", b"element"),
                    ]
                )()
            )
        log.add(batch(ops))
    return MemoryLog(log, final=1 << 30)


@pytest.mark.parametrize("count", [0, 1, 24, 25, 400, 6_000])
def test_snapshot__of_any_size__gives_the_store_it_was_taken_from(count: int) -> None:
    rng = random.Random(count)
    store = MemoryStore()
    overlay = Overlay(store)
    state = StreamState(overlay, STREAM, 7)
    for number in range(count):
        cell = Cell(rng.randrange(1 << 50), Kind.BYTES, rng.randbytes(rng.choice([0, 9, 200])))
        state.put(Space.USER, b"%d" % number * rng.choice([1, 40]), cell)
    state.settle(5)
    store.commit(overlay.changes)
    raw = b"".join(write_snapshot(StreamView(store, STREAM, 7), 5))

    snapshot = Snapshot(raw)
    cells = [pair for block in snapshot.blocks(7) for pair in block.pairs()]
    others = dict(snapshot.pairs(7))

    whole = dict(store.scan(b"", END, 1 << 20))
    assert cells == sorted(cells)
    assert dict(cells) | others == whole
    assert len(cells) + len(others) == len(whole)


def test_inv_kv_2__replay_from_a_snapshot__equals_replay_from_genesis() -> None:
    source = _busy_log(12)
    from_genesis = _replica(source)
    from_genesis.follow(STREAM)
    source.log.entries, later = source.log.entries[:8], source.log.entries[8:]
    from_genesis.advance()
    raw = _written(from_genesis)
    source.log.entries += later

    from_snapshot = _replica(source)
    from_snapshot.load(Snapshot(raw), lambda root: root == snapshot_root(raw))
    from_snapshot.advance()
    from_genesis.advance()

    assert _root(from_snapshot) == _root(from_genesis)
    assert _written(from_snapshot) == _written(from_genesis)
    assert snapshot_root(raw).seq == 7


def test_snapshot__untrusted_root__is_not_loaded() -> None:
    source = _busy_log(2)
    replica = _replica(source)
    replica.follow(STREAM)
    replica.advance()
    store = MemoryStore()

    with pytest.raises(RootMismatch):
        _replica(source, store).load(Snapshot(_written(replica)), lambda _: False)

    assert not store.scan(b"", END, 9)


def test_snapshot__stream_that_is_here__is_refused() -> None:
    source = _busy_log(2)
    replica = _replica(source)
    replica.follow(STREAM)
    replica.advance()
    root = _root(replica)

    with pytest.raises(SnapshotOld):
        replica.load(Snapshot(_written(replica)), lambda _: True)

    assert _root(replica) == root


def test_snapshot__cut_grown_or_changed_anywhere__is_refused() -> None:
    source = _busy_log(3)
    replica = _replica(source)
    replica.follow(STREAM)
    replica.advance()
    raw = _written(replica)
    rng = random.Random(1)

    for _ in range(150):
        broken = bytearray(raw)
        where = rng.randrange(len(raw))
        match rng.randrange(3):
            case 0:
                del broken[where]
            case 1:
                broken.insert(where, rng.randrange(256))
            case _:
                broken[where] ^= 1 << rng.randrange(8)
        # Stream, seq and generation are bound by the stream root, which the loader compares.
        try:
            snapshot = Snapshot(bytes(broken))
            snapshot.check()
        except RootMismatch:
            continue
        assert snapshot.root.digest != _root(replica).digest


def test_snapshot__made_of_two_records_of_one_key__is_refused() -> None:
    place, cell = b"\x00k", Cell(1, Kind.BYTES, b"v").to_bytes()
    record = len(place).to_bytes(2, "big") + len(cell).to_bytes(4, "big") + place + cell
    head = b"AKS1" + STREAM + bytes(16) + hashed(b"root") + (2).to_bytes(8, "big")
    size = (2 * (len(place) + len(cell) - 10)).to_bytes(8, "big")

    with pytest.raises(RootMismatch, match="order"):
        Snapshot(head + size + record + record).check()


def test_snapshot__records_out_of_order__is_refused() -> None:
    """The root would be right, and no key could be found."""
    source = _busy_log(2)
    replica = _replica(source)
    replica.follow(STREAM)
    replica.advance()
    with replica.moment(final=True) as moment:
        view = moment.stream(STREAM)
        root, cells = view.root_at(moment.next_seq - 1), list(view.cells())
    cells[3], cells[4] = cells[4], cells[3]

    with pytest.raises(RootMismatch, match="order"):
        Snapshot(b"".join(pack_snapshot(root, cells)))


def test_snapshot__wrong_root__leaves_nothing_in_the_store() -> None:
    source = _busy_log(2)
    replica = _replica(source)
    replica.follow(STREAM)
    replica.advance()
    raw = bytearray(_written(replica))
    raw[-1] ^= 1
    store = MemoryStore()

    with pytest.raises(RootMismatch):
        _replica(source, store).load(Snapshot(bytes(raw)), lambda _: True)

    number = [key for key, _ in store.scan(b"", END, 9)]
    assert len(number) == 1  # a number was given to the stream, and not said to be whole
