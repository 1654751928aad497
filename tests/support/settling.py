"""What tests of settling look at: buckets, tokens, items passed over, leaves of items."""

from typing import Any

from offchain.chain.keys import LocalSigner
from offchain.compute.ports import SkipReason
from offchain.compute.sum_tree import SumNode
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.compute_chain import (
    NATIVE,
    AnItem,
    ComputeSite,
    a_payer,
    an_item,
    fill_bucket,
    hex_of,
    settle,
    skipped,
    twin_deployer,
)


def bucket_of(site: ComputeSite, payer: LocalSigner, token: str = NATIVE) -> tuple[int, int, int]:
    """Balance, spent, last nonce."""
    found = site.escrow.bucket(hex_of(payer.address), site.provider.owner, token)
    return found.balance, found.spent, found.last_nonce


def boa_token(address: str) -> Any:
    return twin_deployer("hostile_token").at(address)


def passes_over(site: ComputeSite, item: AnItem, reason: SkipReason) -> None:
    """The item moves nothing and says why, and one beside it settles all the same."""
    beside = a_payer("beside")
    fill_bucket(site, beside.address)
    before = site.escrow.bucket(hex_of(item.voucher.payer), site.provider.owner, NATIVE)

    batch = settle(site, [item, an_item(site, beside)])

    assert batch != 0
    assert skipped(site) == {0: reason}
    assert site.escrow.batch(batch).items == 1
    after = site.escrow.bucket(hex_of(item.voucher.payer), site.provider.owner, NATIVE)
    assert before == after


def item_leaf(item: AnItem, amount: int, claimed: int) -> SumNode:
    """An accepted item's leaf, from its parts."""
    one = item.voucher
    return SumNode(
        keccak(
            b"\x02",
            words(
                one.payer,
                one.price_version,
                item.first_nonce,
                item.last_nonce,
                amount,
                claimed,
                item.leaf_count,
                item.leaves_root,
            ),
        ),
        amount,
    )
