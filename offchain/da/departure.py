"""May an operator stop its node: what it still answers for, until when, and who holds copies.

Leaving the quorum moves no liability: an owner's stake stays locked until its last blob is over, so
it serves until then. Once heirs show every row of a blob, readers no longer depend on this node;
before, a node that stops takes redundancy with it. Read only: nothing is deleted, nothing is sent.
Source: docs/protocol/da.md#repair-and-churn, INV-DA-9.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from offchain.da.copies import ask_holdings
from offchain.da.duties import BlobView
from offchain.da.heirs import heir_of, lots_of
from offchain.da.model import BlobState
from offchain.da.ports import BlobLedger, DecisionJournal, Departures, NodeClient
from offchain.da.refusals import BlobUnknown


@dataclass(frozen=True, slots=True)
class Debt:
    """One blob this node signed for. `until`: chain seconds, expiry and both answer windows.

    `copied` of its `rows` rows are shown by the heirs `heirs` (operator ids).
    """

    blob_id: bytes
    until: int
    rows: int
    copied: int
    heirs: tuple[int, ...] = field(repr=False)

    @property
    def is_copied(self) -> bool:
        return self.copied == self.rows


@dataclass(frozen=True, slots=True)
class LeaveReadiness:
    """What stands between an operator and switching its node off, at one block."""

    now: int
    debts: tuple[Debt, ...] = field(repr=False)

    @property
    def is_free(self) -> bool:
        """Nothing is owed any more: the node may go."""
        return not self.debts

    @property
    def is_copied(self) -> bool:
        """Heirs show every row: readers lose nothing, though the stake still answers."""
        return all(debt.is_copied for debt in self.debts)

    @property
    def free_at(self) -> int:
        """When nothing will be owed any more, if nothing new is signed."""
        return max((debt.until for debt in self.debts), default=self.now)


@dataclass(frozen=True, slots=True)
class DepartureParts:
    """What the check reads; `answer_seconds` is one answer window."""

    operator: int
    ledger: BlobLedger
    departures: Departures
    journal: DecisionJournal
    client: NodeClient
    answer_seconds: int = 3_600


class CheckDeparture:
    """Looks at every blob this node signed for."""

    def __init__(self, parts: DepartureParts) -> None:
        self._parts = parts

    async def check(self) -> LeaveReadiness:
        """How things stand now. Raises: Unavailable when the chain does not answer."""
        moment = await asyncio.to_thread(self._parts.ledger.head)
        signed = {decision.blob_id for decision in await self._parts.journal.decisions()}
        debts = []
        for blob_id in sorted(signed):
            try:
                view = await asyncio.to_thread(self._parts.ledger.view, blob_id, at=moment.block)
            except BlobUnknown:
                continue
            debt = await self._debt(view)
            if debt is not None:
                debts.append(debt)
        return LeaveReadiness(moment.time, tuple(debts))

    async def _debt(self, view: BlobView) -> Debt | None:
        """What is owed for one blob; None when it is over or was never this node's."""
        mine = view.duties.of(self._parts.operator) if view.duties else None
        until = self._owed_until(view)
        if mine is None or view.duties is None or view.moment.time >= until:
            return None
        operators = [duty.operator for duty in view.duties.members]
        gone = await asyncio.to_thread(self._parts.departures.gone, operators, at=view.moment.block)
        away = gone | {self._parts.operator}
        lots = [lot for lot in lots_of(view.duties) if lot.owner.operator == mine.operator]
        heirs = [heir_of(view.duties, lot, away) for lot in lots]
        asked = {heir.operator: heir for heir in heirs if heir is not None}
        holdings = await ask_holdings(self._parts.client, view.record.blob_id, asked.values())
        copied = sum(
            len(holdings[heir.operator].intersection(lot.rows))
            for lot, heir in zip(lots, heirs, strict=True)
            if heir is not None
        )
        return Debt(view.record.blob_id, until, len(mine.rows), copied, tuple(sorted(asked)))

    def _owed_until(self, view: BlobView) -> int:
        match view.record.state:
            case BlobState.PAID:
                return view.record.deadline
            case BlobState.CONFIRMED | BlobState.VOID:
                return view.record.expiry + 2 * self._parts.answer_seconds
            case BlobState.REFUNDED | BlobState.NONE:
                return 0


def blobs_without_copies(readiness: LeaveReadiness) -> Sequence[Debt]:
    """The blobs that would be thinner without this node."""
    return [debt for debt in readiness.debts if not debt.is_copied]
