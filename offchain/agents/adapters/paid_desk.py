"""The desk of an agent that sells work: what it offers to who asks, its work to who pays."""

import json
from dataclasses import dataclass

from offchain.agents.envelope import NO_VOUCHER, Envelope
from offchain.agents.runtime_errors import EnvelopeRefused
from offchain.compute.answers import Route
from offchain.compute.forms import parse_voucher_header
from offchain.compute.model import request_hash, request_id
from offchain.compute.serve import Serve


@dataclass(frozen=True, slots=True)
class PaidDesk:
    """A `Desk` over a provider's `Serve`; `domain`: of the escrow, which vouchers are signed in."""

    serve: Serve
    service: bytes
    domain: bytes

    async def admit(self, one: Envelope, voucher: str) -> None:
        """Who names a request without paying for one has paid for that one.

        Raises: EnvelopeRefused, ReceiptUnknown, AskRejected.
        """
        if voucher and one.voucher == NO_VOUCHER:
            raise EnvelopeRefused(reason="voucher")
        if not voucher and one.voucher != NO_VOUCHER:
            await self.serve.receipt(one.voucher, one.sender)
        if voucher and parse_voucher_header(voucher).voucher.service != self.service:
            raise EnvelopeRefused(reason="service")

    async def answer(self, one: Envelope, body: bytes, voucher: str) -> bytes:
        """Raises: EnvelopeRefused, and what `Serve.text` raises."""
        if not voucher:
            return json.dumps({"service": "0x" + self.service.hex(), "pay": "voucher"}).encode()
        signed = parse_voucher_header(voucher)
        identity = request_id(signed.voucher.digest(self.domain), request_hash(body))
        if identity != one.voucher:
            raise EnvelopeRefused(reason="voucher")
        _, answer = await self.serve.text(Route.CHAT, body, signed)
        return await answer.whole()
