"""Batches in an ERC-20 token: refunds in the token, slashes in coin by its rate."""

from typing import Any

import boa
import pytest

from offchain.compute.audit_draw import leaf_key
from tests.support.compute_chain import NATIVE, a_payer, hex_of
from tests.support.compute_courts import (
    BAD_PRICE,
    ESCALATE,
    PAID,
    CourtsSite,
    Posted,
    a_batch,
    an_answer,
    in_token,
    judged,
    settled,
)
from tests.support.staking import COIN, a_wallet

RATE = 3 * COIN  # wei of stake for 10**18 base units
REVERT, REENTER = 3, 4
FEE_BPS, BPS = 100, 10_000


@pytest.fixture
def paid(site: CourtsSite) -> CourtsSite:
    return in_token(site, RATE)


def in_stake(amount: int) -> int:
    return amount * RATE // COIN


def dear(site: CourtsSite) -> Posted:
    """One answer that costs more than its row says."""
    answer = an_answer(site, a_payer("payer 0").address, 1, price=PAID + 1)
    return settled(site, [[answer]])


def holder_of(batch: Posted, index: int = 0) -> str:
    return hex_of(batch.items[index].payer.address)


def conserved(site: CourtsSite, accounts: list[str]) -> None:
    """INV-CMP-1 for the token: what the escrow has is what these accounts and places have."""
    escrow, token = site.escrow, site.paid_in
    payers = [hex_of(a_payer(f"payer {number}").address) for number in range(2)]
    free = sum(escrow.free_of(one, token) for one in {*accounts, *payers, site.audits.address})
    buckets = sum(escrow.bucket(one, site.provider.owner, token).balance for one in payers)
    batches = [escrow.batch(number + 1) for number in range(escrow.batch_count())]
    held = sum(one.held for one in batches if one.token == token)
    assert site.market.token.balanceOf(escrow.address) == free + buckets + held


def test_receipt_court__before_the_release__refunds_tokens_and_slashes_their_worth(
    paid: CourtsSite, stranger: str
) -> None:
    batch = dear(paid)
    holder, staked = holder_of(batch), paid.staked(paid.provider)

    paid.receipts.prove(BAD_PRICE, batch.shown(), batch.leaf(), sender=stranger)

    assert staked - paid.staked(paid.provider) == in_stake(10 * batch.total)
    assert paid.escrow.free_of(holder, paid.paid_in) == batch.total
    assert paid.escrow.free_of(holder, NATIVE) == 0
    assert paid.escrow.batch(batch.id).held == 0
    conserved(paid, [paid.provider.owner, stranger])
    taker = a_wallet("taker")
    paid.escrow.withdraw(paid.paid_in, batch.total, taker, sender=holder)
    assert paid.market.token.balanceOf(taker) == batch.total


def test_receipt_court__after_the_release__the_loss_is_paid_out_of_the_stake(
    paid: CourtsSite, stranger: str
) -> None:
    batch = dear(paid)
    released(paid, batch)
    holder, staked = holder_of(batch), paid.staked(paid.provider)
    free = paid.escrow.free_of(holder, paid.paid_in)

    paid.receipts.prove(BAD_PRICE, batch.shown(), batch.leaf(), sender=stranger)

    taken = staked - paid.staked(paid.provider)
    assert taken >= in_stake(10 * batch.total)
    assert paid.escrow.free_of(holder, paid.paid_in) == free  # the tokens are the provider's
    assert paid.court.credit_of(holder) >= in_stake(batch.total)
    conserved(paid, [paid.provider.owner, stranger, *(one.owner for one in paid.auditors)])


def released(site: CourtsSite, batch: Posted) -> None:
    """Audited, cleared, and its window over."""
    committee = judged(site, batch.id, batch, 0, 0, 0)
    assert committee.members
    boa.env.time_travel(seconds=ESCALATE + 1)
    site.audits.advance(batch.id)
    boa.env.timestamp = max(boa.env.timestamp, site.escrow.batch(batch.id).release_at)
    site.escrow.release(batch.id)


