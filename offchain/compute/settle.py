"""Present what was earned: items of signed vouchers and the roots of their receipts, 64 at a time.

Three phases: read each purse at one block, build items, present them. Amounts are totals and nonces
only rise, so presenting again what is on chain already moves nothing. A running request holds back
those after it; what the escrow skips stays and comes again.
Source: docs/protocol/compute.md#provider.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.compute.batch import MAX_ITEMS, BatchItem, SettleItem, pack_batch
from offchain.compute.batch_shelf import BatchShelf, Posted
from offchain.compute.evidence import EvidenceShelf
from offchain.compute.model import SignedReceipt, SignedVoucher, Voucher
from offchain.compute.ports import BatchState, Bucket, EscrowLedger, SettleDesk
from offchain.compute.reserve import Line, PurseKey, ReservationBook
from offchain.core.units import BlockNumber

DEEP_BLOCKS: Final = 4  # from here on a settlement does not leave the chain
MAX_LEAVES: Final = 4_096  # of one item; the rest waits for the next round
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """One item with the voucher that pays it."""

    item: BatchItem
    voucher: SignedVoucher

    @property
    def group(self) -> tuple[bytes, bytes]:
        return self.item.service, self.item.token


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where batches and evidence lie."""

    batches: BatchShelf
    evidence: EvidenceShelf


class Settle:
    """Settles one provider's purses."""

    def __init__(
        self,
        provider: bytes,
        book: ReservationBook,
        escrow: EscrowLedger,
        desk: SettleDesk,
        shelves: Shelves,
    ) -> None:
        self._provider = provider
        self._book = book
        self._escrow = escrow
        self._desk = desk
        self._shelves = shelves

    async def round(self) -> list[Posted]:
        """Settle all that can be; the batches posted. Raises: Unavailable, StoreBroken."""
        await self._finish_loose()
        head = await asyncio.to_thread(self._escrow.head)
        claims = []
        for purse in self._book.purses():
            await self._look(purse)
            claim = self._claim(purse, head.timestamp)
            if claim is not None:
                claims.append(claim)
        posted = []
        for group in sorted({claim.group for claim in claims}):
            mine = [claim for claim in claims if claim.group == group]
            for start in range(0, len(mine), MAX_ITEMS):
                found = await self._present(mine[start : start + MAX_ITEMS])
                posted += [] if found is None else [found]
        return posted

    async def forget(self, keep_seconds: int) -> int:
        """Drop batches released so long ago that nobody asks, with their evidence; how many."""
        head = await asyncio.to_thread(self._escrow.head)
        dropped = 0
        for posted in self._shelves.batches.batches():
            found = await asyncio.to_thread(self._escrow.batch, posted.id, at=head.hash)
            if found.state is not BatchState.RELEASED:
                continue
            if found.release_at + keep_seconds < head.timestamp:
                await self._drop(posted)
                dropped += 1
        return dropped

    async def _look(self, purse: PurseKey) -> None:
        """What the chain says of a purse now, and so deep that it stays."""
        payer, token = purse
        now, deep = await asyncio.to_thread(self._buckets, payer, token)
        self._book.observe(payer, token, now)
        await self._book.settled(payer, token, deep.last_nonce)

    def _buckets(self, payer: bytes, token: bytes) -> tuple[Bucket, Bucket]:
        """A purse now, and a few blocks ago."""
        head = self._escrow.head()
        deep = BlockNumber(max(0, head.number - DEEP_BLOCKS))
        return (
            self._escrow.bucket(payer, self._provider, token, at=head.hash),
            self._escrow.bucket(payer, self._provider, token, at=deep),
        )

    def _claim(self, purse: PurseKey, now: int) -> Claim | None:
        """The next run of answered requests of one service and row that a voucher pays.

        Free answers are owed nothing: a run of them is passed over, and forgotten once a paid one
        after it is settled.
        """
        run = _payable(self._book.unsettled(*purse))
        amount = sum(line.amount for line in run)
        if not amount:
            return None
        claim = self._book.spent(*purse) + amount
        voucher = self._voucher(purse, run[-1], claim, now)
        if voucher is None:
            log.error("voucher_lost", extra={"nonce": run[-1].nonce, "claim": claim})
            return None
        said = voucher.voucher
        item = BatchItem(
            payer=said.payer,
            service=said.service,
            price_version=said.price_version,
            token=said.token,
            claim=claim,
            cumulative=said.cumulative,
            leaves=_receipts(run),
        )
        return Claim(item, voucher)

    def _voucher(self, purse: PurseKey, last: Line, claim: int, now: int) -> SignedVoucher | None:
        """Of the vouchers that pay a claim, the one that acknowledges most."""
        named = [line.voucher for line in self._book.unsettled(*purse)]
        acked = self._book.acknowledged(*purse)
        fit = [
            one
            for one in (*named, *([] if acked is None else [acked]))
            if one.voucher.nonce >= last.nonce
            and one.voucher.cap >= claim
            and one.voucher.expiry >= now
            and _row_of(one.voucher) == _row_of(last.voucher.voucher)
        ]
        return max(fit, key=lambda one: one.voucher.cumulative, default=None)

    async def _present(self, claims: Sequence[Claim]) -> Posted | None:
        """Write the file down, present the items, and keep what became of them."""
        file = pack_batch(self._provider, [claim.item for claim in claims])
        root = await asyncio.to_thread(self._shelves.batches.write, file)
        items = [SettleItem.of(claim.item, claim.voucher) for claim in claims]
        return await self._settle(claims[0].group, items, root)

    async def _settle(
        self, group: tuple[bytes, bytes], items: Sequence[SettleItem], root: bytes
    ) -> Posted | None:
        service, token = group
        settlement = await asyncio.to_thread(self._desk.settle, service, token, items, root)
        for position, reason in settlement.skipped.items():
            nonce = items[position].last_nonce
            log.warning("item_skipped", extra={"reason": reason.name, "nonce": nonce})
        for item in items:
            await self._look((item.voucher.voucher.payer, token))
        if not settlement.batch:
            self._shelves.batches.drop_file(root)
            return None
        posted = await self._shelves.batches.record(
            settlement, root=root, service=service, token=token
        )
        log.info("batch_posted", extra={"batch": posted.id, "items": len(items)})
        return posted

    async def _finish_loose(self) -> None:
        """Learn the fate of files that were presented before a crash; unknown ones stay."""
        for root in self._shelves.batches.loose():
            items = self._shelves.batches.items(root)
            first = items[0]
            found = await asyncio.to_thread(self._desk.find, items, root)
            if found is not None:
                await self._shelves.batches.record(
                    found, root=root, service=first.service, token=first.token
                )

    async def _drop(self, posted: Posted) -> None:
        for item in self._shelves.batches.items(posted.root):
            for one in item.leaves:
                drop = self._shelves.evidence.drop
                await asyncio.to_thread(drop, one.receipt.request_id)
        await self._shelves.batches.forget(posted.id)


def _payable(lines: Sequence[Line]) -> list[Line]:
    """The first answered requests of one service and row that cost anything; none: no such."""
    run: list[Line] = []
    for line in lines:
        if line.signed is None or len(run) == MAX_LEAVES:
            break
        if run and _row_of(line.voucher.voucher) != _row_of(run[0].voucher.voucher):
            if any(one.amount for one in run):
                break
            run = []
        run.append(line)
    return run


def _row_of(voucher: Voucher) -> tuple[bytes, int]:
    return voucher.service, voucher.price_version


def _receipts(run: Sequence[Line]) -> tuple[SignedReceipt, ...]:
    return tuple(line.signed for line in run if line.signed is not None)
