"""A look asked for begins after it was asked for, and callers share it."""

import asyncio
import threading
from dataclasses import dataclass, field

from offchain.gateway.market import Market, MarketWatch

PATIENCE_SECONDS = 30


@dataclass
class Chain:
    """Reads its head when a look begins; the first look is held until it is let go."""

    head: int = 1
    begun: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    reads: int = 0

    def read(self) -> Market:
        self.reads += 1
        block = self.head
        self.begun.set()
        assert self.let_go.wait(PATIENCE_SECONDS)
        return Market(block, time=0, read_at=0, domain=b"", grace_seconds=0, offers=())


def test_look__asked_during_another__sees_what_happened_before_it_was_asked() -> None:
    async def story() -> tuple[list[int], int]:
        chain = Chain()
        watch = MarketWatch(chain.read, every_seconds=PATIENCE_SECONDS)
        first = asyncio.create_task(watch.look())
        await asyncio.to_thread(chain.begun.wait, PATIENCE_SECONDS)
        chain.head = 2  # somebody pays
        later = [asyncio.create_task(watch.look()) for _ in range(3)]
        await asyncio.sleep(0)
        chain.let_go.set()
        blocks = [one.block for one in await asyncio.gather(first, *later)]
        assert (await watch.now()).block == 2
        await watch.stop()
        return blocks, chain.reads

    blocks, reads = asyncio.run(story())

    assert blocks == [1, 2, 2, 2]
    assert reads == 2
