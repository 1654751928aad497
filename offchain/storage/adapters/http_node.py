"""A storage node's HTTP face: thin routes over the use cases, problem+json errors, limits, OpenAPI.

Bodies are `application/octet-stream` in the frames of offchain/storage/frames.py. An upload carries
Content-Length, as the paid shape says, and may carry Content-Digest (`sha-256=:<base64>:`); nobody
signs it: what authenticates it is the paid submission on chain. Errors follow RFC 9457 with a
stable `code`. The process binds to loopback; an operator publishes it through a proxy of their own.
Source: docs/protocol/storage.md#node.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from offchain.core.errors import ApogeeError
from offchain.node.body_protocol import whole_body_of
from offchain.node.face_routes import (
    BodyResponse,
    Counters,
    Readiness,
    add_errors,
    add_health,
    length_of,
    octets,
    peer_of,
)
from offchain.node.http_face import OCTETS, drain, loopback_server
from offchain.node.peer_limits import PeerLimits
from offchain.storage.accept_shards import AcceptShards, Upload
from offchain.storage.errors import BodySize, RequestMalformed
from offchain.storage.ports import Place
from offchain.storage.serve_shards import MAX_ROWS_PER_REQUEST, ShardServer

CONNECTIONS: Final = 256
MAX_ROW_LIST: Final = 5 * MAX_ROWS_PER_REQUEST
MAX_NUMBER_DIGITS: Final = 20
_BYTES: Final[Mapping[int | str, dict[str, object]]] = {
    200: {"content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}
}
_UPLOAD: Final[dict[str, object]] = {
    "requestBody": {
        "required": True,
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Describes(Protocol):
    """Says what this operator holds in a group, for people and their tools."""

    async def group(self, number: int) -> Mapping[str, object]:
        """Raises: NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class StorageFace:
    """What the face stands in front of."""

    accept: AcceptShards
    serve: ShardServer
    describe: Describes
    readiness: Readiness
    limits: PeerLimits


