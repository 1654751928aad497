"""The node's HTTP face: frames, problem documents, limits; over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from offchain.core.bls import Signature
from offchain.core.wire import HEADER_BYTES, Header, LeafFrame, parse_rows
from offchain.da.accept import NodeLimits
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.http_node import build_node_app
from offchain.da.adapters.lying_server import Lie, LyingServer
from offchain.da.duties import rows_in_bitmap
from offchain.da.refusals import AnswerInvalid, NodeRefused, NodeSlow, NodeUnreachable
from offchain.node.body import Body
from offchain.node.peer_http import HttpLimits, origin_in
from offchain.node.peer_limits import PeerRate
from tests.support.da_network import (
    HttpNetwork,
    Upload,
    a_node,
    a_request,
    a_site,
    an_upload,
    face_of,
    http_network,
)

Story = Callable[[HttpNetwork, Upload, str], Awaitable[None]]


def with_one_node(story: Story, *, deliver: bool = True, **options: object) -> None:
    """Run a story against operator 1 of four, who was sent its rows unless told otherwise."""

    def build(site: object, operator: int) -> object:
        node = a_node(site, operator, limits=options.get("limits"))
        rate = options.get("rate")
        return build_node_app(face_of(node, rate)) if rate else node

    async def run() -> None:
        async with http_network(a_site(4), build) as network:
            upload = an_upload(network.site)
            endpoint = upload.duty.endpoint
            if deliver:
                request = a_request(network.site, upload.blob_id, upload.body)
                await network.client.send_rows(
                    endpoint, upload.blob_id, request, Body.of(upload.body)
                )
            await story(network, upload, endpoint)

    asyncio.run(run())


def test_face__after_delivery__serves_bitmap_header_rows_leaf_and_signature() -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        client, blob_id = network.client, upload.blob_id
        rows = upload.duty.rows
        assert rows_in_bitmap(await client.have(endpoint, blob_id)) == set(rows)
        header = Header.parse(await client.header(endpoint, blob_id))
        assert header.data_root == upload.encoded.header.data_root
        raw = await client.rows(endpoint, blob_id, rows[:5], max_bytes=44 + 5 * 580)
        frame = parse_rows(raw, columns=8)
        assert tuple(row.index for row in frame.rows) == rows[:5]
        leaf = await client.leaf(endpoint, blob_id, rows[0], 0)
        assert leaf == upload.encoded.leaf_frame(rows[0], 0).to_bytes()
        assert LeafFrame.parse(leaf, upload.encoded.shape).row == rows[0]
        assert Signature.parse(await client.signature(endpoint, blob_id))

    with_one_node(story)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/blobs/zz/have", 400, "da.request.malformed"),
        ("/v1/blobs/{unknown}/header", 404, "da.blob.unknown"),
        ("/v1/blobs/{blob}/rows?i=", 400, "da.request.malformed"),
        ("/v1/blobs/{blob}/rows?i=1,1", 400, "da.request.malformed"),
        ("/v1/blobs/{blob}/rows?i=4000", 400, "da.layout.index_out_of_range"),
        ("/v1/blobs/{blob}/rows?i=-1", 400, "da.request.malformed"),
        ("/v1/blobs/{blob}/rows?i=" + ",".join(map(str, range(257))), 400, "da.request.malformed"),
        ("/v1/blobs/{blob}/rows?i={foreign}", 404, "da.row.not_held"),
        ("/v1/blobs/{blob}/leaf?row={own}&leaf=9999", 400, "da.layout.index_out_of_range"),
        ("/v1/blobs/{blob}/leaf?row=x&leaf=0", 400, "da.request.malformed"),
        ("/v1/nothing", 404, "not_found"),
    ],
)
def test_face__bad_read__problem_document(path: str, status: int, code: str) -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        foreign = next(row for row in range(3_072) if row not in upload.duty.rows)
        url = endpoint + path.format(
            blob=upload.blob_id.hex(), unknown="00" * 32, foreign=foreign, own=upload.duty.rows[0]
        )
        async with httpx.AsyncClient(trust_env=False) as raw:
            answer = await raw.get(url)
        problem = answer.json()
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert (status, code) == (answer.status_code, problem["code"])
        assert problem["status"] == status
        assert problem["next_step"]

    with_one_node(story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Digest": "sha-256=:AAAA:"},
        {"Content-Digest": "md5=:AAAA:"},
        {"Apogee-Expiry": "-1"},
        {"Apogee-Expiry": "9" * 30},
        {"Apogee-Signature": "zz"},
        {"Apogee-Signature": "00"},
    ],
)
def test_face__malformed_upload_headers__refused(headers: dict[str, str]) -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        good = {
            "Content-Digest": "sha-256=:" + "A" * 43 + "=:",
            "Apogee-Expiry": "1",
            "Apogee-Signature": "00" * 65,
        }
        async with httpx.AsyncClient(trust_env=False) as raw:
            answer = await raw.post(
                f"{endpoint}/v1/blobs/{upload.blob_id.hex()}/rows",
                headers={**good, **headers},
                content=b"body",
            )
        assert (answer.status_code, answer.json()["code"]) == (400, "da.request.malformed")

    with_one_node(story, deliver=False)


def test_face__refused_upload_of_megabytes__its_sender_reads_why() -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        body = bytes(5_000_000)
        request = a_request(network.site, upload.blob_id, body)
        with pytest.raises(NodeRefused) as refused:
            await network.client.send_rows(endpoint, upload.blob_id, request, Body.of(body))
        assert refused.value.remote_code == "da.body.size"

    with_one_node(story, deliver=False)


def test_face__no_room_for_uploads__503_and_retry_after() -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        request = a_request(network.site, upload.blob_id, upload.body)
        with pytest.raises(NodeRefused) as refused:
            await network.client.send_rows(endpoint, upload.blob_id, request, Body.of(upload.body))
        assert (
            refused.value.fields["status"],
            refused.value.remote_code,
        ) == (503, "da.node.busy")

    with_one_node(story, deliver=False, limits=NodeLimits(uploads=0))


def test_face__peer_asks_too_often__429() -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        with pytest.raises(NodeRefused) as refused:
            for _ in range(20):
                await network.client.have(endpoint, upload.blob_id)
        assert refused.value.fields["status"] == 429
        async with httpx.AsyncClient(trust_env=False) as raw:
            assert (await raw.get(endpoint + "/healthz")).status_code == 200

    with_one_node(story, deliver=False, rate=PeerRate(per_second=0.001, burst=5))


def test_face__health_ready_metrics__answer() -> None:
    async def story(network: HttpNetwork, upload: Upload, endpoint: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as raw:
            assert (await raw.get(endpoint + "/healthz")).json() == {"status": "alive"}
            assert (await raw.get(endpoint + "/readyz")).text == "ready"
            metrics = (await raw.get(endpoint + "/metrics")).text
        assert "apogee_da_node_rows_accepted_total 1\n" in metrics

    with_one_node(story)


def test_client__oversize_answer__cut_and_refused() -> None:
    def build(site: object, operator: int) -> object:
        node = a_node(site, operator)
        return build_node_app(
            face_of(type(node)(node.accept, LyingServer(node.serve, Lie.OVERSIZE)))
        )

    async def run() -> None:
        async with http_network(a_site(4), build) as network:
            upload = an_upload(network.site)
            endpoint = upload.duty.endpoint
            request = a_request(network.site, upload.blob_id, upload.body)
            await network.client.send_rows(endpoint, upload.blob_id, request, Body.of(upload.body))
            rows = upload.duty.rows[:2]
            with pytest.raises(AnswerInvalid):
                await network.client.rows(endpoint, upload.blob_id, rows, max_bytes=44 + 2 * 580)

    asyncio.run(run())


def test_client__nobody_listens_or_never_answers__unreachable_or_slow() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, HttpNodeClient(HttpLimits(read_seconds=0.2)) as client:
            with pytest.raises(NodeSlow):
                await client.have(f"http://127.0.0.1:{port}", bytes(32))
        with pytest.raises(NodeUnreachable):
            async with HttpNodeClient() as client:
                await client.have(f"http://127.0.0.1:{port}", bytes(32))

    asyncio.run(run())


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ftp://host",
        "http://",
        "http://user:secret@host",
        "http://host/path",
        "http://host?query=1",
        "http://host:99999",
        "http://host#fragment",
        "http://" + "a" * 100,
        "file:///etc/passwd",
        "http://ex\x00ample",
        "http://b\u00fccher.example",
        "http://host name",
        "http://[fe80::1%eth0]:1",
    ],
)
def test_origin__anything_but_scheme_host_port__refused(endpoint: str) -> None:
    assert origin_in(endpoint) is None


def test_origin__plain_endpoints__kept() -> None:
    assert origin_in("http://127.0.0.1:8000/") == "http://127.0.0.1:8000"
    assert origin_in("https://[::1]:1") == "https://[::1]:1"
    assert HEADER_BYTES == 32_960
