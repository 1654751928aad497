"""Read a part of a blob: only the rows that carry it, each verified on its own.

A part that comes this way lies under D (`INCLUSION`); that the whole matrix is a valid encoding,
so that every reader gets the same bytes for ever, only a whole read shows (`CONSISTENT`). When an
owner does not deliver, or a row breaks the code, the blob is read whole, and that read answers or
says BOTTOM. Source: docs/protocol/da.md#reading.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError, Unavailable
from offchain.core.field import Elements
from offchain.core.layout import ELEMENT_BYTES, IndexOutOfRange, Shape
from offchain.core.matrix.check import CheckedHeader, check_rows
from offchain.core.wire import parse_rows
from offchain.da.accept import ROW_HEAD_BYTES, ROWS_HEAD_BYTES, read_view
from offchain.da.blame import BlameBook
from offchain.da.duties import BlobView, Duty
from offchain.da.errors import ItemMissing
from offchain.da.ports import BlobLedger, NodeClient
from offchain.da.refusals import NodeSlow
from offchain.da.retrieve import RetrieveBlob, require_readable
from offchain.da.serve import MAX_ROWS_PER_REQUEST
from offchain.da.shared_matrix import (
    MAX_ITEMS,
    index_bytes,
    locate_item,
    require_digest,
)

log = logging.getLogger(__name__)


class Verified(Enum):
    """What a reader may conclude from the bytes it was given."""

    CONSISTENT = "consistent"  # the whole blob encodes to D: everybody reads these bytes
    INCLUSION = "inclusion"  # these bytes lie under D


@dataclass(frozen=True, slots=True)
class PartRules:
    """`most_rows`: more rows than this are read as the whole blob, which costs 1,024 and is
    consistent. `seconds`: for the rows of a part, before the whole is read instead.
    """

    most_rows: int = 128
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` .. of a blob, what they are verified to be, and the blob."""

    data: bytes | memoryview = field(repr=False)
    verified: Verified
    view: BlobView


class PartMissing(Unavailable):
    """A row of the part did not come from its owner; the whole blob is read instead."""

    code = "da.part.missing"


@dataclass(frozen=True, slots=True)
class PartReader:
    """What reading parts works with."""

    ledger: BlobLedger
    client: NodeClient
    engine: ErasureEngine
    whole: RetrieveBlob
    rules: PartRules = field(default_factory=PartRules)

    async def view(self, blob_id: bytes) -> BlobView:
        """The blob now. Raises: BlobUnknown, Bottom, BlobNotPaid, TooEarly."""
        view = await asyncio.to_thread(read_view, self.ledger, blob_id)
        require_readable(view)
        return view

    async def read(self, view: BlobView, start: int, stop: int) -> Part:
        """Payload bytes start .. stop-1. Raises: IndexOutOfRange, as `RetrieveBlob.retrieve`."""
        shape = view.record.shape
        if not 0 <= start < stop <= shape.length:
            raise IndexOutOfRange(start=start, stop=stop, bound=shape.length)
        if self.is_part(view, start, stop):
            rows = _rows_covering(shape, start, stop)
            try:
                async with asyncio.timeout(self.rules.seconds):
                    found = await self._rows(view, rows)
                data = _cut(found, shape, rows, start, stop)
                return Part(data, Verified.INCLUSION, view)
            except (ApogeeError, TimeoutError) as error:
                log.info("part_read_whole", extra={"reason": str(error)})
        got = await self.whole.retrieve(view.record.blob_id)
        return Part(memoryview(got.payload)[start:stop], Verified.CONSISTENT, got.view)

    def is_part(self, view: BlobView, start: int, stop: int) -> bool:
        """Whether these bytes lie in few enough rows to be read without the others."""
        return len(_rows_covering(view.record.shape, start, stop)) <= self.rules.most_rows

    async def item(self, view: BlobView, number: int) -> Part:
        """Item `number` of a shared matrix. Raises: ItemMissing, ItemInvalid, as `read`."""
        if not 0 <= number < MAX_ITEMS:
            raise ItemMissing(number=number, maximum=MAX_ITEMS)
        length = view.record.shape.length
        index = await self.read(view, 0, min(length, index_bytes(number + 1)))
        head = bytes(index.data)
        start, stop, digest = locate_item(lambda a, b: head[a:b], length, number)
        if start == stop:
            return Part(require_digest(b"", digest, number), index.verified, view)
        body = await self.read(view, start, stop)
        item = require_digest(bytes(body.data), digest, number)
        is_whole = {index.verified, body.verified} == {Verified.CONSISTENT}
        return Part(item, Verified.CONSISTENT if is_whole else Verified.INCLUSION, view)

    async def _rows(self, view: BlobView, rows: Sequence[int]) -> dict[int, Elements]:
        """Exactly these rows, verified. Raises: ApogeeError when one is missing."""
        assert view.duties is not None
        book = BlameBook()
        checked = await self.whole.checked_header(view, book)
        owners = view.duties.owners()
        wanted: dict[int, list[int]] = {}
        for row in rows:
            if row not in owners:
                raise PartMissing(row=row)
            wanted.setdefault(owners[row].index, []).append(row)
        duties = {duty.index: duty for duty in view.duties.members}
        answers = await asyncio.gather(
            *(
                self._ask(checked, view.record.blob_id, duties[index], each[start:stop], book)
                for index, each in wanted.items()
                for start in range(0, len(each), MAX_ROWS_PER_REQUEST)
                for stop in (start + MAX_ROWS_PER_REQUEST,)
            )
        )
        return {row: data for answer in answers for row, data in answer.items()}

    async def _ask(
        self,
        checked: CheckedHeader,
        blob_id: bytes,
        duty: Duty,
        rows: Sequence[int],
        book: BlameBook,
    ) -> dict[int, Elements]:
        """These rows of one owner. Raises: ApogeeError unless all of them hold."""
        size = ROWS_HEAD_BYTES + len(rows) * (ROW_HEAD_BYTES + checked.shape.row_bytes)
        raw = b""
        try:
            async with asyncio.timeout(self.rules.seconds):
                raw = await self.client.rows(duty.endpoint, blob_id, sorted(rows), max_bytes=size)
            frame = parse_rows(raw, columns=checked.shape.columns, max_rows=len(rows))
            if frame.blob_id != blob_id or {row.index for row in frame.rows} != set(rows):
                raise PartMissing(operator=duty.operator, rows=len(frame.rows))
            triples = [(row.index, row.path, row.data) for row in frame.rows]
            await asyncio.to_thread(check_rows, checked, triples, self.engine)
        except TimeoutError as error:
            raise NodeSlow(endpoint=duty.endpoint, seconds=self.rules.seconds) from error
        except ApogeeError as error:
            book.note(duty, error, request=f"{len(rows)} rows of a part", answer=raw)
            raise
        return {row.index: row.data for row in frame.rows}


def _rows_covering(shape: Shape, start: int, stop: int) -> range:
    per_row = ELEMENT_BYTES * shape.columns
    return range(start // per_row, (stop - 1) // per_row + 1)


def _cut(
    found: dict[int, Elements], shape: Shape, rows: range, start: int, stop: int
) -> memoryview:
    """Payload bytes start .. stop-1 out of the rows that carry them."""
    per_row = ELEMENT_BYTES * shape.columns
    joined = np.stack([found[row] for row in rows])[:, :, 1:].reshape(-1)
    skipped = rows.start * per_row
    return np.ascontiguousarray(joined).data[start - skipped : stop - skipped]
