"""What payers, providers and challengers try against audits, and what it gets them."""

from typing import Any

import boa
import pytest

from offchain.compute.audit_draw import (
    FIRST_SEATS,
    MAX_DRAWS,
    candidates_of,
    committee_of,
    request_id,
    seed_of,
)
from offchain.compute.onchain_audit_court import AuditState
from offchain.compute.sum_tree import SumNode, SumTree, parent, receipt_leaf
from tests.support.audit_steps import BUNDLE, pass_, slashes, state
from tests.support.compute_chain import NATIVE, a_payer, hex_of
from tests.support.compute_courts import (
    AUDIT_FAIL,
    BOND,
    DEPOSIT,
    ESCALATE,
    PAID,
    REVEAL,
    SILENT_AUDIT,
    CourtsSite,
    Posted,
    Unmoved,
    an_answer,
    drawn,
    judged,
    penalty,
    settled,
    vote_all,
)


def requested(site: CourtsSite, batch: Posted, units: list[int], index: int = 0) -> list[int]:
    """The payer of an item asks for audits of these units; the audits, drawn."""
    payer = hex_of(batch.items[index].payer.address)
    before = sum(item.amount for item in batch.items[:index])
    audits = []
    for unit in units:
        site.audits.request(batch.shown(index), unit, value=DEPOSIT, sender=payer)
        audits.append(request_id(batch.id, before + unit))
    for audit in audits:
        drawn(site, audit, batch)
    return audits


def losses(site: CourtsSite) -> list[int]:
    """What the cases that the last call opened owe their victims still."""
    opened = [one for one in site.audits.get_logs() if type(one).__name__ == "CaseOpened"]
    return [int(site.court.case_of(one.offence_id).loss) for one in opened]


def fell_silent(site: CourtsSite, audits: list[int]) -> None:
    pass_(REVEAL + 1)
    for audit in audits:
        site.audits.advance(audit)


