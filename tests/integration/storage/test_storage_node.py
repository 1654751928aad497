"""A storage node behind its socket: upload, receipt, reads, refusals, cheats."""

import asyncio
import base64
import hashlib

import httpx
import numpy as np
import pytest

from offchain.core.bls import Signature, verify
from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.errors import PathMismatch, RowLength
from offchain.node.body import Body
from offchain.node.peer_http import HttpLimits
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.adapters.misconduct import CheatingServer, Misconduct
from offchain.storage.errors import SeatAnswerInvalid, SeatRefused, SeatSlow, SeatUnreachable
from offchain.storage.frames import segments_in
from offchain.storage.judge import judge_run, leaf_of, rows_lie_under
from offchain.storage.model import held_digest, rows_of
from offchain.storage.serve_shards import MAX_ROWS_PER_REQUEST
from tests.support.matrices import a_payload
from tests.support.storage_node import SeatNetwork, StoredFileCase, a_placed_file, seat_network


async def stored(network: SeatNetwork, engine: ErasureEngine, size: int = 90_000) -> StoredFileCase:
    case = a_placed_file(network.market, network.group, engine, a_payload(size))
    for seat in network.group.seats:
        await network.client.put_shard(seat.endpoint, case.place(seat.seat), case.body(seat.seat))
    return case


def test_node__whole_group__takes_signs_and_serves(engine: ErasureEngine) -> None:
    async def run() -> None:
        async with seat_network(engine, "local", 2) as network:
            case = a_placed_file(network.market, network.group, engine, a_payload(90_000))
            client, header = network.client, case.encoded[0].header
            endpoint = network.endpoint(1)  # holds seats 0 and 2
            await client.put_shard(endpoint, case.place(0), case.body(0))
            with pytest.raises(SeatRefused) as early:
                await client.held(endpoint, case.file_id)
            assert early.value.remote_code == "storage.held.not_whole"
            await client.put_shard(endpoint, case.place(2), case.body(2))
            await client.put_shard(endpoint, case.place(2), case.body(2))  # again: no effect

            assert {0} == segments_in(await client.have(endpoint, case.file_id, 2))
            signature = Signature.parse(await client.held(endpoint, case.file_id))
            file = network.market.view(case.file_id, at=network.market.head().hash).file
            digest = held_digest(
                network.market.domain(),
                file_id=case.file_id,
                root=case.root,
                group=file.group,
                expiry=file.expiry,
            )
            assert verify(network.group.seats[0].key, digest, signature)

            shape = file.shape
            assert list(case.segments) == await client.segments(endpoint, case.root, shape)
            got = await client.header(endpoint, header.data_root)
            assert header.to_bytes() == got.to_bytes()
            rows = rows_of(network.group.profile, 2)
            run = await client.run(
                endpoint, header.data_root, first=rows.start, count=512, columns=header.columns
            )
            judge_run(run, rows, header, engine)
            assert np.array_equal(case.encoded[0].rows[rows.start : rows.stop], run.data)
            some = await client.rows(
                endpoint, header.data_root, [rows.start + 5, 3], columns=header.columns
            )
            assert rows_lie_under(header.coset_roots, some, engine)
            raw = await client.leaf(endpoint, case.segments[0], row=3, leaf=0)
            assert case.encoded[0].rows[3].reshape(-1)[:256].tobytes() == leaf_of(
                case.segments[0], raw, row=3, leaf=0
            )

    asyncio.run(run())


def test_node__reads_of_what_it_does_not_hold__refused(engine: ErasureEngine) -> None:
    async def run() -> None:
        async with seat_network(engine, "local") as network:
            case = a_placed_file(network.market, network.group, engine, a_payload(9_000))
            endpoint, client = network.endpoint(1), network.client
            root = case.encoded[0].header.data_root
            await client.put_shard(endpoint, case.place(0), case.body(0))
            for ask in (
                client.run(endpoint, root, first=512, count=512, columns=8),
                client.rows(endpoint, root, [512], columns=8),
                client.header(endpoint, bytes(32)),
                client.leaf(endpoint, case.segments[0], row=600, leaf=0),
                client.segments(endpoint, bytes(32), network_shape(case)),
            ):
                with pytest.raises(SeatRefused) as refused:
                    await ask
                assert refused.value.remote_code == "storage.shard.not_held"
            with pytest.raises(SeatRefused) as unknown:
                await client.have(endpoint, bytes(32), 0)
            assert unknown.value.remote_code == "storage.submission.unknown"

    asyncio.run(run())


