"""A token that keeps a fee of every transfer, through all that happens to money in the escrow."""

from dataclasses import replace

import boa
import pytest

from offchain.core.hashing import keccak
from tests.support.compute_chain import (
    DISPUTE,
    NATIVE,
    WITHDRAW_LOCK,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    as_court,
    fill_bucket,
    hex_of,
    raw,
    settle,
)
from tests.support.staking import a_wallet

FEE = 1  # the token's mode: a hundredth of each transfer vanishes
PAID, ARRIVED = 10_000, 9_900
AUDITORS = 60  # a hundredth of what the batch moves


@pytest.fixture
def shop(site: ComputeSite) -> ComputeSite:
    """A service priced in the token that takes fees, a payer with a bucket."""
    site.token.set_mode(FEE, NATIVE, b"")
    service = a_service(site.registry, site.provider, token=site.token.address, salt=b"\x07" * 32)
    fill_bucket(site, a_payer().address, PAID, token=site.token.address)
    return replace(site, service=service)


def bucket_balance(shop: ComputeSite) -> int:
    account = hex_of(a_payer().address)
    return int(shop.escrow.bucket(account, shop.provider.owner, shop.token.address).balance)


def free_of(shop: ComputeSite, account: str) -> int:
    return int(shop.escrow.free_of(account, shop.token.address))


def withdraw_all(shop: ComputeSite, account: str) -> int:
    """Take everything out; what reaches a fresh receiver."""
    receiver = a_wallet(f"receiver of {account}")
    shop.escrow.withdraw(shop.token.address, free_of(shop, account), receiver, sender=account)
    return int(shop.token.balanceOf(receiver))


def post(shop: ComputeSite, **changes: int) -> int:
    item = an_item(shop, a_payer(), token=raw(shop.token.address), **changes)
    return settle(shop, [item], token=shop.token.address)


def test_inv_cmp_1__token_with_a_fee__every_unit_that_arrived_is_somebodys_until_it_leaves(
    shop: ComputeSite,
) -> None:
    escrow, token, payer = shop.escrow, shop.token, hex_of(a_payer().address)
    court, provider = shop.courts.address, shop.provider.owner
    assert bucket_balance(shop) == token.balanceOf(escrow.address) == ARRIVED

    batch = post(shop, cap=6_000)
    as_court(shop, escrow, "refund", batch, 0, 6_000, keccak(b"leaf"), payer, 1_500)
    escrow.request_exit(provider, token.address, 3_900, sender=payer)
    boa.env.time_travel(seconds=max(WITHDRAW_LOCK, DISPUTE))
    escrow.finish_exit(payer, provider, token.address)
    shop.courts.set_done(batch, True)
    escrow.release(batch)

    assert free_of(shop, payer) == 1_500 + 3_900
    assert free_of(shop, provider) == 4_500 - AUDITORS
    assert free_of(shop, court) == AUDITORS
    assert bucket_balance(shop) == 0
    assert token.balanceOf(escrow.address) == ARRIVED  # all of it is still here, and somebody's
    assert withdraw_all(shop, payer) == 5_400 - 54
    assert withdraw_all(shop, provider) == 4_440 - 44
    assert token.balanceOf(escrow.address) == AUDITORS


def test_settle__more_than_the_fee_left__is_passed_over(shop: ComputeSite) -> None:
    assert post(shop, cap=PAID) == 0
    assert bucket_balance(shop) == ARRIVED

    assert post(shop, cap=ARRIVED) == 1
    assert (bucket_balance(shop), shop.escrow.batch(1).held) == (0, ARRIVED)
