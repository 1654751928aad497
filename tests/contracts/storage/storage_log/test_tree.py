"""The tree over the log: roots, paths, what epochs ended with; contract and model agree."""

from dataclasses import replace

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.storage.log_book import LogBook, LogTree, Placed, is_entry
from offchain.storage.log_entries import EntryKind
from tests.support.refusal import Refused
from tests.support.staking import EPOCH
from tests.support.storage_log import LogSite, logged

STREAM = keccak(b"a stream")
PROBE = """
# pragma version 0.4.3
from contracts.storage import log_history
from contracts.storage import log_peaks

initializes: log_history
initializes: log_peaks[log_history := log_history]


@deploy
def __init__(size: uint256):
    log_peaks.head = size


@external
def append(epoch: uint256) -> uint256:
    return log_peaks._append(epoch, keccak256("id"), 1, keccak256("entry"))


@external
@view
def size() -> uint256:
    return log_peaks._size()


@external
@view
def root() -> bytes32:
    return log_peaks._root()


@external
@view
def at(epoch: uint256) -> (uint256, bytes32):
    return log_peaks._at(epoch)
"""


def append(site: LogSite, book: LogBook, number: int) -> Placed:
    """One entry more in contract and model."""
    site.log.append_inline([STREAM], number.to_bytes(8, "big"))
    entry = logged(site)
    seq = book.append(entry.id, entry.kind, entry.author, entry.data, now=boa.env.timestamp)
    assert entry.seq == seq
    return book.entries[seq]


def placed_tuple(entry: Placed) -> tuple[int, bytes, int, bytes]:
    return entry.seq, entry.id, entry.kind, entry.entry_hash


def test_root__empty_log__binds_the_size(site: LogSite) -> None:
    assert site.log.size() == 0
    assert LogTree().root() == site.log.root()
    assert keccak(b"\2", bytes(8), bytes(32)) == site.log.root()


def test_inv_sto_5__every_entry__proves_under_every_later_root(site: LogSite) -> None:
    book = site.book()
    roots: list[bytes] = [site.log.root()]
    for number in range(19):
        append(site, book, number)
        roots.append(site.log.root())
        assert book.tree.root() == roots[-1]
        assert book.tree.size == site.log.size() == number + 1

    for size, root in enumerate(roots):
        assert book.tree.root(size) == root
        for entry in book.entries[:size]:
            path = book.tree.path(entry.seq, size)
            assert site.log.verify_entry(root, size, placed_tuple(entry), path)
            assert is_entry(root, size, entry, path)


def test_inv_sto_5__anything_altered__proves_nothing(site: LogSite) -> None:
    book = site.book()
    for number in range(13):
        append(site, book, number)
    root, size = site.log.root(), 13
    other = keccak(b"another")

    for entry in book.entries:
        path = book.tree.path(entry.seq)
        altered = [
            (root, size, replace(entry, id=other), path),
            (root, size, replace(entry, kind=EntryKind.FILE), path),
            (root, size, replace(entry, kind=258), path),
            (root, size, replace(entry, entry_hash=other), path),
            (root, size, replace(entry, seq=(entry.seq + 1) % size), path),
            (root, size, replace(entry, seq=size + entry.seq), path),
            (root, size + 1, entry, path),
            (root, size - 1, entry, path),
            (root, 2**40, entry, path),
            (root, 0, entry, path),
            (other, size, entry, path),
            (root, size, entry, (*path, other)),
            (root, size, entry, path[:-1]),
            (root, size, entry, path[1:]),
            (root, size, entry, ()),
            *((root, size, entry, (*path[:at], other, *path[at + 1 :])) for at in range(len(path))),
        ]
        for case in altered:
            bad_root, bad_size, bad_entry, bad_path = case
            assert not site.log.verify_entry(
                bad_root, bad_size, placed_tuple(bad_entry), list(bad_path)
            ), case


