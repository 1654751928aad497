"""Leaves that payers ask for, and faults that a provider declares itself."""

import boa

from offchain.compute.audit_draw import (
    CLAIMED_PART,
    declared_penalty_of,
    draws_of,
    leaf_key,
    penalty_of,
)
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.compute_chain import DISPUTE, NATIVE, a_payer, hex_of
from tests.support.compute_courts import (
    DECLARED,
    PAID,
    REVEAL,
    UNAVAILABLE,
    CourtsSite,
    Posted,
    Unmoved,
    an_answer,
    penalty,
    settled,
)
from tests.support.staking import COIN


def test_answer__leaf_shown_in_time__bond_is_the_providers(
    site: CourtsSite, batch: Posted, payer: str, bond: int, stranger: str
) -> None:
    site.receipts.demand(batch.shown(), 1, value=bond + 5, sender=payer)
    assert site.escrow.batch(batch.id).open_cases == 1
    assert site.receipts.credit_of(payer) == 5
    boa.env.time_travel(seconds=REVEAL)

    site.receipts.answer(batch.shown(), batch.leaf(0, 1), sender=stranger)

    assert site.receipts.credit_of(site.provider.owner) == bond
    assert site.escrow.batch(batch.id).open_cases == 0
    assert site.receipts.demand_of(batch.id, 0).bond == 0
    # he may ask for another
    site.receipts.demand(batch.shown(), 2, value=bond, sender=payer)
    assert site.receipts.demand_of(batch.id, 0).leaf == 2


def test_close__nobody_showed_the_leaf__claimed_part_and_bond_go_back(
    site: CourtsSite, bond: int, stranger: str, unmoved: Unmoved
) -> None:
    holder = a_payer("payer 0").address
    batch = settled(site, [[an_answer(site, holder, n) for n in (4, 5, 6)]], cumulative=[PAID])
    before, staked = site.escrow.free_of(hex_of(holder), NATIVE), site.staked(site.provider)
    site.receipts.demand(batch.shown(), 0, value=bond, sender=hex_of(holder))
    boa.env.time_travel(seconds=REVEAL)
    with unmoved("receipt_court: answer may come"):
        site.receipts.close(batch.shown())
    boa.env.time_travel(seconds=1)
    with unmoved("receipt_court: too late"):
        site.receipts.answer(batch.shown(), batch.leaf())

    site.receipts.close(batch.shown(), sender=stranger)

    assert site.receipts.credit_of(hex_of(holder)) == bond
    assert site.escrow.free_of(hex_of(holder), NATIVE) == before + 2 * PAID
    assert staked - site.staked(site.provider) == penalty(batch)
    fact = keccak(words(UNAVAILABLE, leaf_key(batch.id, 0, CLAIMED_PART)))
    assert site.receipts.is_proven(fact) and fact == site.receipts.fact_of(
        UNAVAILABLE, leaf_key(batch.id, 0, CLAIMED_PART)
    )
    assert site.escrow.batch(batch.id).open_cases == 0
    with unmoved("leaf_demands: none is open"):
        site.receipts.close(batch.shown())
    with unmoved("receipt_court: proven already"):
        site.receipts.demand(batch.shown(), 1, value=bond, sender=hex_of(holder))


def test_withdraw__bond_back__paid_once(
    site: CourtsSite, batch: Posted, payer: str, bond: int, unmoved: Unmoved
) -> None:
    site.receipts.demand(batch.shown(), 0, value=bond + 7, sender=payer)
    fresh = boa.env.generate_address("fresh")

    with unmoved("court_credits: no receiver"):
        site.receipts.withdraw("0x" + "00" * 20, sender=payer)
    with unmoved("court_credits: receiver refused"):
        site.receipts.withdraw(site.receipts.address, sender=payer)
    assert site.receipts.withdraw(fresh, sender=payer) == 7
    assert boa.env.get_balance(fresh) == 7
    with unmoved("court_credits: nothing to take"):
        site.receipts.withdraw(fresh, sender=payer)


def test_demand__what_nobody_owes_him__refused(
    site: CourtsSite, batch: Posted, payer: str, bond: int, stranger: str, unmoved: Unmoved
) -> None:
    demand = site.receipts.demand
    holder = a_payer("payer 1").address
    accepted = settled(site, [[an_answer(site, a_payer("payer 0").address, 4)]], cumulative=[PAID])

    with unmoved("receipt_court: not your item"):
        demand(batch.shown(), 0, value=bond, sender=stranger)
    with unmoved("receipt_court: not your item"):
        demand(batch.shown(), 0, value=bond, sender=hex_of(holder))
    with unmoved("receipt_court: all accepted"):
        demand(accepted.shown(), 0, value=bond, sender=payer)
    with unmoved("receipt_court: no such leaf"):
        demand(batch.shown(), 3, value=bond, sender=payer)
    with unmoved("receipt_court: bond too low"):
        demand(batch.shown(), 0, value=bond - 1, sender=payer)
    demand(batch.shown(), 0, value=bond, sender=payer)
    with unmoved("leaf_demands: one is open"):
        demand(batch.shown(), 1, value=bond, sender=payer)
    with unmoved("receipt_court: another leaf"):
        site.receipts.answer(batch.shown(), batch.leaf(0, 1))
    with unmoved("leaf_demands: none is open"):
        site.receipts.answer(batch.shown(1), batch.leaf(1, 1))


def test_demand__release_may_come__refused(
    site: CourtsSite, batch: Posted, payer: str, bond: int, unmoved: Unmoved
) -> None:
    boa.env.timestamp = site.escrow.batch(batch.id).release_at

    with unmoved("receipt_court: too late"):
        site.receipts.demand(batch.shown(), 0, value=bond, sender=payer)
    assert DISPUTE > REVEAL


def test_declare_fault__before_the_draw_is_known__a_tenth_and_the_price(
    site: CourtsSite, unmoved: Unmoved, stranger: str
) -> None:
    batch = settled(site, [[an_answer(site, a_payer("payer 0").address, 4)]])
    staked = site.staked(site.provider)
    with unmoved("receipt_court: not your batch"):
        site.receipts.declare_fault(batch.shown(), batch.leaf(), sender=stranger)
    boa.env.evm.patch.block_number = batch.block + 2

    site.receipts.declare_fault(batch.shown(), batch.leaf(), sender=site.provider.owner)

    fine = declared_penalty_of(PAID, penalty(batch))
    assert staked - site.staked(site.provider) == fine == PAID // 10
    assert site.escrow.refunded_of(batch.id, 0) == PAID
    assert site.receipts.is_proven(keccak(words(DECLARED, leaf_key(batch.id, 0, 0))))
    with unmoved("receipt_court: proven already"):
        site.receipts.declare_fault(batch.shown(), batch.leaf(), sender=site.provider.owner)


def test_declare_fault__draw_is_known__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    boa.env.evm.patch.block_number = batch.block + 3

    with unmoved("receipt_court: draw is known"):
        site.receipts.declare_fault(batch.shown(), batch.leaf(), sender=site.provider.owner)


def test_inv_cmp_17__same_fault__silence_costs_at_least_a_failure_and_that_a_declared_one() -> None:
    for leaves in (1, 2, 49, 50, 51, 100, 6_400, 10**6):
        for total in (1, leaves, 10**6 * leaves, COIN):
            draws = draws_of(leaves)
            one = penalty_of(total, draws)
            silence = draws * one
            assert silence >= one >= declared_penalty_of(total, one) >= 1
            # cheating on all of a batch costs twice its sum where every draw is seen
            assert silence * 9_900 >= 2 * total * 10_000
