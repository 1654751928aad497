"""A second round of seven, ballots, and audits that a payer asks for."""

import boa
import pytest

from offchain.compute.audit_draw import (
    FIRST_SEATS,
    SECOND_SEATS,
    request_id,
)
from offchain.compute.onchain_audit_court import AuditState
from tests.support.audit_steps import BUNDLE, pass_, slashes, state
from tests.support.compute_chain import NATIVE
from tests.support.compute_courts import (
    AUD_MINORITY,
    AUD_SILENT,
    AUDITOR_PAY,
    BOND,
    COMMIT,
    DEPOSIT,
    ESCALATE,
    PAID,
    VOTE,
    CourtsSite,
    Posted,
    Unmoved,
    a_ballot,
    drawn,
    judged,
    vote_all,
)


def test_advance__votes_split__seven_decide(site: CourtsSite, batch: Posted) -> None:
    committee = drawn(site, batch.id, batch)
    site.audits.reveal(batch.id, BUNDLE, sender=site.provider.owner)
    votes = dict(zip(committee.members, (1, 0, 0), strict=True))
    vote_all(site, batch.id, 1, votes, silent=committee.members[2:])
    pass_(VOTE + 1)
    site.audits.advance(batch.id)
    assert state(site, batch.id) == AuditState.ESCALATED
    assert site.audits.standing(site.market.service).open_cases == 1

    seven = drawn(site, batch.id, batch)
    assert len(seven.members) == SECOND_SEATS
    vote_all(site, batch.id, 2, dict.fromkeys(seven.members, 0))
    site.audits.advance(batch.id)

    assert state(site, batch.id) == AuditState.CLEARED
    assert site.audits.standing(site.market.service).open_cases == 0
    # one slept, one was contradicted by seven
    site.audits.punish(batch.id, 1, 2)
    assert slashes(site)[0][0] == AUD_SILENT
    site.audits.punish(batch.id, 1, 0)
    assert slashes(site)[0][0] == AUD_MINORITY
    for seat in (0, 2):
        with boa.reverts("ballots: punished already"):
            site.audits.punish(batch.id, 1, seat)
    with boa.reverts("auditor_dues: nothing is wrong"):
        site.audits.punish(batch.id, 1, 1)
    with boa.reverts("auditor_dues: nobody was asked"):
        site.audits.punish(batch.id, 1, 3)


@pytest.mark.parametrize(
    ("against", "end"),
    [(7, AuditState.UPHELD), (5, AuditState.UPHELD), (4, AuditState.VOID), (2, AuditState.CLEARED)],
)
def test_escalate__seven_judge_what_three_called_failed__five_uphold(
    site: CourtsSite, batch: Posted, unmoved: Unmoved, against: int, end: AuditState
) -> None:
    judged(site, batch.id, batch, 1, 1, 1)
    challenger = site.provider.owner
    with unmoved("audit_court: bond too low"):
        site.audits.escalate(batch.id, value=BOND - 1, sender=challenger)
    site.audits.escalate(batch.id, value=BOND + 3, sender=challenger)
    assert site.audits.credit_of(challenger) == 3
    with unmoved("audit_court: not awaited"):
        site.audits.escalate(batch.id, value=BOND, sender=challenger)
    with unmoved("audit_life: nothing to wait for"):
        site.audits.advance(batch.id)
    seven = drawn(site, batch.id, batch)
    votes = {member: int(place < against) for place, member in enumerate(seven.members)}
    vote_all(site, batch.id, 2, votes)

    site.audits.advance(batch.id)

    assert state(site, batch.id) == end
    if end == AuditState.UPHELD:
        site.audits.convict(batch.id, 0, *batch.under(site.audits.point(batch.id, 0)[0])[2])
        assert site.audits.audit(batch.id).pot == BOND
    else:
        assert site.audits.credit_of(challenger) == BOND + 3
        assert site.escrow.batch(batch.id).held == batch.total
    assert site.audits.is_done(batch.id)
    boa.env.timestamp = site.escrow.batch(batch.id).release_at
    site.escrow.release(batch.id)
    site.audits.pay(batch.id)
    paid = sum(site.audits.credit_of(one.owner) for one in site.auditors)
    assert paid == (BOND if end == AuditState.UPHELD else 0)
    owed = paid + site.audits.credit_of(challenger)
    assert boa.env.get_balance(site.audits.address) == owed


def test_escalate__window_is_over__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    judged(site, batch.id, batch, 0, 0, 0)
    pass_(ESCALATE + 1)

    with unmoved("audit_court: too late"):
        site.audits.escalate(batch.id, value=BOND, sender=site.provider.owner)


def test_advance__seven_sleep__void_without_slash(site: CourtsSite, batch: Posted) -> None:
    judged(site, batch.id, batch, 1, 1, 1)
    site.audits.escalate(batch.id, value=BOND, sender=site.provider.owner)
    drawn(site, batch.id, batch)
    pass_(COMMIT + 1)
    site.audits.advance(batch.id)
    pass_(VOTE)
    site.audits.advance(batch.id)

    assert state(site, batch.id) == AuditState.VOID
    assert site.audits.credit_of(site.provider.owner) == BOND
    boa.env.timestamp = site.escrow.batch(batch.id).release_at
    site.escrow.release(batch.id)
    before = site.escrow.free_of(site.provider.owner, NATIVE)
    site.audits.pay(batch.id)
    assert site.escrow.free_of(site.provider.owner, NATIVE) == before + batch.total // 100


