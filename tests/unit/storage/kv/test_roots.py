"""Roots that seats stand for: one an entry, by turns, by enough of them; snapshots under them."""

import asyncio
from pathlib import Path

import pytest

from offchain.node.disk import LocalDisk
from offchain.storage.false_root import SignedRoot, is_signed
from offchain.storage.kv.adapters.memory_log import Log, MemoryLog
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.adapters.root_book import SqliteRootBook
from offchain.storage.kv.cells import Space
from offchain.storage.kv.errors import RootChanged, RootNotHere, SeatNotOurs, SnapshotMissing
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.open_snapshot import OpeningParts, open_from_peers
from offchain.storage.kv.post_root import turn_of
from offchain.storage.kv.snapshot_shelf import SnapshotShelf
from tests.support.kv import DOMAIN, STREAM, Writer, batch, created
from tests.support.kv_roots import (
    EPOCH,
    GROUP,
    SEATS,
    SharedShelves,
    a_ledger,
    a_seat_node,
    posting,
)

OTHER = bytes([9]) * 32


def a_log(*values: bytes) -> Log:
    """A stream whose key `k` takes these values, an entry each."""
    log, writer = Log(), Writer()
    log.add(created())
    for value in values:
        log.add(batch([writer.put(b"k", value)]))
    return log


def sign(node, seq: int | None = None, *, epoch: int | None = None) -> SignedRoot:
    return node.signer.sign(STREAM, GROUP, seq=seq, epoch=epoch)


def test_sign_root__every_final_entry__is_the_root_after_it() -> None:
    log = a_log(b"1")
    node = a_seat_node(log, 1)
    first = sign(node)
    writer = Writer()
    writer.nonce = 1
    log.add(created(stream=OTHER))  # another stream's entry changes nothing here
    node.advance()
    log.add(batch([writer.put(b"k", b"2")]))
    node.advance()

    idle, changed = sign(node, 2), sign(node)

    assert (first.root.seq, idle.root.seq, changed.root.seq) == (1, 2, 3)
    assert first.root.tree_root == idle.root.tree_root != changed.root.tree_root
    assert is_signed(changed, DOMAIN)
    assert changed.epoch == EPOCH
    assert sign(node, 3) == changed
    with pytest.raises(RootChanged):
        sign(node, 2)  # entries rise


def test_sign_root__entry_not_final_or_of_another_group_or_epoch__is_refused() -> None:
    node = a_seat_node(a_log(b"1"), 1)
    for refused, seq, epoch, group in (
        (RootNotHere, 2, EPOCH, GROUP),
        (SeatNotOurs, 1, EPOCH + 1, GROUP),
        (SeatNotOurs, 1, EPOCH - 2, GROUP),
        (SeatNotOurs, 1, EPOCH, GROUP + 1),
    ):
        with pytest.raises(refused):
            node.signer.sign(STREAM, group, seq=seq, epoch=epoch)
    with pytest.raises(RootNotHere):
        node.signer.sign(OTHER, GROUP, seq=None, epoch=None)


def test_inv_kv_9__log_that_changed_under_a_signed_root__gets_no_second_signature(
    tmp_path: Path,
) -> None:
    book = SqliteRootBook(tmp_path)
    before = sign(a_seat_node(a_log(b"1"), 1, book=book))
    book.close()

    reopened = SqliteRootBook(tmp_path)
    after = a_seat_node(a_log(b"another"), 1, book=reopened)

    assert after.roots.find(STREAM, 1).digest != before.root.digest
    with pytest.raises(RootChanged):
        sign(after, 1)
    again = a_seat_node(a_log(b"1"), 1, book=reopened)
    assert sign(again, 1).root == before.root
    reopened.close()


def test_inv_kv_9__signature_that_fails__has_its_root_written_down_before() -> None:
    node = a_seat_node(a_log(b"1"), 1)
    parts = node.signer._parts  # to make the key fail

    def fail(_: bytes):
        raise RuntimeError

    object.__setattr__(parts, "sign", fail)
    with pytest.raises(RuntimeError):
        sign(node)

    root = node.roots.find(STREAM)
    assert parts.book.last(STREAM) == (root.seq, root.digest)