def network_shape(case: StoredFileCase):
    return case.market.view(case.file_id, at=case.market.head().hash).file.shape


BAD_REQUESTS = [
    ("GET", "/v1/rows/{D}?i=", 400),
    ("GET", "/v1/rows/{D}?i=1,,2", 400),
    ("GET", "/v1/rows/{D}?i=-1", 400),
    ("GET", "/v1/rows/{D}?i=0-300", 400),
    ("GET", "/v1/rows/{D}?i=5-3", 400),
    ("GET", "/v1/rows/{D}?i=1,1", 400),
    ("GET", "/v1/rows/{D}?i=4000", 400),
    ("GET", "/v1/rows/{D}?i=" + "1," * 2_000, 400),
    ("GET", "/v1/rows/{D}?i=1&leaf=99999", 400),
    ("GET", "/v1/rows/{D}?i=1,2&leaf=0", 400),
    ("GET", "/v1/rows/{D}?i=%D9%A1", 400),
    ("GET", "/v1/runs/{D}?first=1&count=64", 400),
    ("GET", "/v1/runs/{D}?first=0&count=65", 400),
    ("GET", "/v1/runs/{D}?first=0&count=4096", 400),
    ("GET", "/v1/runs/{D}", 400),
    ("GET", "/v1/runs/{D}?first=99999999999999999999999&count=1", 400),
    ("GET", "/v1/headers/zz", 400),
    ("GET", "/v1/headers/..%2f..%2fetc%2fpasswd", 404),
    ("GET", "/v1/headers/" + "0" * 63, 400),
    ("GET", "/v1/files/{D}/segments/../../x", 404),
    ("GET", "/v1/groups/1e9", 400),
    ("GET", "/v1/groups/7", 404),
    ("GET", "/v1/uploads/{F}/have?seat=x", 400),
    ("GET", "/v1/uploads/{F}/have?seat=99", 404),
    ("PUT", "/v1/shards/{F}/0/99", 422),
    ("PUT", "/v1/shards/{F}/9/0", 400),
    ("PUT", "/v1/shards/{F}/0/1", 422),
    ("PUT", "/v1/shards/{F}/0/0x1", 400),
    ("PUT", "/v1/shards/" + "00" * 32 + "/0/0", 404),
    ("DELETE", "/v1/shards/{F}/0/0", 405),
    ("GET", "/nothing", 404),
]


def test_node__bad_requests__problem_documents_and_no_harm(engine: ErasureEngine) -> None:
    async def run() -> None:
        async with seat_network(engine, "local") as network, httpx.AsyncClient() as http:
            case = await stored(network, engine)
            fresh = a_placed_file(network.market, network.group, engine, a_payload(900), nonce=1)
            endpoint = network.endpoint(1)
            root, file_id = case.segments[0].data_root.hex(), fresh.file_id.hex()
            for method, template, status in BAD_REQUESTS:
                path = template.replace("{D}", root).replace("{F}", file_id)
                body = b"x" * 10 if method == "PUT" else None
                answer = await http.request(method, endpoint + path, content=body)
                assert (status, path) == (answer.status_code, path)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"]
            assert (await http.get(endpoint + "/healthz")).json() == {"status": "alive"}
            assert (await http.get(endpoint + "/readyz")).text == "ready"
            assert (
                "apogee_storage_node_shards_accepted_total 1"
                in (await http.get(endpoint + "/metrics")).text
            )
            group = (await http.get(f"{endpoint}/v1/groups/{network.group.group}")).json()
            assert ["is_own", group["seats"][0]["is_own"]] == ["is_own", True]
            paths = (await http.get(endpoint + "/openapi.json")).json()["paths"]
            assert "/v1/shards/{file_id}/{segment}/{seat}" in paths
            assert len(paths) == 11

    asyncio.run(run())


