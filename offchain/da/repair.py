"""A node makes again what falls to it: rows of signers that are gone, and its own that rotted.

  load     blobs held or signed, at one deep block; who is gone by the chain; who answers now
  decide   which lots this node should hold (inherit.py), whom it watches (roll_call.py)
  apply    copy from whoever has the rows; else K rows, encode again, compare with D; keep

It holds no key and signs nothing. What was kept before a crash is held by the next pass, what was
not is made again. Rows of a signer that is merely silent are made only when the blob has become
thin, so that silence costs others nothing; each pass is bounded in blobs and bytes, one blob at a
time. Source: docs/protocol/da.md#repair-and-churn, INV-DA-22, INV-DA-23.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.layout import K, N
from offchain.core.matrix.check import CheckedHeader, check_header
from offchain.core.merkle import data_root
from offchain.core.wire import Row, encode_rows
from offchain.da.blame import Blame, BlameBook
from offchain.da.copies import Holdings, ask_holdings, gather_anywhere, gather_copies
from offchain.da.duties import BlobView, Duties, Moment
from offchain.da.errors import Bottom
from offchain.da.fetch import FetchRows, FetchRules, RowHunt
from offchain.da.fraud import encode_again
from offchain.da.heirs import rows_after
from offchain.da.inherit import Claim, inheritance_of
from offchain.da.model import BlobState
from offchain.da.ports import (
    BlobLedger,
    DecisionJournal,
    Departures,
    NodeClient,
    RowStore,
    Share,
)
from offchain.da.probe import ProbeNodes
from offchain.da.pursue import Pursue
from offchain.da.refusals import (
    BlobUnknown,
    ShareCorrupt,
)
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.roll_call import Patience, RollCall
from offchain.node.errors import StoreBroken, StoreFull

ROWS_AT_ONCE: Final = 64
ROWS_SEEN: Final = 8
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RepairRules:
    """What one node spends on others.

    `depth`: blocks on top of the one that is judged by. `answer_seconds`: one answer window.
    `blobs_per_pass`; `bytes_per_pass`: no blob is begun after so much was received.
    `inherited_bytes`: kept for others in all. `thin_rows`: below so many living rows, rows of
    silent signers are made again. `blob_seconds`: hard end of one blob, in which
    `pursuit_seconds` at most go into finding what proves a bad encoding. `threads` for decoding.
    """

    depth: int = 8
    answer_seconds: int = 3_600
    patience: Patience = field(default_factory=Patience)
    blobs_per_pass: int = 64
    bytes_per_pass: int = 256 << 20
    inherited_bytes: int = 64 << 30
    thin_rows: int = 3 * N // 4
    blob_seconds: float = 120.0
    pursuit_seconds: float = 20.0
    threads: int = 1
    fetch: FetchRules = field(default_factory=FetchRules)


@dataclass(frozen=True, slots=True)
class RepairParts:
    """What repair works with; there is no signer among it. `operator` is this node's id."""

    operator: int
    ledger: BlobLedger
    departures: Departures
    store: RowStore
    journal: DecisionJournal
    client: NodeClient
    engine: ErasureEngine
    random: Random


