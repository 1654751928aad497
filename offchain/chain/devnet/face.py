"""The HTTP face of a devnet: guard, limits, JSON-RPC envelope; the backend answers.

The same face stands before the embedded node and before Anvil, so both are equally careful.

  refused with  when
  403           Host is not this machine, or Origin is a page that is not allowed
  413           the body is larger than 8 MiB
  200 + error   everything JSON-RPC has a code for
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offchain.chain.devnet import envelope
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.faults import RpcFault, UnknownMethod
from offchain.chain.devnet.guard import Guard
from offchain.chain.devnet.limits import MAX_BODY_BYTES

log = logging.getLogger(__name__)


class Backend(Protocol):
    """A chain that answers JSON-RPC. Errors come back as answers, never as exceptions."""

    @property
    def methods(self) -> frozenset[str]:
        """The methods it may be asked for; all others are refused before it sees them."""
        ...

    async def answer(self, requests: Sequence[envelope.Request]) -> list[Json]:
        """One answer object for each request, in order."""
        ...

    async def relay(self, request: envelope.Request, raw: bytes) -> bytes | None:
        """The answer bytes for a lone request sent as `raw`; None to be asked through `answer`."""
        ...


class Admission:
    """ASGI middleware: answers 403 before anything of the request is read."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        is_admitted = self._guard.admits_origin(origin) and self._guard.admits_host(
            headers.get("host")
        )
        if not is_admitted:
            log.warning("request_refused", extra={"origin": origin})
            refusal = Response(b"forbidden: unknown Host or Origin\n", 403, media_type="text/plain")
            await refusal(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if origin is not None and message["type"] == "http.response.start":
                shown = MutableHeaders(scope=message)
                shown["access-control-allow-origin"] = origin
                shown["vary"] = "origin"
            await send(message)

        await self._app(scope, receive, send_allowed)


class _TooLarge(Exception):
    """The body passes MAX_BODY_BYTES."""


def create_face(backend: Backend, guard: Guard) -> FastAPI:
    """The application; serve it on a loopback address only."""
    face = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    face.add_middleware(Admission, guard=guard)

    @face.post("/")
    async def rpc(request: Request) -> Response:
        try:
            raw = await _read_bounded(request)
        except _TooLarge:
            return Response(b"request body too large\n", 413, media_type="text/plain")
        except ClientDisconnect:
            return Response(status_code=400)
        return _respond(await answer_body(backend, raw))

    @face.options("/")
    async def preflight() -> Response:
        allowed = {
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "content-type",
        }
        return Response(status_code=204, headers=allowed)

    return face


async def answer_body(backend: Backend, raw: bytes) -> bytes:
    """The answer to one HTTP body; empty when it held notifications only."""
    try:
        parsed = envelope.parse_body(raw)
    except RpcFault as fault:
        return envelope.encode(envelope.failure(None, fault))
    if not parsed.is_batch:
        return await _answer_lone(backend, parsed.members[0], raw)
    known: list[envelope.Request] = []
    places: list[Json | None] = []
    for member in parsed.members:
        refusal = _refusal(backend, member)
        places.append(refusal)
        if refusal is None and isinstance(member, envelope.Request):
            known.append(member)
    answers = iter(await backend.answer(known) if known else [])
    shown = [
        answer
        for member, refusal in zip(parsed.members, places, strict=True)
        for answer in [refusal if refusal is not None else next(answers)]
        if isinstance(member, envelope.Invalid) or member.wants_answer
    ]
    return envelope.encode(shown) if shown else b""


async def _answer_lone(
    backend: Backend, member: envelope.Request | envelope.Invalid, raw: bytes
) -> bytes:
    refusal = _refusal(backend, member)
    if refusal is not None or isinstance(member, envelope.Invalid):
        return envelope.encode(refusal)
    relayed = await backend.relay(member, raw)
    if relayed is None:
        relayed = envelope.encode((await backend.answer([member]))[0])
    return relayed if member.wants_answer else b""


def _refusal(backend: Backend, member: envelope.Request | envelope.Invalid) -> Json | None:
    if isinstance(member, envelope.Invalid):
        return envelope.failure(member.id, member.fault)
    if member.method not in backend.methods:
        fault = UnknownMethod(f"the method {member.method} does not exist/is not available")
        return envelope.failure(member.id, fault)
    return None


async def _read_bounded(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > MAX_BODY_BYTES:
        raise _TooLarge
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


def _respond(answer: bytes) -> Response:
    if not answer:
        return Response(status_code=204)
    return Response(answer, media_type="application/json")
