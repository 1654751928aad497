"""A subject's routes for relayers, and the routes of evidence that subjects and relayers share.

They are added to the face of whatever process the subject is. Errors are that face's to show.
Source: docs/protocol/attestation.md#relayers.
"""

import time
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from offchain.attestation.evidence_desk import EvidenceDesk, SubjectDesk
from offchain.attestation.relay_forms import ASK_HEADER, MAX_SIGNED_BYTES, FormMalformed
from offchain.node.face_routes import peer_of
from offchain.node.http_face import drain
from offchain.node.peer_limits import PeerLimits, PeerRate

JSON: Final = "application/json"
RATE: Final = PeerRate(per_second=50.0, burst=200)
OFFERS_PATH: Final = "/v1/attestation/offers"
BUNDLES_PATH: Final = "/v1/attestation/bundles"
VERDICTS_PATH: Final = "/v1/attestation/verdicts"


def add_evidence(app: FastAPI, desk: EvidenceDesk) -> None:
    """Bundles and verdicts, for everybody."""
    limits = PeerLimits(RATE, time.monotonic)

    @app.get(BUNDLES_PATH + "/{evidence_id}", tags=["attestation"])
    async def bundle(evidence_id: str, request: Request) -> Response:
        """What a verdict rests on: quote, collateral, event log, compose text, GPU evidence."""
        limits.require(peer_of(request))
        return Response(await desk.bundle(_id(evidence_id)), media_type=JSON)

    @app.get(VERDICTS_PATH + "/{attestation_id}", tags=["attestation"])
    async def verdict(attestation_id: str, request: Request) -> Response:
        """A verdict with the signatures that made it count."""
        limits.require(peer_of(request))
        return Response(await desk.verdict(_id(attestation_id)), media_type=JSON)


def add_offers(app: FastAPI, desk: SubjectDesk) -> None:
    """What relayers judge, and where they leave their signatures."""
    limits = PeerLimits(RATE, time.monotonic)
    add_evidence(app, desk)

    @app.get(OFFERS_PATH, tags=["attestation"])
    async def offers(request: Request, of: str = "") -> Response:
        """Evidence that waits to be judged, for relayers that were drawn; `of`: whose."""
        limits.require(peer_of(request))
        header = request.headers.get(ASK_HEADER)
        named = _named(of)
        return Response(await desk.offers(header, f"GET {OFFERS_PATH}", named), media_type=JSON)

    @app.post(OFFERS_PATH, tags=["attestation"], status_code=204)
    async def deliver(request: Request) -> Response:
        """A relayer's signature over a verdict."""
        limits.require(peer_of(request))
        await desk.accept(await short_body(request))
        return Response(status_code=204)


async def short_body(request: Request) -> bytes:
    """A body of at most one signature's size. Raises: FormMalformed."""
    raw = bytearray()
    pieces = request.stream()
    try:
        async for piece in pieces:
            raw += piece
            if len(raw) > MAX_SIGNED_BYTES:
                await drain(pieces)
                raise FormMalformed(maximum=MAX_SIGNED_BYTES)
    except ClientDisconnect as error:
        raise FormMalformed(part="body") from error
    return bytes(raw)


def _named(text: str) -> bytes:
    """A subject's twenty bytes, or none. Raises: FormMalformed."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise FormMalformed(part="of") from error
    if len(raw) not in (0, 20):
        raise FormMalformed(part="of")
    return raw


def _id(text: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError as error:
        raise FormMalformed(part="id") from error
    if len(digits) != 64 or len(raw) != 32:
        raise FormMalformed(part="id")
    return raw