def test_audit_court__a_failed_draw__refunds_tokens_and_pays_the_auditors_in_them(
    paid: CourtsSite,
) -> None:
    batch = a_batch(paid)
    token, staked = paid.paid_in, paid.staked(paid.provider)
    judged(paid, batch.id, batch, 1, 1, 1)
    boa.env.time_travel(seconds=ESCALATE + 1)
    paid.audits.advance(batch.id)
    index, leaf, shown = batch.under(paid.audits.point(batch.id, 0)[0])

    paid.audits.convict(batch.id, 0, *shown, sender=a_wallet("stranger"))

    assert paid.escrow.free_of(holder_of(batch, index), token) == PAID
    assert paid.escrow.is_refunded(leaf_key(batch.id, index, leaf))
    boa.env.timestamp = paid.escrow.batch(batch.id).release_at
    paid.escrow.release(batch.id)
    paid.audits.pay(batch.id)
    fee = batch.total * FEE_BPS // BPS
    earned = sum(paid.escrow.free_of(one.owner, token) for one in paid.auditors)
    assert fee - len(paid.auditors) < earned <= fee
    assert paid.escrow.free_of(paid.provider.owner, token) >= batch.total - PAID - fee
    assert sum(paid.escrow.free_of(one.owner, NATIVE) for one in paid.auditors) == 0
    assert paid.staked(paid.provider) <= staked
    conserved(paid, [paid.provider.owner, *(one.owner for one in paid.auditors)])


def test_refund__while_the_token_refuses_to_move__is_credited_and_waits(
    paid: CourtsSite, stranger: str
) -> None:
    """Courts move no token: a token that reverts stops nobody's refund, slash or release."""
    batch = dear(paid)
    token, holder, taker = paid.market.token, holder_of(batch), a_wallet("taker")
    token.set_mode(REVERT, NATIVE, b"")

    paid.receipts.prove(BAD_PRICE, batch.shown(), batch.leaf(), sender=stranger)

    assert paid.escrow.free_of(holder, paid.paid_in) == batch.total
    with boa.reverts():
        paid.escrow.withdraw(paid.paid_in, batch.total, taker, sender=holder)
    assert paid.escrow.free_of(holder, paid.paid_in) == batch.total
    token.set_mode(0, NATIVE, b"")
    paid.escrow.withdraw(paid.paid_in, batch.total, taker, sender=holder)
    assert (token.balanceOf(taker), paid.escrow.free_of(holder, paid.paid_in)) == (batch.total, 0)


def test_withdrawal__of_a_refund__whose_token_calls_back__pays_once(
    paid: CourtsSite, stranger: str
) -> None:
    batch = dear(paid)
    token, holder, taker = paid.market.token, holder_of(batch), a_wallet("taker")
    paid.receipts.prove(BAD_PRICE, batch.shown(), batch.leaf(), sender=stranger)
    again: Any = paid.receipts.prove.prepare_calldata(BAD_PRICE, batch.shown(), batch.leaf())
    for target, payload in (
        (paid.escrow.address, paid.escrow.release.prepare_calldata(batch.id)),
        (paid.receipts.address, again[:512]),
    ):
        token.set_mode(REENTER, target, payload)
        half = batch.total // 2
        before = token.balanceOf(taker)
        paid.escrow.withdraw(paid.paid_in, half, taker, sender=holder)
        assert not token.reentered()
        assert token.balanceOf(taker) - before == half
    conserved(paid, [paid.provider.owner, stranger])


def test_refund__of_a_token_that_is_listed_no_more__keeps_its_last_rate(
    paid: CourtsSite, stranger: str
) -> None:
    batch = dear(paid)
    paid.escrow.set_token(paid.paid_in, 0, sender=paid.market.governance)
    staked = paid.staked(paid.provider)

    paid.receipts.prove(BAD_PRICE, batch.shown(), batch.leaf(), sender=stranger)

    assert staked - paid.staked(paid.provider) == in_stake(10 * batch.total)
    assert paid.escrow.free_of(holder_of(batch), paid.paid_in) == batch.total
