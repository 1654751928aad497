"""One request at one provider: hold money and a nonce, send, verify, settle.

  OPEN ─ answer verified ─► DONE, its price charged         OPEN ─ refused before it ran ─► FAILED
    └ broke off, or proves nothing ─► asked for its receipt (collect.py); until then the hold stays

The body goes out as it came in and the answer is handed on as it came, so the hashes of the receipt
hold for the buyer as they do here.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from offchain.compute.answers import Route
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.forms import VOUCHER_HEADER, receipt_json, show, voucher_header, voucher_json
from offchain.compute.model import (
    Level,
    SignedReceipt,
    SignedVoucher,
    Voucher,
    request_hash,
    request_id,
)
from offchain.compute.route import Choice, Offer
from offchain.compute.signatures import DigestSigner
from offchain.compute.verify import Exchange, Facts, Policy, Verified, verify
from offchain.core.errors import ApogeeError
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.book_model import Close, Floor, LaneKey, Open
from offchain.gateway.compute_errors import NobodyServes, ProviderRefused
from offchain.gateway.market import Market
from offchain.gateway.options import Order
from offchain.gateway.upstream import (
    ProviderUnreachable,
    Unsent,
    Upstream,
    UpstreamAnswer,
    UpstreamCall,
)
from offchain.node.bounded_answer import json_object
from offchain.node.peer_http import origin_in

PATHS: Final[Mapping[Route, str]] = {
    Route.CHAT: "/v1/chat/completions",
    Route.COMPLETION: "/v1/completions",
    Route.EMBEDDING: "/v1/embeddings",
}
VOUCHER_SECONDS: Final = 86_400  # a later voucher replaces it long before
MOST_REFUSAL_BYTES: Final = 16_384
LONGEST_WAIT: Final = 600
MOST_WAIT_DIGITS: Final = 9
log = logging.getLogger(__name__)


class ProviderBusy(NobodyServes):
    """The provider does not take the request now."""

    code = "compute.provider_busy"


class ProviderUnpaid(NobodyServes):
    """The provider wants another payment than the gateway made; `reason` is its word for it."""

    code = "compute.provider_unpaid"
    next_step = "Look at the gateway's deposits: `apogee compute balance`."


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays providers: `payer`'s deposits, by the key of the payer or of his delegate."""

    payer: bytes
    signer: DigestSigner


@dataclass(frozen=True, slots=True)
class Sale:
    """A request that is under way at a provider."""

    order: Order
    choice: Choice
    voucher: SignedVoucher
    request_id: bytes
    answer: UpstreamAnswer = field(repr=False)

    @property
    def lane(self) -> LaneKey:
        return lane_of(self.choice)

    def verify(self, raw: bytes, facts: Facts) -> Verified:
        """Raises: UnverifiedAnswer."""
        want = self.order.want
        policy = Policy(Level(want.min_level), allow_simulated=want.is_simulated_allowed)
        order = self.order
        exchange = Exchange(order.route, order.body, raw, self.voucher, generation=order.generation)
        verified = verify(exchange, facts, policy)
        price = verified.receipt.price
        if price > self.choice.hold:  # the cap has room for other requests too; this one does not
            raise UnverifiedAnswer(Reason.OVER_CAP, price=price, cap=self.choice.hold)
        return verified


@dataclass(frozen=True, slots=True)
class Lost:
    """A request whose answer broke off: only its receipt says what was sold."""

    offer: Offer
    voucher: SignedVoucher
    request_id: bytes
    domain: bytes
    hold: int


