"""A provider answers its audits: it writes down what each draw fell on, and binds itself to that.

The bundle is durable before its hash is on chain, and is given to members of the committee only,
until the audit is final. Doing a round again changes nothing: an audit is answered once.
Source: docs/protocol/compute.md#audits.
"""

import asyncio
import logging
from dataclasses import dataclass

from offchain.compute.audit_bundle import (
    MAX_ANSWERS,
    Bundle,
    ShownAnswer,
    bundle_digest,
    pack_bundle,
)
from offchain.compute.audit_draw import Span
from offchain.compute.audit_ports import AuditActs, AuditLedger, AuditView
from offchain.compute.batch_shelf import BatchShelf, Opened
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.errors import AskRejected, BatchUnknown
from offchain.compute.evidence import Evidence, EvidenceShelf
from offchain.compute.onchain_audit_court import AuditState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SealParts:
    """The chain, the shelves that hold what was answered, and a folder for bundles."""

    ledger: AuditLedger
    acts: AuditActs
    batches: BatchShelf
    evidence: EvidenceShelf
    shelf: BundleShelf


class SealAudits:
    """An `AuditDesk` that also answers draws."""

    def __init__(self, parts: SealParts) -> None:
        self._parts = parts

    async def round(self) -> list[int]:
        """Answer every audit of own batches that waits; which. Raises: Unavailable, StoreBroken."""
        parts = self._parts
        head = await asyncio.to_thread(parts.ledger.head)
        own = {posted.id for posted in parts.batches.batches()}
        answered: list[int] = []
        kept: set[int] = set()
        for audit in await asyncio.to_thread(parts.ledger.open_audits, head):
            view = await asyncio.to_thread(parts.ledger.audit, audit, at=head.hash)
            if view.batch not in own:
                continue
            kept.add(audit)
            if view.state is AuditState.DRAWN and head.timestamp <= view.deadline:
                await asyncio.to_thread(self._answer, view)
                answered.append(audit)
        await asyncio.to_thread(parts.shelf.keep_only, kept)
        return answered

    async def bundle(self, audit: int, asker: bytes) -> bytes:
        """What was sealed, for a member of the committee. Raises: BatchUnknown, AskRejected."""
        ledger = self._parts.ledger
        head = await asyncio.to_thread(ledger.head)
        view = await asyncio.to_thread(ledger.audit, audit, at=head.hash)
        operator_id = await asyncio.to_thread(ledger.operator_of, asker, at=head.hash)
        if not operator_id or view.seat_of(operator_id) is None:
            raise AskRejected(reason="committee")
        raw = await asyncio.to_thread(self._parts.shelf.find, audit)
        if raw is None:
            raise BatchUnknown(audit=audit)
        return raw

    def _answer(self, view: AuditView) -> None:
        parts = self._parts
        opened = parts.batches.opened(view.batch)
        answers = tuple(
            ShownAnswer.of(number, opened, place, self._evidence(opened, place))
            for number, span in enumerate(view.spans)
            for place in places_in(opened, span)
        )
        raw = pack_bundle(Bundle(view.id, answers[:MAX_ANSWERS]))
        parts.shelf.keep(view.id, raw)
        parts.acts.reveal(view.id, bundle_digest(raw))
        log.info("audit_answered", extra={"audit": view.id, "answers": len(answers)})

    def _evidence(self, opened: Opened, place: tuple[int, int]) -> Evidence | None:
        index, leaf = place
        receipt = opened.items[index].leaves[leaf].receipt
        return self._parts.evidence.find(receipt.request_id)


def places_in(opened: Opened, span: Span) -> list[tuple[int, int]]:
    """Item and leaf of every answer that holds a unit of a span, in order."""
    found: list[tuple[int, int]] = []
    at = 0
    for index, item in enumerate(opened.items):
        if at > span.last:
            break
        if at + item.amount > span.first:
            found += _leaves_in(opened, index, Span(span.first - at, span.last - at))
        at += item.amount
    return found


def _leaves_in(opened: Opened, index: int, span: Span) -> list[tuple[int, int]]:
    found, at = [], 0
    for leaf, one in enumerate(opened.items[index].leaves):
        end = at + one.receipt.price
        if at <= span.last and end > span.first:
            found.append((index, leaf))
        at = end
    return found