def build_storage_app(face: StorageFace) -> FastAPI:
    """The node's routes. Uploads and reads count against the peer's rate, health does not."""
    app = FastAPI(
        title="Apogee storage node",
        version="1",
        summary="Takes shards of paid files, signs for them, serves rows with proofs.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    counters = Counters()
    add_errors(app, counters)
    _add_uploads(app, face, counters)
    _add_reads(app, face, counters)
    _add_group(app, face)
    add_health(app, face.readiness, counters, name="storage_node")
    return app


def storage_server(app: FastAPI, port: int) -> uvicorn.Server:
    """A server on loopback; `await server.serve()` runs it, `server.should_exit` stops it."""
    return loopback_server(app, port, connections=CONNECTIONS, takes_large=True)


def _add_uploads(app: FastAPI, face: StorageFace, counters: Counters) -> None:
    @app.put(
        "/v1/shards/{file_id}/{segment}/{seat}",
        tags=["upload"],
        openapi_extra=_UPLOAD,
        status_code=HTTPStatus.CREATED,
        responses={204: {"description": "It was here already; the body was not read."}},
    )
    async def put_shard(file_id: str, segment: str, seat: str, request: Request) -> Response:
        """Deliver one shard; durable when answered."""
        face.limits.require(peer_of(request))
        pieces = request.stream()
        try:
            place = Place(_digest(file_id), _number(segment), _number(seat))
            size = _declared(request)
            body = whole_body_of(request.scope, size)
            into = None if body is None else body.read_into
            upload = Upload(pieces, size, _content_digest(request), into)
            is_new = await face.accept.accept(place, upload)
        except ApogeeError:
            await drain(pieces)
            raise
        except ClientDisconnect as error:
            raise BodySize(reason="the sender hung up") from error
        if not is_new:
            await drain(pieces)
        counters["shards_accepted"] += is_new
        return Response(status_code=HTTPStatus.CREATED if is_new else HTTPStatus.NO_CONTENT)

    @app.get("/v1/uploads/{file_id}/have", tags=["upload"], responses={**_BYTES})
    async def have(file_id: str, request: Request, seat: str = "0") -> Response:
        """128 bytes: bit j, from the top of byte 0, is set when segment j of a seat is held."""
        face.limits.require(peer_of(request))
        return octets(await face.accept.have(_digest(file_id), _number(seat)))

    @app.post("/v1/uploads/{file_id}/held", tags=["upload"], responses={**_BYTES})
    async def held(file_id: str, request: Request) -> Response:
        """The 96-byte BLS signature over Held, once all this operator owes of the file is here."""
        face.limits.require(peer_of(request))
        signature = await face.accept.held(_digest(file_id))
        counters["receipts_signed"] += 1
        return octets(signature.compressed)


def _add_reads(app: FastAPI, face: StorageFace, counters: Counters) -> None:
    serve = face.serve

    def admit(request: Request, digest: str) -> bytes:
        face.limits.require(peer_of(request))
        counters["reads"] += 1
        return _digest(digest)

    def served(raw: bytes) -> Response:
        counters["bytes_served"] += len(raw)
        return octets(raw)

    @app.get("/v1/files/{root}/segments", tags=["read"], responses={**_BYTES})
    async def segments(root: str, request: Request) -> Response:
        """For each segment D and keccak(C), 64 bytes; they hash to the root."""
        return served(await serve.segments(admit(request, root)))

    @app.get("/v1/headers/{data_root}", tags=["read"], responses={**_BYTES})
    async def header(data_root: str, request: Request) -> Response:
        """The header frame of a matrix."""
        return served(await serve.header(admit(request, data_root)))

    @app.get("/v1/runs/{data_root}", tags=["read"], responses={**_BYTES})
    async def run(data_root: str, request: Request, first: str = "", count: str = "") -> Response:
        """Aligned rows, a power of two of them, with one path for all."""
        root = admit(request, data_root)
        frame = await serve.run(root, _number(first), _number(count))
        counters["bytes_served"] += frame.size
        return BodyResponse(frame)

    @app.get("/v1/rows/{data_root}", tags=["read"], responses={**_BYTES})
    async def rows(
        data_root: str, request: Request, i: str = "", leaf: str | None = None
    ) -> Response:
        """Rows `i=3,7,64-127` with their paths, at most 256; with `leaf` one leaf of one row."""
        root, wanted = admit(request, data_root), _row_list(i)
        if leaf is None:
            return served(await serve.rows(root, wanted))
        if len(wanted) != 1:
            raise RequestMalformed(reason="a leaf is of one row", rows=len(wanted))
        return served(await serve.leaf(root, wanted[0], _number(leaf)))


def _add_group(app: FastAPI, face: StorageFace) -> None:
    @app.get("/v1/groups/{number}", tags=["read"])
    async def group(number: str, request: Request) -> Mapping[str, object]:
        """The seats of a group, and which are this operator's."""
        face.limits.require(peer_of(request))
        return await face.describe.group(_number(number))


def _digest(text: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError as error:
        raise RequestMalformed(digest=text[:80]) from error
    if len(digits) != 64 or len(raw) != 32:
        raise RequestMalformed(digest=text[:80])
    return raw


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MAX_NUMBER_DIGITS:
        raise RequestMalformed(number=text[:30])
    return int(text)


def _row_list(text: str) -> list[int]:
    """`3,7,64-127`: numbers and ranges, ends included."""
    if len(text) > MAX_ROW_LIST:
        raise RequestMalformed(length=len(text), maximum=MAX_ROW_LIST)
    rows: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start = _number(first)
        stop = _number(last) if dash else start
        if not 0 <= stop - start < MAX_ROWS_PER_REQUEST - len(rows):
            raise RequestMalformed(range=part[:40], maximum=MAX_ROWS_PER_REQUEST)
        rows += range(start, stop + 1)
    return rows


def _declared(request: Request) -> int:
    declared = length_of(request)
    if declared is None:
        raise RequestMalformed(content_length=request.headers.get("content-length", "")[:20])
    return declared


def _content_digest(request: Request) -> bytes | None:
    text = request.headers.get("content-digest")
    if text is None:
        return None
    if not (text.startswith("sha-256=:") and text.endswith(":")) or len(text) < 10:
        raise RequestMalformed(content_digest=text[:80])
    try:
        return base64.b64decode(text[9:-1], validate=True)
    except (ValueError, binascii.Error) as error:
        raise RequestMalformed(content_digest=text[:80]) from error
