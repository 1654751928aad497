"""The sum tree, the batch and its file."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.batch import (
    BatchFileBroken,
    BatchItem,
    data_root,
    pack_batch,
    parse_batch,
    parse_receipt,
)
from offchain.compute.model import MAX_U96, AmountTooLarge
from offchain.compute.signatures import sign_receipt
from offchain.compute.sum_tree import PathMismatch, SumNode, SumTree, parent, root_of
from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak
from tests.support.compute import DOMAIN, PAYER, PROVIDER, SIGNER, Answered, a_voucher


def an_item(prices: tuple[int, ...] = (5, 7, 9), cumulative: int = 0, spent: int = 0) -> BatchItem:
    leaves = []
    for nonce, price in enumerate(prices, 1):
        voucher = a_voucher(nonce=nonce)
        receipt = replace(Answered(voucher=voucher).receipt(), price=price)
        leaves.append(sign_receipt(receipt, SIGNER, DOMAIN))
    said = a_voucher()
    return BatchItem(
        payer=PAYER.address,
        service=said.service,
        price_version=1,
        token=said.token,
        claim=spent + sum(prices),
        cumulative=cumulative,
        leaves=tuple(leaves),
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_sum_tree__any_leaves__every_path_leads_to_the_root_and_units_to_their_leaf(
    weights: list[int],
) -> None:
    leaves = [SumNode(keccak(bytes([i])), weight) for i, weight in enumerate(weights)]

    tree = SumTree.of(leaves)

    assert tree.root.total == sum(weights)
    for index, leaf in enumerate(leaves):
        assert root_of(leaf, index, len(leaves), tree.path(index)) == tree.root
        assert len(tree.path_bytes(index)) == 56 * len(tree.path(index))
    drawn = [tree.leaf_at(unit) for unit in range(tree.root.total)]
    assert drawn == [index for index, weight in enumerate(weights) for _ in range(weight)]


@given(st.integers(2, 12), st.data())
def test_sum_tree__changed_leaf_sum_or_place__leads_elsewhere(
    count: int, data: st.DataObject
) -> None:
    leaves = [SumNode(keccak(bytes([i])), i + 1) for i in range(count)]
    tree = SumTree.of(leaves)
    index = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count - 1).filter(lambda one: one != index))
    path = tree.path(index)

    lied = SumNode(leaves[index].hash, leaves[index].total + 1)

    assert root_of(lied, index, count, path) != tree.root
    try:
        assert root_of(leaves[index], other, count, path) != tree.root
    except PathMismatch:
        assert len(tree.path(other)) != len(path)


def test_sum_tree__path_of_wrong_length_or_place__is_refused() -> None:
    leaves = [SumNode(keccak(bytes([i])), 1) for i in range(3)]
    path = SumTree.of(leaves).path(0)

    for wrong in (path[:-1], (*path, path[0])):
        with pytest.raises(PathMismatch):
            root_of(leaves[0], 0, 3, wrong)
    with pytest.raises(PathMismatch):
        root_of(leaves[0], 3, 3, path)


def test_sum_tree__nothing_or_too_much__is_refused() -> None:
    with pytest.raises(InvalidInput):
        SumTree.of([])
    with pytest.raises(AmountTooLarge):
        parent(SumNode(keccak(b"a"), MAX_U96), SumNode(keccak(b"b"), 1))


def test_sum_tree__three_known_leaves__has_the_bytes_of_the_protocol() -> None:
    a, b, c = (SumNode(keccak(bytes([i])), i + 1) for i in range(3))

    pair = keccak(b"\x01" + a.hash + (1).to_bytes(12, "big") + b.hash + (2).to_bytes(12, "big"))
    top = keccak(b"\x01" + pair + (3).to_bytes(12, "big") + c.hash + (3).to_bytes(12, "big"))

    assert SumTree.of([a, b, c]).root == SumNode(top, 6)
    assert SumTree.of([a, b, c]).path_bytes(2) == pair + (3).to_bytes(12, "big") * 2


@pytest.mark.parametrize(
    ("cumulative", "claimed"), [(0, 21), (100, 21), (110, 11), (121, 0), (150, 0)]
)
def test_item__acknowledged_part__is_not_claimed(cumulative: int, claimed: int) -> None:
    assert an_item(cumulative=cumulative, spent=100).claimed == claimed


def test_batch_file__packed__is_read_back_by_its_root() -> None:
    items = [an_item(), an_item((1,))]

    file = pack_batch(PROVIDER.address, items)
    provider, found = parse_batch(file, root=data_root(file))

    assert provider == PROVIDER.address
    assert list(found) == items
    assert [item.leaf() for item in found] == [item.leaf() for item in items]


def test_batch_file__one_changed_byte__is_refused() -> None:
    file = pack_batch(PROVIDER.address, [an_item()])

    for position in range(0, len(file), 97):
        changed = bytearray(file)
        changed[position] ^= 1
        with pytest.raises(BatchFileBroken):
            parse_batch(bytes(changed), root=data_root(file))


def test_batch_file__not_of_this_form__is_refused_though_its_root_agrees() -> None:
    for file in (
        b"",
        b"{}",
        b"[]",
        b'{"items":[{}],"provider":"00"}',
        b'{"items":[],"provider":1}',
    ):
        with pytest.raises(BatchFileBroken):
            parse_batch(file, root=data_root(file))


def test_receipt_words__bits_past_a_fields_width__are_refused() -> None:
    raw = Answered().receipt().struct_words()
    assert parse_receipt(raw) == Answered().receipt()

    for field, first in ((1, 0), (4, 27), (11, 19), (12, 23), (14, 30)):
        changed = bytearray(raw)
        changed[32 * field + first] = 1
        with pytest.raises(BatchFileBroken):
            parse_receipt(bytes(changed))


def test_batch_file__too_many_or_no_items__is_refused() -> None:
    for count in (0, 65):
        with pytest.raises(InvalidInput):
            pack_batch(PROVIDER.address, [an_item((1,))] * count)
