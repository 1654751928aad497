"""A relayer's votes over HTTP: what its face signs, and what a collector makes of bad faces."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Response

from offchain.attestation.adapters.http_relayer import (
    NOTICES_PATH,
    HttpNotices,
    add_notices,
    build_relayer_app,
    relayer_server,
)
from offchain.attestation.notice import Notice, NoticeKind
from offchain.attestation.notice_desk import NoticeDesk, VoteFile, gather
from offchain.attestation.relay_errors import SubjectInvalid
from offchain.node.disk import LocalDisk
from tests.support.relaying import DOMAIN, RELAYERS, a_market, in_a_loop
from tests.support.served_app import serving

NEWER = Notice(NoticeKind.RAISE_EVALUATION, 18)


async def ready() -> str | None:
    return None


@in_a_loop
async def test_notice__voted_for_by_a_home_of_three__is_collected_over_http(
    tmp_path: Path,
) -> None:
    registry = a_market(tmp_path).registry
    votes = VoteFile(LocalDisk(), tmp_path)
    signers = {number: RELAYERS[number] for number in (1, 3, 5)}
    app = build_relayer_app(None, ready)
    add_notices(app, NoticeDesk(votes, signers, lambda: registry.bench(registry.head())))

    async with serving(relayer_server(app, 0)) as url, HttpNotices() as ask:
        assert await gather(NEWER, registry, ask, [url]) == (None, [])
        votes.vote(NEWER)
        posting, signed = await gather(NEWER, registry, ask, [url, "http://127.0.0.1:1", "ftp://x"])
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            answers = [
                await client.post(NOTICES_PATH, content=body)
                for body in (b"", b"{}", b'{"kind":"x","what":"1","epoch":1}', b"1" * 100_000)
            ]

    assert signed == [1, 3, 5]
    assert posting is not None
    assert len(posting.signatures) == 3
    assert [one.status_code for one in answers] == [400] * 4


@pytest.mark.parametrize("body", [b"", b"{}", b'{"signatures":["00"]}', b"x" * 100_000])
@in_a_loop
async def test_signatures__of_a_face_that_talks_nonsense__are_none(body: bytes) -> None:
    app = FastAPI()

    @app.post(NOTICES_PATH)
    async def nonsense() -> Response:
        return Response(body)

    async with serving(relayer_server(app, 0)) as url, HttpNotices() as ask:
        with pytest.raises(SubjectInvalid):
            await ask.signatures(url, NEWER, 1)
    assert NEWER.digest(DOMAIN, 1) != NEWER.digest(DOMAIN, 2)
