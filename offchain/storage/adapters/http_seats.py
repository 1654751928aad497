"""Storage nodes over HTTP: which routes there are, and what their failures are called.

Every answer is parsed here, so that only values of the right shape leave; whether they lie under
the root that was asked for, the caller judges.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from offchain.core.bls import SIGNATURE_BYTES
from offchain.core.errors import InvalidInput
from offchain.core.wire import HEADER_BYTES, Header, Row, leaf_frame_bytes, parse_rows
from offchain.node.body import Body
from offchain.node.direct_http import DirectFault, DirectHttp, DirectRequest
from offchain.node.peer_http import (
    MAX_PROBLEM_BYTES,
    HttpLimits,
    PeerCall,
    PeerErrors,
    PeerHttp,
    origin_in,
)
from offchain.storage.errors import SeatAnswerInvalid, SeatRefused, SeatSlow, SeatUnreachable
from offchain.storage.frames import (
    HAVE_BYTES,
    SEGMENT_ENTRY_BYTES,
    parse_run,
    parse_segment_table,
    run_frame_bytes,
)
from offchain.storage.model import FileShape, Segment
from offchain.storage.ports import Place, Run

ROWS_HEAD_BYTES: Final = 44
ROW_HEAD_BYTES: Final = 324
ERRORS: Final = PeerErrors(SeatUnreachable, SeatSlow, SeatRefused, SeatAnswerInvalid)
LIMITS: Final = HttpLimits(read_seconds=20.0)


class HttpSeatClient(PeerHttp):
    """A `SeatClient`; use it as an asynchronous context manager."""

    def __init__(self, limits: HttpLimits = LIMITS) -> None:
        super().__init__(ERRORS, limits)
        self._direct = DirectHttp(
            connect_seconds=limits.connect_seconds, connections=limits.connections
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._direct.close()
        await super().__aexit__(kind, error, trace)

    async def call(self, endpoint: str, call: PeerCall) -> bytes:
        return bytes(await self._call(endpoint, call))

    async def _call(self, endpoint: str, call: PeerCall) -> bytes | memoryview:
        """Plain HTTP goes without a library between, and without a copy: shards are large."""
        origin = origin_in(endpoint)
        if origin is None or not origin.startswith("http://"):
            return await super().call(endpoint, call)
        request = DirectRequest(origin, call.method, call.path, call.query, call.headers, call.body)
        try:
            async with asyncio.timeout(call.seconds):
                answer = await self._direct.ask(
                    request, most=call.max_bytes, most_refusal=MAX_PROBLEM_BYTES
                )
        except TimeoutError as error:
            raise SeatSlow(endpoint=endpoint, seconds=call.seconds) from error
        except DirectFault as error:
            raise SeatUnreachable(endpoint=endpoint, reason=str(error)) from error
        if not 200 <= answer.status < 300:
            raise self.refusal(endpoint, answer.status, bytes(answer.raw))
        if not answer.is_all:
            raise SeatAnswerInvalid(endpoint=endpoint, reason="oversize", maximum=call.max_bytes)
        return answer.raw

    async def put_shard(self, endpoint: str, place: Place, body: Body) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(body.size)}
        path = f"/v1/shards/{place.file_id.hex()}/{place.segment}/{place.seat}"
        seconds = self.limits.upload_seconds
        await self.call(endpoint, PeerCall("PUT", path, 0, seconds, headers=headers, body=body))

    async def have(self, endpoint: str, file_id: bytes, seat: int) -> bytes:
        path = f"/v1/uploads/{file_id.hex()}/have"
        return await self._exactly(endpoint, path, HAVE_BYTES, {"seat": str(seat)})

    async def held(self, endpoint: str, file_id: bytes) -> bytes:
        path = f"/v1/uploads/{file_id.hex()}/held"
        call = PeerCall("POST", path, SIGNATURE_BYTES, self.limits.read_seconds)
        raw = await self.call(endpoint, call)
        if len(raw) != SIGNATURE_BYTES:
            raise SeatAnswerInvalid(endpoint=endpoint, bytes=len(raw))
        return raw

    async def segments(self, endpoint: str, root: bytes, shape: FileShape) -> Sequence[Segment]:
        size = shape.segments * SEGMENT_ENTRY_BYTES
        raw = await self._exactly(endpoint, f"/v1/files/{root.hex()}/segments", size)
        try:
            return parse_segment_table(raw, root, shape)
        except InvalidInput as error:
            raise SeatAnswerInvalid(endpoint=endpoint, reason=error.code) from error

    async def header(self, endpoint: str, data_root: bytes) -> Header:
        raw = await self._exactly(endpoint, f"/v1/headers/{data_root.hex()}", HEADER_BYTES)
        try:
            return Header.parse(raw)
        except InvalidInput as error:
            raise SeatAnswerInvalid(endpoint=endpoint, reason=error.code) from error

    async def run(
        self, endpoint: str, data_root: bytes, *, first: int, count: int, columns: int
    ) -> Run:
        query = {"first": str(first), "count": str(count)}
        path, size = f"/v1/runs/{data_root.hex()}", run_frame_bytes(count, columns)
        call = PeerCall("GET", path, size, self.limits.read_seconds, query=query)
        raw = await self._call(endpoint, call)
        try:
            return parse_run(raw, first=first, count=count, columns=columns)
        except InvalidInput as error:
            raise SeatAnswerInvalid(endpoint=endpoint, reason=error.code) from error

    async def rows(
        self, endpoint: str, data_root: bytes, indices: Sequence[int], *, columns: int
    ) -> Sequence[Row]:
        size = ROWS_HEAD_BYTES + len(indices) * (ROW_HEAD_BYTES + 32 * columns)
        query = {"i": ",".join(map(str, indices))}
        raw = await self._exactly(endpoint, f"/v1/rows/{data_root.hex()}", size, query)
        try:
            frame = parse_rows(raw, columns=columns, max_rows=len(indices))
        except InvalidInput as error:
            raise SeatAnswerInvalid(endpoint=endpoint, reason=error.code) from error
        is_asked = [row.index for row in frame.rows] == sorted(indices)
        if frame.blob_id != data_root or not is_asked:
            raise SeatAnswerInvalid(endpoint=endpoint, reason="other rows than asked for")
        return frame.rows

    async def leaf(self, endpoint: str, segment: Segment, *, row: int, leaf: int) -> bytes:
        query = {"i": str(row), "leaf": str(leaf)}
        size = leaf_frame_bytes(segment.shape)
        return await self._exactly(endpoint, f"/v1/rows/{segment.data_root.hex()}", size, query)

    async def _exactly(
        self, endpoint: str, path: str, size: int, query: dict[str, str] | None = None
    ) -> bytes:
        """The answer of a read, which has one length only. Raises: SeatAnswerInvalid."""
        call = PeerCall("GET", path, size, self.limits.read_seconds, query=query or {})
        raw = await self.call(endpoint, call)
        if len(raw) != size:
            raise SeatAnswerInvalid(endpoint=endpoint, bytes=len(raw), expected=size)
        return raw
