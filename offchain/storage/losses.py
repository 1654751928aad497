"""A seat whose bytes are gone for good is given up before the beacon finds it empty.

A loss that peers make good is no loss: repair tries first, pass after pass, for `patience_seconds`.
What they cannot make in that time costs its operator money either way, and the cheaper way is taken
(prices and epochs as the contract has them):

  kept silent    each byte costs 12 epochs' price an epoch for as long as its file is owed
  declared       a quarter of a fine: 3 epochs' price of the bytes that a fine is reckoned over

Files that the seat never signed for cost nothing when they are missed, and one that is no codeword
is voided instead. A restart begins the patience anew. Source: docs/protocol/storage.md#keeping.
"""

import asyncio
import logging
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.chain.model import Block
from offchain.core.errors import Conflict, Rejected
from offchain.storage.keep_ports import KeeperDesk, KeeperLedger, SegmentBook
from offchain.storage.model import kept_bytes, shard_of
from offchain.storage.ports import GroupView, SeatView, ShardKey, ShardStore, StoredFile
from offchain.storage.watch import Surroundings, look_around

FINE_PARTS: Final = 4  # a declared loss costs a quarter of a fine
log = logging.getLogger(__name__)


class FineTerms(Protocol):
    """What a fine is reckoned by. Raises: Unavailable."""

    def fined_bytes(self, group: int, *, at: Block) -> int:
        """The bytes whose price a first miss in this group costs twelve epochs of."""
        ...


@dataclass(frozen=True, slots=True)
class LossRules:
    """For how long repair is tried, and the length of an epoch, both in seconds of the chain."""

    patience_seconds: int
    epoch_seconds: int


@dataclass(frozen=True, slots=True)
class LossParts:
    """What giving up works with; `operator` is this node's id."""

    operator: int
    ledger: KeeperLedger
    terms: FineTerms
    desk: KeeperDesk
    store: ShardStore
    book: SegmentBook


@dataclass(frozen=True, slots=True)
class LostFile:
    """What a seat lacks of a file that it signed for."""

    lost_bytes: int
    owed_seconds: int


class DeclareLosses:
    """One operator's seats that cannot be made whole."""

    def __init__(self, parts: LossParts, rules: LossRules) -> None:
        self._parts = parts
        self._rules = rules
        self._since: dict[tuple[int, int], int] = {}  # seat -> when its loss was first seen

    async def declare(self, unmade: AbstractSet[bytes]) -> list[tuple[int, int]]:
        """Give up seats that lack what nobody can make; `unmade` are files that repair could not.

        Raises: Unavailable when the chain or the medium does not answer.
        """
        if not unmade:
            self._since.clear()
            return []
        parts = self._parts
        head = await asyncio.to_thread(parts.ledger.head)
        around = await asyncio.to_thread(look_around, parts.ledger, parts.operator, at=head)
        losses = await self._losses(around, unmade)
        self._since = {
            key: min(self._since.get(key, head.timestamp), head.timestamp) for key in losses
        }
        declared = []
        for (group, seat), files in losses.items():
            if head.timestamp < self._since[group, seat] + self._rules.patience_seconds:
                continue
            if await self._is_dearer(group, files, head) and await self._give_up(group, seat):
                declared.append((group, seat))
        return declared

    async def _losses(
        self, around: Surroundings, unmade: AbstractSet[bytes]
    ) -> dict[tuple[int, int], list[LostFile]]:
        found: dict[tuple[int, int], list[LostFile]] = {}
        for group, seat, file in around.owed():
            if file.file_id in unmade and file.was_signed_by(seat.seat):
                lost = await self._lost_bytes(group, seat, file)
                if lost:
                    owed = file.keep_until - around.block.timestamp
                    found.setdefault((group.group, seat.seat), []).append(LostFile(lost, owed))
        return found

    async def _lost_bytes(self, group: GroupView, seat: SeatView, file: StoredFile) -> int:
        """Bytes of rows of a file that a seat should keep and that are not here."""
        parts, profile = self._parts, group.profile
        segments = await parts.book.segments(file.root)
        if segments is None:
            return kept_bytes(profile, file.shape.length)
        lost = 0
        for one in segments:
            number = shard_of(profile, seat.seat)
            key = ShardKey(one.data_root, number, profile.rows_per_seat)
            if all(held.key != key for held in await parts.store.held(one.data_root)):
                lost += profile.rows_per_seat * 32 * one.columns
        return lost

    async def _is_dearer(self, group: int, files: list[LostFile], head: Block) -> bool:
        span = await asyncio.to_thread(self._parts.terms.fined_bytes, group, at=head)
        return is_silence_dearer(files, fined_bytes=span, epoch_seconds=self._rules.epoch_seconds)

    async def _give_up(self, group: int, seat: int) -> bool:
        named = {"group": group, "seat": seat}
        try:
            await asyncio.to_thread(self._parts.desk.declare_loss, group, seat)
        except (Conflict, Rejected) as error:  # it was lost or left meanwhile
            log.info("loss_not_declared", extra=named | {"code": error.code})
            return False
        log.critical("loss_declared", extra=named)
        del self._since[group, seat]
        return True


def is_silence_dearer(files: list[LostFile], *, fined_bytes: int, epoch_seconds: int) -> bool:
    """Whether a seat that keeps silent has to expect more fines than declaring costs. Pure.

    A file's last epoch counts whole, since it may be drawn as it begins.
    """
    byte_epochs = sum(
        one.lost_bytes * -(-max(one.owed_seconds, 0) // epoch_seconds) for one in files
    )
    return FINE_PARTS * byte_epochs >= fined_bytes
