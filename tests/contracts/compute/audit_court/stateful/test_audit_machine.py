"""Audits under any order of actions: contract and model agree, no wei is lost, every case ends."""

from collections.abc import Iterator

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.compute.audit_draw import draws_of, request_id
from offchain.compute.onchain_audit_court import AuditState
from offchain.core.hashing import keccak
from tests.support.audit_model import AuditBook, ModelAudit, Rules
from tests.support.compute_chain import NATIVE, a_payer, hex_of
from tests.support.compute_courts import (
    BOND,
    COMMIT,
    DEPOSIT,
    ESCALATE,
    PAID,
    REVEAL,
    VOTE,
    CourtsSite,
    Posted,
    a_ballot,
    an_answer,
    drawn,
    penalty,
    settled,
)
from tests.support.native_evm import return_to
from tests.support.staking import a_wallet

SEATS = st.integers(0, 6)
WHICH = st.integers(0, 3)
WAITS = st.sampled_from([1, VOTE, COMMIT, ESCALATE + 1])
READY: list[tuple[CourtsSite, Posted]] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(audited_market: tuple[CourtsSite, Posted]) -> Iterator[None]:
    """A second batch with over a hundred leaves, so two points; each run undoes what it did."""
    site, batch = audited_market
    with boa.env.anchor():
        return_to("audit court")
        payer = a_payer("payer 0").address
        answers = [an_answer(site, payer, 10 + number) for number in range(101)]
        READY.append((site, batch))
        READY.append((site, settled(site, [answers])))
        yield
    READY.clear()