@dataclass(slots=True)
class RepairReport:
    """What one pass did. `copied` rows came from somebody who had them, `remade` from K others."""

    blobs: int = 0
    copied: int = 0
    remade: int = 0
    postponed: int = 0
    bytes_received: int = 0
    blame: list[Blame] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One blob under repair."""

    view: BlobView
    duties: Duties
    claims: Sequence[Claim]
    held: frozenset[int]
    away: frozenset[int]


class RepairBlobs:
    """Passes over everything a node holds or signed, some blobs each time."""

    def __init__(
        self,
        parts: RepairParts,
        rules: RepairRules,
        *,
        on_bottom: Callable[[bytes, Bottom], None] = lambda *_: None,
    ) -> None:
        self._parts = parts
        self._rules = rules
        self._on_bottom = on_bottom
        self._roll = RollCall(rules.patience)
        self._probe = ProbeNodes(parts.client, self._roll, parts.random)
        self._fetch = FetchRows(parts.client, parts.engine, rules.fetch)
        self._bad: set[bytes] = set()
        self._after = b""

    async def repair(self) -> RepairReport:
        """One pass. Raises: Unavailable when the chain or the disk does not answer."""
        report = RepairReport()
        moment = await asyncio.to_thread(_deep_moment, self._parts.ledger, self._rules.depth)
        if moment is None:
            return report
        views = [view for view in await self._views(moment) if self._is_live(view)]
        members = {duty.operator: duty for view in views for duty in _duties(view).members}
        gone = await asyncio.to_thread(
            self._parts.departures.gone, sorted(members), at=moment.block
        )
        asked = {
            duty.operator: (duty, view.record.blob_id)
            for view in views
            for duty in _duties(view).members
            if duty.operator != self._parts.operator
        }
        await self._probe.call_roll(asked.values(), moment.time)
        for view in views:
            if report.bytes_received >= self._rules.bytes_per_pass:
                report.postponed += 1
                continue
            report.blobs += 1
            await self._repair_blob(view, gone, report)
        return report

    async def _views(self, moment: Moment) -> list[BlobView]:
        """The next blobs in turn, each at the deep block."""
        known = {share.blob_id for share in await self._parts.store.held()}
        known |= {decision.blob_id for decision in await self._parts.journal.decisions()}
        self._roll.forget_blobs_but(known)
        self._bad &= known
        turn = sorted(known - self._bad)
        chosen = [one for one in turn if one > self._after][: self._rules.blobs_per_pass]
        self._after = chosen[-1] if len(chosen) == self._rules.blobs_per_pass else b""
        views = []
        for blob_id in chosen:
            try:
                view = await asyncio.to_thread(self._parts.ledger.view, blob_id, at=moment.block)
            except BlobUnknown:
                continue
            views.append(view)
        return views

    def _is_live(self, view: BlobView) -> bool:
        """Whether the blob is owed to readers, and this node is one of its quorum."""
        is_owed = view.record.state is BlobState.CONFIRMED and view.moment.time < view.record.expiry
        return (
            is_owed and view.duties is not None and view.duties.of(self._parts.operator) is not None
        )

    async def _repair_blob(
        self, view: BlobView, gone: frozenset[int], report: RepairReport
    ) -> None:
        blob_id, now, duties = view.record.blob_id, view.moment.time, _duties(view)
        held = await self._sound_rows(blob_id)
        away = gone | {d.operator for d in duties.members if self._roll.is_down(d.operator, now)}
        found = inheritance_of(
            duties,
            self._parts.operator,
            held,
            gone=gone,
            is_silent=lambda duty, lot: (
                duty.operator in away or self._roll.lacks(blob_id, duty.operator, lot, now)
            ),
        )
        claims = await self._within_room(view, found.claims)
        case = _Case(view, duties, claims, held, frozenset(away))
        book = BlameBook()
        try:
            async with asyncio.timeout(self._rules.blob_seconds):
                await self._probe.watch(view.record, found.watches, now)
                if claims:
                    checked = await self._checked_header(view, book)
                    await self._take(case, RowHunt(blob_id, checked, duties, book), report)
        except (StoreFull, StoreBroken):
            raise
        except Bottom as bottom:
            self._bad.add(blob_id)
            self._on_bottom(blob_id, bottom)
        except (ApogeeError, TimeoutError) as error:
            code = error.code if isinstance(error, ApogeeError) else "timeout"
            log.warning("repair_put_off", extra={"blob_id": blob_id.hex(), "code": code})
            report.postponed += 1
        report.blame += book.records

    async def _sound_rows(self, blob_id: bytes) -> frozenset[int]:
        """The rows held, after a look at a few: one that rotted is not held any more."""
        held = await self._parts.store.rows_held(blob_id)
        seen = self._parts.random.sample(sorted(held), min(ROWS_SEEN, len(held)))
        try:
            if seen:
                await self._parts.store.rows(blob_id, seen)
        except ShareCorrupt:
            return await self._parts.store.rows_held(blob_id)
        return held

    async def _within_room(self, view: BlobView, claims: Sequence[Claim]) -> list[Claim]:
        """Own rows that were signed for, and others' as long as there is room for them."""
        seed, me = _duties(view).seed, self._parts.operator
        has_signed = await self._parts.journal.decided(view.record.blob_id, seed) is not None
        kept = [share for share in await self._parts.store.held() if share.is_inherited]
        room = self._rules.inherited_bytes - sum(share.size_bytes for share in kept)
        chosen = []
        for claim in claims:
            if claim.is_own(me):
                if has_signed:
                    chosen.append(claim)
                continue
            room -= len(claim.rows) * view.record.shape.row_bytes
            if room >= 0:
                chosen.append(claim)
        return chosen

    async def _checked_header(self, view: BlobView, book: BlameBook) -> CheckedHeader:
        try:
            header = await self._parts.store.header(view.record.blob_id)
        except ApogeeError:
            parts = self._parts
            rules = RetrievalRules(deadline_seconds=self._rules.blob_seconds)
            reader = RetrieveBlob(parts.ledger, parts.client, parts.engine, rules=rules)
            return await reader.checked_header(view, book)
        return await asyncio.to_thread(check_header, header, self._parts.engine)

    async def _take(self, case: _Case, hunt: RowHunt, report: RepairReport) -> None:
        """Get the rows of the claims, copied or made, and keep them durably."""
        others = [d for d in case.duties.members if d.operator != self._parts.operator]
        wanted = frozenset().union(*(claim.rows for claim in case.claims))
        holdings = await ask_holdings(self._parts.client, hunt.blob_id, others)
        rows: dict[int, Row] = {}
        try:
            await gather_copies(self._fetch, hunt, holdings, wanted)
            rows = {i: Row(i, hunt.paths[i], hunt.rows[i]) for i in wanted & hunt.rows.keys()}
            report.copied += len(rows)
            missing = self._worth_making(case, holdings) - rows.keys()
            if missing:
                made = await self._made(case, hunt, missing)
                report.remade += len(made)
                rows |= made
        finally:
            report.bytes_received += hunt.bytes_received
            await self._keep(case, hunt.checked, rows)

    def _worth_making(self, case: _Case, holdings: Holdings) -> frozenset[int]:
        """All claimed rows of a thin blob; otherwise those whose owners are gone for good."""
        due = rows_after(case.duties, case.away)
        living = len(case.held) + sum(
            len(holdings.get(operator, frozenset()).intersection(rows))
            for operator, rows in due.items()
        )
        is_thin = living < self._rules.thin_rows
        claims = case.claims
        return frozenset().union(*(c.rows for c in claims if c.is_urgent or is_thin))

    async def _made(self, case: _Case, hunt: RowHunt, missing: Collection[int]) -> dict[int, Row]:
        """Rows encoded again from K others. Raises: InsufficientRows; Bottom."""
        for start in range(0, len(case.held), ROWS_AT_ONCE):
            part = sorted(case.held)[start : start + ROWS_AT_ONCE]
            for row in await self._parts.store.rows(hunt.blob_id, part):
                hunt.rows[row.index], hunt.paths[row.index] = row.data, row.path
        me = self._parts.operator
        members = tuple(duty for duty in case.duties.members if duty.operator != me)
        hunt.duties = replace(case.duties, members=members)
        try:
            await gather_anywhere(self._parts.client, self._fetch, hunt, needed=K)
        finally:
            hunt.duties = case.duties
        threads = self._rules.threads
        word = await asyncio.to_thread(
            encode_again, hunt.checked, hunt.rows, self._parts.engine, threads=threads
        )
        if data_root(*(tree.root for tree in word.trees)) != hunt.checked.header.data_root:
            pursue = Pursue(self._fetch, self._parts.engine, threads=threads)
            raise await pursue.pursue(hunt, seconds=self._rules.pursuit_seconds)
        return {
            index: Row(index, word.trees[index // K].path(index % K), word.rows[index])
            for index in missing
        }

    async def _keep(self, case: _Case, checked: CheckedHeader, rows: dict[int, Row]) -> None:
        """Put rows in place: own ones with the own share, others' beside it."""
        mine = case.duties.of(self._parts.operator)
        assert mine is not None
        own = {index: row for index, row in rows.items() if index in set(mine.rows)}
        if own:
            whole = [i for i in mine.rows if i in case.held and i not in own]
            known = await self._parts.store.rows(case.view.record.blob_id, whole) if whole else []
            await self._put(case, checked, [*own.values(), *known], is_inherited=False)
        others = [row for index, row in rows.items() if index not in own]
        if others:
            await self._put(case, checked, others, is_inherited=True)

    async def _put(
        self, case: _Case, checked: CheckedHeader, rows: Sequence[Row], *, is_inherited: bool
    ) -> None:
        record = case.view.record
        until = record.expiry + 2 * self._rules.answer_seconds
        columns = checked.shape.columns
        frame = await asyncio.to_thread(encode_rows, record.blob_id, columns, rows)
        await self._parts.store.put(
            Share(
                blob_id=record.blob_id,
                seed=case.duties.seed,
                deadline=until,
                columns=columns,
                rows=tuple(sorted(row.index for row in rows)),
                header=checked.header.to_bytes(),
                frame=frame,
                is_inherited=is_inherited,
            )
        )
        log.info(
            "rows_repaired",
            extra={
                "blob_id": record.blob_id.hex(),
                "rows": len(rows),
                "is_inherited": is_inherited,
            },
        )


def _duties(view: BlobView) -> Duties:
    assert view.duties is not None
    return view.duties


def _deep_moment(ledger: BlobLedger, depth: int) -> Moment | None:
    """The newest block with `depth` blocks on top; None when the chain is shorter."""
    block = ledger.head().block - depth
    return None if block < 0 else ledger.moment(block)
