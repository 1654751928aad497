"""The second door: a request without a key pays for itself, before it is served.

  verify ─► claim (one row a payment) ─► settle on chain ─► activate ─► serve under a prepaid key

The payment becomes a key whose cap is what was paid: the request is charged to it like any other,
and what is left is credit, `X-Apogee-Credit-Key` of the answer. A payment is claimed once and
activated once, so of N equal requests one is served and the money moves once. A gateway that dies
in between settles and activates when the same request comes again.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from offchain.compute.route import route
from offchain.gateway.access import MADE_PREFIX, digest_of
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.compute_errors import ModelUnknown
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope
from offchain.gateway.market import MarketWatch
from offchain.gateway.options import Order
from offchain.gateway.x402 import (
    Asset,
    Authorization,
    PaymentUsed,
    PaymentWanted,
    binding_of,
    parse_payment,
    require_paid,
    required_header,
    response_header,
)

CREDIT_KEY: Final = "X-Apogee-Credit-Key"
INACTIVE: Final = 0  # `revoked_at` of a key whose payment is not on chain yet


class Facilitator(Protocol):
    """Moves the money of an authorisation; blocking."""

    def settle(self, paid: Authorization) -> bytes:
        """The transaction's hash; the same authorisation moves once, asked however often.

        Raises: PaymentInvalid when the token refuses; Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that is paid for: its prepaid key and the headers of its answer."""

    key: KeyRecord
    headers: dict[str, str]


@dataclass(slots=True)
class PaymentDoor:
    """`chain_now`: in chain time."""

    asset: Asset
    facilitator: Facilitator
    desk: BookDesk
    watch: MarketWatch
    chain_now: Callable[[], int]
    _settling: dict[bytes, asyncio.Lock] = field(default_factory=dict)

    async def price(self, order: Order) -> int:
        """What the request costs at most where it is cheapest. Raises: ModelUnknown."""
        market = await self.watch.now()
        wanted = replace(order.want, token=self.asset.token)
        routed = route(wanted, market.offers, {})
        if not routed.choices:
            raise ModelUnknown(model=order.want.model[:80], reason=str(routed.only_reason()))
        return min(choice.hold for choice in routed.choices)

    def wanted(self, amount: int, url: str) -> tuple[PaymentWanted, dict[str, str]]:
        """The 402 and its header."""
        header = required_header(self.asset, amount, url, "PAYMENT-SIGNATURE header is required")
        return PaymentWanted(amount=amount), {"PAYMENT-REQUIRED": header}

    async def admit(self, header: str, order: Order, *, path: str) -> Admitted:
        """Raises: PaymentMalformed, PaymentInvalid, PaymentUsed, ModelUnknown, Unavailable."""
        paid = parse_payment(header, self.asset)
        require_paid(paid, self.asset, amount=await self.price(order), now=self.chain_now())
        origin = bytes(paid.origin(self.asset))
        lock = self._settling.setdefault(origin, asyncio.Lock())
        try:
            # Who leaves meanwhile does not stop a settlement half way.
            return await asyncio.shield(self._once(lock, paid, origin, order, path))
        finally:
            if not lock.locked():
                self._settling.pop(origin, None)

    async def _once(
        self, lock: asyncio.Lock, paid: Authorization, origin: bytes, order: Order, path: str
    ) -> Admitted:
        binding = binding_of("POST", path, order.body)
        label = f"x402 {binding.hex()[:40]}"
        async with lock:
            record = await self.desk.claim(self._prepaid(paid, label), origin)
            if record.label != label or record.revoked_at != INACTIVE:
                raise PaymentUsed
            transaction = await asyncio.to_thread(self.facilitator.settle, paid)
            key = MADE_PREFIX + secrets.token_hex(32)
            active = await self.desk.activate(origin, digest_of(key))
            if active is None:
                raise PaymentUsed
        told = response_header(self.asset, paid, transaction)
        return Admitted(active, {"PAYMENT-RESPONSE": told, CREDIT_KEY: key})

    def _prepaid(self, paid: Authorization, label: str) -> KeyRecord:
        terms = KeyTerms(frozenset({Scope.COMPUTE}), token=self.asset.token, cap_total=paid.value)
        name = f"p_{secrets.token_hex(6)}"
        return KeyRecord(name, label, terms, self.chain_now(), revoked_at=INACTIVE)
