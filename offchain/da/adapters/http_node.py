"""A node's HTTP face: thin routes over the use cases, problem+json errors, limits, metrics.

Bodies are `application/octet-stream` in the frames of offchain/core/wire.py. An upload carries
  Content-Length      as the paid shape says
  Content-Digest      sha-256=:<base64>:              (RFC 9530)
  Apogee-Expiry       chain time in seconds
  Apogee-Signature    65 bytes in hex                 (offchain/da/authenticate.py)
Errors follow RFC 9457 with a stable `code`. The process binds to loopback; an operator publishes it
through a proxy of their own. Source: docs/protocol/da.md#interfaces.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from offchain.core.errors import (
    ApogeeError,
)
from offchain.da.accept import AcceptRows
from offchain.da.authenticate import SignedRequest
from offchain.da.refusals import BodySize, RequestMalformed
from offchain.da.serve import MAX_ROWS_PER_REQUEST, RowServer
from offchain.node.face_routes import (
    Counters,
    Readiness,
    add_errors,
    add_health,
    length_of,
    octets,
    peer_of,
)
from offchain.node.http_face import drain, loopback_server
from offchain.node.peer_limits import PeerLimits

CONNECTIONS: Final = 256
MAX_ROW_LIST: Final = 5 * MAX_ROWS_PER_REQUEST


@dataclass(frozen=True, slots=True)
class NodeFace:
    """What the face stands in front of."""

    accept: AcceptRows
    serve: RowServer
    readiness: Readiness
    limits: PeerLimits


def build_node_app(face: NodeFace) -> FastAPI:
    """The node's routes. Upload and reads count against the peer's rate, health does not."""
    app = FastAPI(title="Apogee DA node", docs_url=None, redoc_url=None, openapi_url=None)
    counters: Counters = Counters()
    add_errors(app, counters)
    _add_upload(app, face, counters)
    _add_reads(app, face, counters)
    add_health(app, face.readiness, counters, name="da_node")
    return app


def node_server(app: FastAPI, port: int) -> uvicorn.Server:
    """A server on loopback; `await server.serve()` runs it, `server.should_exit` stops it."""
    return loopback_server(app, port, connections=CONNECTIONS)


def _add_upload(app: FastAPI, face: NodeFace, counters: Counters) -> None:
    @app.post("/v1/blobs/{blob_id}/rows")
    async def deliver(blob_id: str, request: Request) -> Response:
        face.limits.require(peer_of(request))
        body = request.stream()
        try:
            declared = _declared_bytes(request)
            signed = _signed_request(request)
            signature = await face.accept.accept(
                _blob_id(blob_id), signed, body, declared_bytes=declared
            )
        except ApogeeError:
            await drain(body)
            raise
        except ClientDisconnect as error:
            raise BodySize(reason="the sender hung up") from error
        counters["rows_accepted"] += 1
        return octets(signature.compressed)


def _add_reads(app: FastAPI, face: NodeFace, counters: Counters) -> None:
    serve = face.serve

    def admit(request: Request, blob_id: str) -> bytes:
        face.limits.require(peer_of(request))
        counters["reads"] += 1
        return _blob_id(blob_id)

    @app.get("/v1/blobs/{blob_id}/signature")
    async def signature(blob_id: str, request: Request) -> Response:
        return octets((await face.accept.signature(admit(request, blob_id))).compressed)

    @app.get("/v1/blobs/{blob_id}/have")
    async def have(blob_id: str, request: Request) -> Response:
        return octets(await serve.have(admit(request, blob_id)))

    @app.get("/v1/blobs/{blob_id}/header")
    async def header(blob_id: str, request: Request) -> Response:
        return octets(await serve.header(admit(request, blob_id)))

    @app.get("/v1/blobs/{blob_id}/rows")
    async def rows(blob_id: str, request: Request) -> Response:
        wanted = _row_list(request.query_params.get("i", ""))
        answer = await serve.rows(admit(request, blob_id), wanted)
        counters["rows_served"] += len(wanted)
        return octets(answer)

    @app.get("/v1/blobs/{blob_id}/leaf")
    async def leaf(blob_id: str, request: Request) -> Response:
        row = _number(request.query_params.get("row", ""))
        number = _number(request.query_params.get("leaf", ""))
        return octets(await serve.leaf(admit(request, blob_id), row, number))


def _blob_id(text: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError as error:
        raise RequestMalformed(blob_id=text[:80]) from error
    if len(digits) != 64 or len(raw) != 32:
        raise RequestMalformed(blob_id=text[:80])
    return raw


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise RequestMalformed(number=text[:20])
    return int(text)


def _row_list(text: str) -> list[int]:
    if len(text) > MAX_ROW_LIST:
        raise RequestMalformed(length=len(text), maximum=MAX_ROW_LIST)
    return [_number(part) for part in text.split(",")]


def _declared_bytes(request: Request) -> int:
    declared = length_of(request)
    if declared is None:
        raise RequestMalformed(content_length=request.headers.get("content-length", "")[:20])
    return declared


def _signed_request(request: Request) -> SignedRequest:
    digest = request.headers.get("content-digest", "")
    expiry = request.headers.get("apogee-expiry", "")
    if not (digest.startswith("sha-256=:") and digest.endswith(":")):
        raise RequestMalformed(content_digest=digest[:80])
    if not expiry.isascii() or not expiry.isdigit() or len(expiry) > 20:
        raise RequestMalformed(expiry=expiry[:30])
    try:
        return SignedRequest(
            base64.b64decode(digest[9:-1], validate=True),
            int(expiry),
            bytes.fromhex(request.headers.get("apogee-signature", "")),
        )
    except (ValueError, binascii.Error) as error:
        raise RequestMalformed(reason=str(error)) from error
