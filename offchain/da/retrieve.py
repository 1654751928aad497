"""Read one blob whole: every row verified on arrival, every bad answer blamed, K rows decoded.

  1 record and duties from one block
  2 header from the fastest of three owners, then of the others, checked as a node checks it
  3 rows, data rows first, from all owners at once; a slow request starts one for other rows
  4 decode, encode again, compare with D: the bytes, or BOTTOM

A row that lies under D and breaks the code proves the encoding bad: the reader answers BOTTOM with
the proof. Where each of K rows is right and D is not, it follows D's deviation to a row that proves
it (`pursue.py`). Source: docs/protocol/da.md#reading, INV-DA-3, INV-DA-17.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError
from offchain.core.layout import K
from offchain.core.matrix.check import CheckedHeader, check_header
from offchain.core.matrix.encode import decode_verified
from offchain.core.wire import Header
from offchain.da.accept import read_view
from offchain.da.blame import BlameBook
from offchain.da.copies import gather_anywhere
from offchain.da.duties import BlobView, Duties, Duty
from offchain.da.errors import Bottom, InsufficientRows
from offchain.da.fetch import FetchRows, FetchRules, RowHunt
from offchain.da.model import BlobState
from offchain.da.ports import BlobLedger, NodeClient
from offchain.da.pursue import Pursue
from offchain.da.refusals import BlobNotPaid, HeaderNotPaid, TooEarly

HEADER_OWNERS = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetrievalRules:
    """`deadline_seconds` for the whole read; `threads` for decoding; `fetch` for the rows;
    `pursuit_seconds`: how long a bad encoding is followed to a row that proves it.
    """

    deadline_seconds: float = 60.0
    pursuit_seconds: float = 30.0
    threads: int = 1
    fetch: FetchRules = field(default_factory=FetchRules)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A payload that re-encodes to D, and how it was had."""

    payload: bytes = field(repr=False)
    view: BlobView
    rows: int
    data_rows: int
    bytes_received: int
    blame: BlameBook


class RetrieveBlob:
    """Reads blobs of one matrix."""

    def __init__(
        self,
        ledger: BlobLedger,
        client: NodeClient,
        engine: ErasureEngine,
        *,
        rules: RetrievalRules,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._engine = engine
        self._rules = rules

    async def retrieve(
        self, blob_id: bytes, *, on_rows: Callable[[int], None] = lambda _: None
    ) -> Retrieved:
        """The payload of a blob, or the one agreed answer that there is none.

        Raises: BlobUnknown, BlobNotPaid (refunded), TooEarly, InsufficientRows (with the owners
        that did not deliver), Bottom: BottomProven with the proof, BottomLocated with the rows
        whose publication would be one, plain for a blob that was voided already.
        """
        view = await asyncio.to_thread(read_view, self._ledger, blob_id)
        duties = require_readable(view)
        book = BlameBook()
        hunt: RowHunt | None = None
        fetch = FetchRows(self._client, self._engine, self._rules.fetch)
        try:
            async with asyncio.timeout(self._rules.deadline_seconds):
                checked = await self.checked_header(view, book)
                hunt = RowHunt(blob_id, checked, duties, book)
                await gather_anywhere(self._client, fetch, hunt, needed=K, on_rows=on_rows)
        except TimeoutError as error:
            raise _insufficient(hunt, book) from error
        return Retrieved(
            payload=await self._decoded(hunt, fetch),
            view=view,
            rows=len(hunt.rows),
            data_rows=sum(1 for index in hunt.rows if index < K),
            bytes_received=hunt.bytes_received,
            blame=book,
        )

    async def _decoded(self, hunt: RowHunt, fetch: FetchRows) -> bytes:
        """The payload. Raises: BottomProven, BottomLocated."""
        threads = self._rules.threads
        header = hunt.checked.header
        try:
            return await asyncio.to_thread(
                decode_verified, header, hunt.rows, self._engine, threads=threads
            )
        except Bottom as error:
            pursue = Pursue(fetch, self._engine, threads=threads)
            found = await pursue.pursue(hunt, seconds=self._rules.pursuit_seconds)
            raise found from error

    async def checked_header(self, view: BlobView, book: BlameBook) -> CheckedHeader:
        """The first header that holds, from up to three owners at a time.

        Raises: InsufficientRows when no owner gives one.
        """
        assert view.duties is not None
        owners = [duty for duty in view.duties.members if duty.rows]
        waiting: set[asyncio.Task[CheckedHeader | None]] = set()
        try:
            while owners or waiting:
                while owners and len(waiting) < HEADER_OWNERS:
                    waiting.add(asyncio.create_task(self._header_from(view, owners.pop(0), book)))
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    checked = task.result()
                    if checked is not None:
                        return checked
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        raise InsufficientRows(reason="no owner gave a header", rows=0, needed=K)

    async def _header_from(
        self, view: BlobView, duty: Duty, book: BlameBook
    ) -> CheckedHeader | None:
        """The header of one owner when it holds; otherwise None, and a record."""
        raw = b""
        try:
            raw = await self._client.header(duty.endpoint, view.record.blob_id)
            header = Header.parse(raw)
            if not view.record.is_header(header):
                raise HeaderNotPaid(operator=duty.operator)
            return await asyncio.to_thread(check_header, header, self._engine)
        except ApogeeError as error:
            book.note(duty, error, request="header", answer=raw)
            return None


def require_readable(view: BlobView) -> Duties:
    """The duties of a blob that has, or soon has, bytes. Raises: Bottom, BlobNotPaid, TooEarly."""
    if view.record.state is BlobState.VOID:
        raise Bottom(blob_id=view.record.blob_id.hex())
    if view.record.state is BlobState.REFUNDED:
        raise BlobNotPaid(state=view.record.state.name)
    if view.duties is None:
        raise TooEarly(depth=view.seed_depth, needed=1)
    return view.duties


def _insufficient(hunt: RowHunt | None, book: BlameBook) -> InsufficientRows:
    return InsufficientRows(
        rows=len(hunt.rows) if hunt else 0,
        needed=K,
        missing_owners=book.troubled(),
        reason="deadline",
    )
