"""A relayer over HTTP: the way to subjects, and its own face, which shows what it vouched for.

Endpoints are written by subjects and are not trusted: every answer is bounded in size and time.
Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response

from offchain.attestation.adapters.http_subject import (
    BUNDLES_PATH,
    JSON,
    OFFERS_PATH,
    RATE,
    add_evidence,
    short_body,
)
from offchain.attestation.bundle import (
    MAX_BUNDLE_BYTES,
    Bundle,
    BundleMalformed,
    parse_bundle,
)
from offchain.attestation.evidence_desk import EvidenceDesk
from offchain.attestation.notice import Notice
from offchain.attestation.notice_desk import NoticeDesk, parse_signatures
from offchain.attestation.relay_errors import SubjectInvalid, SubjectRefused, SubjectUnreachable
from offchain.attestation.relay_forms import (
    ASK_HEADER,
    MAX_OFFERS_BYTES,
    FormMalformed,
    ask_header,
    parse_offers,
    signed_json,
)
from offchain.attestation.relay_ports import Offer, SignedVerdict, SubjectPlace
from offchain.core.ecdsa import DigestSigner
from offchain.node.body import Body
from offchain.node.face_routes import Counters, Readiness, add_errors, add_health, peer_of
from offchain.node.http_face import loopback_server
from offchain.node.peer_http import HttpLimits, PeerCall, PeerErrors, PeerHttp
from offchain.node.peer_limits import PeerLimits

NOTICES_PATH: Final = "/v1/attestation/notices"
CONNECTIONS: Final = 128
MAX_ANSWER_BYTES: Final = 4_096
LIMITS: Final = HttpLimits(read_seconds=10.0, upload_seconds=10.0, connections=64)
ERRORS: Final = PeerErrors(SubjectUnreachable, SubjectUnreachable, SubjectRefused, SubjectInvalid)


class HttpSubjects(PeerHttp):
    """`Subjects` over HTTP; `now` is chain time. Use it as an asynchronous context manager."""

    def __init__(self, signer: DigestSigner, now: Callable[[], int]) -> None:
        super().__init__(ERRORS, LIMITS)
        self._signer = signer
        self._now = now

    async def offers(self, place: SubjectPlace) -> Sequence[Offer]:
        now = await asyncio.to_thread(self._now)
        header = ask_header(self._signer, place.provider, now, f"GET {OFFERS_PATH}")
        call = PeerCall(
            "GET",
            OFFERS_PATH,
            MAX_OFFERS_BYTES,
            self.limits.read_seconds,
            query={"of": place.provider.hex()},
            headers={ASK_HEADER: header},
        )
        raw = await self.call(place.endpoint, call)
        try:
            return await asyncio.to_thread(parse_offers, raw)
        except FormMalformed as error:
            raise SubjectInvalid(endpoint=place.endpoint, reason=str(error)) from error

    async def deliver(self, place: SubjectPlace, signed: SignedVerdict) -> None:
        call = PeerCall(
            "POST",
            OFFERS_PATH,
            MAX_ANSWER_BYTES,
            self.limits.upload_seconds,
            headers={"Content-Type": "application/json"},
            body=Body.of(signed_json(signed)),
        )
        await self.call(place.endpoint, call)

    async def bundle(self, place: SubjectPlace, evidence_id: bytes) -> Bundle:
        path = f"{BUNDLES_PATH}/{evidence_id.hex()}"
        call = PeerCall("GET", path, MAX_BUNDLE_BYTES, self.limits.read_seconds)
        raw = await self.call(place.endpoint, call)
        try:
            return await asyncio.to_thread(parse_bundle, raw)
        except BundleMalformed as error:
            raise SubjectInvalid(endpoint=place.endpoint, reason=str(error)) from error


class HttpNotices(PeerHttp):
    """`AskNotices` over HTTP; use it as an asynchronous context manager."""

    def __init__(self) -> None:
        super().__init__(ERRORS, LIMITS)

    async def signatures(self, endpoint: str, notice: Notice, epoch: int) -> Sequence[bytes]:
        call = PeerCall(
            "POST",
            NOTICES_PATH,
            MAX_ANSWER_BYTES,
            self.limits.read_seconds,
            headers={"Content-Type": "application/json"},
            body=Body.of(notice.to_json(epoch)),
        )
        raw = await self.call(endpoint, call)
        try:
            return parse_signatures(raw)
        except FormMalformed as error:
            raise SubjectInvalid(endpoint=endpoint, reason=str(error)) from error


def add_notices(app: FastAPI, desk: NoticeDesk) -> None:
    """Where a relayer gives its signature under what its operator voted for."""
    limits = PeerLimits(RATE, time.monotonic)

    @app.post(NOTICES_PATH, tags=["attestation"])
    async def notices(request: Request) -> Response:
        """Signatures of the relayers here under a notice, of those who sit and voted for it."""
        limits.require(peer_of(request))
        return Response(await desk.sign(await short_body(request)), media_type=JSON)


def build_relayer_app(desk: EvidenceDesk | None, readiness: Readiness) -> FastAPI:
    """The routes of a relayer's process; without a desk, whoever asked adds one."""
    app = FastAPI(
        title="Apogee relayer",
        version="1",
        summary="Evidence that relayers vouched for, and how they are.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    counters = Counters()
    add_errors(app, counters)
    if desk is not None:
        add_evidence(app, desk)
    add_health(app, readiness, counters, name="relayer")
    return app


def relayer_server(app: FastAPI, port: int) -> uvicorn.Server:
    """A server on loopback; `await server.serve()` runs it, `server.should_exit` stops it."""
    return loopback_server(app, port, connections=CONNECTIONS)
