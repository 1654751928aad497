"""The SDK against a real gateway and real nodes, and against a gateway that lies."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from offchain.core.errors import Corrupt
from offchain.da.dispersals import Stage
from offchain.da.disperse import Progress
from offchain.da.refusals import NotEnoughSignatures, RequestMalformed, SenderNotDisperser
from offchain.gateway.app import build_gateway_app
from offchain.sdk import FileReference, ItemReference
from offchain.sdk.da import AsyncDa, DaParts
from offchain.sdk.errors import (
    GatewayConflict,
    GatewayContradicted,
    GatewayRejected,
    GatewayUnavailable,
    GatewayUnreachable,
    NoGateway,
    SourceUnusable,
)
from offchain.sdk.gateway_client import GatewayClient, GatewayRules
from tests.support.da_network import Site, a_site, memory_network, some_bytes, the_engine
from tests.support.gateway import KEY, a_face, below_site

PAYLOAD = some_bytes(300_000)
Change = Callable[[dict[str, Any]], dict[str, Any]]
QUICK = GatewayRules(seconds=2.0, first_pause=0.02)


def answered(status: int, raw: bytes) -> httpx.Response:
    """An answer whose body comes as from a socket."""
    return httpx.Response(status, stream=httpx.ByteStream(raw))


@dataclass
class Liar(httpx.AsyncBaseTransport):
    """Passes requests on to a gateway, and changes what it answers."""

    inside: httpx.ASGITransport
    change: Change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inside.handle_async_request(request)
        raw = await answer.aread()
        if answer.status_code == 202:
            raw = json.dumps(self.change(json.loads(raw))).encode()
        return answered(answer.status_code, raw)


@asynccontextmanager
async def a_client(
    site: Site,
    folder: Path,
    *,
    key: str = KEY,
    change: Change | None = None,
    rules: GatewayRules | None = None,
) -> AsyncIterator[AsyncDa]:
    """A client of a gateway over memory nodes; `change` is what the gateway lies about."""
    nodes = memory_network(site)
    face = a_face(below_site(site, nodes), folder)
    inside = httpx.ASGITransport(app=build_gateway_app(face))
    transport = Liar(inside, change) if change else inside
    face.desk.start()
    try:
        async with GatewayClient(
            "http://127.0.0.1:8080", key, rules, transport=transport
        ) as gateway:
            yield AsyncDa(DaParts(site.chain, nodes, the_engine, site.chain.blob_id, gateway))
    finally:
        await face.desk.stop()


@pytest.fixture
def site() -> Site:
    return a_site(4)


@pytest.mark.parametrize("kind", ["bytes", "view", "path", "text path", "stream"])
def test_put__any_source__comes_back(kind: str, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(PAYLOAD)
    stream = io.BytesIO(b"not this" + PAYLOAD)
    stream.seek(8)
    sources = {
        "bytes": PAYLOAD,
        "view": memoryview(PAYLOAD),
        "path": path,
        "text path": str(path),
        "stream": stream,
    }

    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            reference = await da.put(sources[kind], days=1)
            assert isinstance(reference, FileReference)
            assert await da.get(reference) == PAYLOAD
            assert await da.get(str(reference)) == PAYLOAD
            assert await da.get_to(reference, tmp_path / "out") == len(PAYLOAD)
            assert (tmp_path / "out").read_bytes() == PAYLOAD

    asyncio.run(story())


def test_put__twice_under_one_key__one_publication_paid_once(site: Site, tmp_path: Path) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            first = await da.put(PAYLOAD, key="photo")
            again = await da.put(PAYLOAD, key="photo")
            other = await da.put(PAYLOAD)

            assert first == again != other
            assert site.chain.payments == 2

    asyncio.run(story())


def test_put__one_key_for_other_bytes__is_a_conflict(site: Site, tmp_path: Path) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            await da.put(PAYLOAD, key="photo")
            with pytest.raises(GatewayConflict) as refused:
                await da.put(PAYLOAD + b"!", key="photo")

            assert refused.value.remote_code == "gateway.idempotency"
            assert site.chain.payments == 1

    asyncio.run(story())


def test_put__tells_its_progress__to_the_end(site: Site, tmp_path: Path) -> None:
    told: list[Progress] = []

    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            await da.put(PAYLOAD, on_progress=told.append)

    asyncio.run(story())
    assert [one.stage for one in told] == [Stage.PLANNED, Stage.CONFIRMED]


def test_status_and_sample__of_what_was_put__say_that_it_is_there(
    site: Site, tmp_path: Path
) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            reference = await da.put(PAYLOAD)
            status = await da.status(reference)
            sample = await da.sample(reference, 0.9999)

            assert ("CONFIRMED", len(PAYLOAD)) == (status.state, status.length)
            assert status.is_available
            assert sample.is_reached
            assert sample.confidence >= 0.9999
            assert sample.good == sample.asked

    asyncio.run(story())


def test_item__on_the_shared_lane__has_a_receipt_that_holds_and_comes_back(
    site: Site, tmp_path: Path
) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            references = await asyncio.gather(*(da.put_item(b"item %d" % n) for n in range(5)))

            assert len({one.blob_id for one in references}) == 1
            assert await da.get(references[3]) == b"item 3"
            assert await da.get(str(references[4])) == b"item 4"
            assert await da.get_to(ItemReference.parse(str(references[0])), tmp_path / "i") == 6
            assert site.chain.payments == 1

    asyncio.run(story())


def set_to(name: str, value: object) -> Change:
    return lambda answer: {**answer, name: value}


def in_receipt(name: str, value: object) -> Change:
    return lambda answer: {**answer, "receipt": {**answer["receipt"], name: value}}


@pytest.mark.parametrize(
    "change",
    [
        set_to("data_root", "0x" + "11" * 32),
        set_to("commitment", "0x" + "11" * 48),
        set_to("blob_id", "0x" + "11" * 32),
        set_to("matrix_bytes", 7),
        set_to("days", 13),
        set_to("salt", "0x" + "11" * 32),
        set_to("payer", "0x" + "11" * 20),
        set_to("data_root", None),
        set_to("fee_wei", "much"),
        lambda _: {},
    ],
)
def test_put__through_a_gateway_that_answers_for_other_bytes__is_refused(
    change: Change, site: Site, tmp_path: Path
) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path, change=change) as da:
            with pytest.raises(GatewayContradicted):
                await da.put(PAYLOAD)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (in_receipt("signature", "0x" + "11" * 64 + "1b"), (SenderNotDisperser, RequestMalformed)),
        (in_receipt("signature", "0x" + "ff" * 65), RequestMalformed),
        (in_receipt("number", 9), SenderNotDisperser),
        (in_receipt("length", 1), SenderNotDisperser),
        (set_to("disperser", "0x" + "11" * 20), SenderNotDisperser),
        (set_to("receipt", None), GatewayContradicted),
        (set_to("data_root", "0x" + "11" * 32), Corrupt),
    ],
)
def test_item__through_a_gateway_that_lies_about_it__is_refused(
    change: Change, error: type[Exception], site: Site, tmp_path: Path
) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path, change=change) as da:
            with pytest.raises(error):
                await da.put_item(b"an item")

    asyncio.run(story())


def test_put__with_the_wrong_key__is_rejected_at_once(site: Site, tmp_path: Path) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path, key="apg_wrong") as da:
            with pytest.raises(GatewayRejected) as refused:
                await da.put(PAYLOAD)
            assert refused.value.remote_code == "gateway.api_key"
            assert site.chain.payments == 0

    asyncio.run(story())


@pytest.mark.parametrize("status", [429, 503])
def test_put__through_a_busy_gateway__tries_again_and_then_says_so(
    status: int, site: Site, tmp_path: Path
) -> None:
    asked: list[int] = []

    def busy(_: httpx.Request) -> httpx.Response:
        asked.append(status)
        body = {"kind": "Unavailable", "code": "gateway.busy", "detail": "no room"}
        return answered(status, json.dumps(body).encode())

    async def story() -> None:
        transport = httpx.MockTransport(busy)
        async with GatewayClient("http://127.0.0.1:1", KEY, QUICK, transport=transport) as gateway:
            with pytest.raises(GatewayUnavailable):
                await gateway.publish(b"x", key="k", days=1, lane="own")

    asyncio.run(story())
    assert len(asked) > 3


def test_put__to_nobody__is_unreachable(tmp_path: Path) -> None:
    async def story() -> None:
        async with GatewayClient("http://127.0.0.1:1", KEY, QUICK) as gateway:
            with pytest.raises(GatewayUnreachable):
                await gateway.publish(b"x", key="k", days=1, lane="own")

    asyncio.run(story())


def test_put__answer_without_an_end__is_refused(tmp_path: Path) -> None:
    def endless(_: httpx.Request) -> httpx.Response:
        return answered(202, b" " * 100_000)

    async def story() -> None:
        transport = httpx.MockTransport(endless)
        async with GatewayClient("http://127.0.0.1:1", KEY, QUICK, transport=transport) as gateway:
            with pytest.raises(GatewayContradicted):
                await gateway.publish(b"x", key="k", days=1, lane="own")

    asyncio.run(story())


def test_put__no_node_signs__ends_at_the_deadline_with_the_fee_on_its_way_back(
    site: Site, tmp_path: Path
) -> None:
    nodes = memory_network(site, absent=(1, 2, 3, 4))
    face = a_face(below_site(site, nodes), tmp_path)

    async def story() -> None:
        transport = httpx.ASGITransport(app=build_gateway_app(face))
        face.desk.start()
        try:
            async with GatewayClient("http://127.0.0.1:8080", KEY, transport=transport) as gateway:
                da = AsyncDa(DaParts(site.chain, nodes, the_engine, site.chain.blob_id, gateway))
                waiting = asyncio.create_task(da.put(PAYLOAD))
                while not site.chain.payments:  # noqa: ASYNC110 - the chain has no event for it
                    await asyncio.sleep(0.02)
                site.chain.mine(10_000)
                with pytest.raises(NotEnoughSignatures):
                    await waiting
        finally:
            await face.desk.stop()

    asyncio.run(story())


@pytest.mark.parametrize("source", [b"", "/nowhere/at/all"])
def test_put__nothing_to_send__is_refused(source: bytes | str, site: Site, tmp_path: Path) -> None:
    async def story() -> None:
        async with a_client(site, tmp_path) as da:
            with pytest.raises(SourceUnusable):
                await da.put(source)

    asyncio.run(story())


def test_put__of_a_reader_without_a_gateway__is_refused(site: Site) -> None:
    async def story() -> None:
        da = AsyncDa(
            DaParts(site.chain, memory_network(site), the_engine, site.chain.blob_id, None)
        )
        with pytest.raises(NoGateway):
            await da.put(PAYLOAD)

    asyncio.run(story())