def test_node__content_digest__has_to_be_the_bodys(engine: ErasureEngine) -> None:
    async def run() -> None:
        async with seat_network(engine, "local") as network, httpx.AsyncClient() as http:
            case = a_placed_file(network.market, network.group, engine, a_payload(900))
            url = f"{network.endpoint(1)}/v1/shards/{case.file_id.hex()}/0/0"
            raw = case.raw(0)

            def named(digest: bytes) -> dict[str, str]:
                return {"Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:"}

            for headers, status in (
                (named(bytes(32)), 400),
                ({"Content-Digest": "sha-256=:%%%:"}, 400),
                ({"Content-Digest": "md5=:AA==:"}, 400),
                (named(hashlib.sha256(raw).digest()), 201),
                ({}, 204),
            ):
                answer = await http.put(url, content=raw, headers=headers)
                assert status == answer.status_code

    asyncio.run(run())


@pytest.mark.parametrize("how", list(Misconduct), ids=lambda how: how.value)
def test_inv_sto_15__cheating_seat__every_answer_is_noticed(
    engine: ErasureEngine, how: Misconduct
) -> None:
    async def run() -> None:
        async with seat_network(
            engine, "local", serve=lambda _, honest: CheatingServer(honest, how, slow_seconds=5)
        ) as network:
            case = await stored(network, engine)
            endpoint, segment = network.endpoint(1), case.segments[0]
            header, columns = case.encoded[0].header, segment.columns
            async with HttpSeatClient(HttpLimits(read_seconds=0.3)) as client:
                wrong = (SeatAnswerInvalid, SeatRefused, SeatSlow)
                try:
                    run = await client.run(
                        endpoint, segment.data_root, first=0, count=512, columns=columns
                    )
                except wrong:
                    pass
                else:
                    with pytest.raises((PathMismatch, RowLength)):
                        judge_run(run, range(512), header, engine)
                try:
                    rows = await client.rows(endpoint, segment.data_root, [4, 9], columns=columns)
                except wrong:
                    pass
                else:
                    assert not rows_lie_under(header.coset_roots, rows, engine)
                try:
                    raw = await client.leaf(endpoint, segment, row=4, leaf=0)
                except wrong:
                    pass
                else:
                    assert leaf_of(segment, raw, row=4, leaf=0) is None
                if how is not Misconduct.SWAPPED:
                    with pytest.raises(wrong):
                        await client.segments(endpoint, case.root, network_shape(case))

    asyncio.run(run())


def test_client__nobody_there__unreachable(engine: ErasureEngine) -> None:
    async def run() -> None:
        async with seat_network(engine, "local") as network:
            endpoint = network.endpoint(2)
            await network.stop(2)
            with pytest.raises(SeatUnreachable):
                await network.client.have(endpoint, bytes(32), 0)
            for odd in ("ftp://127.0.0.1", "http://user@host", "http://x/path", "nonsense"):
                with pytest.raises(SeatUnreachable):
                    await network.client.have(odd, bytes(32), 0)

    asyncio.run(run())


def test_client__more_than_asked_for__invalid(engine: ErasureEngine) -> None:
    async def run() -> None:
        async with seat_network(engine, "local") as network:
            case = await stored(network, engine)
            endpoint, root = network.endpoint(1), case.segments[0].data_root
            for ask in (
                network.client.run(endpoint, root, first=0, count=512, columns=16),
                network.client.rows(endpoint, root, [1, 2], columns=16),
            ):
                with pytest.raises(SeatAnswerInvalid):
                    await ask
            assert MAX_ROWS_PER_REQUEST >= 256
            with pytest.raises(SeatRefused):
                await network.client.put_shard(endpoint, case.place(1), Body.of(b"short"))

    asyncio.run(run())
