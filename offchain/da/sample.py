"""A light client's look at a blob: whole rows at random places, and how sure they make it.

  1 record and duties from one block, header verified against them
  2 rows in an order nobody but the sampler knows, each from its owner, or from whoever holds it in
    the owner's place, verified against the header
  3 when some do not come, more rows, until the doubt is as small as was asked or rows run out

Rows are drawn uniformly and without repetition. A row counts when it verifies; whether its owner
lied, was slow or is gone makes no difference to the confidence. Nothing is printed without a
verified header. Outside the bound: rows that their owners serve to samplers and to nobody else.
Source: docs/protocol/da.md#sampling, INV-DA-18.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import N
from offchain.da.accept import read_view
from offchain.da.blame import BlameBook
from offchain.da.confidence import allowed_at, doubt, rows_to_ask
from offchain.da.copies import offers_of
from offchain.da.duties import BlobView, Duties, Duty
from offchain.da.fetch import FetchRows, RowHunt
from offchain.da.plan import Batch, FetchRules
from offchain.da.ports import BlobLedger, NodeClient
from offchain.da.retrieve import RetrieveBlob, require_readable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SampleRules:
    """`most_rows`: after these the sampler gives up. `at_once`: requests at the same time.
    `tries`: how often one row is asked for, which an overloaded node may need.
    `deadline_seconds`: of the whole look; rows that did not come by then did not come.
    """

    most_rows: int = 256
    at_once: int = 8
    tries: int = 3
    deadline_seconds: float = 60.0
    fetch: FetchRules = field(default_factory=FetchRules)


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a sampler saw; `doubt` bounds the chance to see it of a blob that is lost."""

    view: BlobView
    is_reached: bool
    rows: tuple[int, ...] = field(repr=False)
    good: frozenset[int] = field(repr=False)
    operators: frozenset[int]  # whose answers these were
    blame: BlameBook

    @property
    def doubt(self) -> Fraction:
        return doubt(len(self.good), len(self.rows))


class SampleBlob:
    """Samples one blob at a time; `randomness` must be one that no node can guess."""

    def __init__(
        self,
        ledger: BlobLedger,
        client: NodeClient,
        engine: ErasureEngine,
        *,
        reader: RetrieveBlob,
        randomness: Random,
        rules: SampleRules,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._fetch = FetchRows(client, engine, rules.fetch)
        self._reader = reader
        self._randomness = randomness
        self._rules = rules

    async def sample(self, blob_id: bytes, confidence: Fraction) -> Sampled:
        """Look until the confidence is reached, or as far as the rules let.

        Raises: BlobUnknown, BlobNotPaid, TooEarly, InsufficientRows when nobody has a header that
        holds, Bottom when a row proves that there is no blob.
        """
        view = await asyncio.to_thread(read_view, self._ledger, blob_id)
        duties = require_readable(view)
        book = BlameBook()
        async with asyncio.timeout(self._rules.deadline_seconds):
            checked = await self._reader.checked_header(view, book)
        hunt = RowHunt(blob_id, checked, duties, book)
        order = self._randomness.sample(range(N), N)
        asked = look = 0
        reached: set[int] = set()
        is_reached = False
        try:
            async with asyncio.timeout(self._rules.deadline_seconds):
                while not is_reached:
                    wanted = rows_to_ask(asked - len(hunt.rows), allowed_at(look, 1 - confidence))
                    if wanted is None or wanted > self._rules.most_rows:
                        break
                    is_reached = wanted <= asked
                    chosen, asked = order[asked:wanted], max(asked, wanted)
                    reached |= await self._ask_all(hunt, duties, chosen)
                    look += 1
        except TimeoutError:
            log.info("sampling_ended", extra={"blob_id": blob_id.hex(), "asked": asked})
        rows = tuple(order[:asked])
        good = frozenset(hunt.rows).intersection(rows)
        return Sampled(view, is_reached, rows, good, frozenset(reached), book)

    async def _ask_all(self, hunt: RowHunt, duties: Duties, rows: Sequence[int]) -> set[int]:
        """Ask the owners, and for what does not come whoever holds it in their place; who gave."""
        reached = await self._ask(hunt, duties.owners(), rows)
        missing = [row for row in rows if row not in hunt.rows]
        if missing:
            heirs = await offers_of(self._client, hunt.blob_id, duties, missing)
            reached |= await self._ask(hunt, heirs.owners(), missing)
        return reached

    async def _ask(
        self, hunt: RowHunt, holders: Mapping[int, Duty], rows: Sequence[int]
    ) -> set[int]:
        room = asyncio.Semaphore(self._rules.at_once)
        reached: set[int] = set()

        async def ask(row: int) -> None:
            batch = Batch(holders[row], (row,))
            async with room:
                for _ in range(self._rules.tries):
                    if not await self._fetch.ask(hunt, batch):
                        reached.add(batch.duty.operator)
                        return
                    if batch.duty.operator in hunt.book.liars:
                        return  # asking a liar again is in vain

        try:
            async with asyncio.TaskGroup() as group:
                for row in rows:
                    if row in holders:
                        group.create_task(ask(row))
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        return reached
