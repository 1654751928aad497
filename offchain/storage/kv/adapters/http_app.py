"""Streams alone as an application: for a process that serves nothing else, and for tests."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from offchain.core.errors import ApogeeError, InvalidInput, NotFound
from offchain.node.http_face import problem, status_of
from offchain.storage.kv.adapters.http_face import KvFace, add_kv_routes

log = logging.getLogger(__name__)


def build_kv_app(face: KvFace) -> FastAPI:
    """The routes of streams with health and problem documents."""
    app = FastAPI(title="Apogee key-value streams", version="1", docs_url=None, redoc_url=None)
    _add_errors(app)
    add_kv_routes(app, face)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ApogeeError)
    async def refuse(request: Request, error: ApogeeError) -> Response:
        log.info("request_refused", extra={"code": error.code, "path": request.url.path[:200]})
        return problem(error, status_of(error))

    @app.exception_handler(HTTPException)
    async def unknown_route(_: Request, error: HTTPException) -> Response:
        wrapped = NotFound(str(error.detail)) if error.status_code == 404 else InvalidInput()
        return problem(wrapped, HTTPStatus(error.status_code))
