"""What one settlement moves, and the tree it leaves behind."""

from dataclasses import replace

import boa
import pytest

from offchain.chain.keys import LocalSigner
from offchain.compute.batch import SettledItem
from offchain.compute.onchain_escrow import Row
from offchain.compute.ports import SkipReason
from offchain.compute.sum_tree import SumTree
from offchain.core.hashing import keccak
from tests.support.compute_chain import (
    DISPUTE,
    NATIVE,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    fill_bucket,
    hex_of,
    settle,
    skipped,
)
from tests.support.settling import bucket_of, item_leaf, passes_over
from tests.support.staking import COIN, COMPUTE, a_member, next_epoch


def test_settle__an_accepted_voucher__moves_the_difference_to_a_batch(
    site: ComputeSite, payer: LocalSigner
) -> None:
    item = an_item(site, payer, cap=1_000, cumulative=400, nonce=5, claim=700, first_nonce=2)

    batch = settle(site, [item])

    assert bucket_of(site, payer) == (COIN - 700, 700, 5)
    found = site.escrow.batch(batch)
    assert (found.provider, bytes(found.service)) == (site.provider.owner, site.service)
    assert (found.total, found.held, found.fee, found.items, found.leaves) == (700, 700, 0, 1, 1)
    assert (found.open_cases, int(found.state)) == (0, 1)
    assert found.posted_at == boa.env.timestamp
    assert found.release_at == boa.env.timestamp + DISPUTE
    assert bytes(found.root) == item_leaf(item, 700, 300).hash
    assert site.escrow.held_of(site.provider.operator_id) == 700
    assert site.escrow.room_of(site.provider.operator_id) == 500 * COIN - 700


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_settle__many_items__root_is_the_sum_tree_over_the_accepted(
    site: ComputeSite, count: int
) -> None:
    payers = [a_payer(f"payer {number}") for number in range(count)]
    items = []
    for number, one in enumerate(payers):
        fill_bucket(site, one.address)
        items.append(an_item(site, one, cap=100 + number, leaf_count=1))
    poor = an_item(site, a_payer("poor"))

    batch = settle(site, [poor, *items])

    assert skipped(site) == {0: SkipReason.BALANCE}
    leaves = [item_leaf(item, item.claim, item.claim) for item in items]
    tree = SumTree.of(leaves)
    found = site.escrow.batch(batch)
    assert (bytes(found.root), found.total) == (tree.root.hash, tree.root.total)


def test_settle__event__tells_every_accepted_item_in_order(
    site: ComputeSite, payer: LocalSigner
) -> None:
    poor, other = a_payer("poor"), a_payer("other payer")
    fill_bucket(site, other.address)
    top = 2**64 - 1
    items = [
        an_item(site, poor),
        an_item(site, payer, cap=900, cumulative=400, nonce=7, claim=700, first_nonce=2),
        an_item(site, other, cap=50, nonce=top, first_nonce=top - 2, leaf_count=3),
    ]

    settle(site, items)

    [posted] = [one for one in site.escrow.get_logs() if type(one).__name__ == "BatchPosted"]
    told = [Row(*row).item() for row in posted.items]
    assert told == [
        SettledItem(payer.address, 1, 2, 7, 700, 300, 1, items[1].leaves_root),
        SettledItem(other.address, 1, top - 2, top, 50, 50, 3, items[2].leaves_root),
    ]
    assert bytes(posted.root) == SumTree.of([one.leaf() for one in told]).root.hash
    assert bytes(posted.data_root) == keccak(b"data")


def test_inv_cmp_2__later_voucher__replaces_the_earlier_and_never_adds(
    site: ComputeSite, payer: LocalSigner
) -> None:
    first = an_item(site, payer, cap=1_000)
    later = an_item(site, payer, cap=1_500, cumulative=1_000, nonce=2)

    settle(site, [first])
    assert settle(site, [first]) == 0
    assert skipped(site) == {0: SkipReason.CLAIM}
    settle(site, [later])

    assert bucket_of(site, payer) == (COIN - 1_500, 1_500, 2)
    assert bytes(site.escrow.batch(2).root) == item_leaf(later, 500, 500).hash


def test_settle__twice_the_same_payer_in_one_batch__takes_both_in_order(
    site: ComputeSite, payer: LocalSigner
) -> None:
    items = [an_item(site, payer, cap=10), an_item(site, payer, cap=30, nonce=2)]

    batch = settle(site, items)

    assert site.escrow.batch(batch).total == 30
    assert bucket_of(site, payer) == (COIN - 30, 30, 2)


def test_settle__accepted_more_than_claimed__claims_nothing_beyond(
    site: ComputeSite, payer: LocalSigner
) -> None:
    item = an_item(site, payer, cap=1_000, cumulative=900, claim=500)

    batch = settle(site, [item])

    assert bytes(site.escrow.batch(batch).root) == item_leaf(item, 500, 0).hash


def test_settle__nothing_at_all__is_no_batch(site: ComputeSite) -> None:
    assert settle(site, []) == 0
    assert site.escrow.batch_count() == 0


def test_settle__during_an_exit__may_use_the_whole_balance(
    site: ComputeSite, payer: LocalSigner
) -> None:
    site.escrow.request_exit(site.provider.owner, NATIVE, COIN, sender=hex_of(payer.address))

    assert settle(site, [an_item(site, payer, cap=COIN)]) == 1
    assert bucket_of(site, payer) == (0, COIN, 1)


def test_inv_cmp_3__all_that_settles__is_no_more_than_was_deposited(
    site: ComputeSite, payer: LocalSigner
) -> None:
    settle(site, [an_item(site, payer, cap=COIN)])
    passes_over(
        site, an_item(site, payer, cap=2 * COIN, nonce=2, claim=COIN + 1), SkipReason.BALANCE
    )

    assert bucket_of(site, payer) == (0, COIN, 1)


def test_settle__two_providers__do_not_touch_each_other(
    site: ComputeSite, payer: LocalSigner
) -> None:
    other = a_member(site.staking, 5, service=COMPUTE, own=100 * COIN)
    next_epoch(2)
    theirs = replace(site, provider=other, service=a_service(site.registry, other))
    fill_bucket(theirs, payer.address, 50)

    settle(theirs, [an_item(theirs, payer, cap=50)])

    assert bucket_of(site, payer) == (COIN, 0, 0)
    assert bucket_of(theirs, payer) == (0, 50, 1)
    assert site.escrow.held_of(site.provider.operator_id) == 0
