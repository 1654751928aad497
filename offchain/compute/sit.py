"""An auditor's duty: fetch what was sealed, judge it, seal a ballot, open it when all are sealed.

  ballots.journal  BALLOT  audit (32) || u8 round || failed (32) || statistics (32) || salt (32)

A ballot is durable before its hash is on chain, so a killed auditor opens what it sealed; once no
reorganisation takes its audit's end back, it is cut out of the journal. What cannot be fetched
until shortly before the deadline counts as not opened: every draw failed.
Source: docs/protocol/compute.md#audits.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.chain.model import Block
from offchain.compute.audit_bundle import BundleBroken, parse_bundle
from offchain.compute.audit_check import Replayer
from offchain.compute.audit_draw import Ballot
from offchain.compute.audit_ports import (
    AuditActs,
    AuditLedger,
    AuditView,
    BundleSource,
)
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.judge_draw import BatchFacts, Judged, judge_bundle
from offchain.compute.model import Service
from offchain.compute.onchain_audit_court import AuditState
from offchain.compute.ports import EscrowLedger, ServiceLedger
from offchain.core.errors import Conflict, Corrupt, NotFound, Rejected, Unavailable
from offchain.core.hashing import keccak
from offchain.node.journal import Entry, Journal, JournalBroken

BALLOT: Final = 1
BALLOT_BYTES: Final = 129
PATIENCE: Final = 0.5  # of the time to the deadline is left when waiting for a bundle ends
log = logging.getLogger(__name__)


class ModelNotHeld(NotFound):
    """An auditor is asked about a model that it does not have."""

    code = "compute.audit.model_not_held"
    next_step = "Give `apogee auditor` the model's folder, or leave the ALIGNMENT pool."


@dataclass(frozen=True, slots=True)
class SitParts:
    """The chain, the way to providers, and this auditor's models by their hash."""

    ledger: AuditLedger
    acts: AuditActs
    services: ServiceLedger
    escrow: EscrowLedger
    bundles: BundleSource
    journal: Journal
    shelf: BundleShelf
    replayer: Callable[[Service], Replayer | None]
    operator_id: int


