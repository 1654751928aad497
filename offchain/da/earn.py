"""A node looks through the rows it answers for and shows the leaves that win the round.

Only the bytes of a leaf tell whether it has won, so who deleted rows finds less. Each round is
looked through once, blobs in random order until the budget of bytes is used up: a node with more
rows than it can read in a round still wins in proportion to what it reads.
Source: docs/protocol/da.md#sampling-fees, INV-DA-21.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from offchain.core.errors import ApogeeError, Corrupt, NotFound
from offchain.core.hashing import keccak
from offchain.core.layout import LEAF_BYTES
from offchain.core.matrix.encode import leaf_frame_of
from offchain.core.typed_data import words
from offchain.core.wire import Row
from offchain.da.accept import read_view
from offchain.da.dispute_ports import Draw, Lottery
from offchain.da.duties import Duty
from offchain.da.ports import BlobLedger, RowStore
from offchain.da.reverts import PoolTooSmall, RoundFull, RoundNotOpen
from offchain.da.sampling_book import Round

CLAIMS_AT_ONCE: Final = 8
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EarnRules:
    """`most_bytes`: of rows read from disk in one round. `rows_at_once`: read and hashed together.
    `at_a_loss`: show a win even where its transaction costs more than it earns.
    """

    most_bytes: int = 1 << 30
    rows_at_once: int = 32
    at_a_loss: bool = False


@dataclass(frozen=True, slots=True)
class Win:
    """A leaf that won a round, and what it earned in wei."""

    round: int
    blob_id: bytes
    row: int
    leaf: int
    earned: int


class EarnSamples:
    """One operator's part in the lottery."""

    def __init__(
        self,
        operator: int,
        ledger: BlobLedger,
        store: RowStore,
        lottery: Lottery,
        *,
        randomness: Random,
        rules: EarnRules,
    ) -> None:
        self._operator = operator
        self._ledger = ledger
        self._store = store
        self._lottery = lottery
        self._randomness = randomness
        self._rules = rules
        self._looked_at = 0
        self._ended = 0

    async def earn(self) -> list[Win]:
        """Look through the running round once; wins that were paid.

        Raises: Unavailable when the chain cannot be read.
        """
        draw = await asyncio.to_thread(self._lottery.running)
        if draw is None or draw.round.number == self._looked_at:
            return []
        if draw.reward <= draw.cost and not self._rules.at_a_loss:
            return []
        self._looked_at = draw.round.number
        blobs = sorted({share.blob_id for share in await self._store.held()})
        self._randomness.shuffle(blobs)
        wins: list[Win] = []
        budget = self._rules.most_bytes
        for blob_id in blobs:
            duty = await asyncio.to_thread(self._duty_of, blob_id)
            if duty is not None and budget > 0 and self._ended != draw.round.number:
                found, read = await self._look_through(draw, blob_id, duty)
                wins += found
                budget -= read
        return wins

    def _duty_of(self, blob_id: bytes) -> Duty | None:
        """The operator's rows of a blob that it signed for; None where nothing can be won."""
        try:
            view = read_view(self._ledger, blob_id)
        except NotFound:
            return None
        duty = view.duties.of(self._operator) if view.duties else None
        has_signed = duty is not None and self._lottery.has_signed(blob_id, duty.index)
        return duty if has_signed else None

    async def _look_through(self, draw: Draw, blob_id: bytes, duty: Duty) -> tuple[list[Win], int]:
        """The wins in one blob, and how many bytes were read."""
        held = sorted((await self._store.rows_held(blob_id)).intersection(duty.rows))
        wins: list[Win] = []
        read = 0
        for start in range(0, len(held), self._rules.rows_at_once):
            part = held[start : start + self._rules.rows_at_once]
            try:
                rows = await self._store.rows(blob_id, part)
            except (NotFound, Corrupt) as error:
                log.warning("rows_not_read", extra={"code": error.code, "row": part[0]})
                continue
            read += sum(row.data.nbytes for row in rows)
            found = await asyncio.to_thread(winners, draw.round, blob_id, rows)
            wins += await self._claim_all(draw.round.number, blob_id, found)
            if self._ended == draw.round.number:
                break
        return wins, read

    async def _claim_all(
        self, number: int, blob_id: bytes, found: Sequence[tuple[Row, int]]
    ) -> list[Win]:
        wins: list[Win] = []
        for start in range(0, len(found), CLAIMS_AT_ONCE):
            if self._ended == number:
                break
            part = found[start : start + CLAIMS_AT_ONCE]
            paid = await asyncio.gather(*(self._claim(number, blob_id, *one) for one in part))
            wins += [win for win in paid if win is not None]
        return wins

    async def _claim(self, number: int, blob_id: bytes, row: Row, leaf: int) -> Win | None:
        """The win, unless it came too late or others' wins filled the round."""
        frame = leaf_frame_of(row, leaf, await self._store.header(blob_id))
        named = {"round": number, "blob_id": blob_id.hex(), "row": row.index, "leaf": leaf}
        try:
            paid = await asyncio.to_thread(self._lottery.claim, number, blob_id, frame)
        except ApogeeError as error:
            log.info("sample_not_paid", extra=named | {"code": error.code})
            if isinstance(error, RoundFull | RoundNotOpen | PoolTooSmall):
                self._ended = number
            return None
        log.info("sample_paid", extra=named | {"wei": paid.value_wei})
        return Win(number, blob_id, row.index, leaf, paid.value_wei)


def winners(opened: Round, blob_id: bytes, rows: Sequence[Row]) -> list[tuple[Row, int]]:
    """The leaves of these rows that win; as `sampling_book.is_win` says of each, but in bulk."""
    found = []
    bound = opened.target.to_bytes(32, "big")
    for row in rows:
        place = words(opened.seed, blob_id, row.index)
        data = row.data.tobytes()
        for leaf in range(len(data) // LEAF_BYTES):
            start = leaf * LEAF_BYTES
            digest = keccak(place, leaf.to_bytes(32, "big"), data[start : start + LEAF_BYTES])
            if digest <= bound:
                found.append((row, leaf))
    return found
