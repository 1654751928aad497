"""Routes of the compute market: models, answers, embeddings, receipts."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Request, Response
from starlette.requests import ClientDisconnect

from offchain.compute.answers import Route
from offchain.compute.forms import show
from offchain.compute.generation import MAX_BODY_BYTES
from offchain.compute.route import Offer, Record
from offchain.core.errors import ApogeeError
from offchain.da.refusals import BodySize, RequestMalformed, UploadSlow
from offchain.gateway.buy import Bought, BoughtStream, Tried
from offchain.gateway.compute_errors import BodyTooLarge
from offchain.gateway.compute_face import ComputeFace, MarketAway
from offchain.gateway.compute_model import (
    MODEL,
    ModelShown,
    ModelsShown,
    OfferShown,
    ReceiptShown,
    request_body,
)
from offchain.gateway.direct import Door, while_there
from offchain.gateway.documentation import TAG_COMPUTE, openai_problems
from offchain.gateway.errors import ApiKeyWrong
from offchain.gateway.events_response import EVENTS, EventsResponse
from offchain.gateway.face import GatewayFace
from offchain.gateway.openai_errors import openai_problem
from offchain.gateway.options import Order, understand
from offchain.gateway.receipts import shown_receipt
from offchain.gateway.sale import PATHS
from offchain.gateway.x402 import SIGNATURE
from offchain.node.http_face import drain

JSON: Final = "application/json"
BODY_SECONDS: Final = 30.0
SEND_SECONDS: Final = 330.0  # the longest answer, and a slow reader
ReceiptId = Annotated[
    str,
    Path(
        pattern=r"^(0x|chatcmpl-|cmpl-|embd-)?[0-9a-f]{64}$",
        description="A request's id, or the `id` of an answer.",
        examples=["0x" + "5f" * 32],
    ),
]
_TALK: Final = [{"role": "user", "content": "Name three moons of Jupiter."}]
_CHAT: Final = request_body({"model": MODEL, "messages": _TALK, "max_tokens": 64}, "messages")
_TEXT: Final = request_body({"model": MODEL, "prompt": "Io is", "max_tokens": 16}, "prompt")
_EMBEDDINGS: Final = request_body({"model": "all-minilm-l6-v2", "input": ["Io"]}, "input")
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    **openai_problems(400, 401, 402, 404, 409, 413, 422, 502),
    200: {
        "description": "The provider's answer, byte for byte, verified; or its events.",
        "content": {
            JSON: {"schema": {"type": "object"}, "example": {"object": "chat.completion"}},
            EVENTS: {"schema": {"type": "string"}, "example": "data: [DONE]"},
        },
    },
}


def compute_doors(face: GatewayFace) -> Mapping[str, Door]:
    """Who buys an answer, by path."""

    def door(route: Route) -> Door:
        async def buy(request: Request) -> Response:
            try:
                face.admit(request)
                return await _bought(request, route, _market(face))
            except ApogeeError:
                await drain(request.stream())
                raise

        return buy

    return {path: door(route) for route, path in PATHS.items()}


def add_compute_routes(app: FastAPI, face: GatewayFace) -> None:
    """Everything under /v1 that speaks OpenAI's protocol."""
    doors = compute_doors(face)

    @app.get("/v1/models", tags=[TAG_COMPUTE], responses=openai_problems())
    async def models(request: Request) -> ModelsShown:
        """Every model on offer: prices, limits, level, who offers it."""
        face.admit(request)
        compute = _market(face)
        found = await compute.watch.now()
        return shown_models(found.offers, compute.records.all(), found.time)

    @app.post(
        "/v1/chat/completions",
        tags=[TAG_COMPUTE],
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_CHAT,
    )
    async def chat(request: Request) -> Response:
        """A verified answer to a chat, whole or as events."""
        return await doors[PATHS[Route.CHAT]](request)

    @app.post(
        "/v1/completions",
        tags=[TAG_COMPUTE],
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_TEXT,
    )
    async def completion(request: Request) -> Response:
        """A verified continuation of a text, whole or as events."""
        return await doors[PATHS[Route.COMPLETION]](request)

    @app.post(
        "/v1/embeddings",
        tags=[TAG_COMPUTE],
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_EMBEDDINGS,
    )
    async def embeddings(request: Request) -> Response:
        """Verified vectors of texts."""
        return await doors[PATHS[Route.EMBEDDING]](request)

    @app.get(
        "/v1/receipts/{receipt_id}",
        tags=[TAG_COMPUTE],
        responses=openai_problems(400, 401, 404, 502),
    )
    async def receipt(request: Request, receipt_id: ReceiptId) -> ReceiptShown:
        """The receipt of an answer that this key bought, and what was checked of it."""
        face.admit(request)
        compute = _market(face)
        await compute.settled()
        attempt = await compute.desk.attempt(bytes.fromhex(receipt_id[-64:]))
        found = await compute.watch.now()
        offer = None if attempt is None else found.offer_of(attempt.service)
        return shown_receipt(
            attempt,
            caller=request.state.caller,
            domain=found.domain,
            signer=None if offer is None else offer.signer,
        )


