"""Streams under `apogee up`: five nodes follow, batch, publish, post roots, open from each other.

One home for all tests; whoever writes goes through one node and reads through another.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from offchain.apps.home import storage_node_name
from offchain.apps.keystore import Keystore
from offchain.apps.processes import Identity
from offchain.apps.storage_client import ROLE
from offchain.core.errors import ApogeeError
from offchain.sdk.client import Apogee, AsyncApogee
from offchain.sdk.kv import AsyncKv
from offchain.storage.kv.answer import Label
from offchain.storage.kv.cells import ANY
from offchain.storage.kv.errors import RootUnknown
from offchain.storage.kv.op import Mode
from tests.support.apogee_command import run_apogee, start_apogee
from tests.support.deployed_chain import DeployedChain
from tests.support.stored_home import PATIENCE_SECONDS, StoredHome, a_stored_home
from tests.support.waiting import wait_until

NODES = 5  # seats of a replica group, one an operator
WRITER, READER, NEWCOMER = 0, 1, 2


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, deployed_chain: DeployedChain
) -> Iterator[StoredHome]:
    with a_stored_home(tmp_path_factory.mktemp("streams"), deployed_chain, nodes=NODES) as place:
        place.group("replica")
        yield place


@pytest.fixture(scope="module")
def stream(place: StoredHome) -> str:
    told = run_apogee("kv", "create", "--salt", "memory", *at(place)).json()
    assert told["created"]
    return str(told["stream"])


def at(place: StoredHome) -> tuple[str, ...]:
    return "--home", str(place.home.root), "--json"


def url(place: StoredHome, node: int) -> str:
    return place.manifest.url(storage_node_name(node))


def account_of(place: StoredHome) -> bytes:
    return Keystore(place.home.keys).account(ROLE).secret


def events(place: StoredHome, node: int, name: str) -> list[dict[str, object]]:
    """What a node has logged under a name."""
    lines = place.home.log(storage_node_name(node)).read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [one for one in found if one.get("event") == name]


def through(place: StoredHome, node: int) -> AsyncApogee:
    return AsyncApogee.at_home(place.home.root, account=account_of(place))


async def opened(apogee: AsyncApogee, place: StoredHome, stream: str, node: int) -> AsyncKv:
    """The stream once a node follows it."""
    kv = await apogee.kv(stream, node=url(place, node))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(ApogeeError):
                await kv.get(b"name", label=Label.LOGGED)
                return kv
            await asyncio.sleep(0.2)


async def value_at(kv: AsyncKv, key: bytes, wanted: bytes) -> None:
    """Wait until a node has a value, proven."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await kv.get(key, label=Label.LOGGED) != wanted:  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.1)


def test_kv__written_at_one_node__read_and_watched_at_another(
    place: StoredHome, stream: str, tmp_path: Path
) -> None:
    through_writer = ("--node", str(WRITER), *at(place))
    through_reader = ("--node", str(READER), *at(place))
    wait_until(
        lambda: run_apogee("kv", "scan", stream, *through_reader, code=None).code == 0,
        seconds=PATIENCE_SECONDS,
        what="the stream at the reader",
    )
    told = tmp_path / "watched"
    watching = start_apogee(
        *("kv", "watch", stream, "--node", url(place, READER), "--count", "1"),
        *("--home", str(place.home.root)),
        log=told,
    )
    wait_until(lambda: b"watching" in told.read_bytes(), seconds=300, what="the watch")

    put = run_apogee("kv", "put", stream, "name", "Ada", *through_writer).json()

    assert put["outcome"] == "APPLIED"
    assert watching.wait(PATIENCE_SECONDS) == 0
    assert json.loads(told.read_text().splitlines()[-1]) == {"seq": put["seq"], "keys": ["name"]}
    cell = run_apogee("kv", "get", stream, "name", *through_reader).json()
    own = run_apogee("kv", "get", stream, "name", *at(place)).json()
    assert cell == own


