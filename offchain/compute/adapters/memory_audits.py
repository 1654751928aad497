"""Audits that live in one process: `AuditLedger` and `AuditActs` without a chain.

It keeps the order that AuditCourt keeps and decides by majority; it holds no stake and no windows
but the one deadline it is given. Source: docs/protocol/compute.md#audits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from offchain.chain.model import Block, BlockHash, BlockRef
from offchain.compute.audit_bundle import ShownAnswer
from offchain.compute.audit_draw import Ballot, Span, needed
from offchain.compute.audit_ports import AuditSeat, AuditView
from offchain.compute.errors import BatchUnknown
from offchain.compute.onchain_audit_court import AuditState
from offchain.core.errors import Conflict
from offchain.core.units import BlockNumber


class AuditNotAwaited(Conflict):
    """The audit waits for something else, or for somebody else."""

    code = "compute.audit.not_awaited"


@dataclass(slots=True)
class MemoryAudits:
    """`accounts`: operator ids by account; `now` is its block's time.

    `deep`: the last block in which a final audit may still be taken back.
    """

    accounts: Mapping[bytes, int]
    now: int = 1_800_000_000
    deep: int = 0
    views: dict[int, AuditView] = field(default_factory=dict)
    ballots: dict[tuple[int, int, int], tuple[bytes, int | None]] = field(default_factory=dict)
    convicted: list[tuple[int, ShownAnswer]] = field(default_factory=list)

    def open(self, audit: int, members: Sequence[int], spans: Sequence[Span], seconds: int) -> None:
        """Draw an audit of the batch of the same number."""
        self.views[audit] = AuditView(
            id=audit,
            batch=audit,
            state=AuditState.DRAWN,
            round=1,
            deadline=self.now + seconds,
            bundle=bytes(32),
            failed=0,
            left=0,
            seats=tuple(AuditSeat(one, False, False) for one in members),
            spans=tuple(spans),
        )

    def head(self) -> Block:
        return Block(BlockNumber(1), BlockHash(bytes(32)), BlockHash(bytes(32)), self.now, 0, 0)

    def open_audits(self, block: Block) -> Sequence[int]:
        del block
        return [audit for audit, view in self.views.items() if not view.state.is_final]

    def is_over(self, audit: int, block: Block) -> bool:
        view = self.views.get(audit)
        return view is not None and view.state.is_final and block.number > self.deep

    def audit(self, audit: int, *, at: BlockRef) -> AuditView:
        del at
        if audit not in self.views:
            raise BatchUnknown(audit=audit)
        return self.views[audit]

    def operator_of(self, account: bytes, *, at: BlockRef) -> int:
        del at
        return self.accounts.get(account, 0)

    def reveal(self, audit: int, bundle: bytes) -> None:
        view = self._awaited(audit, AuditState.DRAWN)
        self.views[audit] = replace(view, state=AuditState.COMMITTING, bundle=bundle)

    def commit(self, ballot: Ballot) -> None:
        view = self._awaited(ballot.audit, AuditState.COMMITTING)
        key = (ballot.audit, ballot.rnd, ballot.operator_id)
        if view.seat_of(ballot.operator_id) is None or key in self.ballots:
            raise AuditNotAwaited(audit=ballot.audit)
        self.ballots[key] = (ballot.commitment(), None)
        self._seat(view, ballot.operator_id, is_sealed=True)
        if all(seat.is_sealed for seat in self.views[ballot.audit].seats):
            self.views[ballot.audit] = replace(self.views[ballot.audit], state=AuditState.VOTING)

    def vote(self, ballot: Ballot) -> None:
        view = self._awaited(ballot.audit, AuditState.VOTING)
        key = (ballot.audit, ballot.rnd, ballot.operator_id)
        sealed, voted = self.ballots.get(key, (b"", 0))
        if sealed != ballot.commitment() or voted is not None:
            raise AuditNotAwaited(audit=ballot.audit)
        self.ballots[key] = (sealed, ballot.failed)
        self._seat(view, ballot.operator_id, has_voted=True)
        view = self.views[ballot.audit]
        if all(seat.has_voted for seat in view.seats):
            self._decide(view)

    def convict(self, audit: int, batch: int, shown: ShownAnswer) -> None:
        view = self._awaited(audit, AuditState.UPHELD)
        if not view.left >> shown.draw & 1:
            raise AuditNotAwaited(audit=audit, batch=batch)
        self.convicted.append((audit, shown))
        left = view.left & ~(1 << shown.draw)
        state = view.state if left else AuditState.PUNISHED
        self.views[audit] = replace(view, left=left, state=state)

    def _decide(self, view: AuditView) -> None:
        """Majority, draw by draw; nobody escalates here."""
        votes = [vote for key, (_, vote) in self.ballots.items() if key[0] == view.id]
        failed = 0
        for number in range(len(view.spans)):
            against = sum((vote or 0) >> number & 1 for vote in votes)
            failed |= (against >= needed(len(view.seats), view.round)) << number
        state = AuditState.UPHELD if failed else AuditState.CLEARED
        self.views[view.id] = replace(view, state=state, failed=failed, left=failed)

    def _awaited(self, audit: int, state: AuditState) -> AuditView:
        view = self.views.get(audit)
        if view is None or view.state is not state or self.now > view.deadline:
            raise AuditNotAwaited(audit=audit)
        return view

    def _seat(self, view: AuditView, operator_id: int, **changes: bool) -> None:
        seats = tuple(
            replace(one, **changes) if one.operator_id == operator_id else one for one in view.seats
        )
        self.views[view.id] = replace(view, seats=seats)