class Sit:
    """One auditor."""

    def __init__(self, parts: SitParts) -> None:
        self._parts = parts
        self._ballots: dict[tuple[int, int], Ballot] = {}
        self._first_seen: dict[tuple[int, int], int] = {}
        self._writing = asyncio.Lock()  # of the journal, which is not replaced while it grows

    def open(self) -> None:
        """Take up the ballots of earlier runs. Raises: JournalBroken."""
        for entry in self._parts.journal.entries():
            ballot = _ballot_of(entry, self._parts.operator_id)
            self._ballots[ballot.audit, ballot.rnd] = ballot

    async def round(self) -> list[int]:
        """Do what is due in every audit this auditor sits in; which moved. Raises: Unavailable."""
        parts = self._parts
        head = await asyncio.to_thread(parts.ledger.head)
        moved: list[int] = []
        known = await asyncio.to_thread(parts.ledger.open_audits, head)
        await asyncio.to_thread(parts.shelf.keep_only, set(known))
        for audit in known:
            view = await asyncio.to_thread(parts.ledger.audit, audit, at=head.hash)
            seat = view.seat_of(parts.operator_id)
            if seat is None:
                continue
            if view.state is AuditState.COMMITTING and not seat.is_sealed:
                moved += [audit] if await self._seal(view, head) else []
            elif self._may_vote(view) and seat.is_sealed and not seat.has_voted:
                moved += [audit] if await self._vote(view) else []
            elif view.state is AuditState.UPHELD and view.left:
                moved += [audit] if await asyncio.to_thread(self._convict, view) else []
        return moved

    async def forget(self) -> int:
        """Drop the ballots of audits that are over for good; how many.

        Raises: Unavailable, StoreFull, StoreBroken.
        """
        ledger = self._parts.ledger
        head = await asyncio.to_thread(ledger.head)
        audits = {audit for audit, _ in self._ballots}
        over = {one for one in audits if await asyncio.to_thread(ledger.is_over, one, head)}
        if not over:
            return 0
        async with self._writing:
            left = {key: one for key, one in self._ballots.items() if key[0] not in over}
            await asyncio.to_thread(self._parts.journal.replace, map(_entry_of, left.values()))
            gone, self._ballots = len(self._ballots) - len(left), left
        self._first_seen = {key: at for key, at in self._first_seen.items() if key[0] not in over}
        return gone

    async def _seal(self, view: AuditView, head: Block) -> bool:
        """Judge and commit; False while the bundle is not to be had yet."""
        key = (view.id, view.round)
        ballot = self._ballots.get(key)
        if ballot is None:
            judged = await self._judge(view, head)
            if judged is None:
                return False
            ballot = Ballot(
                view.id,
                view.round,
                self._parts.operator_id,
                judged.failed,
                judged.statistics,
                secrets.token_bytes(32),
            )
            async with self._writing:
                await self._parts.journal.append(_entry_of(ballot))
                self._ballots[key] = ballot
            reasons = {number: [str(one) for one in found] for number, found in judged.reasons}
            log.info("audit_judged", extra={"audit": view.id, "failed": reasons})
        await asyncio.to_thread(self._parts.acts.commit, ballot)
        return True

    def _may_vote(self, view: AuditView) -> bool:
        all_sealed = all(seat.is_sealed for seat in view.seats)
        return view.state is AuditState.VOTING or (
            view.state is AuditState.COMMITTING and all_sealed
        )

    async def _vote(self, view: AuditView) -> bool:
        ballot = self._ballots.get((view.id, view.round))
        if ballot is None:
            log.error("ballot_lost", extra={"audit": view.id, "round": view.round})
            return False
        await asyncio.to_thread(self._parts.acts.vote, ballot)
        return True

    async def _judge(self, view: AuditView, head: Block) -> Judged | None:
        """None: ask again later. Raises: ModelNotHeld, Unavailable."""
        parts = self._parts
        facts = await asyncio.to_thread(self._facts, view, head)
        replayer = await asyncio.to_thread(parts.replayer, facts.service)
        if replayer is None:
            raise ModelNotHeld(model="0x" + facts.service.model_hash.hex())
        try:
            raw = await parts.bundles.fetch(facts.service.endpoint, facts.service.provider, view.id)
            bundle = parse_bundle(raw, digest=view.bundle)
            await asyncio.to_thread(parts.shelf.keep, view.id, raw)
        except Unavailable:
            return None if self._waits(view, head) else _nothing_opened(view)
        except (BundleBroken, Rejected, NotFound, Corrupt) as error:
            log.warning("bundle_refused", extra={"audit": view.id, "code": error.code})
            return None if self._waits(view, head) else _nothing_opened(view)
        return await asyncio.to_thread(judge_bundle, bundle, view.spans, facts, replayer)

    def _convict(self, view: AuditView) -> bool:
        """Show the leaves that failed draws fell on, so that their payers are refunded."""
        parts = self._parts
        raw = parts.shelf.find(view.id)
        if raw is None:
            return False
        bundle, moved = parse_bundle(raw, digest=view.bundle), False
        for number in range(len(view.spans)):
            shown = bundle.of_draw(number)
            if not view.left >> number & 1 or not shown:
                continue
            try:
                parts.acts.convict(view.id, view.batch, shown[0])
                moved = True
            except (Conflict, Rejected):
                head = parts.ledger.head()
                if parts.ledger.audit(view.id, at=head.hash).left >> number & 1:
                    raise
        return moved

    def _facts(self, view: AuditView, head: Block) -> BatchFacts:
        services, escrow, at = self._parts.services, self._parts.escrow, head.hash
        batch = escrow.batch(view.batch, at=at)
        return BatchFacts(
            service=services.service(batch.service, at=at),
            domain=escrow.domain(),
            root=batch.root,
            items=batch.items,
            row=lambda version: services.price_row(batch.service, version, at=at),
            signer_at=lambda time: services.signer_at(batch.service, time, at=at),
        )

    def _waits(self, view: AuditView, head: Block) -> bool:
        """Whether there is time left to hope for a bundle."""
        first = self._first_seen.setdefault((view.id, view.round), head.timestamp)
        return head.timestamp < first + (view.deadline - first) * PATIENCE


def _nothing_opened(view: AuditView) -> Judged:
    every = (1 << len(view.spans)) - 1
    return Judged(every, keccak(b"nothing opened"), ())


def _entry_of(ballot: Ballot) -> Entry:
    body = ballot.audit.to_bytes(32, "big") + bytes([ballot.rnd])
    body += ballot.failed.to_bytes(32, "big") + ballot.statistics + ballot.salt
    return Entry(BALLOT, body)


def _ballot_of(entry: Entry, operator_id: int) -> Ballot:
    """Raises: JournalBroken."""
    raw = entry.body
    if entry.kind != BALLOT or len(raw) != BALLOT_BYTES:
        raise JournalBroken(reason="entry", kind=entry.kind)
    audit, failed = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[33:65], "big")
    return Ballot(audit, raw[32], operator_id, failed, raw[65:97], raw[97:])
