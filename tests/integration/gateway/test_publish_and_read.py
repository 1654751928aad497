"""A client of the gateway: in, out, again, in parts, and everything it must not be able to do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from offchain.core.hashing import keccak
from offchain.da.adapters.memory_chain import MemoryChain
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.disperse import DisperseBlob, Watcher
from offchain.da.duties import BlobTerms
from offchain.da.receipts import ItemStatement, SignedItemReceipt, require_receipt
from offchain.da.refusals import NodeUnreachable
from offchain.gateway.body import BodyRules
from offchain.gateway.face import FaceRules
from offchain.gateway.publish import DeskRules
from offchain.node.peer_limits import PeerRate
from tests.support.da_network import Site, a_site, memory_network, some_bytes
from tests.support.gateway import BEARER, Below, a_face, below_site, running

PAYLOAD = some_bytes(600_000)


async def post(
    client: httpx.AsyncClient, body: bytes, key: str = "first", **query: object
) -> httpx.Response:
    headers = {**BEARER, "Idempotency-Key": key}
    return await client.post("/v1/da/blobs", content=body, headers=headers, params=query)


async def confirmed(client: httpx.AsyncClient, blob_id: str) -> dict[str, object]:
    """The standing of a blob once it is confirmed; the nodes are real, so it takes a moment."""
    async with asyncio.timeout(120):
        while True:
            found = (await client.get(f"/v1/da/blobs/{blob_id}")).json()
            if found["state"] == "CONFIRMED":
                return dict(found)
            await asyncio.sleep(0.02)


@pytest.fixture
def site() -> Site:
    return a_site(4)


@pytest.fixture
def below(site: Site) -> Below:
    return below_site(site, memory_network(site))


def test_publish__then_read__same_bytes_verified_whole(below: Below, tmp_path: Path) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            answer = await post(client, PAYLOAD, days=3)
            assert answer.status_code == 202
            told = answer.json()

            standing = await confirmed(client, told["blob_id"])
            got = await client.get(f"/v1/da/blobs/{told['blob_id']}/data")

            assert got.content == PAYLOAD
            assert got.headers["x-apogee-verified"] == "consistent"
            assert got.headers["etag"] == f'"{told["data_root"]}"'
            assert told["data_root"] == standing["data_root"]
            assert int(told["fee_wei"]) == below.quote(len(PAYLOAD), 3)
            assert standing["slices_needed"] == 2_048

    asyncio.run(story())


def test_publish__the_same_request_again__same_answer_and_paid_once(
    site: Site, below: Below, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            together = await asyncio.gather(*(post(client, PAYLOAD) for _ in range(3)))
            again = await post(client, PAYLOAD)
            await confirmed(client, again.json()["blob_id"])

        async with running(a_face(below, tmp_path)) as client:
            after_restart = await post(client, PAYLOAD)

        answers = {answer.text for answer in (*together, again, after_restart)}
        assert len(answers) == 1
        assert site.chain.payments == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("body", "query"), [(b"other bytes", {}), (PAYLOAD, {"days": 2}), (b"x", {"lane": "shared"})]
)
def test_publish__the_key_of_another_request__is_refused_and_not_paid(
    body: bytes, query: dict[str, object], site: Site, below: Below, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            first = await post(client, PAYLOAD)
            refused = await post(client, body, **query)
            await confirmed(client, first.json()["blob_id"])

            assert refused.status_code == 409
            assert refused.json()["code"] == "gateway.idempotency"
            assert site.chain.payments == 1

    asyncio.run(story())


def test_publish__two_bodies_at_once_under_one_key__one_is_refused(
    below: Below, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            answers = await asyncio.gather(post(client, PAYLOAD), post(client, PAYLOAD + b"!"))
            assert sorted(answer.status_code for answer in answers) == [202, 409]

    asyncio.run(story())


def test_publish__killed_after_its_answer__goes_on_with_the_next_start(
    site: Site, tmp_path: Path
) -> None:
    journal = MemoryDispersals()
    nodes = memory_network(site)
    dead = below_site(site, memory_network(site, absent=(1, 2, 3, 4)), journal)

    async def story() -> None:
        async with running(a_face(dead, tmp_path)) as client:
            told = (await post(client, PAYLOAD)).json()
        assert len(await journal.open_ids()) == 1

        async with running(a_face(below_site(site, nodes, journal), tmp_path)) as client:
            await confirmed(client, told["blob_id"])
            got = await client.get(f"/v1/da/blobs/{told['blob_id']}/data")

        assert got.content == PAYLOAD
        assert site.chain.payments == 1

    asyncio.run(story())


def test_publish__nothing_to_do__publisher_is_given_back_to_others(
    below: Below, tmp_path: Path
) -> None:
    async def story() -> None:
        face = a_face(below, tmp_path)
        async with running(face) as client:
            first = (await post(client, PAYLOAD, "one")).json()
            await confirmed(client, first["blob_id"])
            async with asyncio.timeout(30):
                while face.desk.is_publishing:  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(0.02)
            second = (await post(client, PAYLOAD, "two")).json()
            await confirmed(client, second["blob_id"])

            assert below.opened == 2

    asyncio.run(story())


def test_items__of_many_callers__share_one_matrix_and_each_has_a_receipt(
    site: Site, below: Below, tmp_path: Path
) -> None:
    items = [b"item %d " % number * 20 for number in range(12)]

    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            answers = await asyncio.gather(
                *(
                    post(client, item, f"item-{number}", lane="shared")
                    for number, item in enumerate(items)
                )
            )
            told = [answer.json() for answer in answers]
            [blob_id] = {one["blob_id"] for one in told}
            await confirmed(client, blob_id)
            got = await asyncio.gather(
                *(client.get(f"/v1/da/blobs/{one['item_id']}") for one in told)
            )

            assert items == [answer.content for answer in got]
            assert {answer.headers["x-apogee-verified"] for answer in got} == {"inclusion"}
            for item, one in zip(items, told, strict=True):
                receipt = one["receipt"]
                said = ItemStatement(
                    bytes.fromhex(blob_id[2:]), receipt["number"], keccak(item), len(item)
                )
                signed = SignedItemReceipt(said, bytes.fromhex(receipt["signature"][2:]))
                require_receipt(
                    signed, site.chain.domain(), disperser=site.disperser.address, item=item
                )
            repeated = await post(client, items[3], "item-3", lane="shared")
            assert answers[3].text == repeated.text
            assert site.chain.payments == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (206, 0, 10, "inclusion")),
        ("bytes=599990-", (206, 599_990, 600_000, "inclusion")),
        ("bytes=-1", (206, 599_999, 600_000, "inclusion")),
        ("bytes=100-500000", (206, 100, 500_001, "consistent")),
        ("bytes=0-9999999", (200, 0, 600_000, "consistent")),
        ("bytes=5-4", (200, 0, 600_000, "consistent")),
        ("bytes=0-1,4-5", (200, 0, 600_000, "consistent")),
        ("lines=0-1", (200, 0, 600_000, "consistent")),
    ],
)
def test_range__of_a_blob__is_exactly_those_bytes(
    header: str, expected: tuple[int, int, int, str], below: Below, tmp_path: Path
) -> None:
    status, start, stop, verified = expected

    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            blob_id = (await post(client, PAYLOAD)).json()["blob_id"]
            await confirmed(client, blob_id)

            got = await client.get(f"/v1/da/blobs/{blob_id}/data", headers={"Range": header})

            assert status == got.status_code
            assert PAYLOAD[start:stop] == got.content
            assert verified == got.headers["x-apogee-verified"]
            if status == 206:
                assert f"bytes {start}-{stop - 1}/600000" == got.headers["content-range"]

    asyncio.run(story())


def test_range__past_the_end__is_unsatisfiable_and_names_the_length(
    below: Below, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            blob_id = (await post(client, PAYLOAD)).json()["blob_id"]
            await confirmed(client, blob_id)
            path = f"/v1/da/blobs/{blob_id}/data"

            past = await client.get(path, headers={"Range": "bytes=600000-"})
            other = await client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"0x00"'})

            assert (past.status_code, past.headers["content-range"]) == (416, "bytes */600000")
            assert (other.status_code, len(other.content)) == (200, 600_000)

    asyncio.run(story())


def test_range__whose_owner_does_not_answer__is_read_from_the_whole(
    site: Site, tmp_path: Path
) -> None:
    nodes = memory_network(site)

    async def story() -> None:
        async with running(a_face(below_site(site, nodes), tmp_path)) as client:
            blob_id = (await post(client, PAYLOAD)).json()["blob_id"]
            await confirmed(client, blob_id)
            view = site.chain.view(bytes.fromhex(blob_id[2:]), at=site.chain.head().block)
            assert view.duties is not None
            nodes.nodes.pop(view.duties.owners()[0].endpoint)

            got = await client.get(f"/v1/da/blobs/{blob_id}/data", headers={"Range": "bytes=0-9"})

            assert PAYLOAD[:10] == got.content
            assert got.headers["x-apogee-verified"] == "consistent"

    asyncio.run(story())


def test_read__too_few_nodes_answer__503_names_the_missing_owners(
    site: Site, tmp_path: Path
) -> None:
    nodes = memory_network(site)

    async def story() -> None:
        async with running(a_face(below_site(site, nodes), tmp_path)) as client:
            blob_id = (await post(client, PAYLOAD)).json()["blob_id"]
            await confirmed(client, blob_id)
            for endpoint in list(nodes.nodes)[:3]:
                nodes.nodes.pop(endpoint)

            got = await client.get(f"/v1/da/blobs/{blob_id}/data")

            assert (got.status_code, got.json()["code"]) == (503, "da.insufficient_rows")
            assert got.json()["fields"]["missing_owners"]
            assert got.headers["retry-after"]

    asyncio.run(story())


def test_sample__of_a_whole_blob__is_as_sure_as_was_asked(below: Below, tmp_path: Path) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            blob_id = (await post(client, PAYLOAD)).json()["blob_id"]
            await confirmed(client, blob_id)

            path = f"/v1/da/blobs/{blob_id}/sample"
            got = (await client.post(path, params={"confidence": 0.9999})).json()

            assert got["is_reached"]
            assert got["good"] == got["asked"] > 0
            assert got["confidence"] >= 0.9999
            assert got["blame"] == []

    asyncio.run(story())


def test_standing__of_a_planned_blob_that_cannot_be_paid__says_so(
    site: Site, tmp_path: Path
) -> None:
    below = below_site(site, memory_network(site, absent=(1, 2, 3, 4)))

    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            told = (await post(client, PAYLOAD)).json()
            standing = (await client.get(f"/v1/da/blobs/{told['blob_id']}")).json()

            assert standing["state"] in ("PLANNED", "PAID")
            assert "certificate" in standing

    asyncio.run(story())


async def many(body: bytes, pieces: int) -> AsyncIterator[bytes]:
    size = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_upload__streamed_without_a_length__is_taken_and_bounded(
    below: Below, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            headers = {**BEARER, "Idempotency-Key": "stream"}
            taken = await client.post("/v1/da/blobs", content=many(PAYLOAD, 7), headers=headers)
            headers["Idempotency-Key"] = "endless"
            endless = await client.post(
                "/v1/da/blobs", content=many(bytes(33_000_000), 40), headers=headers
            )
            headers["Idempotency-Key"] = "key"
            empty = await client.post("/v1/da/blobs", content=many(b"", 1), headers=headers)

            assert (202, len(PAYLOAD)) == (taken.status_code, taken.json()["matrix_bytes"])
            assert (endless.status_code, endless.json()["code"]) == (413, "da.payload.too_large")
            assert (empty.status_code, empty.json()["code"]) == (400, "da.payload.empty")

    asyncio.run(story())


def test_upload__too_slow__is_given_up_and_its_room_given_back(
    below: Below, tmp_path: Path
) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"a"
            await asyncio.sleep(0.05)

    async def story() -> None:
        rules = FaceRules(body=BodyRules(seconds=0.2, bytes_per_second=1 << 40))
        face = a_face(below, tmp_path, rules=rules)
        async with running(face) as client:
            headers = {**BEARER, "Idempotency-Key": "slow"}
            slow = await client.post("/v1/da/blobs", content=trickle(), headers=headers)

            assert (slow.status_code, slow.json()["code"]) == (503, "da.upload.slow")
            assert face.uploads.count == 0

    asyncio.run(story())


@pytest.mark.parametrize("rules", ["uploads", "blobs", "requests"])
def test_room__is_used_up__503_with_retry_after_and_later_it_goes(
    rules: str, site: Site, tmp_path: Path
) -> None:
    below = below_site(site, memory_network(site))
    face_rules = FaceRules(uploads=1) if rules == "uploads" else FaceRules()
    if rules == "requests":
        face_rules = FaceRules(requests=1)
    desk_rules = DeskRules(open_blobs=1) if rules == "blobs" else DeskRules()

    async def story() -> None:
        face = a_face(below, tmp_path, desk_rules=desk_rules, rules=face_rules)
        async with running(face) as client:
            answers = await asyncio.gather(
                *(post(client, PAYLOAD + bytes([n]), f"key-{n}") for n in range(4))
            )
            taken = [answer for answer in answers if answer.status_code == 202]
            busy = [answer for answer in answers if answer.status_code == 503]

            assert len(taken) == 1
            assert len(busy) == 3
            assert {answer.headers["retry-after"] for answer in busy} == {"1"}
            assert {answer.json()["code"] for answer in busy} == {"gateway.busy"}
            await confirmed(client, taken[0].json()["blob_id"])
            async with asyncio.timeout(60):
                while face.desk.open_blobs():  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(0.02)
            assert (await post(client, PAYLOAD + b"\x05", "key-5")).status_code == 202

    asyncio.run(story())


def test_peer__that_asks_too_often__gets_429(below: Below, tmp_path: Path) -> None:
    async def story() -> None:
        face = a_face(below, tmp_path, rate=PeerRate(per_second=0.0, burst=2))
        async with running(face) as client:
            answers = [await client.get("/v1/da/quote", params={"len": 1}) for _ in range(3)]

            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert answers[2].headers["retry-after"]
            assert (await client.get("/healthz")).status_code == 200

    asyncio.run(story())


def test_metrics__count_routes_and_bytes_without_ids(below: Below, tmp_path: Path) -> None:
    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            blob_id = (await post(client, PAYLOAD)).json()["blob_id"]
            await confirmed(client, blob_id)
            await client.get("/v1/nothing")

            text = (await client.get("/metrics")).text

            line = 'requests_total{method="POST",route="/v1/da/blobs",status="202"} 1'
            assert line in text
            assert f'payload_bytes_total{{direction="in"}} {len(PAYLOAD)}' in text
            assert 'route="unrouted",status="404"} 1' in text
            assert blob_id[2:] not in text

    asyncio.run(story())


@dataclass
class AbsentTill:
    """A chain that does not answer payments at first."""

    chain: MemoryChain
    refusals: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)

    def pay_many(self, orders: Sequence[BlobTerms]) -> Sequence[Any]:
        if self.refusals:
            self.refusals -= 1
            raise NodeUnreachable(endpoint="chain")
        return self.chain.pay_many(orders)

    def pay(self, terms: BlobTerms) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise NodeUnreachable(endpoint="chain")
        return self.chain.pay(terms)


def test_publish__the_chain_is_away_for_a_while__waits_and_goes_on(
    site: Site, tmp_path: Path
) -> None:
    nodes = memory_network(site)
    till = AbsentTill(site.chain, refusals=3)

    def disperser(watch: Watcher) -> DisperseBlob:
        made = site.disperse_with(nodes, watch=watch)
        parts = replace(made._parts, till=till)
        return DisperseBlob(parts, made._rules, watch)

    below = replace(below_site(site, nodes), disperser=disperser)

    async def story() -> None:
        async with running(a_face(below, tmp_path)) as client:
            told = (await post(client, PAYLOAD)).json()
            standing = await confirmed(client, told["blob_id"])

            assert standing["problem"] is None
            assert (till.refusals, site.chain.payments) == (0, 1)

    asyncio.run(story())
