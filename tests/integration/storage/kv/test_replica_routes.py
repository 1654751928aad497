"""A replica for other replicas: its seat's word and its snapshots over loopback."""

import asyncio
from pathlib import Path

import pytest

from offchain.node.disk import LocalDisk
from offchain.storage.false_root import is_signed
from offchain.storage.kv.adapters.http_client import ReplicaRefused
from offchain.storage.kv.adapters.http_face import KvFace
from offchain.storage.kv.adapters.http_peers import HttpPeers
from offchain.storage.kv.adapters.root_book import MemoryRootBook
from offchain.storage.kv.errors import AnswerMalformed
from offchain.storage.kv.sign_root import FinalRoots, SignerParts, SignRoots
from offchain.storage.kv.snapshot import Snapshot
from offchain.storage.kv.snapshot_shelf import SnapshotShelf
from tests.support.kv import DOMAIN, STREAM, World, Writer
from tests.support.kv_roots import EPOCH, GROUP
from tests.support.kv_served import Served, served
from tests.support.staking import a_key

FINAL = 1 << 30


async def _final(one: Served, operation: bytes) -> None:
    """Wait until the log has an operation for good."""
    async with asyncio.timeout(60):
        while True:
            found = await one.client.outcome(STREAM, operation)
            if found is not None and found[2]:
                return
            await asyncio.sleep(0.01)


class Seat:
    """What a node adds to the routes of streams."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, face: KvFace, world: World) -> None:
        key = a_key(1)
        self.roots = FinalRoots(world.replica)
        self.shelf = SnapshotShelf(
            LocalDisk(), self.folder, world.replica, every_seconds=0, now=lambda: 0.0
        )
        self.shelf.open()
        face.shelf = self.shelf
        face.signer = SignRoots(
            SignerParts(
                roots=self.roots,
                book=MemoryRootBook(),
                key=key.public_key(),
                sign=key.sign,
                domain=DOMAIN,
                epoch=lambda: EPOCH,
                is_ours=lambda group: group == GROUP,
            )
        )


def test_routes__root_and_snapshot__are_what_the_replica_stands_at(tmp_path: Path) -> None:
    async def story() -> None:
        seat, peers = Seat(tmp_path / "shelf"), HttpPeers()
        async with served(tmp_path, final=FINAL, equip=seat) as one:
            with pytest.raises(ReplicaRefused, match=r"kv\.snapshot\.missing"):
                await peers.snapshot(one.origin, STREAM, tmp_path / "none", most=10**6)
            [ack] = await one.client.submit(STREAM, [Writer().put(b"k", b"v").to_bytes()])
            await _final(one, ack.operation)
            await asyncio.to_thread(seat.roots.look)

            claim = await one.client.signed_root(STREAM, group=GROUP)
            same = await peers.signature(
                one.origin, STREAM, group=GROUP, seq=claim.root.seq, epoch=EPOCH
            )
            await seat.shelf.keep(claim.root)
            await peers.snapshot(one.origin, STREAM, tmp_path / "got", most=10**6)

            assert is_signed(claim, DOMAIN)
            assert same == claim.signature
            assert await peers.streams(one.origin) == [STREAM]
            snapshot = Snapshot((tmp_path / "got").read_bytes())
            snapshot.check()
            assert snapshot.root == claim.root
            with pytest.raises(AnswerMalformed):
                await peers.snapshot(one.origin, STREAM, tmp_path / "long", most=10)

    asyncio.run(story())


def test_routes__root_of_another_group_entry_or_stream__is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path, final=FINAL, equip=Seat(tmp_path / "shelf")) as one:
            for code, stream, query in (
                ("kv.root.not_our_seat", STREAM, {"group": GROUP + 1}),
                ("kv.root.not_here", STREAM, {"group": GROUP, "seq": 10**9}),
                ("kv.stream.not_followed", bytes(32), {"group": GROUP}),
                ("kv.request", STREAM, {"group": 2**64}),
            ):
                with pytest.raises(ReplicaRefused) as refused:
                    await one.client.signed_root(stream, **query)
                assert refused.value.fields["remote_code"] == code

    asyncio.run(story())


def test_routes__replica_without_a_seat__gives_neither(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one:
            with pytest.raises(ReplicaRefused):
                await one.client.signed_root(STREAM, group=GROUP)
            with pytest.raises(ReplicaRefused):
                await HttpPeers().snapshot(one.origin, STREAM, tmp_path / "none", most=10)

    asyncio.run(story())
