"""Ask providers for the receipts of requests that broke off: what was sold is paid, no more.

A buyer who left, a cut line, a gateway that was killed: the money stays held until the provider
shows its receipt (charged, at most the hold), or says that it sold nothing (free). A provider that
says neither is asked again, at the next start too. The text that was sold cannot be compared when
the line was cut; signature, request, voucher and price are.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.forms import parse_receipt_json
from offchain.compute.model import (
    PriceRow,
    SignedReceipt,
    SignedVoucher,
    Voucher,
    price_of,
    request_id,
)
from offchain.compute.signatures import sign_voucher, signer_of
from offchain.core.errors import ApogeeError
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.book_model import Attempt, Close, Floor, LaneKey
from offchain.gateway.compute_metrics import ComputeMetrics
from offchain.gateway.market import Market
from offchain.gateway.sale import Account, Lost, receipt_text
from offchain.gateway.upstream import ProviderUnreachable, Upstream, UpstreamCall
from offchain.node.bounded_answer import json_object
from offchain.node.peer_http import origin_in

PAUSES: Final = (0.05, 0.5, 2.0, 10.0, 30.0)
MOST_BYTES: Final = 65_536
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collector:
    """`ask`: the headers by which a provider lets the payer see a receipt; `floor_of`: a lane, as
    the chain has it.
    """

    desk: BookDesk
    upstream: Upstream
    metrics: ComputeMetrics
    ask: Callable[[Lost, str], dict[str, str]]  # of (request, method and path)
    floor_of: Callable[[LaneKey], Floor]
    pauses: tuple[float, ...] = PAUSES

    async def collect(self, lost: Lost) -> None:
        """Until the provider has said what it sold, or has been asked often enough."""
        nonce, lane = lost.voucher.voucher.nonce, _lane(lost.voucher)
        for pause in self.pauses:
            await asyncio.sleep(pause)
            try:
                signed = await self._receipt(lost)
            except ApogeeError as error:
                log.info("receipt_not_here", extra={"code": error.code})
                continue
            if signed is None:
                await self.desk.close(Close(lane, nonce))
                self.metrics.receipts.labels("unsold").inc()
                return
            price = signed.receipt.price
            text = receipt_text(lost.voucher, signed, None)
            floor = self.floor_of(lane)
            await self.desk.close(Close(lane, nonce, price, lost.request_id, text, floor))
            self.metrics.receipts.labels("recovered").inc()
            return
        self.metrics.receipts.labels("lost").inc()
        log.warning("receipt_lost", extra={"request_id": lost.request_id.hex()})

    async def _receipt(self, lost: Lost) -> SignedReceipt | None:
        """None: nothing was sold. Raises: ProviderUnreachable, UnverifiedAnswer."""
        origin = origin_in(lost.offer.service.endpoint)
        if origin is None:
            return None
        path = "/v1/receipts/0x" + lost.request_id.hex()
        call = UpstreamCall("GET", path, self.ask(lost, f"GET {path}"))
        answer = await self.upstream.open(origin, call)
        raw = await answer.read(MOST_BYTES)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ProviderUnreachable(reason="status", status=answer.status)
        found = json_object(raw)
        signed = parse_receipt_json(found.get("receipt"), found.get("signature"))
        _require_ours(signed, lost)
        return signed


def lost_of(attempt: Attempt, market: Market, account: Account) -> Lost | None:
    """An attempt of an earlier run, with its voucher signed anew; None when its service is gone."""
    offer = market.offer_of(attempt.service)
    if offer is None:
        return None
    voucher = Voucher(
        payer=account.payer,
        provider=attempt.lane.provider,
        service=attempt.service,
        price_version=attempt.price_version,
        token=attempt.lane.token,
        cumulative=attempt.cumulative,
        cap=attempt.cap,
        expiry=attempt.expiry,
        nonce=attempt.nonce,
    )
    signed = sign_voucher(voucher, account.signer, market.domain)
    identity = request_id(voucher.digest(market.domain), attempt.request_hash)
    return Lost(offer, signed, identity, market.domain, attempt.hold)


def _require_ours(signed: SignedReceipt, lost: Lost) -> None:
    """Raises: UnverifiedAnswer unless the receipt is of this request, and within its voucher."""
    receipt, voucher, offer = signed.receipt, lost.voucher.voucher, lost.offer
    row: PriceRow = offer.row
    if signer_of(receipt.digest(lost.domain), signed.signature) != offer.signer:
        raise UnverifiedAnswer(Reason.SIGNATURE_WRONG)
    if receipt.request_id != lost.request_id or receipt.nonce != voucher.nonce:
        raise UnverifiedAnswer(Reason.REQUEST_ID_WRONG)
    if row.version == receipt.price_version:
        counted = price_of(
            row, input_tokens=receipt.input_tokens, output_tokens=receipt.output_tokens
        )
        if receipt.price != counted:
            raise UnverifiedAnswer(Reason.PRICE_WRONG, receipt=receipt.price, formula=counted)
    if receipt.price > lost.hold:
        raise UnverifiedAnswer(Reason.OVER_CAP, price=receipt.price, cap=lost.hold)


def _lane(voucher: SignedVoucher) -> LaneKey:
    return LaneKey(voucher.voucher.provider, voucher.voucher.token)
