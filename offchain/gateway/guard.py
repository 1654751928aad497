"""What every request passes before and after its route: host, origin, room, request id, counts.

Pure ASGI, so that a body is never touched here.
"""

import logging
import re
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offchain.core.errors import ApogeeError
from offchain.gateway.access import require_loopback, require_origin
from offchain.gateway.errors import problem
from offchain.gateway.metrics import Metrics
from offchain.gateway.room import Room

REQUEST_ID: Final = "X-Request-Id"
UNROUTED: Final = "unrouted"
METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# Bytes of strangers must never run as a page of this origin.
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands around the application; `room` bounds the requests at the same time."""

    app: ASGIApp
    metrics: Metrics
    room: Room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # no web sockets: not accepting one refuses it
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get(REQUEST_ID))
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer[REQUEST_ID] = request_id
                for name, value in _HEADERS.items():
                    answer[name] = value
            await send(message)

        try:
            host = headers.get("host")
            require_loopback(host)
            require_origin(headers.get("origin"), host, headers.get("sec-fetch-site"))
            with self.room.held(0):
                await self.app(scope, receive, tell)
        except ApogeeError as error:
            if status:
                raise
            self.metrics.refused[error.code] += 1
            await problem(error, request_id)(scope, receive, tell)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", UNROUTED)
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            self.metrics.requests[method, path, status] += 1


def _request_id(given: str | None) -> str:
    return given if given and _ID.fullmatch(given) else secrets.token_hex(8)