class Audits(RuleBasedStateMachine):
    """Two batches, requests of one payer, auditors who judge, disagree, sleep; and time."""

    @initialize()
    def begin(self) -> None:
        self.site = READY[0][0]
        self.posted = {one.id: one for _, one in READY}
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.now, self.block = boa.env.timestamp, boa.env.evm.patch.block_number
        self.model = AuditBook(Rules(REVEAL, COMMIT, VOTE, ESCALATE, DEPOSIT, BOND))
        for number, batch in self.posted.items():
            leaves = sum(item.tree.count for item in batch.items)
            self.model.audits[number] = ModelAudit(draws=draws_of(leaves))
        self.batch_of = dict(self.posted)
        self.planned: dict[tuple[int, int, int], int] = {}  # audit, round, operator: sealed vote
        self.payer = hex_of(a_payer("payer 0").address)
        self.stranger = a_wallet("stranger")

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            boa.env.timestamp, boa.env.evm.patch.block_number = self.now, self.block
            self.anchor.__exit__(None, None, None)

    def pick(self, which: int) -> tuple[int, ModelAudit]:
        numbers = list(self.model.audits)
        number = numbers[which % len(numbers)]
        return number, self.model.audits[number]

    @rule(unit=st.sampled_from([0, 1, PAID]))
    def request(self, unit: int) -> None:
        batch = READY[0][1]
        number = request_id(batch.id, unit)
        if number in self.model.audits or boa.env.timestamp >= self.release_at(batch):
            return
        self.site.audits.request(batch.shown(), unit, value=DEPOSIT + 1, sender=self.payer)
        one = ModelAudit(draws=1, is_request=True, state=AuditState.REQUESTED, pot=DEPOSIT)
        self.model.audits[number] = one
        self.model.credit(self.payer, 1)
        self.batch_of[number] = batch

    def release_at(self, batch: Posted) -> int:
        return int(self.site.escrow.batch(batch.id).release_at)

    @rule(which=WHICH)
    def draw(self, which: int) -> None:
        number, one = self.pick(which)
        if one.state in (AuditState.NONE, AuditState.REQUESTED, AuditState.ESCALATED):
            chosen = drawn(self.site, number, self.batch_of[number])
            self.model.draw(number, list(chosen.members), boa.env.timestamp)
        else:
            with boa.reverts("audit_court: drawn already"):
                self.site.audits.draw(number, [])

    @rule(which=WHICH)
    def reveal(self, which: int) -> None:
        number, one = self.pick(which)
        reason = ""
        if one.state != AuditState.DRAWN:
            reason = "audit_court: not awaited"
        elif boa.env.timestamp > one.deadline:
            reason = "audit_court: too late"
        if reason:
            with boa.reverts(reason):
                self.site.audits.reveal(number, keccak(b"x"), sender=self.site.provider.owner)
            return
        self.site.audits.reveal(number, keccak(b"x"), sender=self.site.provider.owner)
        self.model.reveal(number, boa.env.timestamp)

    @rule(which=WHICH, seat=SEATS, failed=st.sampled_from([0, 0, 1, 1, 2, 3]))
    def seal(self, which: int, seat: int, failed: int) -> None:
        number, one = self.pick(which)
        members = one.members.get(one.rnd, [])
        if one.state != AuditState.COMMITTING or boa.env.timestamp > one.deadline:
            return
        member = members[seat % len(members)]
        ballot = a_ballot(number, one.rnd, member, failed & (1 << one.draws) - 1)
        if (one.rnd, member) in one.sealed:
            with boa.reverts("ballots: sealed already"):
                self.commit(number, ballot.commitment(), member)
            return
        self.commit(number, ballot.commitment(), member)
        one.sealed.add((one.rnd, member))
        self.planned[number, one.rnd, member] = ballot.failed

    def commit(self, number: int, commitment: bytes, member: int) -> None:
        self.site.audits.commit(number, commitment, sender=self.site.auditor(member).owner)

    @rule(which=WHICH)
    def seal_the_rest(self, which: int) -> None:
        """So that rounds come to an end often."""
        for seat in range(7):
            self.seal(which, seat, seat & 1)

    @rule(which=WHICH, seat=SEATS)
    def vote(self, which: int, seat: int) -> None:
        number, one = self.pick(which)
        members = one.members.get(one.rnd, [])
        if not members or one.state not in (AuditState.COMMITTING, AuditState.VOTING):
            return
        member = members[seat % len(members)]
        failed = self.planned.get((number, one.rnd, member), 0)
        if one.state == AuditState.COMMITTING:
            if not one.is_ready(boa.env.timestamp):
                with boa.reverts("audit_life: too early"):
                    self.open(number, one, member, failed)
                return
            # a vote moves the audit on first; where it is refused, nothing moved
            deadline = min(boa.env.timestamp, one.deadline) + VOTE
        else:
            deadline = one.deadline
        reason = ""
        if boa.env.timestamp > deadline:
            reason = "audit_court: too late"
        elif (one.rnd, member) in one.opened:
            reason = "ballots: opened already"
        elif (one.rnd, member) not in one.sealed:
            reason = "ballots: another ballot"
        if reason:
            with boa.reverts(reason):
                self.open(number, one, member, failed)
            return
        if one.state == AuditState.COMMITTING:
            self.model.advance(number, boa.env.timestamp)
        self.open(number, one, member, failed)
        one.opened[one.rnd, member] = failed

    @rule(which=WHICH)
    def vote_the_rest(self, which: int) -> None:
        for seat in range(7):
            self.vote(which, seat)

    def open(self, number: int, one: ModelAudit, member: int, failed: int) -> None:
        ballot = a_ballot(number, one.rnd, member, failed)
        self.site.audits.vote(
            number,
            ballot.failed,
            ballot.statistics,
            ballot.salt,
            sender=self.site.auditor(member).owner,
        )

    @rule(which=WHICH)
    def advance(self, which: int) -> None:
        number, one = self.pick(which)
        if one.is_ready(boa.env.timestamp):
            self.site.audits.advance(number, sender=self.stranger)
            self.model.advance(number, boa.env.timestamp)
        else:
            with boa.reverts():
                self.site.audits.advance(number, sender=self.stranger)

    @rule(which=WHICH)
    def escalate(self, which: int) -> None:
        number, one = self.pick(which)
        if one.state == AuditState.DECIDED and boa.env.timestamp <= one.deadline:
            self.site.audits.escalate(number, value=BOND, sender=self.stranger)
            self.model.escalate(number, self.stranger)

    @rule(which=WHICH, draw=st.integers(0, 1))
    def convict(self, which: int, draw: int) -> None:
        number, one = self.pick(which)
        if not one.left >> draw & 1:
            return
        batch = self.batch_of[number]
        point = self.site.audits.point(number, draw)[0]
        index, _, shown = batch.under(point)
        payer = hex_of(batch.items[index].payer.address)
        held = self.site.escrow.batch(batch.id).held
        free = self.site.escrow.free_of(payer, NATIVE)
        self.site.audits.convict(number, draw, *shown)
        draws, loss = self.model.convict(number, draw)
        [told] = [
            one for one in self.site.audits.get_logs() if type(one).__name__ == "DrawConvicted"
        ]
        assert told.amount == (penalty(batch, self.model.audits[batch.id].draws) * draws or loss)
        paid = held - self.site.escrow.batch(batch.id).held
        # a leaf pays back in full, once, whoever else it was audited for
        assert paid in (0, PAID)
        assert self.site.escrow.free_of(payer, NATIVE) == free + paid

    @rule(which=WHICH)
    def pay(self, which: int) -> None:
        number, one = self.pick(which)
        if not one.state.is_final or one.is_paid or not one.is_request:
            return
        owners = [self.site.auditor(member).owner for member in self.model.earners(number)]
        self.site.audits.pay(number)
        self.model.pay(number, owners, self.payer)

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        boa.env.timestamp += seconds

    @invariant()
    def audits_are_those_of_the_model(self) -> None:
        for number, one in self.model.audits.items():
            record = self.site.audits.audit(number)
            assert int(record.state) == one.state
            assert (record.failed, record.left) == (one.failed, one.left)
            assert (record.pot, record.bond) == (one.pot, one.bond)
            if one.state != AuditState.NONE:
                assert record.deadline == one.deadline
                assert record.is_suspect == one.is_suspect
                assert one.rnd == record.round

    @invariant()
    def wei_is_owed_to_somebody(self) -> None:
        assert boa.env.get_balance(self.site.audits.address) == self.model.owed()
        for account, credit in self.model.credits.items():
            assert self.site.audits.credit_of(account) == credit

    @invariant()
    def standing_is_what_audits_said(self) -> None:
        standing = self.site.audits.standing(self.site.market.service)
        assert standing.open_cases == self.model.open_cases()
        assert standing.cleared <= self.model.cleared

    @invariant()
    def invariant_cmp_6_a_leaf_pays_once(self) -> None:
        for number, batch in self.posted.items():
            record = self.site.escrow.batch(number)
            for index, item in enumerate(batch.items):
                assert self.site.escrow.refunded_of(number, index) <= item.amount
            if record.fee == 0 and record.held:
                back = sum(self.site.escrow.refunded_of(number, i) for i in range(len(batch.items)))
                assert record.held + back == batch.total


TestAudits = Audits.TestCase
