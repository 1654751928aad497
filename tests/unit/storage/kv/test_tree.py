"""The state tree against its definition; proofs of presence and absence. INV-KV-4."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.cells import Cell, Kind, Space
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.proof import (
    EMPTY,
    Leaf,
    Proof,
    StreamRoot,
    key_hash,
    verify_absence,
    verify_presence,
)
from offchain.storage.kv.state import StreamState, StreamView
from tests.support.kv import STREAM, hashed, naive_leaf, naive_root


def _naive(cells: dict[bytes, Cell]) -> bytes:
    leaves = {}
    for key, cell in cells.items():
        place = hashed(b"\x00", key)
        leaves[place] = naive_leaf(place, cell.version, cell.kind, cell.value)
    return naive_root(leaves)


def _applied(store: MemoryStore, changes: dict[bytes, Cell | None], seq: int) -> bytes:
    overlay = Overlay(store)
    state = StreamState(overlay, STREAM, 0)
    for key, cell in changes.items():
        state.put(Space.USER, key, cell)
    state.settle(seq)
    store.commit(overlay.changes)
    return StreamView(store, STREAM, 0).meta.tree_root


@pytest.mark.parametrize("size", [1, 2, 30, 700])
def test_inv_kv_1__random_changes_of_many_keys__equal_the_definition(size: int) -> None:
    rng = random.Random(size)
    store, cells = MemoryStore(), dict[bytes, Cell]()

    for seq in range(12):
        changes: dict[bytes, Cell | None] = {}
        for _ in range(rng.randrange(1, size + 2)):
            key = b"key %d" % rng.randrange(size)
            cell = Cell(rng.randrange(1, 99), Kind.BYTES, rng.randbytes(5))
            changes[key] = None if rng.random() < (0.9 if seq > 8 else 0.2) else cell
        root = _applied(store, changes, seq)
        for key, changed in changes.items():
            cells.pop(key, None)
            if changed is not None:
                cells[key] = changed

        meta = StreamView(store, STREAM, 0).meta
        assert root == _naive(cells)
        assert (meta.keys, meta.next_seq) == (len(cells), seq + 1)
        assert meta.byte_count == sum(len(k) + len(c.value) for k, c in cells.items())


def test_tree__everything_removed__is_empty_again() -> None:
    store = MemoryStore()
    keys = [b"%d" % number for number in range(200)]
    _applied(store, {key: Cell(1, Kind.BYTES, key) for key in keys}, 1)

    root = _applied(store, dict.fromkeys(keys), 2)

    meta = StreamView(store, STREAM, 0).meta
    assert root == EMPTY
    assert (meta.keys, meta.byte_count) == (0, 0)
    assert len(store.scan(b"", b"\xff", 99)) == 1  # nothing is left but where the stream stands


@pytest.mark.parametrize("size", [0, 1, 2, 25, 26, 900])
def test_inv_kv_4__every_key__verifies_iff_it_is_there(size: int) -> None:
    store = MemoryStore()
    cells = {b"k%d" % number: Cell(7, Kind.BYTES, b"v%d" % number) for number in range(size)}
    root = _applied(store, dict(cells), 3)
    view = StreamView(store, STREAM, 0)

    for key in [*list(cells)[:60], *(b"no%d" % number for number in range(60))]:
        found = view.find(Space.USER, key, 3)

        assert found.root == StreamRoot(STREAM, 3, 0, root, size, found.root.byte_count)
        assert found.cell == cells.get(key)
        place = key_hash(Space.USER, key)
        leaf = cells.get(key, Cell(7, Kind.BYTES, b"v")).leaf(Space.USER, key)
        assert verify_presence(root, leaf, found.proof.siblings) == (key in cells)
        assert verify_absence(root, place, found.proof) == (key not in cells)


@given(st.data())
def test_inv_kv_4__altered_proof__is_refused(data: st.DataObject) -> None:
    store = MemoryStore()
    cells = {b"k%d" % number: Cell(7, Kind.BYTES, b"v%d" % number) for number in range(60)}
    root = _applied(store, dict(cells), 3)
    key = data.draw(st.sampled_from(sorted(cells)))
    found = StreamView(store, STREAM, 0).find(Space.USER, key, 3)
    leaf = cells[key].leaf(Space.USER, key)
    siblings = list(found.proof.siblings)

    match data.draw(st.sampled_from(["sibling", "longer", "shorter", "version", "kind", "value"])):
        case "sibling":
            index = data.draw(st.integers(0, len(siblings) - 1))
            siblings[index] = hashed(siblings[index])
        case "longer":
            siblings.insert(data.draw(st.integers(0, len(siblings))), EMPTY)
        case "shorter":
            siblings.pop(data.draw(st.integers(0, len(siblings) - 1)))
        case "version":
            leaf = Leaf(leaf.key_hash, 8, leaf.kind, leaf.value_hash)
        case "kind":
            leaf = Leaf(leaf.key_hash, leaf.version, 2, leaf.value_hash)
        case _:
            leaf = Leaf(leaf.key_hash, leaf.version, leaf.kind, hashed(b"other"))

    assert not verify_presence(root, leaf, siblings)


def test_absence__of_a_present_key_through_its_own_leaf__is_refused() -> None:
    store = MemoryStore()
    root = _applied(store, {b"only": Cell(1, Kind.BYTES, b"v")}, 1)
    leaf = Cell(1, Kind.BYTES, b"v").leaf(Space.USER, b"only")

    assert not verify_absence(root, leaf.key_hash, Proof((), leaf))
    assert verify_absence(root, key_hash(Space.USER, b"other"), Proof((), leaf))


def test_absence__other_leaf_off_the_path__is_refused() -> None:
    store = MemoryStore()
    cells = {b"k%d" % number: Cell(7, Kind.BYTES, b"v") for number in range(64)}
    root = _applied(store, dict(cells), 3)
    view = StreamView(store, STREAM, 0)
    present = view.find(Space.USER, b"k1", 3)
    leaf = cells[b"k1"].leaf(Space.USER, b"k1")
    elsewhere = bytes([leaf.key_hash[0] ^ 0x80]) + leaf.key_hash[1:]

    assert not verify_absence(root, elsewhere, Proof(present.proof.siblings, leaf))


def test_paths__two_keys_that_share_long_prefixes__are_deep_and_right() -> None:
    keys = sorted((b"%d" % number for number in range(20_000)), key=lambda k: hashed(b"\x00", k))
    near = max(
        itertools.pairwise(keys),
        key=lambda pair: _shared(hashed(b"\x00", pair[0]), hashed(b"\x00", pair[1])),
    )
    store = MemoryStore()

    root = _applied(store, {key: Cell(1, Kind.BYTES, b"v") for key in near}, 1)

    found = StreamView(store, STREAM, 0).find(Space.USER, near[0], 1)
    leaf = Cell(1, Kind.BYTES, b"v").leaf(Space.USER, near[0])
    assert len(found.proof.siblings) > 20
    assert found.proof.siblings[1:] == (EMPTY,) * (len(found.proof.siblings) - 1)
    assert verify_presence(root, leaf, found.proof.siblings)


def _shared(first: bytes, second: bytes) -> int:
    return 256 - (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_length()
