"""Buy an answer: the best provider first, the next one while nothing of an answer was passed on.

  whole    verified before a byte of it is passed on; any failure goes on with the next provider
  stream   passed on from the first text; from there on a failure ends it with an error event

The last event of a stream, which carries the receipt, is held back until the whole is verified.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from offchain.compute.answers import error_event
from offchain.compute.errors import BucketLow, DepositEmpty, Reason, UnverifiedAnswer
from offchain.compute.model import Level
from offchain.compute.read_answer import MAX_ANSWER_BYTES
from offchain.compute.route import Choice, Offer, Refusal, Routed, route
from offchain.compute.track_record import TrackRecords
from offchain.compute.verify import Verified
from offchain.core.errors import ApogeeError, Unavailable
from offchain.gateway import book_model
from offchain.gateway.compute_errors import (
    AnswerBroken,
    LevelNotOffered,
    ModelUnknown,
    NobodyServes,
    NothingFits,
)
from offchain.gateway.compute_metrics import ComputeMetrics
from offchain.gateway.market import Market, MarketWatch
from offchain.gateway.options import Order
from offchain.gateway.sale import ProviderUnpaid, Sale, Sales
from offchain.gateway.upstream import ProviderUnreachable

TRIAL_SECONDS: Final = 30.0
EVENT_END: Final = b"\n\n"
# Unescaped quotes stand in no text of an answer, so only the event with the receipt has this.
SEAL_MARK: Final = b'"apogee":{'
DONE_MARK: Final = b"data: [DONE]"
TEXT_MARKS: Final = (b'"content":"', b'"text":"')
# Reasons that a look at the chain just now may explain away.
STALE: Final = frozenset(
    {
        Reason.SIGNATURE_WRONG,
        Reason.LEVEL_WRONG,
        Reason.ROW_NOT_PAYABLE,
        Reason.CLOCK_OFF,
        Reason.ATTESTATION_DEAD,
    }
)
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """A provider that was asked, and how that ended."""

    service: bytes
    outcome: str


@dataclass(frozen=True, slots=True)
class Bought:
    """A verified answer; `raw` as the provider sent it."""

    raw: bytes = field(repr=False)
    request_id: bytes
    service: bytes
    provider: bytes
    price: int
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class BoughtStream:
    """An answer on its way; `events` end with [DONE] or with an error."""

    events: AsyncGenerator[bytes, None]
    request_id: bytes
    service: bytes
    provider: bytes
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class Buyer:
    """Buys for one gateway."""

    watch: MarketWatch
    sales: Sales
    records: TrackRecords
    metrics: ComputeMetrics
    clock: Callable[[], float]

    async def whole(self, order: Order) -> Bought:
        """Raises: ModelUnknown, NothingFits, LevelNotOffered, NobodyServes, BucketLow,
        DepositEmpty, KeyCapReached, ProviderRefused, UnverifiedAnswer.
        """

        async def take(sale: Sale, market: Market, tried: tuple[Tried, ...]) -> Bought:
            began = self.clock()
            raw = await self._read(sale, market)
            verified = await self._verified(sale, raw, market)
            seconds = self.clock() - began
            self.metrics.answer.observe(seconds)
            self.records.served(sale.choice.offer.service.id, seconds)
            self._settle(sale, verified)
            service = sale.choice.offer.service
            price = verified.receipt.price
            return Bought(raw, sale.request_id, service.id, service.provider, price, tried)

        return await self._first(order, take)

    async def stream(self, order: Order) -> BoughtStream:
        """Raises: as `whole`, but no UnverifiedAnswer: the stream ends with it."""

        async def take(sale: Sale, market: Market, tried: tuple[Tried, ...]) -> BoughtStream:
            began = self.clock()
            pieces = sale.answer.pieces()
            start = bytearray()
            try:
                async for piece in pieces:
                    start += piece
                    if _has_text(start):
                        break
            except BaseException:
                self.sales.give_up(sale, market)
                raise
            seconds = self.clock() - began
            self.metrics.first_token.observe(seconds)
            self.records.served(sale.choice.offer.service.id, seconds)
            service = sale.choice.offer.service
            events = self._events(sale, market, bytes(start), pieces)
            await anext(events)  # begun: from here on closing it gives the sale up
            return BoughtStream(events, sale.request_id, service.id, service.provider, tried)

        return await self._first(order, take)

    async def _first(
        self, order: Order, take: Callable[[Sale, Market, tuple[Tried, ...]], Awaitable[T]]
    ) -> T:
        """What the first provider gives that does not fail."""
        market = await self.watch.now()
        routed = self._route(order, market)
        if not routed.choices:
            market = await self.watch.look()  # a deposit or a service may be seconds old
            routed = self._route(order, market)
        if not routed.choices:
            raise self._why_nobody(order, routed, market)
        tried: list[Tried] = []
        last: ApogeeError = NobodyServes()
        for choice in routed.choices if order.may_fall_back else routed.choices[:1]:
            service = choice.offer.service.id
            self.records.began(service, trial_seconds=TRIAL_SECONDS)
            try:
                sale = await self.sales.open(order, choice, market)
                return await take(sale, market, tuple(tried))
            except (Unavailable, UnverifiedAnswer, book_model.BucketLow) as error:
                last = error
                self._note(choice, error)
                tried.append(Tried(service, error.code))
                self.metrics.fallbacks.inc()
            except ApogeeError:
                self.records.refused(service)
                raise
        raise self._after_all(last, tried)

    def _route(self, order: Order, market: Market) -> Routed:
        return route(order.want, market.offers, self.records.all())

    def _why_nobody(self, order: Order, routed: Routed, market: Market) -> ApogeeError:
        reason = routed.only_reason()
        if reason in (None, Refusal.KIND, Refusal.MODEL):
            return ModelUnknown(model=order.want.model[:80], kind=order.want.kind.name)
        if reason is Refusal.DEPOSIT:
            return self._shortest(order, routed, market)
        if reason is Refusal.BROKEN:
            broken = [one for one, why in routed.refused.items() if why is Refusal.BROKEN]
            seconds = min(self.records.blocked_seconds(one) for one in broken)
            return NobodyServes(retry_after=max(1, math.ceil(seconds)))
        assert reason is not None
        if reason in (Refusal.LEVEL, Refusal.SIMULATED):
            wanted = Level(order.want.min_level).name
            return LevelNotOffered(reason=reason.value, wanted=wanted)
        return NothingFits(reason=reason.value, model=order.want.model[:80])

    def _shortest(self, order: Order, routed: Routed, market: Market) -> ApogeeError:
        """The smallest deposit that helps, and with whom."""
        asking = [
            one for one in market.offers if routed.refused.get(one.service.id) is Refusal.DEPOSIT
        ]
        boundless = [_uncovered(one) for one in asking]
        choices = route(order.want, boundless, {}).choices
        best = min(choices, key=lambda one: one.hold - _covered(market, one))
        covered = _covered(market, best)
        kind = BucketLow if covered else DepositEmpty
        return kind(
            provider="0x" + best.offer.service.provider.hex(),
            needed=best.hold,
            missing=best.hold - covered,
            available=covered,
        )

    def _note(self, choice: Choice, error: ApogeeError) -> None:
        service = choice.offer.service.id
        log.info("provider_failed", extra={"service": service.hex(), "code": error.code})
        if isinstance(error, ProviderUnpaid | book_model.BucketLow):
            self.records.refused(service)
            return
        seconds = error.retry_after_seconds if isinstance(error, NobodyServes) else None
        self.records.failed(service, retry_after=seconds)

    def _after_all(self, last: ApogeeError, tried: list[Tried]) -> ApogeeError:
        if isinstance(last, UnverifiedAnswer | book_model.BucketLow):
            return last
        wait = last.retry_after_seconds if isinstance(last, NobodyServes) else 1
        return NobodyServes(
            tried=",".join(f"0x{one.service.hex()}:{one.outcome}" for one in tried[:8]),
            retry_after=max(1, wait),
        )

    async def _read(self, sale: Sale, market: Market) -> bytes:
        try:
            async with asyncio.timeout(self.sales.upstream.limits.total_seconds):
                return await sale.answer.read(MAX_ANSWER_BYTES)
        except TimeoutError as error:
            self.sales.give_up(sale, market)
            raise ProviderUnreachable(reason="slow") from error
        except BaseException:
            self.sales.give_up(sale, market)
            raise

    async def _verified(self, sale: Sale, raw: bytes, market: Market) -> Verified:
        """Raises: UnverifiedAnswer, and the request is not paid for."""
        service = sale.choice.offer.service.id
        try:
            try:
                offer = market.offer_of(service) or sale.choice.offer
                return sale.verify(raw, market.facts(offer, self.watch.chain_time(market)))
            except UnverifiedAnswer as error:
                if error.reason not in STALE:
                    raise
            newer = await self.watch.look()
            offer = newer.offer_of(service) or sale.choice.offer
            return sale.verify(raw, newer.facts(offer, self.watch.chain_time(newer)))
        except UnverifiedAnswer as error:
            self.metrics.receipts.labels("refused").inc()
            log.warning(
                "answer_refused", extra={"service": service.hex(), "why": str(error.reason)}
            )
            self.sales.refuse(sale)
            raise
        except BaseException:  # nobody knows: who looked anew for it has left, or the chain is away
            self.sales.give_up(sale, market)
            raise

    def _settle(self, sale: Sale, verified: Verified) -> None:
        receipt = verified.receipt
        self.metrics.receipts.labels("verified").inc()
        self.metrics.tokens.labels("input").inc(receipt.input_tokens)
        self.metrics.tokens.labels("output").inc(receipt.output_tokens)
        self.sales.settle(sale, verified)

    async def _events(
        self, sale: Sale, market: Market, start: bytes, pieces: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes, None]:
        raw, passed = bytearray(start), 0
        is_over = False
        try:
            yield b""
            async with asyncio.timeout(self.sales.upstream.limits.total_seconds):
                ready = _ready(raw, passed)
                if ready > passed:
                    yield bytes(raw[passed:ready])
                    passed = ready
                async for piece in pieces:
                    raw += piece
                    _require_bounded(raw)
                    ready = _ready(raw, passed)
                    if ready > passed:
                        yield bytes(raw[passed:ready])
                        passed = ready
            is_over = True
            verified = await self._verified(sale, bytes(raw), market)
            self._settle(sale, verified)
            yield bytes(raw[passed:])
        except (Unavailable, TimeoutError, UnverifiedAnswer) as error:
            self.records.failed(sale.choice.offer.service.id)
            if not is_over:
                self.metrics.receipts.labels("cut").inc()
            yield _error(error, sale)
        finally:
            if not is_over:
                self.sales.give_up(sale, market)


def _uncovered(offer: Offer) -> Offer:
    return replace(offer, covered=(1 << 96))


def _covered(market: Market, choice: Choice) -> int:
    found = market.offer_of(choice.offer.service.id)
    return 0 if found is None else found.covered


def _has_text(start: bytearray) -> bool:
    """Whether a whole event with some text, or the end, is here."""
    for event in bytes(start).split(EVENT_END)[:-1]:
        if SEAL_MARK in event or event.startswith(DONE_MARK):
            return True
        for mark in TEXT_MARKS:
            place = event.find(mark)
            if place >= 0 and event[place + len(mark) : place + len(mark) + 1] != b'"':
                return True
    return False


def _ready(raw: bytearray, passed: int) -> int:
    """How far whole events go that say nothing yet of a receipt."""
    place = passed
    while (end := raw.find(EVENT_END, place)) >= 0:
        event = raw[place : end + len(EVENT_END)]
        if SEAL_MARK in event or event.startswith(DONE_MARK):
            return place
        place = end + len(EVENT_END)
    return place


def _require_bounded(raw: bytearray) -> None:
    """Raises: ProviderUnreachable."""
    if len(raw) > MAX_ANSWER_BYTES:
        raise ProviderUnreachable(reason="answer too long", maximum=MAX_ANSWER_BYTES)


def _error(error: Exception, sale: Sale) -> bytes:
    told = error if isinstance(error, UnverifiedAnswer) else AnswerBroken()
    described = told.as_json()
    return error_event(
        {
            "message": str(described["message"]),
            "type": "api_error",
            "code": told.code,
            "param": None,
            "metadata": {
                "limit_source": "provider",
                "next_step": told.next_step,
                "receipt_id": "0x" + sale.request_id.hex(),
            },
        }
    )
