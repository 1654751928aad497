"""Who may settle, in which tokens, and how much at a time."""

from dataclasses import replace

import boa
import pytest

from offchain.chain.keys import LocalSigner
from offchain.compute.ports import SkipReason
from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import (
    DISPUTE,
    NATIVE,
    TOKEN_RATE,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    compute_deployer,
    deploy_market,
    fill_bucket,
    raw,
    settle,
    skipped,
    twin_deployer,
)
from tests.support.settling import boa_token, bucket_of
from tests.support.staking import COIN, COMPUTE, a_wallet


def test_settle__in_a_token__holds_stake_at_its_rate(site: ComputeSite) -> None:
    service = a_service(site.registry, site.provider, token=site.token.address, salt=b"\x01" * 32)
    tokens = replace(site, service=service)
    payer = a_payer()
    fill_bucket(site, payer.address, token=site.token.address)
    token = raw(site.token.address)

    batch = settle(
        tokens, [an_item(tokens, payer, token=token, cap=1_001)], token=site.token.address
    )

    found = site.escrow.batch(batch)
    assert (found.token, found.total) == (site.token.address, 1_001)
    assert site.escrow.held_of(site.provider.operator_id) == 2
    assert bucket_of(site, payer, site.token.address) == (COIN - 1_001, 1_001, 1)


def test_inv_cmp_5__more_than_half_the_stake__waits_for_a_release(site: ComputeSite) -> None:
    payer, other = a_payer(), a_payer("other payer")
    fill_bucket(site, payer.address, 500 * COIN)
    fill_bucket(site, other.address, COIN)
    room = site.escrow.room_of(site.provider.operator_id)
    whole = an_item(site, payer, cap=room)

    assert settle(site, [an_item(site, other, cap=1), whole]) == 1
    assert skipped(site) == {1: SkipReason.STAKE}
    assert settle(site, [an_item(site, payer, cap=room - 1)]) == 2
    assert site.escrow.room_of(site.provider.operator_id) == 0
    assert settle(site, [an_item(site, other, cap=2, nonce=2)]) == 0
    assert skipped(site) == {0: SkipReason.STAKE}
    boa.env.time_travel(seconds=DISPUTE)
    site.courts.set_done(2, True)
    site.escrow.release(2, sender=a_wallet("anyone"))

    assert settle(site, [an_item(site, other, cap=2, nonce=2)]) == 3
    held = site.escrow.held_of(site.provider.operator_id)
    assert 2 * held <= site.stake.stake_at(site.provider.pool(COMPUTE), 1)


def test_inv_cmp_1__sum_past_ninety_six_bits__waits_for_the_next_batch(site: ComputeSite) -> None:
    token, half = site.token.address, 2**95
    site.escrow.set_token(token, 1, sender=site.governance)  # 10**18 units are one wei of stake
    service = a_service(site.registry, site.provider, token=token, salt=b"\x02" * 32)
    tokens = replace(site, service=service)
    payers = [a_payer("payer"), a_payer("other payer")]
    for one in payers:
        fill_bucket(site, one.address, half, token=token)
    items = [an_item(tokens, one, token=raw(token), cap=half) for one in payers]

    assert settle(tokens, items, token=token) == 1
    assert skipped(site) == {1: SkipReason.STAKE}
    assert settle(tokens, items[1:], token=token) == 2

    assert [site.escrow.batch(one).total for one in (1, 2)] == [half, half]
    assert [site.escrow.batch(one).held for one in (1, 2)] == [half, half]


def test_settle__several_tokens__each_batch_names_its_own(site: ComputeSite) -> None:
    tokens = [site.token.address, twin_deployer("hostile_token").deploy().address]
    payer = a_payer()
    for number, token in enumerate(tokens):
        site.escrow.set_token(token, TOKEN_RATE, sender=site.governance)
        service = a_service(
            site.registry, site.provider, token=token, salt=bytes([3 + number]) * 32
        )
        purse = replace(site, service=service, token=boa_token(token))
        fill_bucket(purse, payer.address, token=token)

        batch = settle(purse, [an_item(purse, payer, token=raw(token))], token=token)

        assert site.escrow.batch(batch).token == token
        site.escrow.set_token(token, 0, sender=site.governance)  # closed: what is held stays its
        assert site.escrow.batch(batch).token == token
        boa.env.time_travel(seconds=DISPUTE)
        site.courts.set_done(batch, True)
        site.escrow.release(batch)
        assert site.escrow.free_of(site.provider.owner, token) == 990


def test_set_token__after_sixty_five_thousand__is_refused(
    site: ComputeSite, refused: Refused
) -> None:
    site.escrow.eval("token_list.count = 65_535")
    other = twin_deployer("hostile_token").deploy().address

    with refused("token_list: too many"):
        site.escrow.set_token(other, 1, sender=site.governance)
    site.escrow.set_token(site.token.address, 2, sender=site.governance)  # has its number

    assert site.escrow.wei_of(site.token.address, 10**18) == 2


def test_settle__by_a_stranger_or_for_an_unknown_service__is_refused(
    site: ComputeSite, payer: LocalSigner, refused: Refused, stranger: str
) -> None:
    item = an_item(site, payer)
    with refused("escrow: not the provider"):
        settle(site, [item], sender=stranger)
    with refused("escrow: no such service"):
        settle(replace(site, service=b"\x01" * 32), [item])
    with refused("escrow: token not listed"):
        settle(site, [item], token=stranger)


def test_settle__by_the_operators_hot_key__is_accepted(
    site: ComputeSite, payer: LocalSigner
) -> None:
    hot = a_wallet("hot key")
    site.staking.registry.offer_signer(hot, sender=site.provider.owner)
    site.staking.registry.accept_signer(site.provider.operator_id, sender=hot)

    assert settle(site, [an_item(site, payer)], sender=hot) == 1


def test_settle__before_the_courts_are_wired__is_refused(site: ComputeSite) -> None:
    registry, escrow = deploy_market(site.staking)
    registry.wire(escrow.address, site.courts.address, site.courts.address, sender=site.governance)
    service = a_service(registry, site.provider)

    with boa.reverts("escrow: not wired"):
        escrow.settle(service, NATIVE, [], [], bytes(32), sender=site.provider.owner)


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        ((0, 1, 1), "batch_book: no dispute window"),
        ((1, 0, 1), "buckets: no lock"),
        ((1, 1, 0), "delegates: no grace"),
    ],
)
def test_deployment__without_a_window__is_refused(
    site: ComputeSite, windows: tuple[int, int, int], reason: str
) -> None:
    arguments = (site.registry.address, site.stake.address, site.governance, windows)
    with boa.reverts(reason):
        compute_deployer("ComputeEscrow").deploy(*arguments)


def test_deployment__on_no_contracts__is_refused(site: ComputeSite, stranger: str) -> None:
    deployer = compute_deployer("ComputeEscrow")
    with boa.reverts("escrow: no contract"):
        deployer.deploy(stranger, site.stake.address, site.governance, (1, 1, 1))
    with boa.reverts("stake_room: no contract"):
        deployer.deploy(site.registry.address, stranger, site.governance, (1, 1, 1))
