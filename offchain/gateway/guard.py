"""What every request passes before and after its route: host, origin, room, request id, counts.

Pure ASGI, so that a body is never touched here.
"""

import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offchain.core.errors import ApogeeError
from offchain.gateway.access import (
    require_loopback,
    require_no_key_in_url,
    require_origin,
)
from offchain.gateway.errors import problem
from offchain.gateway.metrics import Metrics
from offchain.gateway.openai_errors import openai_problem, speaks_openai
from offchain.gateway.room import Room

REQUEST_ID: Final = "X-Request-Id"
UNROUTED: Final = "unrouted"
METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# Bytes of strangers must never run as a page of this origin.
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
_ID_HEADER: Final = REQUEST_ID.lower().encode()
_OURS: Final = frozenset({_ID_HEADER, *(name for name, _ in _HEADERS)})
RawHeaders = Iterable[tuple[bytes, bytes]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guard:
    """Stands around the application; `room` bounds the requests at the same time."""

    app: ASGIApp
    metrics: Metrics
    room: Room
    _run: str = field(default_factory=lambda: secrets.token_hex(6))
    _numbers: "count[int]" = field(default_factory=count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # no web sockets: not accepting one refuses it
        headers = _first(scope["headers"])
        request_id = self._request_id(headers.get(_ID_HEADER, ""))
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [one for one in message["headers"] if one[0] not in _OURS]
                message["headers"] = [*others, (_ID_HEADER, request_id.encode()), *_HEADERS]
            await send(message)

        try:
            host = headers.get(b"host")
            require_loopback(host)
            require_origin(headers.get(b"origin"), host, headers.get(b"sec-fetch-site"))
            require_no_key_in_url(scope.get("raw_path", b""), scope["query_string"])
            place = self.room.take(0)
            try:
                await self.app(scope, receive, tell)
            finally:
                place.release()
        except ApogeeError as error:
            if status:
                raise
            self.metrics.refused[error.code] += 1
            shape = openai_problem if speaks_openai(scope["path"]) else problem
            await shape(error, request_id)(scope, receive, tell)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", UNROUTED)
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            self.metrics.requests[method, path, status] += 1

    def _request_id(self, given: str) -> str:
        """What the caller named, or this run's mark and a number: it is no secret."""
        return given if _ID.fullmatch(given) else f"{self._run}-{next(self._numbers):x}"


def _first(raw: RawHeaders) -> dict[bytes, str]:
    """Each header once, as it came first; names are lower case in ASGI."""
    return {name: value.decode("latin-1") for name, value in reversed([*raw])}