@given(size=st.integers(1, 700), place=st.integers(0, 699), cut=st.integers(0, 12))
def test_inv_sto_5__any_size_and_place__contract_and_model_agree(
    unused_site: LogSite, size: int, place: int, cut: int
) -> None:
    tree = LogTree()
    entries = [Placed(seq, keccak(seq.to_bytes(8, "big")), 2, STREAM) for seq in range(size)]
    for entry in entries:
        tree.append(entry.leaf)
    entry = entries[place % size]
    path = tree.path(entry.seq)
    verify = unused_site.log.verify_entry

    assert verify(tree.root(), size, placed_tuple(entry), path)
    assert is_entry(tree.root(), size, entry, path)
    shorter = path[:cut]
    expected = is_entry(tree.root(), size, entry, shorter)
    assert expected == (shorter == path)
    assert expected == verify(tree.root(), size, placed_tuple(entry), shorter)


def test_inv_sto_5__root_of_past_epochs__never_changes(site: LogSite, refused: Refused) -> None:
    log, book = site.log, site.book()
    first = book.epoch_at(boa.env.timestamp)
    empty = book.tree.root()
    for number, idle in enumerate([0, 1, 1, 0, 4, 1, 9, 2]):
        boa.env.time_travel(seconds=idle * EPOCH)
        for part in range(1 + number % 3):
            append(site, book, 10 * number + part)
    boa.env.time_travel(seconds=3 * EPOCH)
    now = boa.env.timestamp
    last = book.epoch_at(now)

    for epoch in range(first - 1, last):
        assert book.size_at(epoch, now=now) == log.size_at(epoch)
        assert book.root_at(epoch, now=now) == log.root_at(epoch)
    assert (0, empty) == (log.size_at(first - 1), log.root_at(first - 1))
    assert (log.size(), log.root()) == (log.size_at(last - 1), log.root_at(last - 1))
    for epoch in (last, last + 1, 2**200):
        with refused("storage_log: epoch not over"):
            log.root_at(epoch)
        with refused("storage_log: epoch not over"):
            log.size_at(epoch)


def test_root_at__first_entry_of_an_epoch__keeps_the_root_before_it(site: LogSite) -> None:
    book = site.book()
    append(site, book, 0)
    append(site, book, 1)
    epoch, root = book.epoch_at(boa.env.timestamp), site.log.root()
    boa.env.time_travel(seconds=EPOCH)
    assert (2, root) == (site.log.size_at(epoch), site.log.root_at(epoch))

    append(site, book, 2)

    assert (2, root) == (site.log.size_at(epoch), site.log.root_at(epoch))
    assert root != site.log.root()


def test_append__idle_epochs__cost_no_gas(site: LogSite) -> None:
    append(site, site.book(), 0)
    gas = []
    for epochs in (1, 100_000):
        with boa.env.anchor():
            boa.env.time_travel(seconds=epochs * EPOCH)
            site.log.append_inline([STREAM], bytes([1]))
            gas.append(site.log._computation.get_gas_used())

    assert abs(gas[0] - gas[1]) < 100  # the epoch's number has more bytes in the event


def test_append__log_is_full__is_refused() -> None:
    probe: VyperContract = boa.loads(PROBE, 2**40 - 1, name="PeaksProbe")

    with boa.reverts("log_peaks: full"):
        probe.append(0)
    assert probe.size() == 2**40 - 1


def test_append__last_place__enters() -> None:
    probe: VyperContract = boa.loads(PROBE, 2**40 - 2, name="PeaksProbe")

    assert probe.append(0) == 2**40 - 2
    assert probe.size() == 2**40 - 1
    assert probe.root() != bytes(32)


@pytest.mark.parametrize("marks", [1, 2, 3, 7, 8, 33])
def test_history__any_number_of_marks__finds_each(marks: int) -> None:
    probe: VyperContract = boa.loads(PROBE, 0, name="PeaksProbe")
    roots = {}
    for number in range(marks + 1):
        epoch = 3 * number + 1
        probe.append(epoch)
        roots[epoch] = (number + 1, probe.root())

    for epoch in range(3 * marks + 3):
        reached = [one for one in roots if one <= epoch]
        expected = roots[reached[-1]] if reached else (0, keccak(b"\2", bytes(8), bytes(32)))
        assert expected == tuple(probe.at(epoch))