def test_ballots__not_drawn_not_sealed_or_not_in_time__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved, stranger: str
) -> None:
    audits, audit = site.audits, batch.id
    committee = drawn(site, audit, batch)
    first, second, third = (site.auditor(one) for one in committee.members)
    ballots = [a_ballot(audit, 1, one, 1) for one in committee.members]
    mine = ballots[0]
    with unmoved("audit_court: not your batch"):
        audits.reveal(audit, BUNDLE, sender=first.owner)
    with unmoved("audit_court: not your batch"):
        audits.reveal(audit, BUNDLE, sender=stranger)
    with unmoved("audit_court: not awaited"):
        audits.commit(audit, mine.commitment(), sender=first.owner)
    audits.reveal(audit, BUNDLE, sender=site.provider.owner)
    with unmoved("audit_court: not awaited"):
        audits.reveal(audit, BUNDLE, sender=site.provider.owner)
    for sender in (stranger, site.provider.owner):
        with unmoved("ballots: not drawn"):
            audits.commit(audit, mine.commitment(), sender=sender)
    audits.commit(audit, mine.commitment(), sender=first.owner)
    with unmoved("ballots: sealed already"):
        audits.commit(audit, ballots[1].commitment(), sender=first.owner)
    with unmoved("audit_life: too early"):
        audits.vote(audit, 1, mine.statistics, mine.salt, sender=first.owner)
    audits.commit(audit, mine.commitment(), sender=second.owner)  # copied
    pass_(COMMIT + 1)
    with unmoved("audit_court: too late"):
        audits.commit(audit, ballots[2].commitment(), sender=third.owner)
    with unmoved("audit_court: no such draw"):
        audits.vote(audit, 2, mine.statistics, mine.salt, sender=first.owner)
    with unmoved("ballots: another ballot"):
        audits.vote(audit, 0, mine.statistics, mine.salt, sender=first.owner)
    audits.vote(audit, 1, mine.statistics, mine.salt, sender=first.owner)
    with unmoved("ballots: opened already"):
        audits.vote(audit, 1, mine.statistics, mine.salt, sender=first.owner)
    # what was copied opens for nobody else
    with unmoved("ballots: another ballot"):
        audits.vote(audit, 1, mine.statistics, mine.salt, sender=second.owner)
    with unmoved("ballots: not drawn"):
        audits.vote(audit, 1, mine.statistics, mine.salt, sender=stranger)
    with unmoved("audit_life: too early"):
        audits.advance(audit)
    pass_(VOTE + 1)
    with unmoved("audit_court: too late"):
        audits.vote(audit, 1, ballots[1].statistics, ballots[1].salt, sender=second.owner)
    with unmoved("auditor_dues: not decided"):
        audits.punish(audit, 1, 0)
    with unmoved("auditor_dues: not decided"):
        audits.pay(audit)


def test_request__payer_has_his_answer_audited__deposit_and_loss_come_back_when_it_failed(
    site: CourtsSite, batch: Posted, payer: str, unmoved: Unmoved, stranger: str
) -> None:
    audits = site.audits
    with unmoved("audit_leaves: not your item"):
        audits.request(batch.shown(), PAID, value=DEPOSIT, sender=stranger)
    with unmoved("audit_leaves: deposit too low"):
        audits.request(batch.shown(), PAID, value=DEPOSIT - 1, sender=payer)
    with unmoved("audit_leaves: no such unit"):
        audits.request(batch.shown(), 3 * PAID, value=DEPOSIT, sender=payer)
    audits.request(batch.shown(), PAID, value=DEPOSIT + 9, sender=payer)
    audit = request_id(batch.id, PAID)
    with unmoved("audit_leaves: requested already"):
        audits.request(batch.shown(), PAID, value=DEPOSIT, sender=payer)
    assert audits.credit_of(payer) == 9 and site.escrow.batch(batch.id).open_cases == 1
    assert tuple(audits.point(audit, 0)) == (PAID, PAID)
    with unmoved("audit_life: nothing to wait for"):
        audits.advance(audit)
    committee = judged(site, audit, batch, 1, 1, 1)
    pass_(ESCALATE + 1)
    audits.advance(audit)

    audits.convict(audit, 0, *batch.under(PAID)[2])

    opened = [one for one in site.audits.get_logs() if type(one).__name__ == "CaseOpened"]
    case = site.court.case_of(opened[0].offence_id)
    assert case.loss == DEPOSIT
    assert str(case.victim).lower() == str(case.reporter).lower() == payer
    assert site.escrow.free_of(payer, NATIVE) == PAID
    assert site.escrow.batch(batch.id).open_cases == 0 and not audits.is_done(audit)
    audits.pay(audit)
    paid = [audits.credit_of(site.auditor(one).owner) for one in committee.members]
    assert paid == [AUDITOR_PAY] * FIRST_SEATS
    # the batch's own audit is still to come
    assert state(site, batch.id) == AuditState.NONE and not audits.is_done(batch.id)


def test_request__passes_or_nobody_votes__level_is_not_farmed(
    site: CourtsSite, batch: Posted, payer: str
) -> None:
    site.audits.request(batch.shown(), 0, value=DEPOSIT, sender=payer)
    audit = request_id(batch.id, 0)
    judged(site, audit, batch, 0, 0, 0)
    pass_(ESCALATE + 1)

    site.audits.advance(audit)

    assert state(site, audit) == AuditState.CLEARED
    assert site.audits.standing(site.market.service).cleared == 0
    assert site.escrow.batch(batch.id).open_cases == 0


def test_request__release_may_come__refused(
    site: CourtsSite, batch: Posted, payer: str, unmoved: Unmoved
) -> None:
    boa.env.timestamp = site.escrow.batch(batch.id).release_at

    with unmoved("audit_leaves: too late"):
        site.audits.request(batch.shown(), 0, value=DEPOSIT, sender=payer)
