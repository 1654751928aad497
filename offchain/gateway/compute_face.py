"""What the routes of the compute market stand in front of."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from offchain.compute.asks import ASK_HEADER, ask_header
from offchain.compute.track_record import TrackRecords
from offchain.core.errors import ApogeeError, Unavailable
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.book_model import Close
from offchain.gateway.buy import Buyer
from offchain.gateway.collect import Collector, lost_of
from offchain.gateway.compute_metrics import ComputeMetrics
from offchain.gateway.key_model import KeyRecord
from offchain.gateway.market import Market, MarketWatch
from offchain.gateway.options import Defaults
from offchain.gateway.sale import Account, Lost, Sales
from offchain.gateway.upstream import Upstream
from offchain.gateway.x402 import Asset
from offchain.gateway.x402_door import Facilitator, PaymentDoor
from offchain.node.peer_limits import PeerLimits, PeerRate

MARKET_SECONDS: Final = 3.0  # between looks at the chain
MOST_RATES: Final = 4_096
log = logging.getLogger(__name__)


class MarketAway(Unavailable):
    """There is no compute market on this network."""

    code = "compute.no_market"
    next_step = "Start one with `apogee up`, or point --deployments at a network that has one."


class KeyRates:
    """How often each key may ask."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limits: OrderedDict[str, PeerLimits] = OrderedDict()

    def require(self, key: KeyRecord | None) -> None:
        """Raises: RateLimited."""
        if key is None or key.terms.per_second is None:
            return
        limits = self._limits.get(key.id)
        if limits is None:
            rate = PeerRate(key.terms.per_second, max(1, math.ceil(key.terms.per_second)), 1)
            limits = self._limits[key.id] = PeerLimits(rate, self._clock)
            if len(self._limits) > MOST_RATES:
                self._limits.popitem(last=False)
        limits.require(key.id)


@dataclass(frozen=True, slots=True)
class ComputeParts:
    """What a gateway buys with. `read`: a look at the market, blocking."""

    read: Callable[[], Market]
    account: Account
    desk: BookDesk
    defaults: Defaults = field(default_factory=Defaults)
    upstream: Upstream = field(default_factory=Upstream)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    market_seconds: float = MARKET_SECONDS
    asset: Asset | None = None
    facilitator: Facilitator | None = None


class ComputeFace:
    """Everything that a route of the compute market may use."""

    def __init__(self, parts: ComputeParts) -> None:
        self._parts = parts
        self._tasks: set[asyncio.Task[None]] = set()
        self.desk = parts.desk
        self.defaults = parts.defaults
        self.metrics = ComputeMetrics()
        self.rates = KeyRates(parts.clock)
        self.records = TrackRecords(parts.clock)
        self.watch = MarketWatch(
            parts.read, every_seconds=parts.market_seconds, wall=parts.wall, monotonic=parts.clock
        )
        self.door: PaymentDoor | None = None
        if parts.asset is not None and parts.facilitator is not None:
            self.door = PaymentDoor(
                parts.asset, parts.facilitator, parts.desk, self.watch, lambda: int(parts.wall())
            )
        floor_of = self.watch.floor_of
        self.collector = Collector(parts.desk, parts.upstream, self.metrics, self._ask, floor_of)
        sales = Sales(
            parts.desk, parts.upstream, parts.account, self.watch.chain_time, self._lost, floor_of
        )
        self.buyer = Buyer(self.watch, sales, self.records, self.metrics, parts.clock)

    def start(self) -> None:
        self.watch.start()
        self.background(self._collect_unfinished())

    async def stop(self) -> None:
        """Let what is being written down end; what is still asked for waits for the next start."""
        await self.watch.stop()
        waiting = [task for task in self._tasks if task.get_name() == "collect"]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._parts.upstream.close()
        await self.desk.stop()

    async def settled(self) -> None:
        """Everything that was asked of the book until now is written down."""
        tasks = [task for task in self._tasks if task.get_name() != "collect"]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.desk.flush()

    def background(self, work: Awaitable[None], name: str = "settle") -> None:
        """Go on with it after the answer."""
        task = asyncio.ensure_future(_told(work))
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost(self, lost: Lost) -> None:
        self.background(self.collector.collect(lost), "collect")

    def _ask(self, lost: Lost, target: str) -> dict[str, str]:
        now = int(self._parts.wall())
        signer, provider = self._parts.account.signer, lost.offer.service.provider
        return {ASK_HEADER: ask_header(signer, provider, now, target)}

    async def _collect_unfinished(self) -> None:
        unfinished = await self.desk.unfinished()
        if not unfinished:
            return
        market = await self.watch.now()
        for attempt in unfinished:
            lost = lost_of(attempt, market, self._parts.account)
            if lost is None:  # the service is gone: nobody will ever show a receipt for it
                await self.desk.close(Close(attempt.lane, attempt.nonce))
            else:
                self._lost(lost)


async def _told(work: Awaitable[None]) -> None:
    """Work that nobody waits for; its failure is told, and the book keeps what is held."""
    try:
        await work
    except ApogeeError as error:
        log.warning("work_failed", extra={"code": error.code})
