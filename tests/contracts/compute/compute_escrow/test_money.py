"""Deposits, free money, buckets and their exits, with tokens and receivers that misbehave."""

import boa
import pytest

from offchain.chain.keys import LocalSigner
from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import (
    NATIVE,
    TOKEN_RATE,
    WITHDRAW_LOCK,
    ComputeSite,
    a_payer,
    an_item,
    compact,
    fill_bucket,
    hex_of,
    keeper,
    settle,
)
from tests.support.staking import COIN, CONTRACTS, a_wallet, an_operator

HOSTILE = CONTRACTS.parent / "tests" / "contracts" / "staking" / "hostile_receiver.vy"
ACCEPT, FEE, LIE, REVERT, REENTER = range(5)
MAX = 2**96 - 1


def a_bucket(site: ComputeSite, payer: LocalSigner, token: str = NATIVE) -> tuple[int, int]:
    """Balance and what an exit asks for."""
    found = site.escrow.bucket(hex_of(payer.address), site.provider.owner, token)
    return found.balance, found.exit_amount


def deposit_tokens(site: ComputeSite, account: str, amount: int) -> int:
    site.token.mint(account, amount)
    return int(site.escrow.deposit(account, NATIVE, site.token.address, amount, sender=account))


def test_deposit__by_anyone__is_the_payers_free_or_in_his_bucket(
    site: ComputeSite, stranger: str
) -> None:
    payer = a_payer()
    account = hex_of(payer.address)

    site.escrow.deposit(account, NATIVE, NATIVE, 5, value=5, sender=stranger)
    site.escrow.deposit(account, site.provider.owner, NATIVE, 7, value=7, sender=stranger)

    assert site.escrow.free_of(account, NATIVE) == 5
    assert a_bucket(site, payer) == (7, 0)
    assert boa.env.get_balance(site.escrow.address) == 12


def test_deposit__value_that_is_not_the_amount__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    with refused("free_money: wrong value"):
        site.escrow.deposit(stranger, NATIVE, NATIVE, 5, value=4, sender=stranger)
    with refused("free_money: wrong value"):
        site.escrow.deposit(stranger, NATIVE, site.token.address, 5, value=5, sender=stranger)
    with refused("escrow: nothing arrived"):
        site.escrow.deposit(stranger, NATIVE, NATIVE, 0, sender=stranger)
    with refused("escrow: no payer"):
        site.escrow.deposit(NATIVE, NATIVE, NATIVE, 5, value=5, sender=stranger)