def test_request__provider_falls_silent__deposit_comes_back_once(
    site: CourtsSite, batch: Posted, payer: str
) -> None:
    [audit] = requested(site, batch, [0])
    fell_silent(site, [audit])

    site.audits.convict(audit, 0, *batch.under(0)[2])
    site.audits.pay(audit)

    case_losses = [site.court.credit_of(payer)]
    assert site.audits.credit_of(payer) == DEPOSIT, "nobody earned it"
    assert site.escrow.free_of(payer, NATIVE) == PAID
    # of the slash he has the reporter's share alone: his loss is made good already
    assert case_losses == [penalty(batch) * 500 // 10_000]


def test_request__seven_judge_for_it_as_well__bond_of_the_provider_is_no_loss_of_the_payer(
    site: CourtsSite, batch: Posted, payer: str
) -> None:
    site.audits.request(batch.shown(), 0, value=DEPOSIT, sender=payer)
    audit = request_id(batch.id, 0)
    judged(site, audit, batch, 1, 1, 1)
    site.audits.escalate(audit, value=BOND, sender=site.provider.owner)
    seven = drawn(site, audit, batch)
    vote_all(site, audit, 2, dict.fromkeys(seven.members, 1))
    site.audits.advance(audit)
    assert site.audits.audit(audit).pot == DEPOSIT + BOND

    site.audits.convict(audit, 0, *batch.under(0)[2])

    assert losses(site) == [DEPOSIT]


@pytest.mark.parametrize("units", [[0, 1, 2], [0, PAID, 2 * PAID]])
def test_inv_cmp_19__many_audits_of_one_item_while_the_provider_is_away__cost_one_failed_draw(
    site: CourtsSite, batch: Posted, payer: str, units: list[int]
) -> None:
    audits = requested(site, batch, units)
    staked = site.staked(site.provider)
    fell_silent(site, audits)

    taken = []
    for audit, unit in zip(audits, units, strict=True):
        site.audits.convict(audit, 0, *batch.under(unit)[2])
        taken += slashes(site)

    assert [offence for offence, _ in taken] == [SILENT_AUDIT]
    assert staked - site.staked(site.provider) == penalty(batch)
    answers = len({batch.under(unit)[1] for unit in units})
    assert site.escrow.free_of(payer, NATIVE) == answers * PAID
    assert site.escrow.batch(batch.id).open_cases == 0


def test_request__leaves_that_nobody_shows__a_failed_draw_is_paid_once(
    site: CourtsSite, batch: Posted
) -> None:
    audits = requested(site, batch, [0, 1])
    staked = site.staked(site.provider)
    fell_silent(site, audits)

    fell_silent(site, audits)

    assert staked - site.staked(site.provider) == penalty(batch)
    assert [state(site, audit) for audit in audits] == [AuditState.PUNISHED] * 2
    assert site.escrow.batch(batch.id).open_cases == 0


def test_request__two_payers_of_a_batch__each_item_costs_by_itself(
    site: CourtsSite, batch: Posted
) -> None:
    audits = requested(site, batch, [0]) + requested(site, batch, [0], index=1)
    staked = site.staked(site.provider)
    fell_silent(site, audits)

    fell_silent(site, audits)

    assert staked - site.staked(site.provider) == 2 * penalty(batch)


def reaching(site: CourtsSite) -> Posted:
    """A provider's own item first, whose second leaf says that it lies within the victim's."""
    own = [an_answer(site, a_payer("payer 0").address, nonce) for nonce in (4, 5)]
    victims = [an_answer(site, a_payer("payer 1").address, nonce) for nonce in (4, 5, 6)]
    leaves = [receipt_leaf(each.receipt, each.signature) for each in own]
    false = (SumNode(leaves[0].hash, 2 * PAID), leaves[1])
    lying = SumTree((false, (SumNode(parent(*false).hash, 2 * PAID),)))
    honest = SumTree.of([receipt_leaf(each.receipt, each.signature) for each in victims])
    return settled(site, [own, victims], trees=[lying, honest])


def test_convict__tree_of_another_item_says_it_reaches_here__victims_refund_is_not_diverted(
    site: CourtsSite, unmoved: Unmoved
) -> None:
    batch = reaching(site)
    victim = hex_of(batch.items[1].payer.address)
    [audit] = requested(site, batch, [0], index=1)
    fell_silent(site, [audit])
    [point] = {*site.audits.point(audit, 0)}
    assert point == 2 * PAID
    lying = batch.items[0].tree
    own = (batch.shown(0), lying.levels[0][1].hash, 1, lying.path_bytes(1))

    with unmoved("audit_leaves: another leaf"):
        site.audits.convict(audit, 0, *own, sender=site.provider.owner)
    site.audits.convict(audit, 0, *batch.under(point)[2])

    assert site.escrow.free_of(victim, NATIVE) == PAID


def forgotten(site: CourtsSite, batch: Posted) -> Any:
    """The audit of a batch that nobody drew in time: every part of it is a draw."""
    boa.env.evm.patch.block_number = batch.block + 2 + 8_192
    random = bytes(site.beacon.randomness(site.stake.current_epoch()))
    tree = site.tree(batch.epoch)
    seed = seed_of(random, bytes(32), audit=batch.id, rnd=1)
    chosen = committee_of(seed, tree, seats=FIRST_SEATS, barred=site.provider.operator_id)
    site.audits.draw(batch.id, candidates_of(chosen, tree))
    site.audits.reveal(batch.id, BUNDLE, sender=site.provider.owner)
    return chosen


def test_pay__no_ballot_agrees_with_the_whole_end__lost_bond_is_not_burnt(
    site: CourtsSite, batch: Posted, stranger: str
) -> None:
    chosen = forgotten(site, batch)
    vote_all(site, batch.id, 1, dict.fromkeys(chosen.members, 0))
    site.audits.advance(batch.id)
    site.audits.escalate(batch.id, value=BOND, sender=stranger)
    seven = drawn(site, batch.id, batch)
    votes = {member: 1 << place for place, member in enumerate(seven.members)}
    vote_all(site, batch.id, 2, votes)
    site.audits.advance(batch.id)
    assert (state(site, batch.id), site.audits.audit(batch.id).pot) == (AuditState.CLEARED, BOND)
    boa.env.timestamp = site.escrow.batch(batch.id).release_at
    site.escrow.release(batch.id)
    free = site.escrow.free_of(site.provider.owner, NATIVE)

    site.audits.pay(batch.id)

    assert site.audits.credit_of(stranger) == BOND
    assert site.audits.credit_of(NATIVE) == 0
    assert site.escrow.free_of(site.provider.owner, NATIVE) == free + batch.total // 100


def test_convict__leaf_of_no_price_within_a_part__is_not_what_failed(
    site: CourtsSite, unmoved: Unmoved
) -> None:
    mine = [an_answer(site, a_payer("payer 0").address, nonce) for nonce in (4, 5, 6, 7)]
    paid, free, *more = [receipt_leaf(each.receipt, each.signature) for each in mine]
    tree = SumTree.of([paid, SumNode(free.hash, 0), *more])
    batch = settled(site, [mine], trees=[tree])
    part = PAID * MAX_DRAWS // batch.total
    chosen = forgotten(site, batch)
    vote_all(site, batch.id, 1, dict.fromkeys(chosen.members, 1 << part))
    site.audits.advance(batch.id)
    pass_(ESCALATE + 1)
    site.audits.advance(batch.id)
    first, last = site.audits.point(batch.id, part)
    assert first < PAID <= last

    with unmoved("audit_leaves: another leaf"):
        site.audits.convict(batch.id, part, batch.shown(), free.hash, 1, tree.path_bytes(1))
    site.audits.convict(batch.id, part, *batch.under(first)[2])

    assert [offence for offence, _ in slashes(site)] == [AUDIT_FAIL]
