"""One audit from its draw to its end: cleared, upheld, convicted, and what its standing counts."""

import boa

from offchain.compute.audit_draw import (
    FIRST_SEATS,
    MAX_DRAWS,
    candidates_of,
    committee_of,
    leaf_key,
    penalty_of,
    seed_of,
)
from offchain.compute.onchain_audit_court import AuditState
from tests.support.audit_steps import BUNDLE, pass_, slashes, state
from tests.support.compute_chain import NATIVE, a_payer, hex_of
from tests.support.compute_courts import (
    AUDIT_FAIL,
    ESCALATE,
    PAID,
    REVEAL,
    SILENT_AUDIT,
    STANDING,
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


def test_audit__nothing_failed__clears_and_pays(site: CourtsSite, batch: Posted) -> None:
    committee = drawn(site, batch.id, batch)
    assert state(site, batch.id) == AuditState.DRAWN
    assert site.provider.operator_id not in committee.members and len(committee.members) == 3
    site.audits.reveal(batch.id, BUNDLE, sender=site.provider.owner)
    vote_all(site, batch.id, 1, dict.fromkeys(committee.members, 0))
    site.audits.advance(batch.id)
    assert state(site, batch.id) == AuditState.DECIDED and not site.audits.is_done(batch.id)
    pass_(ESCALATE + 1)

    site.audits.advance(batch.id)

    assert state(site, batch.id) == AuditState.CLEARED and site.audits.is_done(batch.id)
    standing = site.audits.standing(site.market.service)
    assert (standing.cleared, standing.open_cases, standing.failed_until) == (1, 0, 0)
    boa.env.timestamp = site.escrow.batch(batch.id).release_at
    site.escrow.release(batch.id)
    fee = site.escrow.batch(batch.id).fee
    assert fee == batch.total // 100 > 0
    site.audits.pay(batch.id)
    owners = [site.auditor(one).owner for one in committee.members]
    assert sum(site.escrow.free_of(one, NATIVE) for one in owners) == fee
    assert site.escrow.free_of(site.audits.address, NATIVE) == 0


def test_advance__provider_is_silent__every_draw_failed(
    site: CourtsSite, batch: Posted, unmoved: Unmoved, stranger: str
) -> None:
    drawn(site, batch.id, batch)
    pass_(REVEAL)
    with unmoved("audit_life: too early"):
        site.audits.advance(batch.id)
    pass_(1)
    with unmoved("audit_court: too late"):
        site.audits.reveal(batch.id, BUNDLE, sender=site.provider.owner)
    staked = site.staked(site.provider)
    site.audits.advance(batch.id, sender=stranger)
    assert state(site, batch.id) == AuditState.UPHELD
    assert site.market.registry.service(site.market.service).state == 8
    assert site.audits.standing(site.market.service).open_cases == 1
    index, leaf, shown = batch.under(site.audits.point(batch.id, 0)[0])

    site.audits.convict(batch.id, 0, *shown, sender=stranger)

    payer = hex_of(batch.items[index].payer.address)
    assert slashes(site) == [(SILENT_AUDIT, 0)]
    assert staked - site.staked(site.provider) == penalty(batch)
    assert site.escrow.free_of(payer, NATIVE) == PAID
    assert site.escrow.is_refunded(leaf_key(batch.id, index, leaf))
    assert state(site, batch.id) == AuditState.PUNISHED and site.audits.is_done(batch.id)
    standing = site.audits.standing(site.market.service)
    assert (standing.open_cases, standing.cleared) == (0, 0)
    # counted from the verdict, in the same second here
    assert standing.failed_until == boa.env.timestamp + STANDING // 7 * 7
    with unmoved("auditor_dues: nobody was asked"):
        site.audits.punish(batch.id, 1, 0)


def test_convict__two_of_three_say_it_failed__refund_now_and_slash_after_the_veto(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    committee = judged(site, batch.id, batch, 1, 0, 1)
    assert state(site, batch.id) == AuditState.DECIDED
    with unmoved("audit_leaves: nothing upheld"):
        site.audits.convict(batch.id, 0, *batch.under(0)[2])
    pass_(ESCALATE + 1)
    site.audits.advance(batch.id)
    point = site.audits.point(batch.id, 0)[0]
    index, _, shown = batch.under(point)
    other = batch.under((point + batch.total // 2) % batch.total)[2]
    with unmoved("audit_leaves: another leaf"):
        site.audits.convict(batch.id, 0, *other)
    with unmoved("audit_leaves: not failed, or done"):
        site.audits.convict(batch.id, 1, *shown)
    with unmoved("audit_leaves: not failed, or done"):
        site.audits.convict(batch.id, 256, *shown)
    second = a_batch_of(site)
    with unmoved("audit_leaves: another batch"):
        site.audits.convict(batch.id, 0, *second.under(0)[2])

    site.audits.convict(batch.id, 0, *shown)

    payer = hex_of(batch.items[index].payer.address)
    assert slashes(site) == [(AUDIT_FAIL, penalty(batch))]
    assert site.escrow.free_of(payer, NATIVE) == PAID
    assert state(site, batch.id) == AuditState.PUNISHED
    # who voted otherwise among three is not punished, and earns nothing
    dissenter = site.auditor(committee.members[1])
    with unmoved("auditor_dues: nothing is wrong"):
        site.audits.punish(batch.id, 1, 1)
    boa.env.timestamp = site.escrow.batch(batch.id).release_at
    with unmoved("auditor_dues: not released"):
        site.audits.pay(batch.id)
    site.escrow.release(batch.id)
    site.audits.pay(batch.id)
    assert site.escrow.free_of(dissenter.owner, NATIVE) == 0
    with unmoved("auditor_dues: paid already"):
        site.audits.pay(batch.id)


def a_batch_of(site: CourtsSite) -> Posted:
    """Another batch of the same payers: their next nonces."""
    rows = [[an_answer(site, a_payer(f"payer {p}").address, 4 + n) for n in (0, 1)] for p in (0, 1)]
    return settled(site, rows)


def test_advance__nobody_shows_the_leaf__slashed_without_victim(
    site: CourtsSite, batch: Posted
) -> None:
    judged(site, batch.id, batch, 1, 1, 1)
    pass_(ESCALATE + 1)
    site.audits.advance(batch.id)
    pass_(REVEAL + 1)

    site.audits.advance(batch.id)

    assert slashes(site) == [(AUDIT_FAIL, penalty(batch))]
    assert state(site, batch.id) == AuditState.PUNISHED
    assert site.escrow.batch(batch.id).held == batch.total
    with boa.reverts("audit_life: nothing to wait for"):
        site.audits.advance(batch.id)


def test_inv_cmp_4__audit_is_not_done__no_release(
    site: CourtsSite, batch: Posted, payer: str, unmoved: Unmoved
) -> None:
    boa.env.timestamp = site.escrow.batch(batch.id).release_at
    with unmoved("escrow: audits run"):
        site.escrow.release(batch.id)
    drawn(site, batch.id, batch)
    with unmoved("escrow: audits run"):
        site.escrow.release(batch.id)
    pass_(REVEAL + 1)
    site.audits.advance(batch.id)
    with unmoved("escrow: audits run"):
        site.escrow.release(batch.id)
    pass_(REVEAL + 1)
    site.audits.advance(batch.id)

    site.escrow.release(batch.id)

    assert site.audits.is_done(batch.id) and not site.audits.is_done(99)


def test_standing__draws_age__until_says_when_too_few_are_left(
    site: CourtsSite, batch: Posted
) -> None:
    judged(site, batch.id, batch, 0, 0, 0)
    pass_(ESCALATE + 1)
    site.audits.advance(batch.id)
    service = site.market.service

    part = STANDING // 7
    cleared_in = boa.env.timestamp // part
    boa.env.timestamp = (cleared_in + 7) * part - 1
    assert site.audits.standing(service).cleared == 1
    assert site.audits.standing(service).until == 0
    boa.env.timestamp += 1
    assert site.audits.standing(service).cleared == 0


def test_whole_audit__leaf_that_touches_a_part__convicts_it(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    boa.env.evm.patch.block_number = batch.block + 2 + 8_192
    epoch = site.stake.current_epoch()
    seed = seed_of(bytes(site.beacon.randomness(epoch)), bytes(32), audit=batch.id, rnd=1)
    tree = site.tree(batch.epoch)
    chosen = committee_of(seed, tree, seats=FIRST_SEATS, barred=site.provider.operator_id)
    site.audits.draw(batch.id, candidates_of(chosen, tree))
    site.audits.reveal(batch.id, BUNDLE, sender=site.provider.owner)
    vote_all(site, batch.id, 1, dict.fromkeys(chosen.members, 1 | 1 << 63))
    site.audits.advance(batch.id)
    pass_(ESCALATE + 1)
    site.audits.advance(batch.id)
    first, last = batch.under(0)[2], batch.under(batch.total - 1)[2]

    with unmoved("audit_leaves: another leaf"):
        site.audits.convict(batch.id, 63, *first)
    site.audits.convict(batch.id, 0, *first)
    assert state(site, batch.id) == AuditState.UPHELD
    site.audits.convict(batch.id, 63, *last)

    assert slashes(site) == [(AUDIT_FAIL, penalty_of(batch.total, MAX_DRAWS))]
    assert state(site, batch.id) == AuditState.PUNISHED


def test_advance__one_of_three_accuses_an_honest_provider__clears_and_slashes_nobody(
    site: CourtsSite, batch: Posted
) -> None:
    staked, court = site.staked(site.provider), len(slashes(site))

    judged(site, batch.id, batch, 1, 0, 0)
    pass_(ESCALATE + 1)
    site.audits.advance(batch.id)

    assert state(site, batch.id) == AuditState.CLEARED
    assert (site.staked(site.provider), len(slashes(site))) == (staked, court)
    assert site.escrow.batch(batch.id).held == batch.total
