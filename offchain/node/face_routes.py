"""Routes and readings that the HTTP face of every node has: errors, health, figures, peers."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from offchain.core.errors import ApogeeError, InvalidInput, NotFound
from offchain.node.body import Body
from offchain.node.http_face import OCTETS, problem, status_of

MAX_LENGTH_DIGITS: Final = 12
log = logging.getLogger(__name__)

Readiness = Callable[[], Awaitable[str | None]]  # None: ready; otherwise why not
Counters = Counter[str]


def add_errors(app: FastAPI, counters: Counters) -> None:
    """Every `ApogeeError` as a problem document, counted by its code."""

    @app.exception_handler(ApogeeError)
    async def refuse(request: Request, error: ApogeeError) -> Response:
        counters["refused_" + error.code.replace(".", "_")] += 1
        log.info("request_refused", extra={"code": error.code, "path": request.url.path})
        return problem(error, status_of(error))

    @app.exception_handler(HTTPException)
    async def unknown_route(_: Request, error: HTTPException) -> Response:
        wrapped = NotFound(str(error.detail)) if error.status_code == 404 else InvalidInput()
        return problem(wrapped, HTTPStatus(error.status_code))


def add_health(app: FastAPI, readiness: Readiness, counters: Counters, *, name: str) -> None:
    """`/healthz`, `/readyz` and `/metrics`, whose figures are called apogee_<name>_..._total."""

    @app.get("/healthz", tags=["process"])
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["process"])
    async def readyz() -> Response:
        """Whether it can do its work; otherwise why not."""
        reason = await readiness()
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(reason or "ready", status_code=status, media_type="text/plain")

    @app.get("/metrics", tags=["process"])
    async def metrics() -> Response:
        """Figures in the text format of Prometheus."""
        lines = [
            f"# TYPE apogee_{name}_{what}_total counter\napogee_{name}_{what}_total {value}\n"
            for what, value in sorted(counters.items())
        ]
        return Response("".join(lines), media_type="text/plain; version=0.0.4")


def octets(raw: bytes) -> Response:
    """Bytes as they are; what the socket does not take at once is not copied."""
    return Response(memoryview(raw), media_type=OCTETS)


class BodyResponse(Response):
    """The pieces of a body one after the other, without joining them."""

    media_type = OCTETS

    def __init__(self, body: Body) -> None:
        super().__init__(headers={"Content-Length": str(body.size)})
        self._pieces = body.pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def peer_of(request: Request) -> str:
    """Whom requests are counted against."""
    return request.client.host if request.client else "unknown"


def length_of(request: Request) -> int | None:
    """The length a body declares; None when it declares none or nonsense."""
    text = request.headers.get("content-length", "")
    if not text.isascii() or not text.isdigit() or len(text) > MAX_LENGTH_DIGITS:
        return None
    return int(text)