def test_turns__of_every_seat__begin_at_once_and_differ() -> None:
    for epoch in range(20):
        turns = [turn_of(STREAM, epoch, seat, SEATS) for seat in range(SEATS)]
        assert min(turns) == 0
        assert max(turns) < 1
        assert len(set(turns)) == SEATS
    firsts = {
        min(range(SEATS), key=lambda seat: turn_of(STREAM, epoch, seat, SEATS))
        for epoch in range(40)
    }
    assert firsts == set(range(SEATS))


@pytest.mark.parametrize("silent", [None, 3])
def test_post_root__enough_seats_agree__is_posted_once_an_epoch(silent: int | None) -> None:
    log = a_log(b"1")
    nodes = [a_seat_node(log, number + 1) for number in range(SEATS)]
    ledger = a_ledger(nodes)
    for number, node in enumerate(nodes):
        node.is_absent = number == silent
    poster = posting(nodes, ledger, 0)

    assert asyncio.run(poster.post([STREAM])) == 1

    [votes] = ledger.posted[STREAM]
    assert votes.root == nodes[0].roots.find(STREAM)
    assert [seat.seat for seat in votes.absent] == ([] if silent is None else [silent])
    ledger.posted_at = 1_001
    assert asyncio.run(poster.post([STREAM])) == 0  # posted in this epoch
    ledger.posted_at = 0
    assert asyncio.run(poster.post([STREAM])) == 0  # nothing has changed since


def test_post_root__too_few_or_lying_seats__posts_nothing() -> None:
    true, false = a_log(b"1"), a_log(b"2")
    nodes = [a_seat_node(true, number + 1) for number in range(SEATS)]
    nodes[1] = a_seat_node(false, 2)
    nodes[2] = a_seat_node(false, 3)
    ledger = a_ledger(nodes)

    assert asyncio.run(posting(nodes, ledger, 0).post([STREAM])) == 0
    assert ledger.posted == {}

    nodes[2] = a_seat_node(true, 3)
    assert asyncio.run(posting(nodes, ledger, 0).post([STREAM])) == 1
    [votes] = ledger.posted[STREAM]
    assert [seat.seat for seat in votes.absent] == [1]  # its word for another root is left out


def test_post_root__before_its_turn__waits() -> None:
    nodes = [a_seat_node(a_log(b"1"), number + 1) for number in range(SEATS)]
    ledger = a_ledger(nodes)
    ledger.passed = 0.0
    posted = [asyncio.run(posting(nodes, ledger, seat).post([STREAM])) for seat in range(SEATS)]

    assert sum(posted) == 1
    first = min(range(SEATS), key=lambda seat: turn_of(STREAM, EPOCH, seat, SEATS))
    assert posted[first] == 1


def a_shelf(folder: Path, replica: Replica) -> SnapshotShelf:
    shelf = SnapshotShelf(LocalDisk(), folder, replica, every_seconds=60, now=lambda: 0.0)
    shelf.open()
    return shelf


def test_inv_kv_2__new_replica__opens_from_the_peer_whose_root_was_posted(tmp_path: Path) -> None:
    log = a_log(b"1", b"2")
    nodes = [a_seat_node(log, number + 1) for number in range(SEATS)]
    ledger, shelves = a_ledger(nodes), {}
    shelves["true"] = a_shelf(tmp_path / "true", nodes[0].replica)
    asyncio.run(posting(nodes, ledger, 0, shelf=shelves["true"]).post([STREAM]))
    liar = a_seat_node(a_log(b"1", b"false"), 9)
    shelves["false"] = a_shelf(tmp_path / "false", liar.replica)
    asyncio.run(shelves["false"].keep(liar.roots.find(STREAM)))
    writer = Writer()
    writer.nonce = 2
    log.add(batch([writer.put(b"k", b"3")]))
    source = MemoryLog(log, final=1 << 30)
    parts = ReplicaParts(MemoryStore(), source, source, DOMAIN, lambda _: True)
    replica, asked = Replica(parts), []
    opening = OpeningParts(
        replica,
        SharedShelves(shelves, asked=asked),
        ledger.root_of,
        tmp_path / "fetched",
        lambda _: True,
    )

    loaded = asyncio.run(open_from_peers(opening, ["silent", "false", "true"]))

    assert (loaded, asked) == (1, ["false", "true"])
    assert replica.position().applied == 3
    replica.advance()
    nodes[0].advance()
    with replica.moment() as moment, nodes[0].replica.moment() as other:
        assert moment.stream(STREAM).root_at(3) == other.stream(STREAM).root_at(3)
        cell = moment.stream(STREAM).cell(Space.USER, b"k")
    assert cell is not None
    assert cell.value == b"3"
    assert list((tmp_path / "fetched").iterdir()) == []