@dataclass(frozen=True, slots=True)
class Sales:
    """Opens sales; `chain_time`: now, as the chain would say; `floor_of`: a lane, as it has it."""

    desk: BookDesk
    upstream: Upstream
    account: Account
    chain_time: Callable[[Market], int]
    lost: "Callable[[Lost], None]"
    floor_of: Callable[[LaneKey], Floor]

    async def open(self, order: Order, choice: Choice, market: Market) -> Sale:
        """The provider has taken the request. Where this raises nothing is held, unless nobody
        knows whether the provider did: then its receipt is asked for.

        Raises: KeyCapReached, BucketLow, ProviderRefused, ProviderBusy, ProviderUnpaid,
        ProviderUnreachable.
        """
        offer, lane = choice.offer, lane_of(choice)
        hashed = request_hash(order.body)
        opened = await self.desk.open(
            Open(
                lane=lane,
                floor=market.floors[lane],
                hold=choice.hold,
                service=offer.service.id,
                price_version=offer.row.version,
                expiry=self.chain_time(market) + VOUCHER_SECONDS,
                request_hash=hashed,
                key=None if order.key is None else order.key.id,
                allowance=market.allowance,
            )
        )
        voucher = Voucher(
            payer=self.account.payer,
            provider=offer.service.provider,
            service=offer.service.id,
            price_version=offer.row.version,
            token=offer.row.token,
            cumulative=opened.cumulative,
            cap=opened.cap,
            expiry=opened.expiry,
            nonce=opened.nonce,
        )
        digest = voucher.digest(market.domain)
        signed = SignedVoucher(voucher, self.account.signer.sign_digest(digest))
        identity = request_id(digest, hashed)
        try:
            answer = await self._send(order, choice, signed)
        except (Unsent, ProviderRefused, NobodyServes):
            await self.desk.close(Close(lane, opened.nonce))
            raise
        except BaseException:
            self.lost(Lost(choice.offer, signed, identity, market.domain, choice.hold))
            raise
        return Sale(order, choice, signed, identity, answer)

    def give_up(self, sale: Sale, market: Market) -> None:
        """Hang up on a sale; what the provider has sold of it, its receipt will say."""
        sale.answer.abort()
        choice = sale.choice
        self.lost(Lost(choice.offer, sale.voucher, sale.request_id, market.domain, choice.hold))

    def refuse(self, sale: Sale) -> None:
        """An answer that proves nothing is not paid for."""
        self.desk.close_soon(Close(sale.lane, sale.voucher.voucher.nonce))

    def settle(self, sale: Sale, verified: Verified) -> None:
        """Charge what the receipt says, within a moment."""
        text = receipt_text(sale.voucher, verified.signed, verified)
        price = verified.receipt.price
        nonce = sale.voucher.voucher.nonce
        floor = self.floor_of(sale.lane)
        self.desk.close_soon(Close(sale.lane, nonce, price, sale.request_id, text, floor))

    async def _send(self, order: Order, choice: Choice, signed: SignedVoucher) -> UpstreamAnswer:
        origin = origin_in(choice.offer.service.endpoint)
        if origin is None:
            raise Unsent(reason="endpoint")
        headers = {"Content-Type": "application/json", VOUCHER_HEADER: voucher_header(signed)}
        call = UpstreamCall("POST", PATHS[order.route], headers, order.body)
        answer = await self.upstream.open(origin, call)
        if answer.status != 200:
            raise _refusal(answer, await answer.read(MOST_REFUSAL_BYTES))
        return answer


def lane_of(choice: Choice) -> LaneKey:
    """Whom a choice is paid to, in which token."""
    return LaneKey(choice.offer.service.provider, choice.offer.row.token)


def receipt_text(voucher: SignedVoucher, signed: SignedReceipt, verified: Verified | None) -> str:
    """What the book keeps of a receipt, as JSON; without checks it was taken from the provider."""
    kept: dict[str, object] = {
        "receipt": receipt_json(signed.receipt),
        "signature": show(signed.signature),
        "voucher": voucher_json(voucher.voucher),
        "voucher_signature": show(voucher.signature),
    }
    if verified is not None:
        kept["checks"] = [{"name": one.name, "detail": one.detail} for one in verified.checks]
        kept["not_proven"] = list(verified.not_proven)
        kept["level"] = verified.verifiability.level.name
        kept["simulated"] = verified.verifiability.is_simulated
    return json.dumps(kept, separators=(",", ":"))


def _refusal(answer: UpstreamAnswer, raw: bytes) -> ApogeeError:
    """What the provider says; who is wrong decides who may be asked next."""
    error = json_object(raw).get("error")
    told = error if isinstance(error, dict) else {}
    code, message = (str(told.get(name, ""))[:200] for name in ("code", "message"))
    if answer.status == 402:
        return ProviderUnpaid(reason=code)
    if answer.status in (429, 503):
        return ProviderBusy(remote_code=code, retry_after=_seconds(answer.headers))
    if 400 <= answer.status < 500 and answer.status != 409:
        return ProviderRefused(f"The provider says: {message}" if message else "", remote_code=code)
    return ProviderUnreachable(reason="status", status=answer.status, remote_code=code)


def _seconds(headers: Mapping[str, str]) -> int:
    text = headers.get("retry-after", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= MOST_WAIT_DIGITS
    return min(int(text), LONGEST_WAIT) if is_number else 1
