"""Storage over the gateway's HTTP: priced, paid once for a key, listed, and read in ranges."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.gateway.face import GatewayFace
from offchain.gateway.storage_door import OpenedFiles, StorageDoor
from offchain.storage.adapters.memory_seats import Mood
from tests.support.da_network import a_site, memory_network
from tests.support.gateway import KEY, a_face, below_site, running
from tests.support.storage_client import StorageSite, a_file_client, a_storage_site

BODY = random.Random(21).randbytes(100_000)
EPOCH_SECONDS = 14_400
OWNS = {"Authorization": f"Bearer {KEY}"}
QUERY = {"profile": "local", "days": 1}
Story = Callable[[httpx.AsyncClient, StorageSite], Awaitable[None]]


@pytest.fixture(scope="module")
def engine() -> ErasureEngine:
    return choose_engine()


def tell(engine: ErasureEngine, folder: Path, story: Story) -> None:
    """Run a story against a gateway with a group of three seats in memory behind it."""

    async def run() -> None:
        site = a_storage_site(engine, folder / "storage", profile="local")

        @asynccontextmanager
        async def opening() -> AsyncIterator[OpenedFiles]:
            yield OpenedFiles(a_file_client(site), EPOCH_SECONDS)

        face = await _face(folder)
        face.storage = StorageDoor(opening)
        async with face.storage.open(), running(face) as client:
            await story(client, site)

    asyncio.run(run())


async def _face(folder: Path) -> GatewayFace:
    below = a_site(4)
    return a_face(below_site(below, memory_network(below)), folder)


async def put(client: httpx.AsyncClient, key: str, body: bytes = BODY) -> httpx.Response:
    headers = OWNS | {"Idempotency-Key": key}
    return await client.post("/v1/storage/files", params=QUERY, headers=headers, content=body)


def test_storage__quoted_put_listed_and_read__the_bytes_and_one_payment(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    async def story(client: httpx.AsyncClient, site: StorageSite) -> None:
        quote = await client.get("/v1/storage/quote", params=QUERY | {"len": len(BODY)})
        assert (quote.status_code, quote.json()["epochs"]) == (200, 6)

        stored, again = await put(client, "one"), await put(client, "one")

        assert (stored.status_code, stored.json()) == (201, again.json())
        assert (stored.json()["state"], site.market.charges) == ("STORED", 1)
        listed = (await client.get("/v1/storage/files")).json()["files"]
        assert [one["id"] for one in listed] == [stored.json()["id"]]
        for reference in (stored.json()["id"], stored.json()["root"]):
            found = await client.get(f"/v1/storage/files/{reference}")
            assert found.json() == stored.json()
        whole = await client.get(f"/v1/storage/files/{stored.json()['id']}/data")
        assert (whole.content, whole.headers["X-Apogee-Verified"]) == (BODY, "inclusion")

    tell(engine, tmp_path, story)


def test_storage__a_range__is_these_bytes_or_none_at_all(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    async def story(client: httpx.AsyncClient, site: StorageSite) -> None:
        url = f"/v1/storage/files/{(await put(client, 'one')).json()['id']}/data"
        part = await client.get(url, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, BODY[1_000:2_000])
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(BODY)}"
        assert (await client.get(url, headers={"Range": "bytes=999999-"})).status_code == 416
        site.set_moods(Mood.LYING, 1)
        right = await client.get(url, headers={"Range": "bytes=0-99"})
        assert right.content == BODY[:100]
        site.set_moods(Mood.SILENT, 1, 2)
        lost = await client.get(url, headers={"Range": "bytes=0-99"})
        assert (lost.status_code, lost.json()["code"]) == (503, "storage.shards.insufficient")

    tell(engine, tmp_path, story)


def test_storage__without_a_key_or_with_a_used_one__nothing_is_paid(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    async def story(client: httpx.AsyncClient, site: StorageSite) -> None:
        headers = {"Idempotency-Key": "one"}
        refused = await client.post(
            "/v1/storage/files", params=QUERY, headers=headers, content=BODY
        )
        assert refused.status_code == 401
        assert (await put(client, "one")).status_code == 201
        other = await put(client, "one", BODY + b"!")
        assert (other.status_code, other.json()["code"]) == (409, "gateway.idempotency")
        bad = await client.post(
            "/v1/storage/files",
            params={"profile": "nothing", "days": 1},
            headers=OWNS | {"Idempotency-Key": "two"},
            content=BODY,
        )
        assert (bad.status_code, bad.json()["code"]) == (404, "storage.profile.unknown")
        assert (await client.get(f"/v1/storage/files/{'5f' * 32}")).status_code == 404
        assert site.market.charges == 1

    tell(engine, tmp_path, story)


def test_storage__gateway_without_one__says_so(engine: ErasureEngine, tmp_path: Path) -> None:
    async def run() -> None:
        async with running(await _face(tmp_path)) as client:
            answer = await client.get("/v1/storage/quote", params={"len": 1})
            assert (answer.status_code, answer.json()["code"]) == (503, "gateway.no_storage")

    asyncio.run(run())