def test_deposit__token_not_listed_or_closed__is_refused_and_old_money_leaves(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    deposit_tokens(site, stranger, 50)
    site.token.mint(stranger, 5)
    site.escrow.set_token(site.token.address, 0, sender=site.governance)

    with refused("token_list: not listed"):
        site.escrow.deposit(stranger, NATIVE, site.token.address, 5, sender=stranger)
    with refused("token_list: not listed"):
        site.escrow.deposit(stranger, NATIVE, stranger, 5, sender=stranger)
    site.escrow.withdraw(site.token.address, 50, stranger, sender=stranger)

    assert site.token.balanceOf(stranger) == 55
    assert site.escrow.wei_of(site.token.address, COIN) == TOKEN_RATE


def test_deposit__token_that_takes_a_fee__credits_what_arrived(
    site: ComputeSite, stranger: str
) -> None:
    site.token.set_mode(FEE, NATIVE, b"")

    assert deposit_tokens(site, stranger, 1_000) == 990
    assert site.escrow.free_of(stranger, site.token.address) == 990
    assert site.token.balanceOf(site.escrow.address) == 990


@pytest.mark.parametrize("mode", [LIE, REVERT])
def test_token__that_lies_or_reverts__moves_nothing(
    site: ComputeSite, refused: Refused, stranger: str, mode: int
) -> None:
    deposit_tokens(site, stranger, 1_000)
    site.token.set_mode(mode, NATIVE, b"")
    reason = "free_money: token refused" if mode == LIE else "token: refused"

    with refused(reason):
        deposit_tokens(site, stranger, 1_000)
    with refused(reason):
        site.escrow.withdraw(site.token.address, 10, stranger, sender=stranger)


def test_token__that_calls_back__gets_nothing_twice(site: ComputeSite, stranger: str) -> None:
    again = site.escrow.deposit.prepare_calldata(stranger, NATIVE, site.token.address, 1_000)
    site.token.set_mode(REENTER, site.escrow.address, again)

    assert deposit_tokens(site, stranger, 1_000) == 1_000

    assert not site.token.reentered()
    again = site.escrow.withdraw.prepare_calldata(site.token.address, 1_000, stranger)
    site.token.set_mode(REENTER, site.escrow.address, again)
    site.escrow.withdraw(site.token.address, 1_000, stranger, sender=stranger)
    assert not site.token.reentered()
    assert site.token.balanceOf(site.escrow.address) == 0


def test_withdraw__more_than_is_free_or_to_nobody__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    site.escrow.deposit(stranger, NATIVE, NATIVE, 5, value=5, sender=stranger)

    for amount in (0, 6):
        with refused("free_money: not that much"):
            site.escrow.withdraw(NATIVE, amount, stranger, sender=stranger)
    with refused("free_money: no receiver"):
        site.escrow.withdraw(NATIVE, 5, NATIVE, sender=stranger)
    with refused("free_money: not that much"):
        site.escrow.withdraw(NATIVE, 5, stranger, sender=site.provider.owner)


def test_withdraw__receiver_that_refuses__keeps_the_money_for_another(
    site: ComputeSite, refused: Refused
) -> None:
    receiver = boa.load(str(HOSTILE))
    account = receiver.address
    boa.env.set_balance(account, COIN)
    site.escrow.deposit(account, NATIVE, NATIVE, 9, value=9, sender=account)
    receiver.set_mode(1, NATIVE, b"")

    with refused("free_money: receiver refused"):
        site.escrow.withdraw(NATIVE, 9, account, sender=account)
    elsewhere = boa.env.generate_address("elsewhere")
    site.escrow.withdraw(NATIVE, 9, elsewhere, sender=account)

    assert boa.env.get_balance(elsewhere) == 9


def test_withdraw__receiver_that_calls_back__gets_its_money_once(site: ComputeSite) -> None:
    receiver = boa.load(str(HOSTILE))
    account = receiver.address
    boa.env.set_balance(account, COIN)
    site.escrow.deposit(account, NATIVE, NATIVE, 9, value=9, sender=account)
    again = site.escrow.withdraw.prepare_calldata(NATIVE, 1, account)
    receiver.set_mode(3, site.escrow.address, again)

    site.escrow.withdraw(NATIVE, 5, account, sender=account)

    assert not receiver.reentered()
    assert site.escrow.free_of(account, NATIVE) == 4


def test_give__own_free_money__is_anothers(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    friend = a_wallet("friend")
    site.escrow.deposit(stranger, NATIVE, NATIVE, 5, value=5, sender=stranger)

    site.escrow.give(NATIVE, friend, 3, sender=stranger)

    assert site.escrow.free_of(friend, NATIVE) == 3
    with refused("free_money: not that much"):
        site.escrow.give(NATIVE, friend, 3, sender=stranger)
    with refused("free_money: no receiver"):
        site.escrow.give(NATIVE, NATIVE, 1, sender=stranger)


def test_fund__free_money__goes_into_the_bucket(site: ComputeSite, refused: Refused) -> None:
    payer = a_payer()
    account, owner = hex_of(payer.address), site.provider.owner
    site.escrow.deposit(account, NATIVE, NATIVE, 5, value=5, sender=account)

    site.escrow.fund(account, owner, NATIVE, 4, sender=account)

    assert (a_bucket(site, payer), site.escrow.free_of(account, NATIVE)) == ((4, 0), 1)
    with refused("free_money: not that much"):
        site.escrow.fund(account, owner, NATIVE, 2, sender=account)
    with refused("escrow: no provider"):
        site.escrow.fund(account, NATIVE, NATIVE, 1, sender=account)
    with refused("delegates: not live"):
        site.escrow.fund(account, owner, NATIVE, 1, sender=owner)


def test_bucket__more_than_96_bits__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    payer = a_payer()
    fill_bucket(site, payer.address, MAX, site.token.address)
    site.token.mint(stranger, 1)

    with refused("buckets: too much"):
        site.escrow.deposit(
            hex_of(payer.address),
            site.provider.owner,
            site.token.address,
            1,
            sender=stranger,
        )


def test_inv_cmp_10__exit_whose_time_has_come__always_finishes(
    site: ComputeSite, payer: LocalSigner, refused: Refused, stranger: str
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    with refused("buckets: no exit"):
        site.escrow.finish_exit(account, owner, NATIVE, sender=stranger)
    with refused("buckets: not that much"):
        site.escrow.request_exit(owner, NATIVE, COIN + 1, sender=account)
    site.escrow.request_exit(owner, NATIVE, COIN, sender=account)
    settle(site, [an_item(site, payer, cap=COIN)])

    boa.env.time_travel(seconds=WITHDRAW_LOCK - 1)
    with refused("buckets: locked"):
        site.escrow.finish_exit(account, owner, NATIVE, sender=stranger)
    boa.env.time_travel(seconds=1)

    assert site.escrow.finish_exit(account, owner, NATIVE, sender=stranger) == 0
    assert a_bucket(site, payer) == (0, 0)


def test_exit__settled_meanwhile__pays_what_is_left_and_no_more_than_asked(
    site: ComputeSite, payer: LocalSigner
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    site.escrow.request_exit(owner, NATIVE, COIN - 5, sender=account)
    settle(site, [an_item(site, payer, cap=1_000)])
    boa.env.time_travel(seconds=WITHDRAW_LOCK)

    assert site.escrow.finish_exit(account, owner, NATIVE, sender=account) == COIN - 1_000
    assert site.escrow.free_of(account, NATIVE) == COIN - 1_000


def test_exit__requested_again__starts_anew_and_nothing_calls_it_off(
    site: ComputeSite, payer: LocalSigner, refused: Refused
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    site.escrow.request_exit(owner, NATIVE, COIN, sender=account)
    boa.env.time_travel(seconds=WITHDRAW_LOCK - 1)

    site.escrow.request_exit(owner, NATIVE, 5, sender=account)
    boa.env.time_travel(seconds=1)
    with refused("buckets: locked"):
        site.escrow.finish_exit(account, owner, NATIVE, sender=account)
    site.escrow.request_exit(owner, NATIVE, 0, sender=account)

    boa.env.time_travel(seconds=WITHDRAW_LOCK)
    with refused("buckets: no exit"):
        site.escrow.finish_exit(account, owner, NATIVE, sender=account)


def test_release_exit__signed_by_the_providers_signer__pays_at_once_and_once(
    site: ComputeSite, payer: LocalSigner, refused: Refused, stranger: str
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    hot = keeper("hot key of the provider")
    site.staking.registry.offer_signer(hex_of(hot.address), sender=owner)
    site.staking.registry.accept_signer(site.provider.operator_id, sender=hex_of(hot.address))
    digest = bytes(site.escrow.release_digest(account, owner, NATIVE, 400))
    signed = compact(hot.sign_digest(digest))
    call = (account, owner, NATIVE, 400, *signed)

    site.escrow.release_exit(*call, sender=stranger)

    assert site.escrow.free_of(account, NATIVE) == 400
    assert a_bucket(site, payer) == (COIN - 400, 0)
    with refused("escrow: not signed"):
        site.escrow.release_exit(*call, sender=stranger)
    assert digest != bytes(site.escrow.release_digest(account, owner, NATIVE, 400))


def test_release_exit__signed_by_another__is_refused(
    site: ComputeSite, payer: LocalSigner, refused: Refused
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    an_operator(site.staking, 7)
    digest = bytes(site.escrow.release_digest(account, owner, NATIVE, 400))
    for signed in (compact(payer.sign_digest(digest)), (bytes(32), bytes(32)), (b"\xff" * 32,) * 2):
        with refused("escrow: not signed"):
            site.escrow.release_exit(account, owner, NATIVE, 400, *signed, sender=owner)


def test_release_exit__more_than_there_is__is_refused(
    site: ComputeSite, payer: LocalSigner, refused: Refused
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    hot = keeper("hot key of the provider")
    site.staking.registry.offer_signer(hex_of(hot.address), sender=owner)
    site.staking.registry.accept_signer(site.provider.operator_id, sender=hex_of(hot.address))
    for amount in (0, COIN + 1):
        digest = bytes(site.escrow.release_digest(account, owner, NATIVE, amount))
        signed = compact(hot.sign_digest(digest))
        with refused("buckets: not that much"):
            site.escrow.release_exit(account, owner, NATIVE, amount, *signed, sender=owner)


def test_set_token__by_a_stranger_or_senseless__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    token = site.token.address
    with refused("governed: not governance"):
        site.escrow.set_token(token, 1, sender=stranger)
    with refused("token_list: no token"):
        site.escrow.set_token(stranger, 1, sender=site.governance)
    with refused("token_list: rate too high"):
        site.escrow.set_token(token, 10**36 + 1, sender=site.governance)

    assert site.escrow.wei_of(NATIVE, 5) == 5
    assert site.escrow.wei_of(token, 1) == 1
    assert site.escrow.wei_of(stranger, 5) == 0
