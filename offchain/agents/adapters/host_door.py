"""The door of an agent's faces: only this machine's names, bounded JSON bodies, no deep nesting.

What passes is a request that names a known host, comes from no foreign page, and whose body is
whole, small and JSON, so that no library behind it sees, or logs, anything else.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Final

from pydantic_core import from_json
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offchain.node.http_face import drain

BODY_SECONDS: Final = 20.0
_LOUD: Final = ("a2a", "mcp")  # libraries whose log lines quote what was said to them


def keep_bodies_out_of_logs() -> None:
    """Nothing that a client says, and no answer, is in a line of a library's log."""
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class Door:
    """In front of one application."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], most: int) -> None:
        """`hosts`: `name` or `name:port`; `most`: bytes of a body."""
        self._app = app
        self._hosts = frozenset(hosts)
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal, has_body = self._refusal(headers), scope["method"] == "POST"
        if refusal is not None and has_body:
            await drain(_pieces(receive))
        elif has_body:
            body = await self._body(headers, receive)
            if isinstance(body, bytes):
                await self._app(scope, _replay(body, receive), send)
                return
            refusal = body
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await _refuse(refusal, scope, receive, send)

    def _refusal(self, headers: dict[bytes, str]) -> tuple[int, str] | None:
        if headers.get(b"host", "") not in self._hosts:
            return 421, "another host"
        origin = headers.get(b"origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return 403, "another origin"
        return None

    async def _body(self, headers: dict[bytes, str], receive: Receive) -> bytes | tuple[int, str]:
        kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            await drain(_pieces(receive))
            return 415, "JSON is wanted"
        raw = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return 400, "the body ended early"
                    raw += message.get("body", b"")
                    has_more = message.get("more_body", False)
                    if len(raw) > self._most:
                        if has_more:
                            await drain(_pieces(receive))
                        return 413, "the body is too long"
                    if not has_more:
                        break
        except TimeoutError:
            return 408, "the body came too slowly"
        return bytes(raw) if is_plain_json(bytes(raw)) else (400, "no JSON, or too deep")


def is_plain_json(raw: bytes) -> bool:
    """Whether it is a JSON object, nested no deeper than the parser takes (about 200)."""
    try:
        return isinstance(from_json(raw), dict)
    except ValueError:
        return False


def _replay(body: bytes, receive: Receive) -> Receive:
    rest = [body]

    async def again() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        return await receive()

    return again


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    """What is left of a body."""
    while True:
        message = await receive()
        if message["type"] == "http.request":
            yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _refuse(refusal: tuple[int, str], scope: Scope, receive: Receive, send: Send) -> None:
    status, said = refusal
    answer = JSONResponse({"error": said}, status, headers={"Connection": "close"})
    await answer(scope, receive, send)
