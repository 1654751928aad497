"""A program's view of a stream: writes promised and waited for, reads proven, lies refused."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.sdk.kv import AsyncKv, KvParts
from offchain.storage.kv.answer import Label
from offchain.storage.kv.cells import ANY, counter_value
from offchain.storage.kv.errors import OpRefused, ReplicaBehind, RootUnknown
from offchain.storage.kv.op import Mode
from offchain.storage.kv.roles import Role
from tests.support.kv import DOMAIN, OWNER, STRANGER, STREAM, granted
from tests.support.kv_served import Served, served


def _kv(one: Served, key=OWNER, **more) -> AsyncKv:
    return AsyncKv(KvParts(one.client, DOMAIN, key, **more), STREAM)


def test_sdk__every_kind_of_write__is_read_back_proven(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, asyncio.timeout(120):
            kv = _kv(one)
            await kv.put(b"k", b"1")
            assert await kv.get(b"k") == b"1"  # not in the log yet: the session's own write
            await kv.append(b"l", b"e")
            await kv.add(b"n", -5)
            both = [(Mode.PUT, b"a", b"x", ANY), (Mode.ADD, b"n", counter_value(7), ANY)]
            acks = await kv.send(both, is_atomic=True)
            await kv.wait(acks[-1])

            cell = await kv.cell(b"k", label=Label.LOGGED)
            assert cell
            await kv.wait(await kv.cas(b"k", b"2", expected=cell.version))

            assert await kv.get(b"k", label=Label.LOGGED) == b"2"
            assert (await kv.element(b"l", 0), await kv.element(b"l", 1)) == (b"e", None)
            assert await kv.counter(b"n") == 2
            assert await kv.counter(b"none") == 0
            await kv.wait(await kv.delete(b"k"))
            assert await kv.get(b"k", label=Label.LOGGED) is None
            assert [key for key, _ in (await kv.scan()).items] == [b"a", b"l", b"n"]

    asyncio.run(story())


def test_sdk__refused_write__names_the_outcome_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, asyncio.timeout(120):
            kv = _kv(one)
            with pytest.raises(OpRefused, match="STALE"):
                await kv.cas(b"k", b"v", expected=77)
            with pytest.raises(OpRefused, match="NO_RIGHT"):
                await _kv(one, STRANGER).put(b"k", b"v")
            with pytest.raises(OpRefused):
                await _kv(one, None).put(b"k", b"v")

            await kv.put(b"k", b"v")

            assert await kv.get(b"k") == b"v"

    asyncio.run(story())


def test_sdk__reach__waits_until_what_the_log_grants_counts_at_the_replica(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, asyncio.timeout(120):
            kv, log = _kv(one, STRANGER), one.world.log
            with pytest.raises(ReplicaBehind, match="wanted"):
                await kv.reach(len(log.entries) + 1, seconds=0)
            log.add(granted(STRANGER.subject, Role.WRITER))

            await kv.reach(len(log.entries))

            await kv.put(b"k", b"v")
            assert await kv.get(b"k") == b"v"

    asyncio.run(story())


def test_sdk__final_read__needs_a_root_that_is_posted(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, asyncio.timeout(120):
            kv = _kv(one)
            await kv.wait(await kv.put(b"k", b"v"))
            one.world.source.final = len(one.world.log.entries)
            posted: list[bytes] = []

            async def trust(root) -> bool:
                return root.digest in posted

            reader = _kv(one, None, trust=trust)
            await one.world.service.step()
            with pytest.raises(RootUnknown):
                await kv.get(b"k", label=Label.FINAL)
            with pytest.raises(RootUnknown):
                await reader.get(b"k", label=Label.FINAL)
            with one.world.replica.moment(final=True) as moment:
                root = moment.stream(STREAM).root_at(moment.next_seq - 1)
            posted.append(root.digest)

            assert await reader.get(b"k", label=Label.FINAL) == b"v"
            posted[0] = replace(root, keys=root.keys + 1).digest
            with pytest.raises(RootUnknown):
                await reader.get(b"k", label=Label.FINAL)

    asyncio.run(story())


def test_sdk__watch__drops_what_others_wrote_from_the_cache(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as one, asyncio.timeout(120):
            mine, other = _kv(one), _kv(one)
            await mine.wait(await mine.put(b"k", b"mine"))
            events = mine.watch(b"k")
            await anext(events)

            await other.wait(await other.put(b"k", b"theirs"))
            while (await anext(events)).keys != (b"k",):
                pass

            assert await mine.get(b"k") == b"theirs"
            await events.aclose()

    asyncio.run(story())