def shown_models(
    offers: Iterable[Offer], records: Mapping[bytes, Record], created: int
) -> ModelsShown:
    """Offers by model, cheapest output first."""
    by_model: dict[tuple[bytes, int], list[Offer]] = {}
    for offer in offers:
        key = (offer.service.model_hash, int(offer.service.kind))
        by_model.setdefault(key, []).append(offer)
    shown = []
    for (model_hash, _), found in sorted(by_model.items()):
        own = {show(model_hash), *(show(one.service.id) for one in found)}
        named = sorted({name for one in found for name in one.names} - own)
        shown.append(
            ModelShown(
                id=named[0] if named else show(model_hash),
                object="model",
                created=created,
                owned_by="apogee",
                kind=found[0].service.kind.name,
                model_hash=show(model_hash),
                offers=[
                    _shown_offer(one, records.get(one.service.id))
                    for one in sorted(found, key=lambda one: (one.row.output_price, one.service.id))
                ],
            )
        )
    return ModelsShown(object="list", data=shown)


def _market(face: GatewayFace) -> ComputeFace:
    if face.compute is None:
        raise MarketAway
    return face.compute


async def _bought(request: Request, route: Route, compute: ComputeFace) -> Response:
    caller, door = request.state.caller, compute.door
    is_unknown = caller is None and request.headers.get("authorization") is None
    if is_unknown and door is None:
        raise ApiKeyWrong(has_key=False)
    compute.rates.require(caller)
    body = await _body(request)
    if not is_unknown or door is None:
        order = understand(route, body, request.headers, caller, compute.defaults)
        return await _served(request, order, compute)
    defaults = replace(compute.defaults, token=door.asset.token)
    order = understand(route, body, request.headers, None, defaults)
    payment = request.headers.get(SIGNATURE)
    if payment is None:
        error, headers = door.wanted(await door.price(order), str(request.url))
        answer = openai_problem(error, request.state.request_id)
        answer.headers.update(headers)
        return answer
    admitted = await door.admit(payment, order, path=request.url.path)
    try:
        answer = await _served(request, replace(order, key=admitted.key), compute)
    except ApogeeError as error:  # what was paid is credit
        answer = openai_problem(error, request.state.request_id)
    answer.headers.update(admitted.headers)
    return answer


async def _served(request: Request, order: Order, compute: ComputeFace) -> Response:
    async with while_there(request.receive):
        if order.is_streamed:
            stream = await compute.buyer.stream(order)
            return EventsResponse(stream.events, _headers(stream), SEND_SECONDS)
        bought = await compute.buyer.whole(order)
        return Response(bought.raw, 200, _headers(bought), media_type=JSON)


async def _body(request: Request) -> bytes:
    """All of it, as it came. Raises: BodyTooLarge, UploadSlow, BodySize, RequestMalformed."""
    declared = request.headers.get("content-length", "")
    if declared and not (declared.isascii() and declared.isdigit() and len(declared) <= 12):
        raise RequestMalformed(content_length=declared[:20])
    if declared and int(declared) > MAX_BODY_BYTES:
        raise BodyTooLarge(bytes=int(declared), maximum=MAX_BODY_BYTES)
    pieces, length = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                length += len(piece)
                if length > MAX_BODY_BYTES:
                    raise BodyTooLarge(bytes=length, maximum=MAX_BODY_BYTES)
                pieces.append(piece)
    except TimeoutError as error:
        raise UploadSlow(seconds=BODY_SECONDS) from error
    except ClientDisconnect as error:
        raise BodySize(reason="the sender hung up") from error
    return b"".join(pieces)


def _headers(bought: Bought | BoughtStream) -> dict[str, str]:
    """Who answered, under which receipt, and who was asked before."""
    headers = {
        "X-Apogee-Receipt": show(bought.request_id),
        "X-Apogee-Service": show(bought.service),
        "X-Apogee-Provider": show(bought.provider),
        "Cache-Control": "no-store",
    }
    if bought.tried:
        headers["X-Apogee-Tried"] = _tried(bought.tried)
    return headers


def _tried(tried: Iterable[Tried]) -> str:
    return ", ".join(f"{show(one.service)} {one.outcome}" for one in tried)


def _shown_offer(offer: Offer, record: Record | None) -> OfferShown:
    service, row, found = offer.service, offer.row, offer.verifiability
    return OfferShown(
        service=show(service.id),
        provider=show(service.provider),
        token=show(row.token),
        input_price=str(row.input_price),
        output_price=str(row.output_price),
        request_price=str(row.request_price),
        max_input=service.limits.max_input,
        max_output=service.limits.max_output,
        level=found.level.name,
        simulated=found.is_simulated,
        serving=offer.is_serving,
        numerics=service.numerics.name,
        charter=show(service.charter_hash),
        median_seconds=None if record is None else round(record.median_seconds, 4),
        failure_rate=0.0 if record is None else round(record.failure_rate, 4),
    )
