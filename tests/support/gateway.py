"""A gateway over a small network: real desk, routes and guard; what is below is the caller's."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
from starlette.types import ASGIApp

from offchain.apps.gateway import sample_with
from offchain.da.adapters.chain_trail import Trail
from offchain.da.batch import BatchRules
from offchain.da.dispersals import DispersalJournal
from offchain.da.disperse import DisperseBlob, Watcher
from offchain.da.duties import BlobView
from offchain.da.ports import BlobLedger, NodeClient, RequestSigner
from offchain.da.read_part import PartReader
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.sample import SampleBlob, SampleRules
from offchain.gateway.access import ApiKey
from offchain.gateway.answers import AnswerBook
from offchain.gateway.app import build_gateway_app
from offchain.gateway.face import FaceRules, GatewayFace
from offchain.gateway.lease import PublisherLease
from offchain.gateway.model import Lane, Quote
from offchain.gateway.publish import DeskParts, DeskRules, PublishDesk
from offchain.gateway.standing import Standings
from offchain.node.peer_limits import PeerLimits, PeerRate
from tests.support.da_network import Site, the_engine

KEY = "apg_" + "ab" * 32
BEARER = {"Authorization": f"Bearer {KEY}"}
QUICK_DESK = DeskRules(batch=BatchRules(wait_seconds=0.2), again_seconds=0.05)
NOW = 1_790_000_000

MakeDisperser = Callable[[Watcher], DisperseBlob]


@dataclass
class Below:
    """What a gateway stands on."""

    ledger: BlobLedger
    client: NodeClient
    disperser: MakeDisperser
    quote: Callable[[int, int], int]
    trail: Callable[[BlobView], Trail]
    signer: RequestSigner
    opened: int = 0  # how often the publisher was opened


def below_site(site: Site, client: NodeClient, journal: DispersalJournal | None = None) -> Below:
    """A memory chain and its nodes."""
    return Below(
        ledger=site.chain,
        client=client,
        disperser=lambda watch: site.disperse_with(client, journal=journal, watch=watch),
        quote=site.chain.quote,
        trail=lambda _: Trail(7, b"\x01" * 32),
        signer=site.disperser,
    )


def a_face(
    below: Below,
    folder: Path,
    *,
    desk_rules: DeskRules = QUICK_DESK,
    rules: FaceRules | None = None,
    rate: PeerRate | None = None,
) -> GatewayFace:
    """Everything a gateway's routes stand in front of, with its answers in `folder`."""
    watched: list[PublishDesk] = []

    @asynccontextmanager
    async def publisher() -> AsyncIterator[DisperseBlob]:
        below.opened += 1
        yield below.disperser(watched[0].watch)

    parts = DeskParts(
        lease=PublisherLease(publisher, idle_seconds=0.05),
        answers=AnswerBook(folder / "answers.sqlite", lambda: NOW),
        quote=below.quote,
        signer=below.signer,
        domain=below.ledger.domain,
    )
    desk = PublishDesk(parts, desk_rules)
    watched.append(desk)
    whole = RetrieveBlob(
        below.ledger, below.client, the_engine(), rules=RetrievalRules(deadline_seconds=20)
    )
    sampler = SampleBlob(
        below.ledger,
        below.client,
        the_engine(),
        reader=whole,
        randomness=Random(7),
        rules=SampleRules(),
    )
    return GatewayFace(
        desk=desk,
        reader=PartReader(below.ledger, below.client, the_engine(), whole),
        standings=Standings(below.ledger, below.trail, desk),
        quote=lambda length, days: _quote(below, length, days),
        sample=lambda blob_id, confidence: sample_with(sampler, blob_id, confidence),
        key=ApiKey(KEY),
        limits=PeerLimits(rate or PeerRate(per_second=10_000, burst=100_000), lambda: 0.0),
        readiness=_is_ready,
        rules=rules or FaceRules(),
    )


@asynccontextmanager
async def running(face: GatewayFace) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, without sockets, for as long as the gateway lives."""
    app: ASGIApp = build_gateway_app(face)
    face.desk.start()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8080", timeout=60
        ) as client:
            yield client
    finally:
        await face.desk.stop()


def _quote(below: Below, length: int, days: int) -> Quote:
    fee = below.quote(length, days)
    return Quote(
        length=length, days=days, fee_wei=str(fee), confirm_seconds=300, lane=Lane.OWN, block=1
    )


async def _is_ready() -> str | None:
    return None
