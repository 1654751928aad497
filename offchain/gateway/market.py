"""The compute market as the chain had it at one block, read again now and then.

Everything of one market comes from one block: services, price rows, levels, and what the gateway's
account has with each provider.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.chain.model import Block
from offchain.compute.errors import PriceUnknown
from offchain.compute.model import Service
from offchain.compute.ports import Delegate, EscrowLedger, ServiceLedger
from offchain.compute.private_keys import EvidenceLedger, NoEvidence, attestation_of
from offchain.compute.route import Offer
from offchain.compute.verify import Facts
from offchain.core.errors import ApogeeError
from offchain.gateway.book_model import Allowance, Floor, LaneKey

MOST_SERVICES: Final = 1_024
RENEWED_SECONDS: Final = 330  # the longest answer, and a look
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Market:
    """One look. `time`: the block's; `read_at`: on the machine's monotonic clock; `renewed`: by
    signer, evidence that was live at looks of the last minutes.
    """

    block: int
    time: int
    read_at: float
    domain: bytes
    grace_seconds: int
    offers: tuple[Offer, ...]
    floors: Mapping[LaneKey, Floor] = field(default_factory=dict)
    allowance: Allowance | None = None
    renewed: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)

    def facts(self, offer: Offer, now: int) -> Facts:
        """What an answer of this service is verified against."""
        return Facts(
            block=self.block,
            now=now,
            domain=self.domain,
            service=offer.service,
            row=offer.row,
            signer=offer.signer,
            verifiability=offer.verifiability,
            grace_seconds=self.grace_seconds,
            attestation_id=offer.attestation_id,
            renewed=self.renewed.get(offer.signer, frozenset()),
        )

    def offer_of(self, service: bytes) -> Offer | None:
        return next((one for one in self.offers if one.service.id == service), None)


@dataclass(frozen=True, slots=True)
class MarketSource:
    """Where a market is read. `payer`: whose deposits; `names`: of models, by their hash;
    `evidence`: of the services' signers; `delegate`: the key that signs, if it is not the payer's.
    """

    services: ServiceLedger
    escrow: EscrowLedger
    payer: bytes
    names: Mapping[bytes, str] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic
    evidence: EvidenceLedger = field(default_factory=NoEvidence)
    seen: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    delegate: bytes | None = None

    def read(self) -> Market:
        """At the newest block; blocking. Raises: Unavailable when no node answers."""
        head = self.services.head()
        at = head.hash
        listed = self.services.services(at=at)[:MOST_SERVICES]
        floors: dict[LaneKey, Floor] = {}
        offers = [offer for one in listed if (offer := self._offer(one, head, floors)) is not None]
        allowance = None
        if self.delegate is not None:
            key = self.escrow.delegate(self.payer, self.delegate, at=at)
            offers = [one for one in offers if key is None or _may_pay(key, one)]
            allowance = _allowance(key, floors, head.timestamp)
        return Market(
            block=head.number,
            time=head.timestamp,
            read_at=self.monotonic(),
            domain=self.escrow.domain(),
            grace_seconds=self.escrow.price_grace_seconds(),
            offers=tuple(offers),
            floors=floors,
            allowance=allowance,
            renewed=self._remembered(offers, head.timestamp),
        )

    def _remembered(self, offers: Sequence[Offer], now: int) -> Mapping[bytes, frozenset[bytes]]:
        """Evidence by signer, of answers that may still be on their way."""
        for offer in offers:
            if any(offer.attestation_id):
                self.seen.setdefault(offer.signer, {})[offer.attestation_id] = now
        for signer, known in list(self.seen.items()):
            left = {one: at for one, at in known.items() if now - at <= RENEWED_SECONDS}
            self.seen[signer] = left
            if not left:
                del self.seen[signer]
        return {signer: frozenset(known) for signer, known in self.seen.items()}

    def _offer(self, service: Service, head: Block, floors: dict[LaneKey, Floor]) -> Offer | None:
        """None for a service that has no price yet."""
        at = head.hash
        try:
            row = self.services.price_row(service.id, service.price_version, at=at)
        except PriceUnknown:
            return None
        lane = LaneKey(service.provider, row.token)
        if lane not in floors:
            bucket = self.escrow.bucket(self.payer, lane.provider, lane.token, at=at)
            floors[lane] = Floor(bucket.spent, bucket.last_nonce, bucket.available)
        return Offer(
            service=service,
            row=row,
            verifiability=self.services.verifiability_of(service.id, at=at),
            signer=service.signer,
            is_serving=self.services.is_serving(service.id, at=at),
            names=names_of(service, self.names.get(service.model_hash)),
            covered=floors[lane].available,
            attestation_id=attestation_of(
                self.evidence.live(service.signer, head.timestamp, at=at), service.id
            ),
        )


class MarketWatch:
    """The newest look; `wall`: the machine's clock, in Unix seconds."""

    def __init__(
        self,
        read: Callable[[], Market],
        *,
        every_seconds: float,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._every = every_seconds
        self._wall = wall
        self._monotonic = monotonic
        self._market: Market | None = None
        self._looking: asyncio.Task[Market] | None = None
        self._next: asyncio.Task[Market] | None = None
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        for task in (self._loop, self._looking, self._next):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def now(self) -> Market:
        """The newest look; the first is waited for. Raises: Unavailable without a chain."""
        return self._market or await self.look()

    def floor_of(self, lane: LaneKey) -> Floor:
        """What the newest look says of a lane; nothing before the first."""
        return Floor() if self._market is None else self._market.floors.get(lane, Floor())

    async def look(self) -> Market:
        """Look anew, at a block read after this call. Raises: Unavailable.

        A look under way may have begun before what the caller has just paid or heard of; whoever
        comes during it shares the one after.
        """
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            return await asyncio.shield(self._looking)
        if self._next is None:
            self._next = asyncio.create_task(self._look_after(self._looking))
        return await asyncio.shield(self._next)

    def chain_time(self, market: Market) -> int:
        """Now, in chain time: an idle chain's newest block is older than the machine's clock."""
        passed = self._monotonic() - market.read_at
        return int(max(market.time + passed, self._wall()))

    async def _look(self) -> Market:
        try:
            self._market = await asyncio.to_thread(self._read)
        finally:
            if self._looking is asyncio.current_task():
                self._looking = None
        return self._market

    async def _look_after(self, former: asyncio.Task[Market]) -> Market:
        await asyncio.gather(former, return_exceptions=True)
        self._looking, self._next = self._next, None
        return await self._look()

    async def _look_on(self) -> None:
        while True:
            try:
                await self.look()
            except ApogeeError as error:
                log.warning("market_not_read", extra={"code": error.code})
            await asyncio.sleep(self._every)


def names_of(service: Service, name: str | None) -> frozenset[str]:
    """What a request may call the model: its known name, its hash, or the service's id.

    A name comes from this side's own table of hashes, never from the provider.
    """
    names = {"0x" + service.model_hash.hex(), "0x" + service.id.hex()}
    return frozenset(names | ({name.lower()} if name else set()))


def _may_pay(key: Delegate, offer: Offer) -> bool:
    return key.serves(offer.service.provider, offer.service.id, offer.row.token)


def _allowance(key: Delegate | None, floors: Mapping[LaneKey, Floor], now: int) -> Allowance:
    """Of no key, a revoked one, or one whose time is over: nothing."""
    if key is None or key.is_revoked or key.expiry <= now:
        return Allowance(0, {})
    settled = {lane: floor.spent for lane, floor in floors.items() if lane.token == key.token}
    return Allowance(key.cap - key.spent, settled)
