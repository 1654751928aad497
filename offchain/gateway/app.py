"""The gateway's application: routes, their access, errors, documentation; nothing decided here."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from offchain.core.errors import ApogeeError, InvalidInput, NotFound
from offchain.gateway.access import ROUTES, require_access
from offchain.gateway.compute_routes import add_compute_routes, compute_doors
from offchain.gateway.direct import Direct
from offchain.gateway.documentation import DESCRIPTION, TAG_PROCESS, TAGS, complete, problems
from offchain.gateway.errors import problem
from offchain.gateway.face import GatewayFace
from offchain.gateway.guard import Guard
from offchain.gateway.metrics import TEXT
from offchain.gateway.model import Health
from offchain.gateway.openai_errors import openai_problem, speaks_openai
from offchain.gateway.publish_routes import add_publish_routes
from offchain.gateway.read_routes import add_read_routes
from offchain.gateway.room import Room
from offchain.gateway.storage_routes import add_storage_routes
from offchain.node.http_face import RETRY_SECONDS, loopback_server

CONNECTIONS: Final = 8_192  # beyond its own bound on requests, which says Retry-After
log = logging.getLogger(__name__)


class NoSuchRoute(NotFound):
    """There is no such path here."""

    code = "gateway.no_route"
    next_step = "GET /openapi.json lists every route."


class GatewayFault(ApogeeError):
    """The gateway met a bug of its own; its log has the traceback under the request id."""

    code = "gateway.fault"


class RequestInvalid(InvalidInput):
    """A parameter of the request is not what the route takes."""

    code = "gateway.request"
    next_step = "GET /openapi.json says what each parameter must be."


def build_gateway_app(face: GatewayFace) -> ASGIApp:
    """Everything, behind its guard."""
    room = Room("requests", face.rules.requests, 0)

    async def admit(request: Request, path: str) -> None:
        await _authorise(face, request, path)

    def refuse(request: Request, error: ApogeeError) -> Response:
        return _answer(face, request, error)

    async def fault(request: Request, error: Exception) -> Response:
        return _fault(face, request, error)

    direct = Direct(build_routes(face), compute_doors(face), admit, refuse)
    return Guard(ServerErrorMiddleware(direct, handler=fault), face.metrics, room)


def build_routes(face: GatewayFace) -> FastAPI:
    """The routes with their access; `app.openapi()` documents them."""

    async def authorise(request: Request) -> None:
        await _authorise(face, request, request.scope["route"].path)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        face.desk.start()
        if face.compute is not None:
            face.compute.start()
        try:
            yield
        finally:
            await face.desk.stop()
            if face.compute is not None:
                await face.compute.stop()

    app = FastAPI(
        title="Apogee gateway",
        version="1",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,  # its pages load from other hosts
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(authorise)],
        lifespan=life,
        redirect_slashes=False,
    )
    _add_errors(app, face)
    add_compute_routes(app, face)  # first: a route is found by trying them in order
    add_publish_routes(app, face)
    add_read_routes(app, face)
    add_storage_routes(app, face)
    _add_process_routes(app, face)
    return app


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the routes."""
    return complete(app.openapi())


def gateway_server(app: ASGIApp, port: int) -> uvicorn.Server:
    """A server on loopback; `await server.serve()` runs it, `server.should_exit` stops it."""
    return loopback_server(app, port, connections=CONNECTIONS)


def _add_process_routes(app: FastAPI, face: GatewayFace) -> None:
    text: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "Plain text.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "ready"}},
        }
    }

    @app.get("/healthz", tags=[TAG_PROCESS], responses=problems())
    async def healthz() -> Health:
        """Whether the process answers."""
        return Health(status="alive")

    @app.get(
        "/readyz", tags=[TAG_PROCESS], response_class=Response, responses={**problems(), **text}
    )
    async def readyz() -> Response:
        """Whether chain and engine are there; otherwise 503 and why not."""
        reason = await face.readiness()
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        headers = None if reason is None else {"Retry-After": RETRY_SECONDS}
        return Response(reason or "ready", status, headers, media_type="text/plain")

    @app.get(
        "/metrics", tags=[TAG_PROCESS], response_class=Response, responses={**problems(), **text}
    )
    async def metrics() -> Response:
        """Counters and gauges in Prometheus' text form."""
        bought = "" if face.compute is None else face.compute.metrics.text()
        return Response(face.metrics.text(face.gauges()) + bought, media_type=TEXT)

    @app.get("/openapi.json", tags=[TAG_PROCESS], responses=problems())
    async def openapi() -> dict[str, Any]:
        """What every route takes and answers, as OpenAPI 3.1."""
        return openapi_of(app)


async def _authorise(face: GatewayFace, request: Request, path: str) -> None:
    request.state.caller = await require_access(
        ROUTES.get((request.method, path)),
        authorisation=request.headers.get("authorization"),
        own=face.key,
        keys=face.keys,
    )


def _answer(
    face: GatewayFace, request: Request, error: ApogeeError, status: HTTPStatus | None = None
) -> Response:
    face.metrics.refused[error.code] += 1
    log.info("request_refused", extra={"code": error.code, "path": request.url.path})
    if speaks_openai(request.url.path):
        return openai_problem(error, request.state.request_id, status)
    return problem(error, request.state.request_id, status=status)


def _fault(face: GatewayFace, request: Request, error: Exception) -> Response:
    log.error("request_failed", extra={"path": request.url.path}, exc_info=error)
    return _answer(face, request, GatewayFault())


def _add_errors(app: FastAPI, face: GatewayFace) -> None:
    @app.exception_handler(ApogeeError)
    async def refuse(request: Request, error: ApogeeError) -> Response:
        return _answer(face, request, error)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return _fault(face, request, error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        invalid = RequestInvalid(parameter=where[:80], why=first["msg"][:200])
        return _answer(face, request, invalid)

    @app.exception_handler(HTTPException)
    async def unknown_route(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        wrapped = (
            NoSuchRoute()
            if status == HTTPStatus.NOT_FOUND
            else RequestInvalid(reason=str(error.detail)[:200])
        )
        answered = _answer(face, request, wrapped, status)
        answered.headers.update(error.headers or {})
        return answered