def test_open_from_peers__nobody_has_a_posted_snapshot__loads_nothing(tmp_path: Path) -> None:
    node = a_seat_node(a_log(b"1"), 1)
    shelf = a_shelf(tmp_path / "shelf", node.replica)
    asyncio.run(shelf.keep(node.roots.find(STREAM)))
    source = MemoryLog(a_log(b"1"), final=1 << 30)
    replica = Replica(ReplicaParts(MemoryStore(), source, source, DOMAIN))
    opening = OpeningParts(
        replica,
        SharedShelves({"one": shelf}, asked=[]),
        lambda *_: bytes(32),
        tmp_path / "fetched",
        lambda _: True,
    )

    assert asyncio.run(open_from_peers(opening, ["one"])) == 0
    assert replica.streams == []
    assert replica.position().applied == 0


def test_shelf__root_that_is_past_or_too_soon__keeps_the_one_it_has(tmp_path: Path) -> None:
    log, times = a_log(b"1"), [0.0]
    node = a_seat_node(log, 1)
    shelf = SnapshotShelf(
        LocalDisk(), tmp_path / "kept", node.replica, every_seconds=60, now=lambda: times[0]
    )
    shelf.open()
    with pytest.raises(SnapshotMissing):
        shelf.newest(STREAM)
    past = node.roots.find(STREAM)
    writer = Writer()
    writer.nonce = 1
    log.add(batch([writer.put(b"k", b"2")]))
    node.advance()
    asyncio.run(shelf.keep(past))
    with pytest.raises(SnapshotMissing):
        shelf.newest(STREAM)

    asyncio.run(shelf.keep(node.roots.find(STREAM)))
    log.add(batch([writer.put(b"k", b"3")]))
    node.advance()
    asyncio.run(shelf.keep(node.roots.find(STREAM)))
    assert shelf.newest(STREAM)[0] == 2
    times[0] = 61.0
    asyncio.run(shelf.keep(node.roots.find(STREAM)))

    assert shelf.newest(STREAM)[0] == 3
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_wanted_streams__created_now_or_long_ago__are_followed_up_to_the_limit() -> None:
    log = a_log(b"1")
    source = MemoryLog(log, final=1 << 30)
    store = MemoryStore()
    unwanting = Replica(ReplicaParts(store, source, source, DOMAIN))
    unwanting.advance()
    unwanting.follow_wanted()
    assert unwanting.streams == []

    wanting = Replica(ReplicaParts(store, source, source, DOMAIN, lambda one: one != OTHER, 2))
    wanting.follow_wanted()
    log.add(created(stream=OTHER))
    third, fourth = (bytes([number]) * 32 for number in (3, 4))
    log.add(created(stream=third))
    log.add(created(stream=fourth))
    wanting.advance()

    assert list(wanting.streams) == [STREAM, third]
    again = Replica(ReplicaParts(store, source, source, DOMAIN, lambda _: True, 2))
    again.follow_wanted()
    assert set(again.streams) == {STREAM, third}
    with again.moment() as moment:
        assert moment.stream(third).meta.generation == 1
        cell = moment.stream(STREAM).cell(Space.USER, b"k")
    assert cell is not None
    assert cell.value == b"1"
