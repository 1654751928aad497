"""What every HTTP face of ours shares: problem documents, refused bodies, the loopback server.

An error is `application/problem+json` (RFC 9457): type, title, status and detail, with our code,
kind, fields and next step. Its kind decides the status, unless its class has one of its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import uvicorn
from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from offchain.core.errors import (
    ApogeeError,
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
    kind_of,
)
from offchain.node.body_protocol import BodyProtocol
from offchain.node.errors import RateLimited

HOST: Final = "127.0.0.1"
OCTETS: Final = "application/octet-stream"
PROBLEM: Final = "application/problem+json"
MAX_DRAINED_BYTES: Final = 32 << 20
DRAIN_SECONDS: Final = 2.0
RETRY_SECONDS: Final = "1"
_BY_KIND: Final[Mapping[type[ApogeeError], HTTPStatus]] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Rejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Corrupt: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_RETRIED: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def status_of(error: ApogeeError) -> HTTPStatus:
    """The HTTP status of an error's kind; too many requests have their own."""
    if isinstance(error, RateLimited):
        return HTTPStatus.TOO_MANY_REQUESTS
    return _BY_KIND.get(kind_of(error), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(error: ApogeeError, status: HTTPStatus, **more: str) -> Response:
    """An error as a problem document; `more` are members beside ours."""
    described = error.as_json()
    body = {
        "type": f"urn:apogee:error:{error.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": described.pop("message"),
        **more,
        **described,
    }
    headers = {"Retry-After": RETRY_SECONDS} if status in _RETRIED else None
    return Response(json.dumps(body), status, headers, media_type=PROBLEM)


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read a refused body for a moment, so that its sender gets to read the refusal."""
    left = MAX_DRAINED_BYTES
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for piece in body:
                left -= len(piece)
                if left < 0:
                    return


def loopback_server(
    app: ASGIApp, port: int, *, connections: int, takes_large: bool = False
) -> uvicorn.Server:
    """A server on loopback; `await server.serve()` runs it, `server.should_exit` stops it.

    `takes_large`: its requests carry a `WholeBody`.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=HOST,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http=BodyProtocol if takes_large else "auto",
            timeout_keep_alive=30,
            limit_concurrency=connections,
            timeout_graceful_shutdown=5,
        )
    )
