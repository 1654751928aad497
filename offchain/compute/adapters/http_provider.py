"""A provider's HTTP face: OpenAI's routes for who pays by voucher, and a few of Apogee's own.

The body is read as bytes and never changed: its hash is what is signed. A client that leaves frees
its slot within one step. Prompts, vouchers and keys reach no log. The process binds to loopback; an
operator publishes it through a proxy of their own. Source: docs/protocol/compute.md#provider.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from offchain.attestation.adapters.http_subject import add_offers
from offchain.attestation.evidence_desk import SubjectDesk
from offchain.compute.adapters.openai_errors import (
    BodyTooLarge,
    openai_error,
    openai_response,
)
from offchain.compute.adapters.provider_schema import (
    ASKED,
    CHAT_BODY,
    COMPLETION_BODY,
    EMBEDDING_BODY,
    REFUSALS,
    VOUCHER_BODY,
)
from offchain.compute.answers import Route, error_event
from offchain.compute.asks import ASK_HEADER
from offchain.compute.engine import TOTAL_SECONDS
from offchain.compute.forms import VOUCHER_HEADER, parse_voucher, parse_voucher_header
from offchain.compute.generation import MAX_BODY_BYTES
from offchain.compute.model import SignedVoucher
from offchain.compute.serve import Serve
from offchain.compute.show_provider import ShowProvider
from offchain.core.errors import ApogeeError, InvalidInput, NotFound
from offchain.node.face_routes import Counters, Readiness, add_health
from offchain.node.http_face import drain, loopback_server

CONNECTIONS: Final = 512
SEND_SECONDS: Final = TOTAL_SECONDS + 15.0  # a reader who takes longer is cut off
CLIENT_GONE: Final = 499  # nobody reads it
EVENT_STREAM: Final = "text/event-stream"
JSON: Final = "application/json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderFace:
    """What the face stands in front of. `attest`: evidence of the TEE it runs in, if it does."""

    serve: Serve
    show: ShowProvider
    readiness: Readiness
    send_seconds: float = SEND_SECONDS
    attest: SubjectDesk | None = None


class BodyCut(InvalidInput):
    """The body ended before its announced length."""

    code = "compute.body.cut"


def build_provider_app(face: ProviderFace) -> FastAPI:
    """The provider's routes."""
    app = FastAPI(
        title="Apogee compute provider",
        version="1",
        summary="Answers for vouchers, each with a receipt that can be verified.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    counters = Counters()
    _add_errors(app, counters)
    _add_paid(app, face, counters)
    _add_money(app, face)
    _add_shown(app, face)
    if face.attest is not None:
        add_offers(app, face.attest)
    add_health(app, face.readiness, counters, name="compute")
    return app


def provider_server(app: FastAPI, port: int) -> uvicorn.Server:
    """A server on loopback; `await server.serve()` runs it, `server.should_exit` stops it."""
    return loopback_server(app, port, connections=CONNECTIONS)


def _add_errors(app: FastAPI, counters: Counters) -> None:
    @app.exception_handler(ApogeeError)
    async def refuse(request: Request, error: ApogeeError) -> Response:
        counters["refused_" + error.code.replace(".", "_")] += 1
        log.info("request_refused", extra={"code": error.code, "route": _route_of(request)})
        return openai_response(error)

    @app.exception_handler(HTTPException)
    async def unknown_route(_: Request, error: HTTPException) -> Response:
        wrapped = NotFound(str(error.detail)) if error.status_code == 404 else InvalidInput()
        answer = openai_response(wrapped)
        answer.status_code = error.status_code
        return answer


def _add_paid(app: FastAPI, face: ProviderFace, counters: Counters) -> None:
    async def text(route: Route, request: Request) -> Response:
        body = await _body(request)
        wanted, answer = await face.serve.text(route, body, _voucher(request))
        counters["answers"] += 1
        if not wanted.is_streamed:
            return await _unless_gone(request, _json(answer.whole()))
        events = answer.events()
        return await _unless_gone(request, _opened(events, face.send_seconds))

    @app.post("/v1/chat/completions", tags=["paid"], openapi_extra=CHAT_BODY, responses=REFUSALS)
    async def chat(request: Request) -> Response:
        """A chat answer, whole or streamed."""
        return await text(Route.CHAT, request)

    @app.post("/v1/completions", tags=["paid"], openapi_extra=COMPLETION_BODY, responses=REFUSALS)
    async def completions(request: Request) -> Response:
        """A continuation, whole or streamed."""
        return await text(Route.COMPLETION, request)

    @app.post("/v1/embeddings", tags=["paid"], openapi_extra=EMBEDDING_BODY, responses=REFUSALS)
    async def embeddings(request: Request) -> Response:
        """One vector a text."""
        body = await _body(request)
        made = face.serve.embedding(body, _voucher(request))
        counters["answers"] += 1
        return await _unless_gone(request, _json(made))


def _add_money(app: FastAPI, face: ProviderFace) -> None:
    @app.post("/v1/vouchers", tags=["money"], openapi_extra=VOUCHER_BODY, responses=REFUSALS)
    async def vouchers(request: Request) -> Response:
        """Acknowledge what was answered, without another request."""
        voucher = parse_voucher(await _body(request))
        payment = await face.serve.acknowledge(voucher)
        return _shown(face.show.purse(payment.voucher.voucher.payer, payment.row.token))

    @app.get("/v1/purse", tags=["money"], openapi_extra=ASKED, responses=REFUSALS)
    async def purse(request: Request, payer: str, token: str = "0x" + "0" * 40) -> Response:
        """What a payer has open here, and his next nonce."""
        asker = face.show.asker(request.headers.get(ASK_HEADER), _target(request))
        return _shown(await face.show.own_purse(asker, payer, token))


def _add_shown(app: FastAPI, face: ProviderFace) -> None:
    show = face.show

    @app.get("/v1/models", tags=["offer"])
    async def models() -> Response:
        """Services with prices, limits and how verifiable they are; no key needed."""
        return _shown(show.models())

    @app.get("/v1/evidence", tags=["offer"])
    async def evidence() -> Response:
        """What the level of each service rests on."""
        return _shown(show.levels())

    @app.get("/v1/receipts/{request_id}", tags=["proof"], openapi_extra=ASKED, responses=REFUSALS)
    async def receipt(request_id: str, request: Request) -> Response:
        """A receipt, for its payer."""
        asker = show.asker(request.headers.get(ASK_HEADER), _target(request))
        return _shown(await show.receipt(request_id, asker))

    @app.get("/v1/batches/{batch}/leaves", tags=["proof"], openapi_extra=ASKED, responses=REFUSALS)
    async def leaves(batch: str, request: Request) -> Response:
        """A payer's items of a batch, each leaf with its path."""
        asker = show.asker(request.headers.get(ASK_HEADER), _target(request))
        return _shown(await show.leaves(batch, asker))

    @app.get("/v1/audits/{audit}", tags=["proof"], openapi_extra=ASKED, responses=REFUSALS)
    async def opening(audit: str, request: Request) -> Response:
        """The bundle of an audit, for its committee."""
        asker = show.asker(request.headers.get(ASK_HEADER), _target(request))
        return Response(await show.bundle(audit, asker), media_type=JSON)


class _EventResponse(Response):
    """Events as they come; ends them when the reader has left, or takes too long."""

    media_type = EVENT_STREAM

    def __init__(self, first: bytes, events: AsyncIterator[bytes], seconds: float) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self._first = first
        self._events = events
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        sending = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(_gone(receive))
        await asyncio.wait(
            {sending, gone}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (sending, gone):
            task.cancel()
        results = await asyncio.gather(sending, gone, return_exceptions=True)
        if isinstance(results[0], Exception) and not isinstance(results[0], OSError):
            raise results[0]

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events):  # type: ignore[type-var]  # a generator of ours
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            await send(_chunk(self._first))
            try:
                async for event in self._events:
                    await send(_chunk(event))
            except ApogeeError as error:
                await send(_chunk(error_event(openai_error(error))))
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _opened(events: AsyncIterator[bytes], seconds: float) -> Response:
    """A stream whose first event is there; until then an error is an ordinary answer."""
    return _EventResponse(await anext(events), events, seconds)


async def _json(body: Awaitable[bytes]) -> Response:
    return Response(await body, media_type=JSON)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The answer, unless the client hangs up before: then the work is cancelled."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(request.receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=CLIENT_GONE)
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    """The body's bytes. Raises: BodyTooLarge, BodyCut."""
    parts, size = [], 0
    pieces = request.stream()
    try:
        async for piece in pieces:
            size += len(piece)
            if size > MAX_BODY_BYTES:
                await drain(pieces)
                raise BodyTooLarge(maximum=MAX_BODY_BYTES)
            parts.append(piece)
    except ClientDisconnect as error:
        raise BodyCut(bytes=size) from error
    return b"".join(parts)


def _voucher(request: Request) -> SignedVoucher | None:
    text = request.headers.get(VOUCHER_HEADER)
    return None if not text else parse_voucher_header(text)


def _target(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.method} {request.url.path}{query}"


def _route_of(request: Request) -> str:
    """The route without what its path names."""
    with suppress(AttributeError):
        return str(request.scope["route"].path) if "route" in request.scope else "unknown"
    return "unknown"


def _chunk(body: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _shown(found: Mapping[str, object]) -> Response:
    import json

    return Response(json.dumps(found), media_type=JSON)