def test_kv__batch_of_many_bytes__goes_and_comes_through_data_availability(
    place: StoredHome, stream: str
) -> None:
    async def run() -> None:
        async with through(place, WRITER) as apogee:
            kv = await opened(apogee, place, stream, WRITER)
            reader = await opened(apogee, place, stream, READER)
            wishes = [(Mode.PUT, b"long/%d" % one, bytes([one]) * 3_000, ANY) for one in range(8)]
            acks = await kv.send(wishes)
            seq = await asyncio.wait_for(kv.wait(acks[-1]), PATIENCE_SECONDS)
            assert await kv.wait(acks[0]) == seq
            for one in range(8):
                await value_at(reader, b"long/%d" % one, bytes([one]) * 3_000)

    asyncio.run(run())

    assert events(place, WRITER, "batch_published")
    assert events(place, READER, "batch_read")


def test_kv__killed_between_acknowledgement_and_batch__nothing_acknowledged_is_lost(
    place: StoredHome, stream: str
) -> None:
    before = Identity.load(place.home.pid_file(storage_node_name(WRITER)))
    assert before is not None

    async def run() -> None:
        async with through(place, WRITER) as apogee:
            kv = await opened(apogee, place, stream, WRITER)
            acks = await kv.send([(Mode.PUT, b"kept/%d" % one, b"x", ANY) for one in range(20)])
            os.kill(before.pid, 9)  # a quarter of a second before the batch is cut
            reader = await opened(apogee, place, stream, READER)
            for one in range(20):
                await value_at(reader, b"kept/%d" % one, b"x")
            back = await opened(apogee, place, stream, WRITER)
            seqs = [await asyncio.wait_for(back.wait(ack), PATIENCE_SECONDS) for ack in acks]
            assert len(set(seqs)) == 1

    asyncio.run(run())

    now = Identity.load(place.home.pid_file(storage_node_name(WRITER)))
    assert now is not None
    assert now.pid != before.pid


def test_kv__root_posted_by_the_seats__is_what_a_client_trusts(
    place: StoredHome, stream: str
) -> None:
    def is_final() -> bool:
        apogee = Apogee.at_home(place.home.root, account=account_of(place))
        with apogee:
            try:
                return apogee.kv(stream).get(b"kept/3", label=Label.FINAL) == b"x"
            except RootUnknown:
                place.rpc.ask("evm_increaseTime", 30)
                place.rpc.ask("evm_mine")
                return False

    wait_until(is_final, seconds=PATIENCE_SECONDS, what="a posted root")

    posted = [one for node in range(NODES) for one in events(place, node, "root_posted")]
    assert stream in {one["stream"] for one in posted}
    head = place.network.streams.stream(
        bytes.fromhex(stream), at=place.network.node.block().hash
    ).head
    post = place.network.streams.post_of(
        bytes.fromhex(stream), head - 1, at=place.network.node.block().hash
    )
    assert post.silent.bit_count() <= 1


def test_kv__node_without_its_folder__opens_from_a_peers_snapshot(
    place: StoredHome, stream: str
) -> None:
    name = storage_node_name(NEWCOMER)
    before = Identity.load(place.home.pid_file(name))
    assert before is not None
    assert any(events(place, node, "snapshot_written") for node in range(NODES))

    shutil.rmtree(place.home.storage_node(NEWCOMER) / "kv")
    os.kill(before.pid, 9)

    wait_until(
        lambda: bool(events(place, NEWCOMER, "stream_opened_from_snapshot")),
        seconds=PATIENCE_SECONDS,
        what="a snapshot",
    )

    async def run() -> None:
        async with through(place, NEWCOMER) as apogee:
            kv = await opened(apogee, place, stream, NEWCOMER)
            await value_at(kv, b"kept/3", b"x")
            await value_at(kv, b"long/7", b"\x07" * 3_000)

    asyncio.run(run())
