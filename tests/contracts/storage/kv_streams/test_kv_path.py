"""Paths of a stream's tree: contract and replicas agree, bit for bit."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.storage.kv.proof import (
    EMPTY,
    KEY_BITS,
    Leaf,
    Proof,
    StreamRoot,
    bit_at,
    node_digest,
    verify_absence,
    verify_presence,
)
from tests.support.kv_streams import leaf_tuple, root_tuple

PROBE = """
# pragma version 0.4.3
from contracts.interfaces import IKVStreams
from contracts.storage import kv_path


@external
@pure
def holds(root: bytes32, leaf: IKVStreams.Leaf, siblings: DynArray[bytes32, 256]) -> bool:
    return kv_path._holds(root, leaf, siblings)


@external
@pure
def lacks(
    root: bytes32, key: bytes32, other: IKVStreams.Leaf, siblings: DynArray[bytes32, 256]
) -> bool:
    return kv_path._lacks(root, key, other, siblings)


@external
@pure
def stream_root(root: IKVStreams.StreamRoot) -> bytes32:
    return kv_path._stream_root(root)
"""
# key hashes that share long beginnings, so that small trees are deep
HASHES = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 15).map(lambda n: bytes(31) + bytes([n])),
    st.integers(0, 15).map(lambda n: bytes([n << 4]) + bytes(31)),
    st.integers(0, 7).map(lambda n: b"\xff" * 31 + bytes([248 + n])),
)


@pytest.fixture(scope="module")
def probe() -> VyperContract:
    return boa.loads(PROBE, name="KvPathProbe")


def a_leaf(key_hash: bytes, number: int = 0) -> Leaf:
    return Leaf(key_hash, number << 24, number % 7, keccak(key_hash, bytes([number % 256])))


class Reference:
    """The tree by its definition, from all leaves at once: another way than kv/tree.py's."""

    def __init__(self, leaves: dict[bytes, Leaf]) -> None:
        self.leaves = leaves

    def root(self, depth: int = 0, prefix: tuple[int, ...] = ()) -> bytes:
        below = self.below(prefix)
        if not below:
            return EMPTY
        if len(below) == 1:
            return below[0].digest
        return node_digest(self.root(depth + 1, (*prefix, 0)), self.root(depth + 1, (*prefix, 1)))

    def below(self, prefix: tuple[int, ...]) -> list[Leaf]:
        return [
            leaf
            for leaf in self.leaves.values()
            if all(bit_at(leaf.key_hash, depth) == bit for depth, bit in enumerate(prefix))
        ]

    def proof(self, key_hash: bytes) -> Proof:
        siblings: list[bytes] = []
        prefix: tuple[int, ...] = ()
        while len(self.below(prefix)) > 1:
            bit = bit_at(key_hash, len(prefix))
            siblings.insert(0, self.root(len(prefix) + 1, (*prefix, 1 - bit)))
            prefix = (*prefix, bit)
        [*found] = self.below(prefix)
        other = found[0] if found and found[0].key_hash != key_hash else None
        return Proof(tuple(siblings), other)


@given(
    keys=st.lists(HASHES, max_size=6, unique=True),
    asked=HASHES,
    spoil=st.integers(0, 255),
)
def test_inv_kv_4__any_tree_and_key__contract_replica_and_definition_agree(
    probe: VyperContract, keys: list[bytes], asked: bytes, spoil: int
) -> None:
    leaves = {key: a_leaf(key, number) for number, key in enumerate(keys)}
    tree = Reference(leaves)
    root = tree.root()

    for key in {*keys[:2], asked}:
        proof = tree.proof(key)
        leaf = leaves.get(key, a_leaf(key, 3))
        other, siblings = leaf_tuple(proof.other), list(proof.siblings)
        held, lacked = key in leaves, key not in leaves
        assert held == verify_presence(root, leaf, siblings)
        assert held == probe.holds(root, leaf_tuple(leaf), siblings)
        assert lacked == verify_absence(root, key, proof)
        assert lacked == probe.lacks(root, key, other, siblings)
        # something altered proves neither
        bent = spoiled(siblings, spoil)
        assert verify_presence(root, leaf, bent) == probe.holds(root, leaf_tuple(leaf), bent)
        expected = verify_absence(root, key, Proof(tuple(bent), proof.other))
        assert expected == probe.lacks(root, key, other, bent)
        assert not (expected and held)


DEPTH = 256


def spoiled(siblings: list[bytes], how: int) -> list[bytes]:
    """One sibling altered, one too few or one too many."""
    if not siblings or (how % 4 == 0 and len(siblings) < DEPTH):  # 256 bits, as many siblings
        return [*siblings, keccak(bytes([how]))]
    if how % 4 == 1:
        return siblings[1:]
    if how % 4 == 2:
        return siblings[:-1]
    place = how % len(siblings)
    return [*siblings[:place], keccak(bytes([how])), *siblings[place + 1 :]]


def test_inv_kv_4__two_keys_apart_in_the_last_bit__prove_through_256_siblings(
    probe: VyperContract,
) -> None:
    first, second = bytes(32), bytes(31) + b"\1"
    tree = Reference({key: a_leaf(key) for key in (first, second)})
    root, proof = tree.root(), tree.proof(second)
    assert len(proof.siblings) == KEY_BITS

    assert probe.holds(root, leaf_tuple(a_leaf(second)), list(proof.siblings))
    assert not probe.lacks(root, second, leaf_tuple(a_leaf(first)), list(proof.siblings))
    assert not probe.lacks(root, second, leaf_tuple(None), list(proof.siblings))


def test_inv_kv_4__empty_tree_and_single_leaf__are_their_own_roots(probe: VyperContract) -> None:
    key, other = keccak(b"key"), keccak(b"other")
    leaf = a_leaf(key)

    assert probe.lacks(EMPTY, key, leaf_tuple(None), [])
    assert not probe.holds(EMPTY, leaf_tuple(leaf), [])
    assert probe.holds(leaf.digest, leaf_tuple(leaf), [])
    assert probe.lacks(leaf.digest, other, leaf_tuple(leaf), [])
    assert not probe.lacks(leaf.digest, key, leaf_tuple(leaf), [])
    assert not probe.lacks(leaf.digest, other, leaf_tuple(None), [])


def test_inv_kv_4__every_field_of_a_leaf__is_bound(probe: VyperContract) -> None:
    leaf = a_leaf(keccak(b"key"), 5)
    for altered in (
        Leaf(keccak(b"other"), leaf.version, leaf.kind, leaf.value_hash),
        Leaf(leaf.key_hash, leaf.version + 1, leaf.kind, leaf.value_hash),
        Leaf(leaf.key_hash, leaf.version, leaf.kind + 1, leaf.value_hash),
        Leaf(leaf.key_hash, leaf.version, leaf.kind, keccak(b"value")),
    ):
        assert not probe.holds(leaf.digest, leaf_tuple(altered), [])


@given(
    stream=st.binary(min_size=32, max_size=32),
    seq=st.integers(0, 2**64 - 1),
    generation=st.integers(0, 2**64 - 1),
    keys=st.integers(0, 2**64 - 1),
    byte_count=st.integers(0, 2**64 - 1),
)
def test_stream_root__any_fields__is_the_replicas(
    probe: VyperContract, stream: bytes, seq: int, generation: int, keys: int, byte_count: int
) -> None:
    root = StreamRoot(stream, seq, generation, keccak(stream), keys, byte_count)

    assert root.digest == probe.stream_root(root_tuple(root))
