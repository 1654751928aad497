"""Streams over loopback: promises, own writes, proofs, pages, events, and what must be refused."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from offchain.storage.kv.adapters.http_client import HttpKvClient, Place, ReplicaRefused
from offchain.storage.kv.answer import Answer, Label, verify_answer
from offchain.storage.kv.cells import Cell, Kind, Space, element_key
from offchain.storage.kv.errors import ProofWrong, ReplicaUnreachable
from offchain.storage.kv.op import Mode
from offchain.storage.kv.promise import SoftAck, is_promised
from tests.support.kv import DOMAIN, OWNER, STRANGER, STREAM, Writer, hashed
from tests.support.kv_served import Served, served


async def _logged(one: Served, key: bytes) -> Answer:
    """The key's answer once the log has it."""
    async with asyncio.timeout(60):
        while True:
            answer = await one.client.read(STREAM, Place(key), Label.LOGGED)
            if answer.cell is not None:
                return answer
            await asyncio.sleep(0.01)


def test_http__written_read_and_proven__is_what_was_signed(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one:
            writer = Writer()
            op, late = writer.put(b"k", b"v"), Writer(STRANGER).put(b"k", b"x")

            acks = await one.client.submit(STREAM, [op.to_bytes(), late.to_bytes()])
            hot = await one.client.read(STREAM, Place(b"k"), Label.HOT, is_proven=False)
            answer = await _logged(one, b"k")
            absent = await one.client.read(STREAM, Place(b"none"), Label.LOGGED)

            assert isinstance(acks[0], SoftAck)
            assert is_promised(acks[0], DOMAIN)
            assert acks[1] == "NO_RIGHT"
            assert hot.cell
            assert hot.cell.value == b"v"
            assert answer.cell
            assert (answer.cell.value, answer.cell.kind) == (b"v", Kind.BYTES)
            assert verify_answer(answer, Space.USER, b"k") == answer.root
            assert verify_answer(absent, Space.USER, b"none").tree_root
            assert await one.client.nonce(STREAM, OWNER.subject) == (1, 1)
            assert (await one.client.outcome(STREAM, op.digest) or ("",))[0] == "APPLIED"
            assert await one.client.outcome(STREAM, late.digest) is None

    asyncio.run(story())


def test_inv_kv_4__answer_changed_on_the_way__is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one:
            writer = Writer()
            await one.client.submit(STREAM, [writer.put(b"k", b"v").to_bytes()])
            answer = await _logged(one, b"k")
            assert answer.cell
            lies = [
                replace(answer, cell=None),
                replace(answer, cell=Cell(answer.cell.version, Kind.BYTES, b"w")),
                replace(answer, cell=Cell(answer.cell.version + 1, Kind.BYTES, b"v")),
                replace(answer, proof=None),
            ]

            for lie in lies:
                with pytest.raises(ProofWrong):
                    verify_answer(lie, Space.USER, b"k")
            with pytest.raises(ProofWrong):
                verify_answer(answer, Space.USER, b"other")

    asyncio.run(story())


def test_http__list_elements_and_pages__come_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one:
            writer = Writer()
            ops = [writer.put(b"p/%02d" % number, b"%d" % number) for number in range(25)]
            ops += [writer.op(Mode.APPEND, b"list", b"e%d" % number) for number in range(3)]
            await one.client.submit(STREAM, [op.to_bytes() for op in ops])
            await _logged(one, b"list")

            keys: list[bytes] = []
            after: bytes | None = b""
            while after is not None:
                behind = after or None
                page = await one.client.scan(STREAM, b"p/", behind, 10, label=Label.LOGGED)
                keys += [key for key, _ in page.items]
                after = page.after
            place = Place(element_key(b"list", 2), Space.ELEMENT)
            element = await one.client.read(STREAM, place, Label.LOGGED)

            assert keys == [b"p/%02d" % number for number in range(25)]
            assert element.cell
            assert element.cell.value == b"e2"
            assert verify_answer(element, Space.ELEMENT, place.key)

    asyncio.run(story())


def test_watch__write__is_told_with_its_keys(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, asyncio.timeout(60):
            writer = Writer()
            events = one.client.watch(STREAM, b"mine/")
            opened = await anext(events)

            ops = [writer.put(b"yours/1", b"v"), writer.put(b"mine/1", b"v")]
            await one.client.submit(STREAM, [op.to_bytes() for op in ops])
            event = await anext(events)

            assert opened.seq == 0
            assert (event.seq, event.keys) == (1, (b"mine/1",))
            await events.aclose()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/kv/zz/status", 400),
        ("GET", "/v1/kv/" + "00" * 32 + "/status", 404),
        ("GET", f"/v1/kv/{STREAM.hex()}/keys/zz", 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/keys/" + "00" * 1_033, 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/keys/00?label=sure", 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/keys/00?index=-1", 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/keys/00?space=9", 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/scan?limit=1001", 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/nonces/00", 400),
        ("GET", f"/v1/kv/{STREAM.hex()}/ops/00", 400),
        ("POST", f"/v1/kv/{STREAM.hex()}/ops", 400),
        ("POST", "/v1/kv/" + "00" * 32 + "/ops", 404),
        ("GET", "/v1/nothing", 404),
    ],
)
def test_http__wrong_request__is_a_problem_document(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, aiohttp.ClientSession() as http:
            async with http.request(method, one.origin + path, data=b"no batch") as answer:
                body = await answer.json(content_type=None)

            assert answer.status == status
            assert answer.content_type == "application/problem+json"
            assert body["code"]

    asyncio.run(story())


def test_http__operations_of_another_stream_or_too_many__are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one:
            other = Writer(stream=hashed(b"other")).put(b"k", b"v").to_bytes()

            for ops in ([other], [Writer().put(b"k", b"v").to_bytes()] * 4_097):
                with pytest.raises(ReplicaRefused, match=r"kv.op.malformed"):
                    await one.client.submit(STREAM, ops)
            assert one.world.batcher.waiting == 0

    asyncio.run(story())


def test_client__nobody_there__is_unreachable() -> None:
    async def story() -> None:
        async with HttpKvClient("http://127.0.0.1:9") as client:
            with pytest.raises(ReplicaUnreachable):
                await client.read(STREAM, Place(b"k"), Label.LOGGED)

    asyncio.run(story())


def test_openapi__names_every_route(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, aiohttp.ClientSession() as http:
            async with http.get(one.origin + "/v1/kv/openapi.json") as answer:
                document = await answer.json()

            paths = set(document["paths"])
            assert {f"/v1/kv/{{stream}}/{name}" for name in ("scan", "watch", "ops", "status")} <= (
                paths
            )

    asyncio.run(story())
