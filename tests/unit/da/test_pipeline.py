"""Many blobs at once: bounded matrices, results in order, failures that stay with their own."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.core.errors import ApogeeError, Unavailable
from offchain.core.layout import MAX_PAYLOAD_BYTES, Shape
from offchain.da.adapters.memory_chain import MemoryChain
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.authenticate import SignedRequest
from offchain.da.dispersals import Stage
from offchain.da.disperse import Dispersed, Progress
from offchain.da.duties import BlobTerms
from offchain.da.model import BlobState, Certificate
from offchain.da.pipeline import DispersePipeline, PipelineRules
from offchain.da.ports import Outcome, Settlement
from offchain.da.refusals import NodeUnreachable
from offchain.da.reverts import CertificateInvalid
from offchain.da.till_desk import TillDesk
from offchain.node.body import Body
from offchain.node.faulty_disk import Crashed
from offchain.node.matrix_room import MatrixRoom
from tests.support.da_network import Site, a_site, memory_network, some_bytes

MATRICES = 3  # DispersalRules' default


def salt_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def state_of(site: Site, blob_id: bytes) -> BlobState:
    return site.chain.view(blob_id, at=site.chain.head().block).record.state


async def begin_all(
    pipeline: DispersePipeline, payloads: Sequence[bytes]
) -> list[asyncio.Task[Dispersed]]:
    tasks = []
    for number, payload in enumerate(payloads):

        async def read(payload: bytes = payload) -> bytes:
            return payload

        tasks.append(await pipeline.begin(read, days=1, salt=salt_of(number)))
    return tasks


def test_pipeline__more_blobs_than_matrices__never_more_alive_and_results_in_order() -> None:
    site = a_site(4)
    payloads = [some_bytes(100 + number, seed=number) for number in range(9)]

    async def story() -> tuple[list[Dispersed], MatrixRoom]:
        disperser = site.disperse_with(memory_network(site))
        tasks = await begin_all(DispersePipeline(disperser), payloads)
        return await asyncio.gather(*tasks), disperser.room

    done, room = asyncio.run(story())

    assert room.most_live == MATRICES
    assert room.live == 0
    lengths = [one.view.record.shape.length for one in done if one.view]
    assert [len(payload) for payload in payloads] == lengths
    assert all(state_of(site, one.blob_id) is BlobState.CONFIRMED for one in done)
    assert site.chain.payments == len(payloads)


def test_pipeline__all_matrices_in_use__the_next_payload_is_not_even_read() -> None:
    site = a_site(4)
    read: list[int] = []

    class SilentNodes(MemoryNodeClient):
        async def send_rows(
            self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
        ) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

    async def source() -> bytes:
        read.append(len(read))
        return some_bytes(100, seed=len(read))

    async def story() -> None:
        pipeline = DispersePipeline(site.disperse_with(SilentNodes(memory_network(site).nodes)))

        async def feed() -> None:
            for number in range(MATRICES + 2):
                await pipeline.begin(source, days=1, salt=salt_of(number))

        feeding = asyncio.create_task(feed())
        while len(read) < MATRICES:  # noqa: ASYNC110 - the source has no event of its own
            await asyncio.sleep(0.01)
        for _ in range(50):
            await asyncio.sleep(0.002)
        assert len(read) == MATRICES
        feeding.cancel()
        await pipeline.stop()

    asyncio.run(story())


def test_pipeline__open_blobs_are_all_taken__waits_for_one_to_end() -> None:
    site = a_site(4)

    async def story() -> int:
        disperser = site.disperse_with(memory_network(site))
        pipeline = DispersePipeline(disperser, PipelineRules(open_blobs=1))
        tasks = await begin_all(pipeline, [some_bytes(50, seed=n) for n in range(3)])
        await asyncio.gather(*tasks)
        return disperser.room.most_live

    assert asyncio.run(story()) == 1


class DeafTo(MemoryNodeClient):
    """Nodes that cannot be reached for blobs of one length."""

    def __init__(self, nodes: dict[str, MemoryNode], body_size: int) -> None:
        super().__init__(nodes)
        self.body_size = body_size

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
    ) -> bytes:
        if body.size >= self.body_size:
            raise NodeUnreachable(endpoint=endpoint)
        return await super().send_rows(endpoint, blob_id, request, body)


def test_pipeline__one_blob_reaches_no_node__the_others_are_confirmed_past_it() -> None:
    site = a_site(4)
    payloads = [some_bytes(100, seed=number) for number in range(6)]
    payloads[1] = some_bytes(300_000)  # two steps of columns: a larger body than the others'

    async def story() -> tuple[list[Dispersed], bool]:
        client = DeafTo(memory_network(site).nodes, 600_000)
        pipeline = DispersePipeline(site.disperse_with(client))
        tasks = await begin_all(pipeline, payloads)
        stuck = tasks.pop(1)
        done = await asyncio.wait_for(asyncio.gather(*tasks), 60)
        is_stuck = not stuck.done()
        await pipeline.stop()
        return done, is_stuck

    done, is_stuck = asyncio.run(story())

    assert is_stuck
    assert all(state_of(site, one.blob_id) is BlobState.CONFIRMED for one in done)


class OneBadCertificate(MemoryChain):
    """A chain that refuses certificates of blobs of one length."""

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        if terms.shape.length == 102:
            raise CertificateInvalid(reason="as told")
        return super().confirm(terms, certificate)


def test_pipeline__contract_refuses_one__its_error_reaches_its_own_caller_only() -> None:
    site = a_site(4)
    site.chain = OneBadCertificate(site.chain.members)
    payloads = [some_bytes(100 + number, seed=number) for number in range(5)]

    async def story() -> list[Dispersed | BaseException]:
        pipeline = DispersePipeline(site.disperse_with(memory_network(site)))
        tasks = await begin_all(pipeline, payloads)
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(story())

    assert isinstance(outcomes[2], CertificateInvalid)
    others = outcomes[:2] + outcomes[3:]
    assert all(isinstance(one, Dispersed) for one in others)


def test_pipeline__source_fails__room_is_given_back() -> None:
    site = a_site(4)

    async def broken() -> bytes:
        raise OSError("the source is gone")

    async def story() -> None:
        disperser = site.disperse_with(memory_network(site))
        pipeline = DispersePipeline(disperser)
        for _ in range(2 * MATRICES):
            with pytest.raises(OSError, match="gone"):
                await pipeline.begin(broken, days=1, salt=salt_of(0))
        assert disperser.room.live == 0
        [task] = await begin_all(pipeline, [b"still works"])
        assert state_of(site, (await task).blob_id) is BlobState.CONFIRMED

    asyncio.run(story())


@given(seed=st.integers(0, 2**32), dies_at=st.integers(0, 8))
@settings(max_examples=4, deadline=None)
def test_pipeline__killed_anywhere__resumed_once_each_paid_once(seed: int, dies_at: int) -> None:
    site = a_site(4)
    journal = MemoryDispersals()
    payloads = [some_bytes(60 + number, seed=seed + number) for number in range(5)]
    seen = 0

    def die(progress: Progress) -> None:
        nonlocal seen
        seen += progress.stage in (Stage.PAID, Stage.ATTESTED) and not progress.slices_signed
        if seen > dies_at:
            raise Crashed

    async def story() -> list[Dispersed]:
        client = memory_network(site)
        pipeline = DispersePipeline(site.disperse_with(client, journal=journal, watch=die))
        tasks = await begin_all(pipeline, payloads)
        await asyncio.wait(tasks)
        for task in tasks:
            assert task.exception() is None or isinstance(task.exception(), Crashed)
        again = site.disperse_with(client, journal=journal)
        await again.resume_all()
        assert again.room.most_live <= MATRICES
        whole = DispersePipeline(site.disperse_with(client, journal=journal))
        return await asyncio.gather(*await begin_all(whole, payloads))

    done = asyncio.run(story())

    assert site.chain.payments == len(payloads)
    assert all(state_of(site, one.blob_id) is BlobState.CONFIRMED for one in done)


class CountingTill(MemoryChain):
    """Remembers how many orders came together."""

    def __init__(self) -> None:
        super().__init__(a_site(1).chain.members)
        self.batches: list[int] = []

    def pay_many(self, orders: Sequence[BlobTerms]) -> list[Outcome]:
        self.batches.append(len(orders))
        return super().pay_many(orders)


def test_till_desk__many_at_once__eight_together_and_a_refusal_is_one_payers() -> None:
    till = CountingTill()

    async def story() -> list[Settlement | BaseException]:
        desk = TillDesk(till)
        terms = [
            BlobTerms(bytes(20), bytes(20), bytes(32), bytes(48), Shape.of(9), 1, salt_of(number))
            for number in (*range(18), 4)  # the last was paid a moment before
        ]
        return await asyncio.gather(*(desk.pay(one) for one in terms), return_exceptions=True)

    outcomes = asyncio.run(story())

    assert sorted(till.batches) == [3, 8, 8]
    assert sum(isinstance(one, Settlement) for one in outcomes) == 18
    assert [type(one).__name__ for one in outcomes if isinstance(one, ApogeeError)] == [
        "AlreadyPaid"
    ]


def test_till_desk__the_chain_is_gone__everybody_is_told() -> None:
    class NoTill(CountingTill):
        def pay_many(self, orders: Sequence[BlobTerms]) -> list[Outcome]:
            raise Unavailable("nobody answers", orders=len(orders))

    async def story() -> list[Settlement | BaseException]:
        desk = TillDesk(NoTill())
        one = BlobTerms(bytes(20), bytes(20), bytes(32), bytes(48), Shape.of(9), 1, salt_of(1))
        return await asyncio.gather(desk.pay(one), desk.pay(one), return_exceptions=True)

    assert all(isinstance(one, Unavailable) for one in asyncio.run(story()))


def test_room__buffers_of_many_sizes__given_back_ones_are_used_again() -> None:
    async def story() -> None:
        room = MatrixRoom(2)
        first, second = await room.take(), await room.take()
        large = first.buffer(Shape.of(MAX_PAYLOAD_BYTES // 8))
        waiting = asyncio.create_task(room.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        first.give_back()
        first.give_back()
        third = await waiting
        assert third.buffer(Shape.of(MAX_PAYLOAD_BYTES // 16)) is large
        assert room.live == 2
        second.give_back()
        third.give_back()
        assert room.live == 0

    asyncio.run(story())
