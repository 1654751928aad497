"""A user's client against real nodes on sockets: stored, lost, lied about, killed and resumed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.node.disk import LocalDisk
from offchain.storage.acquire import Acquired, AcquireParts, AcquireShards
from offchain.storage.adapters.arrival import Arrival
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.key_folder import KeyFolder
from offchain.storage.adapters.misconduct import CheatingServer, Misconduct
from offchain.storage.client_errors import InsufficientShards
from offchain.storage.file_client import FileClient, FileClientParts, PutOptions
from offchain.storage.gather_units import GatherRules
from offchain.storage.get import Got
from offchain.storage.model import FileState
from offchain.storage.ports import SeatClient
from offchain.storage.put_model import PutParts
from offchain.storage.read_file import Label, ReadParts, ReadRules
from offchain.storage.serve_shards import ShardServer
from tests.support.keeping import Shelf, ShelfBook
from tests.support.storage_client import RULES, DyingSeats, Killed
from tests.support.storage_node import SeatNetwork, seat_network

TERM = 30


def client_on(
    network: SeatNetwork, engine: ErasureEngine, folder: Path, *, seats: SeatClient | None = None
) -> FileClient:
    """A client as a new process of this user opens it."""
    used = seats or network.client
    journal = DiskPuts(LocalDisk(), folder / "puts")
    journal.open()
    market = network.market
    random_bytes = random.Random(3).randbytes
    put = PutParts(
        ledger=market,
        till=market,
        client=used,
        journal=journal,
        engine=engine,
        randomness=random_bytes,
    )
    read = ReadParts(market, market, used, engine)
    return FileClient(
        FileClientParts(
            read=read,
            keys=KeyFolder(folder / "keys"),
            randomness=random_bytes,
            put=put,
            terms=market,
            put_rules=RULES,
            read_rules=ReadRules(gather=GatherRules(pause_seconds=0.001)),
        )
    )


async def fetch(client: FileClient, reference: bytes, target: Path, label: Label) -> Got:
    def arrive(file_id: bytes, length: int) -> Arrival:
        return Arrival(target, file_id, length=length, is_raw=False)

    return await client.get.land(reference, arrive, label=label)


def a_file(folder: Path, size: int) -> Path:
    path = folder / "source.bin"
    path.write_bytes(random.Random(5).randbytes(size))
    return path


def on_network(
    engine: ErasureEngine,
    story: Callable[[SeatNetwork], Awaitable[None]],
    *,
    serve: Callable[[int, ShardServer], ShardServer] = lambda _, honest: honest,
) -> None:
    """Run a story on a durable group of eight operators with four seats each."""

    async def run() -> None:
        async with seat_network(engine, "durable", 8, serve=serve) as network:
            await story(network)

    asyncio.run(run())


@pytest.mark.parametrize("label", list(Label))
def test_client__two_segments_over_sockets__the_same_bytes(
    engine: ErasureEngine, tmp_path: Path, label: Label
) -> None:
    source = a_file(tmp_path, MAX_PAYLOAD_BYTES + 300_000)

    async def story(network: SeatNetwork) -> None:
        client = client_on(network, engine, tmp_path)
        stored = await client.put_path(source, PutOptions(network.group.profile, TERM))
        got = await fetch(client, stored.root, tmp_path / "out", label)

        assert FileState.STORED is stored.view.file.state
        assert (got.blame, got.is_sealed) == ((), True)

    on_network(engine, story)

    assert source.read_bytes() == (tmp_path / "out").read_bytes()


def test_client__killed_in_the_middle_of_sending__resumed_by_another_process(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    source = a_file(tmp_path, 700_000)

    async def story(network: SeatNetwork) -> None:
        options = PutOptions(network.group.profile, TERM)
        dying = client_on(network, engine, tmp_path, seats=DyingSeats(network.client, 15))
        with pytest.raises(Killed):
            await dying.put_path(source, options)
        (begun,) = await dying.open_puts()
        stored = await client_on(network, engine, tmp_path).resume(begun.file_id)

        assert (network.market.charges, stored.view.file.state) == (1, FileState.STORED)

    on_network(engine, story)


def test_client__half_of_the_operators_dead__reads_on_and_one_more_is_said_aloud(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    source = a_file(tmp_path, 700_000)

    async def story(network: SeatNetwork) -> None:
        client = client_on(network, engine, tmp_path)
        stored = await client.put_path(source, PutOptions(network.group.profile, TERM))
        for operator in (1, 3, 5, 7):
            await network.stop(operator)
        await fetch(client, stored.root, tmp_path / "out", Label.CONSISTENT)
        part = await client.get.part(await client.get.content(stored.root), 1_000, 2_000)
        await network.stop(2)
        with pytest.raises(InsufficientShards) as failure:
            await fetch(client, stored.root, tmp_path / "lost", Label.CONSISTENT)

        assert source.read_bytes()[1_000:2_000] == part
        assert failure.value.fields["rows"] == 12 * 64

    on_network(engine, story)

    assert source.read_bytes() == (tmp_path / "out").read_bytes()
    assert not (tmp_path / "lost").exists()


@pytest.mark.parametrize("misconduct", list(Misconduct))
def test_client__two_operators_cheat_in_every_way_a_node_can__right_bytes(
    engine: ErasureEngine, tmp_path: Path, misconduct: Misconduct
) -> None:
    source = a_file(tmp_path, 300_000)

    def serve(operator: int, honest: ShardServer) -> ShardServer:
        return CheatingServer(honest, misconduct) if operator in {2, 6} else honest

    async def story(network: SeatNetwork) -> None:
        client = client_on(network, engine, tmp_path)
        stored = await client.put_path(source, PutOptions(network.group.profile, TERM))
        got = await fetch(client, stored.root, tmp_path / "out", Label.INCLUSION)

        assert {one.operator for one in got.blame} <= {2, 6}

    on_network(engine, story, serve=serve)

    assert source.read_bytes() == (tmp_path / "out").read_bytes()


def test_client__a_third_of_the_operators_silent_or_lying__right_bytes_and_a_shard_made_again(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    """Three of eight: two lie in other ways, one is gone; what it kept is made again elsewhere."""
    source = a_file(tmp_path, 300_000)
    lies = {2: Misconduct.WRONG_BYTES, 6: Misconduct.SWAPPED}

    def serve(operator: int, honest: ShardServer) -> ShardServer:
        how = lies.get(operator)
        return CheatingServer(honest, how) if how else honest

    async def story(network: SeatNetwork) -> None:
        client = client_on(network, engine, tmp_path)
        stored = await client.put_path(source, PutOptions(network.group.profile, TERM))
        await network.stop(4)
        got = await fetch(client, stored.root, tmp_path / "out", Label.CONSISTENT)

        assert {one.operator for one in got.blame if one.is_lie} <= set(lies)
        assert {one.operator for one in got.blame} <= {*lies, 4}
        shelf, report = Shelf(), Acquired()
        parts = AcquireParts(4, shelf, ShelfBook(), network.client, engine)
        seats = frozenset(one.seat for one in network.group.seats if one.operator == 4)
        await AcquireShards(parts).acquire(network.group, stored.view.file, seats, report)

        assert (len(shelf.shards), report.rebuilt) == (len(seats), len(seats))
        assert {one.operator for one in report.lies} <= set(lies)

    on_network(engine, story, serve=serve)

    assert source.read_bytes() == (tmp_path / "out").read_bytes()
