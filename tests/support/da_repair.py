"""A quorum that holds blobs and repairs them: nodes that die, come back, leave, lie and repair."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from offchain.core.layout import N
from offchain.da.adapters.lying_server import Lie, LyingServer
from offchain.da.adapters.memory_departures import MemoryDepartures
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.duties import Duties
from offchain.da.errors import Bottom
from offchain.da.fetch import FetchRules
from offchain.da.model import BlobState
from offchain.da.repair import RepairBlobs, RepairParts, RepairReport, RepairRules
from offchain.da.retrieve import RetrievalRules, Retrieved
from offchain.da.roll_call import Patience
from tests.support.da_network import (
    Site,
    a_disk_node,
    a_node,
    a_site,
    some_bytes,
    the_engine,
)

FETCH = FetchRules(hedge_seconds=5.0, request_seconds=10.0, tries=1, pause_seconds=0.0)
RULES = RepairRules(
    depth=1,
    answer_seconds=100,
    patience=Patience(seconds=600, probes=3),
    blob_seconds=600.0,
    fetch=FETCH,
)
STEP_SECONDS = 300


@dataclass
class Village:
    """Operators 1..n over one memory chain; each has a node and repairs what falls to it."""

    site: Site
    client: MemoryNodeClient
    rules: RepairRules = RULES
    folder: Path | None = None
    departures: MemoryDepartures = field(default_factory=MemoryDepartures)
    repairers: dict[int, RepairBlobs] = field(default_factory=dict)
    bottoms: list[tuple[bytes, Bottom]] = field(default_factory=list)
    _away: dict[int, MemoryNode] = field(default_factory=dict)

    def start(self, operator: int) -> None:
        """A node's process begins: nothing in memory, whatever its store has."""
        node = (
            a_disk_node(self.site, operator, self.folder / str(operator))
            if self.folder
            else a_node(self.site, operator)
        )
        self.client.nodes[endpoint_of(operator)] = node
        self.repairers[operator] = self.repairer(operator)

    def repairer(self, operator: int, rules: RepairRules | None = None) -> RepairBlobs:
        node = self.site.parts[operator]
        parts = RepairParts(
            operator,
            self.site.chain,
            self.departures,
            node.store,
            node.journal,
            self.client,
            the_engine(),
            Random(operator),
        )
        return RepairBlobs(
            parts, rules or self.rules, on_bottom=lambda *found: self.bottoms.append(found)
        )

    def kill(self, *operators: int) -> None:
        """No answers and no repair from these any more."""
        for operator in operators:
            self._away[operator] = self.client.nodes.pop(endpoint_of(operator))

    def revive(self, *operators: int) -> None:
        for operator in operators:
            self.client.nodes[endpoint_of(operator)] = self._away.pop(operator)

    def corrupt(self, lie: Lie, *operators: int) -> None:
        """These answer falsely from now on."""
        for operator in operators:
            node = self.client.nodes[endpoint_of(operator)]
            liar = LyingServer(node.serve, lie, slow_seconds=30)
            self.client.nodes[endpoint_of(operator)] = MemoryNode(node.accept, liar)

    def living(self) -> list[int]:
        return [o for o in self.site.secrets if endpoint_of(o) in self.client.nodes]

    async def publish(self, payload: bytes, *, salt: bytes = bytes(32), days: int = 1) -> bytes:
        done = await self.site.disperse_with(self.client).disperse(payload, days=days, salt=salt)
        self.site.chain.mine(2)
        return done.blob_id

    async def turn(self, turns: int = 1) -> dict[int, RepairReport]:
        """Let time pass and every living node repair once; the reports of the last turn."""
        reports: dict[int, RepairReport] = {}
        for _ in range(turns):
            self.site.chain.mine(2, seconds=STEP_SECONDS // 2)
            for operator in self.living():
                reports[operator] = await self.repairers[operator].repair()
        return reports

    async def read(self, blob_id: bytes) -> Retrieved:
        rules = RetrievalRules(deadline_seconds=30, fetch=FETCH)
        return await self.site.retrieve_with(self.client, rules=rules).retrieve(blob_id)

    def duties(self, blob_id: bytes) -> Duties:
        view = self.site.chain.view(blob_id, at=self.site.chain.head().block)
        assert view.duties is not None
        assert view.record.state is BlobState.CONFIRMED
        return view.duties

    async def held(self, blob_id: bytes) -> dict[int, frozenset[int]]:
        """The rows in each living node's store."""
        stores = {o: self.site.parts[o].store for o in self.living()}
        return {o: await store.rows_held(blob_id) for o, store in stores.items()}

    async def living_rows(self, blob_id: bytes) -> int:
        held = await self.held(blob_id)
        return len(frozenset().union(*held.values()))


def endpoint_of(operator: int) -> str:
    return f"http://127.0.0.1:{operator}"


def a_village(nodes: int = 8, *, rules: RepairRules = RULES, folder: Path | None = None) -> Village:
    village = Village(a_site(nodes), MemoryNodeClient({}), rules, folder)
    for operator in village.site.secrets:
        village.start(operator)
    return village


def told(nodes: int = 8, *, rules: RepairRules = RULES) -> tuple[Village, bytes, bytes]:
    """A village that holds one confirmed blob; the village, the blob and its payload."""
    village = a_village(nodes, rules=rules)
    payload = some_bytes(5_000)
    blob_id = asyncio.run(village.publish(payload))
    assert asyncio.run(village.living_rows(blob_id)) == N
    return village, blob_id, payload
