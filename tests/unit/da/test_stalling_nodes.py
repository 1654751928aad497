"""Nodes that take a connection and read nothing never keep the others waiting."""

import asyncio

from offchain.da.adapters.memory_chain import ChainRules
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.authenticate import SignedRequest
from offchain.da.disperse import Dispersed
from offchain.node.body import Body
from tests.support.da_network import a_site, memory_network, some_bytes


class StallingClient(MemoryNodeClient):
    """A client whose `stalled` nodes take the connection and read nothing."""

    def __init__(self, nodes: dict[str, MemoryNode], stalled: set[str]) -> None:
        super().__init__(nodes)
        self.stalled = stalled
        self.taken: list[str] = []

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
    ) -> bytes:
        if endpoint in self.stalled:
            self.taken.append(endpoint)
            await asyncio.Event().wait()
        return await super().send_rows(endpoint, blob_id, request, body)


def test_disperse__nearly_a_third_of_the_nodes_read_nothing__the_others_certify() -> None:
    site = a_site(15, rules=ChainRules(confirm_slices=2_048))
    stalled = {f"http://127.0.0.1:{operator}" for operator in (1, 5, 9, 13)}

    async def story() -> tuple[list[Dispersed], StallingClient]:
        client = StallingClient(memory_network(site).nodes, stalled)
        disperser = site.disperse_with(client)
        async with asyncio.timeout(60):
            blobs = [
                disperser.disperse(some_bytes(5_000, seed=salt), days=1, salt=bytes([salt]) * 32)
                for salt in range(5)
            ]
            return await asyncio.gather(*blobs), client

    done, client = asyncio.run(story())

    assert [len(one.absent) for one in done] == [len(stalled)] * 5
    assert set(client.taken) == stalled
