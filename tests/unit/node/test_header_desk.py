"""Headers checked together and once, each with its own verdict."""

import asyncio
from dataclasses import replace

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.check import CheckedHeader
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.core.matrix.errors import HeaderRejected
from offchain.core.wire import Header
from offchain.node.header_desk import KNOWN_HEADERS, HeaderDesk
from tests.support.matrices import a_payload


class Counting:
    """An engine that counts how many headers were extended."""

    def __init__(self, inner: ErasureEngine) -> None:
        self._inner = inner
        self.accepted = 0

    def __getattr__(self, name: str) -> object:
        if name == "extend_combinations":
            self.accepted += 1
        return getattr(self._inner, name)


def false_header(blob: EncodedBlob) -> Header:
    values = blob.header.combinations.copy()
    values[3] = values[4]
    return replace(blob.header, combinations=values)


def test_desk__same_header_from_many__checked_once(
    engine: ErasureEngine, blob: EncodedBlob
) -> None:
    counting = Counting(engine)
    desk = HeaderDesk(counting)

    async def run() -> list[CheckedHeader]:
        first = await asyncio.gather(*(desk.check(blob.header) for _ in range(8)))
        return [*first, await desk.check(blob.header)]

    found = asyncio.run(run())
    assert counting.accepted == 1
    assert all(one is found[0] for one in found)


def test_desk__good_and_false_together__each_its_own_verdict(
    engine: ErasureEngine, blob: EncodedBlob
) -> None:
    others = [encode(a_payload(9_000, seed), engine).header for seed in range(3)]
    wrong = false_header(blob)
    desk = HeaderDesk(engine)

    async def run() -> list[object]:
        headers = [blob.header, wrong, *others]
        return await asyncio.gather(*map(desk.check, headers), return_exceptions=True)

    good, bad, *rest = asyncio.run(run())
    assert isinstance(good, CheckedHeader)
    assert isinstance(bad, HeaderRejected)
    assert [one.header.data_root for one in rest] == [one.data_root for one in others]
    with pytest.raises(HeaderRejected):
        asyncio.run(desk.check(wrong))


def test_desk__caller_gone__others_still_hear(engine: ErasureEngine, blob: EncodedBlob) -> None:
    desk = HeaderDesk(engine)

    async def run() -> CheckedHeader:
        impatient = asyncio.create_task(desk.check(blob.header))
        patient = asyncio.create_task(desk.check(blob.header))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert asyncio.run(run()).header is blob.header


def test_desk__many_headers__memory_is_bounded(engine: ErasureEngine) -> None:
    desk = HeaderDesk(engine)
    headers = [
        encode(a_payload(100 + seed, seed), engine).header for seed in range(KNOWN_HEADERS + 3)
    ]

    async def run() -> None:
        for header in headers:
            await desk.check(header)

    asyncio.run(run())
    assert len(desk._known) == KNOWN_HEADERS
