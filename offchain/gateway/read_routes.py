"""Routes of the retriever: verified bytes, items and samples."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from offchain.da.read_part import Part
from offchain.da.shared_matrix import MAX_ITEMS
from offchain.gateway.documentation import TAG_READ, problems
from offchain.gateway.face import FaceRules, GatewayFace
from offchain.gateway.model import Sample, show
from offchain.gateway.publish_routes import BlobId
from offchain.gateway.ranges import ByteRange, parse_range, whole_of
from offchain.gateway.room import Place
from offchain.node.http_face import OCTETS

VERIFIED: Final = "X-Apogee-Verified"
PIECE_BYTES: Final = 1 << 18
MAX_ITEM_BYTES: Final = 4_000_000  # with its index
ItemNumber = Annotated[
    int, Path(ge=0, lt=MAX_ITEMS, description="Place in the matrix.", examples=[17])
]
Confidence = Annotated[
    float,
    Query(gt=0, lt=1, le=1 - 1e-12, description="How sure you want to be.", examples=[0.999999]),
]
_VERIFIED_HEADER: Final[dict[str, Any]] = {
    VERIFIED: {
        "description": "`consistent`: the whole blob encodes to D; `inclusion`: these bytes are"
        " under D.",
        "schema": {"type": "string", "enum": ["consistent", "inclusion"]},
        "example": "consistent",
    },
    "ETag": {
        "description": "D, in quotes.",
        "schema": {"type": "string"},
        "example": '"0x5f5f"',
    },
}


def _bytes_answer(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": _VERIFIED_HEADER,
        "content": {
            OCTETS: {"schema": {"type": "string", "format": "binary"}, "example": "any bytes"}
        },
    }


def add_read_routes(app: FastAPI, face: GatewayFace) -> None:
    """Data, items, sampling."""

    @app.get(
        "/v1/da/blobs/{blob_id}/data",
        tags=[TAG_READ],
        response_class=Response,
        responses={
            **problems(400, 404, 409, 416),
            200: _bytes_answer("The blob."),
            206: _bytes_answer("The range."),
        },
    )
    async def data(
        request: Request,
        blob_id: BlobId,
        range_: Annotated[
            str | None, Header(alias="Range", max_length=200, examples=["bytes=0-1023"])
        ] = None,
        if_range: Annotated[
            str | None, Header(alias="If-Range", max_length=200, examples=[None])
        ] = None,
    ) -> Response:
        """The bytes of a blob, or a range of them; short ranges cost only the rows they lie in."""
        face.admit(request)
        view = await face.reader.view(bytes.fromhex(blob_id[-64:]))
        length, tag = view.record.shape.length, f'"{show(view.record.data_root)}"'
        is_ours = if_range is None or if_range == tag
        wanted = parse_range(range_, length) if is_ours else whole_of(length)
        is_part = face.reader.is_part(view, wanted.start, wanted.stop)
        place = face.reads.take(wanted.size if is_part else length)
        try:
            part = await face.reader.read(view, wanted.start, wanted.stop)
        except BaseException:
            place.release()
            raise
        face.metrics.bytes["out"] += wanted.size
        return PartResponse(part, wanted, place, face.rules)

    @app.get(
        "/v1/da/blobs/{blob_id}/items/{number}",
        tags=[TAG_READ],
        response_class=Response,
        responses={**problems(400, 404, 409, 422), 200: _bytes_answer("The item.")},
    )
    async def item(request: Request, blob_id: BlobId, number: ItemNumber) -> Response:
        """One item of a shared matrix, compared with its index entry under D."""
        face.admit(request)
        view = await face.reader.view(bytes.fromhex(blob_id[-64:]))
        place = face.reads.take(min(view.record.shape.length, MAX_ITEM_BYTES))
        try:
            part = await face.reader.item(view, number)
        except BaseException:
            place.release()
            raise
        face.metrics.bytes["out"] += len(part.data)
        return PartResponse(part, whole_of(len(part.data)), place, face.rules)

    @app.post("/v1/da/blobs/{blob_id}/sample", tags=[TAG_READ], responses=problems(400, 404, 409))
    async def sample(
        request: Request, blob_id: BlobId, confidence: Confidence = 0.999999
    ) -> Sample:
        """Ask random rows of their owners; how sure that makes one of the whole."""
        face.admit(request)
        with face.samples.held(0):
            return await face.sample(bytes.fromhex(blob_id[-64:]), confidence)


class PartResponse(StreamingResponse):
    """Bytes of a blob, sent piece by piece within a time; its room is given back at the end."""

    def __init__(self, part: Part, wanted: ByteRange, place: Place, rules: FaceRules) -> None:
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": str(wanted.size),
            "Content-Disposition": "attachment",
            "ETag": f'"{show(part.view.record.data_root)}"',
            VERIFIED: part.verified.value,
        }
        if not wanted.is_whole:
            headers["Content-Range"] = wanted.content_range
        status = 200 if wanted.is_whole else 206
        super().__init__(_pieces(part.data), status, headers, media_type=OCTETS)
        self._place = place
        self._seconds = rules.send_seconds + wanted.size / rules.send_rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().__call__(scope, receive, send)
        finally:
            self._place.release()


async def _pieces(data: bytes | memoryview) -> AsyncIterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(view), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])
