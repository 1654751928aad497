"""The scrub: every planted flip is found, throttled, and unknown never counts as healthy."""

import asyncio
import random

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.encode import EncodedBlob
from offchain.node.errors import StoreBroken
from offchain.storage.adapters.memory_medium import MemoryMedium
from offchain.storage.errors import BackendUnreachable
from offchain.storage.ports import ScrubOutcome
from offchain.storage.scrub import ScrubRules, ScrubShards
from offchain.storage.shard_file import name_of
from offchain.storage.shard_store import Shards
from tests.support.shards import a_shard, content_of, spoil

NUMBERS = range(24)


class Waits:
    """Sleeps that take no time and are counted."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __call__(self, seconds: float) -> None:
        self.seconds += seconds


def filled(engine: ErasureEngine, blob: EncodedBlob, medium: MemoryMedium) -> Shards:
    store = Shards(medium, engine)
    store.open()
    for number in NUMBERS:
        asyncio.run(store.put(a_shard(blob, number)))
    return store


def test_inv_sto_14__planted_flips__all_found_in_one_round(
    engine: ErasureEngine, blob: EncodedBlob
) -> None:
    medium, chance = MemoryMedium(), random.Random(3)
    store = filled(engine, blob, medium)
    sick = sorted(chance.sample([a_shard(blob, number).key for number in NUMBERS], 9))
    for key in sick:
        content = bytearray(content_of(medium, key))
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        spoil(medium, key, bytes(content))

    scrub = ScrubShards(store, store, ScrubRules(), sleep=Waits())
    report = asyncio.run(scrub.round())

    assert sick == sorted(report.sick)
    assert not report.is_healthy
    assert (report.outcomes) == {
        ScrubOutcome.FAILURE: 9,
        ScrubOutcome.SUCCESS: 15,
        ScrubOutcome.CONTAINED: 0,
    }
    second = asyncio.run(scrub.round())
    assert second.outcomes == {ScrubOutcome.SUCCESS: 15, ScrubOutcome.CONTAINED: 9}
    assert sick == sorted(second.sick)
    for key in sick:
        asyncio.run(store.put(a_shard(blob, key.number)))
    assert asyncio.run(scrub.round()).is_healthy


def test_scrub__its_pace__a_round_takes_its_time_and_never_reads_faster(
    engine: ErasureEngine, blob: EncodedBlob
) -> None:
    store = filled(engine, blob, MemoryMedium())
    slow, quick = Waits(), Waits()
    asyncio.run(ScrubShards(store, store, ScrubRules(3_600.0, 1e9), sleep=slow).round())
    report = asyncio.run(ScrubShards(store, store, ScrubRules(1e-3, 1e4), sleep=quick).round())
    assert pytest.approx(3_600.0) == slow.seconds
    assert pytest.approx(report.bytes_read / 1e4) == quick.seconds


@pytest.mark.parametrize("error", [StoreBroken, BackendUnreachable])
def test_scrub__medium_that_does_not_answer__offline_and_not_set_aside(
    error: type[Exception], engine: ErasureEngine, blob: EncodedBlob
) -> None:
    class Gone(MemoryMedium):
        is_gone = False

        def read(self, name: str, start: int, size: int) -> bytes:
            if self.is_gone:
                raise error(file=name)
            return super().read(name, start, size)

    medium = Gone()
    store = filled(engine, blob, medium)
    medium.is_gone = True
    report = asyncio.run(ScrubShards(store, store, ScrubRules(), sleep=Waits()).round())
    assert len(NUMBERS) == report.outcomes[ScrubOutcome.OFFLINE] == len(report.sick)
    medium.is_gone = False
    assert asyncio.run(ScrubShards(store, store, ScrubRules(), sleep=Waits()).round()).is_healthy


def test_scrub__shard_dropped_while_it_runs__no_failure(
    engine: ErasureEngine, blob: EncodedBlob
) -> None:
    medium = MemoryMedium()
    store = filled(engine, blob, medium)

    async def drop_all(_: float) -> None:
        for held in await store.held():
            await store.drop(held.key)

    report = asyncio.run(ScrubShards(store, store, ScrubRules(), sleep=drop_all).round())
    assert report.outcomes == {ScrubOutcome.SUCCESS: 1, ScrubOutcome.CONTAINED: 0}
    assert report.is_healthy
    assert dict(medium.sizes()) == {}
    assert name_of(a_shard(blob).key) not in medium.sizes()
