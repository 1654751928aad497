"""Room for bodies is bytes, so that nodes which read nothing never keep the others waiting."""

import asyncio
from dataclasses import replace

from offchain.da.accept import body_bytes
from offchain.da.adapters.memory_chain import ChainRules
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.authenticate import SignedRequest
from offchain.da.disperse import Dispersed
from offchain.da.sending_room import SendingRoom
from tests.support.da_network import QUICK, a_site, an_upload, memory_network, some_bytes


class StallingClient(MemoryNodeClient):
    """A client whose `stalled` nodes take the connection and read nothing."""

    def __init__(self, nodes: dict[str, MemoryNode], stalled: set[str]) -> None:
        super().__init__(nodes)
        self.stalled = stalled
        self.taken: set[str] = set()

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: bytes
    ) -> bytes:
        if endpoint in self.stalled:
            self.taken.add(endpoint)
            await asyncio.Event().wait()
        return await super().send_rows(endpoint, blob_id, request, body)


def test_disperse__nearly_a_third_of_the_nodes_read_nothing__the_others_certify() -> None:
    site = a_site(15, rules=ChainRules(confirm_slices=2_048))
    upload = an_upload(site)
    whole = sum(body_bytes(upload.encoded.shape, len(d.rows)) for d in upload.view.duties.members)
    rules = replace(QUICK, body_bytes=2 * whole // 5)  # as 64 MiB to the largest
    stalled = {f"http://127.0.0.1:{operator}" for operator in (1, 5, 9, 13)}

    async def story() -> tuple[Dispersed, StallingClient]:
        client = StallingClient(memory_network(site).nodes, stalled)
        disperser = site.disperse_with(client, rules=rules)
        async with asyncio.timeout(30):
            return await disperser.disperse(some_bytes(5_000), days=1, salt=bytes(32)), client

    done, client = asyncio.run(story())

    assert len(done.absent) == len(stalled)
    assert client.taken == stalled


def test_hold__no_room__waits_until_enough_is_given_back() -> None:
    async def story() -> list[str]:
        room = SendingRoom(10)
        seen: list[str] = []
        leave = asyncio.Event()

        async def body(name: str, size: int) -> None:
            async with room.hold(size):
                seen.append(name)
                await leave.wait()

        first = asyncio.create_task(body("first", 6))
        await asyncio.sleep(0)
        second = asyncio.create_task(body("second", 5))
        third = asyncio.create_task(body("third", 4))
        for _ in range(10):
            await asyncio.sleep(0)
        assert seen == ["first", "third"]
        leave.set()
        await asyncio.gather(first, second, third)
        return seen

    assert asyncio.run(story()) == ["first", "third", "second"]


def test_hold__body_larger_than_the_room__goes_alone() -> None:
    async def story() -> None:
        room = SendingRoom(10)
        async with room.hold(25):
            small = asyncio.create_task(hold_for_a_moment(room))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not small.done()
        await small

    async def hold_for_a_moment(room: SendingRoom) -> None:
        async with room.hold(1):
            pass

    asyncio.run(story())
