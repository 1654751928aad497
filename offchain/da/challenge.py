"""A challenger turns silence into evidence: ask a signer, ask it on chain, close what it let pass.

  find     a row that its owner does not serve: asked for like any reader asks, several times
  post     the bonded challenge of one random leaf of it, or of the whole row
  follow   until it is answered, or its deadline has passed; then close it, and collect what is owed

The transactions are repeatable, so a challenger that was killed starts again with the same place
and attempt and goes on where it stopped. A failed read alone never costs a signer anything.
Source: docs/protocol/da.md#challenges.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.check import CheckedHeader
from offchain.core.units import WEI_PER_COIN
from offchain.da.challenge_book import Asked
from offchain.da.dispute_ports import ChallengeBoard, Fate, Posted
from offchain.da.errors import Bottom
from offchain.da.fetch import FetchRows, RowHunt
from offchain.da.fraud import BottomLocated, find_fraud
from offchain.da.onchain_challenges import WHOLE_ROW
from offchain.da.plan import Batch
from offchain.da.ports import BlobLedger, Settlement
from offchain.da.reverts import NoOpenChallenge

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChallengeRules:
    """`deposit_wei`: sent with a challenge, what exceeds the bond comes back. `tries`: how often a
    row is asked for before its owner counts as silent. `poll_seconds`: between looks at the chain.
    """

    deposit_wei: int = WEI_PER_COIN // 4
    tries: int = 2
    poll_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Pursued:
    """How a challenge ended; `closed` is the transaction that convicted, when it was ours."""

    posted: Posted
    fate: Fate
    closed: Settlement | None


@dataclass(frozen=True, slots=True)
class Silence:
    """A row that its owner did not serve."""

    operator: int
    row: int


@dataclass(slots=True)
class ChallengeSilence:
    """Finds silent signers and sees challenges through."""

    ledger: BlobLedger
    board: ChallengeBoard
    fetch: FetchRows
    engine: ErasureEngine
    randomness: Random
    rules: ChallengeRules = field(default_factory=ChallengeRules)

    async def find(
        self, hunt: RowHunt, operators: Sequence[int], *, rows_each: int = 1
    ) -> list[Silence]:
        """Rows, `rows_each` at random places of each operator, that their owners do not serve.

        What does come is kept in `hunt`. Raises: BottomProven.
        """
        silent: list[Silence] = []
        for operator in operators:
            duty = hunt.duties.of(operator)
            rows = sorted(duty.rows) if duty else []
            for row in self.randomness.sample(rows, min(rows_each, len(rows))):
                assert duty is not None
                if await self._is_silent(hunt, Batch(duty, (row,))):
                    silent.append(Silence(operator, row))
        return silent

    def leaf_of(self, checked: CheckedHeader) -> int:
        """A leaf that nobody could know beforehand."""
        return self.randomness.randrange(checked.shape.leaves)

    async def compel(self, hunt: RowHunt, located: BottomLocated) -> Bottom:
        """Make owners publish rows of the smallest deviating subtree until one proves the fraud.

        An owner that does not publish its row loses stake for it. `BottomProven`, or `located`
        again when every one of the rows was kept back. Raises: as `press`.
        """
        for row in located.deviations[0].rows:
            pursued = await self.press(Asked(hunt.blob_id, row, WHOLE_ROW))
            shown = await asyncio.to_thread(self.board.published, pursued.posted)
            if shown is not None:
                proven = await asyncio.to_thread(find_fraud, hunt.checked, [shown], self.engine)
                if proven is not None:
                    return proven
        return located

    async def press(self, asked: Asked, *, attempt: int = 0) -> Pursued:
        """Post a challenge and see it through to its end.

        Raises: ChallengeRefused, ChallengeTaken, BondTooLow.
        """
        posted = await asyncio.to_thread(
            self.board.post, asked, deposit_wei=self.rules.deposit_wei, attempt=attempt
        )
        log.info("challenge_posted", extra=_named(posted))
        while True:
            fate = await asyncio.to_thread(self.board.fate, posted)
            if fate is not Fate.OPEN:
                return Pursued(posted, fate, None)
            if (await asyncio.to_thread(self.ledger.head)).time > posted.deadline:
                return await self._close(posted)
            await asyncio.sleep(self.rules.poll_seconds)

    async def _close(self, posted: Posted) -> Pursued:
        try:
            closed = await asyncio.to_thread(self.board.close, posted)
        except NoOpenChallenge:
            closed = None  # somebody else closed it first; the verdict is the same
        fate = await asyncio.to_thread(self.board.fate, posted)
        log.info("challenge_closed", extra=_named(posted) | {"fate": fate.value})
        return Pursued(posted, fate, closed)

    async def _is_silent(self, hunt: RowHunt, batch: Batch) -> bool:
        for _ in range(self.rules.tries):
            if not await self.fetch.ask(hunt, batch):
                return False
        return True


def _named(posted: Posted) -> dict[str, object]:
    return {
        "blob_id": posted.asked.blob_id.hex(),
        "row": posted.asked.row,
        "leaf": posted.asked.leaf,
        "operator": posted.operator,
    }
