"""Routes of the disperser: what it costs, take a blob or an item, where it stands."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Query, Request

from offchain.core.errors import ApogeeError
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.gateway.body import declared_bytes, read_body
from offchain.gateway.documentation import ID_EXAMPLE, TAG_PUBLISH, problems
from offchain.gateway.face import GatewayFace
from offchain.gateway.model import Accepted, Lane, Quote, Standing
from offchain.gateway.publish import Upload
from offchain.node.http_face import drain

MAX_DAYS: Final = 65_535  # what the contract can be told; its terms allow fewer
BlobId = Annotated[
    str,
    Path(pattern=r"^(0x)?[0-9a-f]{64}$", description="32 bytes in hex.", examples=[ID_EXAMPLE]),
]
Days = Annotated[
    int, Query(ge=1, le=MAX_DAYS, description="Whole days of retention.", examples=[14])
]
Length = Annotated[
    int, Query(alias="len", ge=1, le=MAX_PAYLOAD_BYTES, description="Payload bytes.", examples=[1])
]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="Yours for this upload: a repeat gets the same answer and costs nothing.",
        examples=["photo-2026-11-21"],
    ),
]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "1 to 32,505,856 bytes; larger files are cut into parts by the SDK.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "any bytes",
            }
        },
    }
}


def add_publish_routes(app: FastAPI, face: GatewayFace) -> None:
    """Quote, publish, standing."""

    @app.get("/v1/da/quote", tags=[TAG_PUBLISH], responses=problems(400, 422))
    async def quote(request: Request, length: Length, days: Days = 14) -> Quote:
        """The exact fee of a payload at the newest block, and the cheaper lane."""
        face.admit(request)
        return await asyncio.to_thread(face.quote, length, days)

    @app.post(
        "/v1/da/blobs",
        tags=[TAG_PUBLISH],
        status_code=HTTPStatus.ACCEPTED,
        responses=problems(400, 401, 409, 413, 422),
        openapi_extra=_BODY,
    )
    async def publish(
        request: Request, key: IdempotencyKey, days: Days = 14, lane: Lane = Lane.OWN
    ) -> Accepted:
        """Take a payload; it is on disk when this answers, and paid for and sent after it."""
        try:
            face.admit(request)
            length = declared_bytes(request)
            face.desk.require_room(length or MAX_PAYLOAD_BYTES)
            with face.uploads.held(length or MAX_PAYLOAD_BYTES):
                body = await read_body(request, length, face.rules.body)
                face.metrics.bytes["in"] += len(body.payload)
                return await face.desk.publish(Upload(key, lane, days, body.payload, body.digest))
        except ApogeeError:
            await drain(request.stream())
            raise

    @app.get("/v1/da/blobs/{blob_id}", tags=[TAG_PUBLISH], responses=problems(400, 404))
    async def standing(request: Request, blob_id: BlobId) -> Standing:
        """Where a blob stands, its deadlines, transactions and certificate."""
        face.admit(request)
        return await face.standings.of(bytes.fromhex(blob_id[-64:]))
