"""Whether a voucher pays for a request: signed by whom, for what, until when, from which purse.

Everything is looked at again for each request, from what the chain said seconds ago. A purse that
seems too small is read again before the request is refused, so a deposit counts at once.
Source: docs/protocol/compute.md#provider.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from offchain.compute.errors import (
    BucketLow,
    DelegateSpent,
    DepositEmpty,
    NonceUsed,
    ProviderFull,
    TokenNotAccepted,
    VoucherCapLow,
    VoucherExpired,
    VoucherMalformed,
    VoucherRejected,
)
from offchain.compute.model import PriceRow, SignedVoucher
from offchain.compute.ports import Bucket, Delegate, EscrowLedger
from offchain.compute.reserve import Line, ReservationBook, Wish
from offchain.compute.signatures import signer_of
from offchain.compute.terms_watch import Terms, TermsWatch

_KEPT: Final = 4_096  # purses and delegates remembered


@dataclass(frozen=True, slots=True)
class AdmitRules:
    """`settle_seconds`: how long a voucher must last, twice the time between settlements.

    `purse_seconds`: how old what the chain said of a purse may be, well below the time that a
    withdrawal takes. `full_permille`: how much of what the stake covers may be promised.
    """

    settle_seconds: int = 3_600
    purse_seconds: int = 60
    full_permille: int = 900


@dataclass(frozen=True, slots=True)
class Payment:
    """A voucher that holds, and under which row; `delegate` None: the payer signed."""

    voucher: SignedVoucher
    terms: Terms
    row: PriceRow
    digest: bytes
    delegate: Delegate | None


class Admit:
    """Checks vouchers and reserves requests."""

    def __init__(
        self,
        escrow: EscrowLedger,
        watch: TermsWatch,
        book: ReservationBook,
        rules: AdmitRules | None = None,
    ) -> None:
        self._escrow = escrow
        self._watch = watch
        self._book = book
        self._rules = rules or AdmitRules()
        self._domain = b""
        self._purses: dict[tuple[bytes, bytes], int] = {}
        self._delegates: dict[tuple[bytes, bytes], tuple[int, Delegate | None]] = {}

    async def domain(self) -> bytes:
        """The EIP-712 domain separator of vouchers and receipts."""
        if not self._domain:
            self._domain = await asyncio.to_thread(self._escrow.domain)
        return self._domain

    def terms(self, service: bytes) -> Terms:
        """The terms of one of our services. Raises: TermsUnread, VoucherRejected."""
        return self._watch.terms(service)

    async def check(self, signed: SignedVoucher) -> Payment:
        """What a voucher pays for.

        Raises: VoucherRejected, VoucherMalformed, ServiceNotServing, TermsUnread, PaymentRefused.
        """
        voucher = signed.voucher
        terms = self._watch.serving(voucher.service)
        now, grace = self._watch.time.now(), self._watch.reading().grace_seconds
        if voucher.provider != terms.service.provider:
            raise VoucherRejected(reason="provider")
        row = terms.row(voucher.price_version, now=now, grace_seconds=grace)
        if voucher.token != row.token:
            raise TokenNotAccepted(named=voucher.token.hex(), accepted=row.token.hex())
        until = now + self._rules.settle_seconds
        if voucher.expiry < until:
            raise VoucherExpired(expiry=voucher.expiry, needed=until)
        if voucher.nonce == 0 or voucher.cumulative > voucher.cap:
            raise VoucherMalformed(nonce=voucher.nonce, cap=voucher.cap)
        digest = voucher.digest(await self.domain())
        delegate = await self._signer(signed, digest)
        return Payment(signed, terms, row, digest, delegate)

    async def reserve(self, payment: Payment, request_id: bytes, hold: int) -> Line:
        """Reserve a request, with a fresh look at the purse if it seems too small.

        Raises: as `ReservationBook.reserve`, and ProviderFull.
        """
        voucher = payment.voucher.voucher
        await self._look(voucher.payer, voucher.provider, voucher.token)
        if self._book.line(request_id) is None:
            self._require_room(payment, hold)
        wish = Wish(request_id, payment.voucher, hold, payment.delegate)
        try:
            return await self._book.reserve(wish)
        except (DepositEmpty, BucketLow, DelegateSpent, VoucherCapLow, NonceUsed):
            await self._look(voucher.payer, voucher.provider, voucher.token, is_fresh=True)
            if payment.delegate is not None:
                again = await self._delegate(voucher.payer, payment.delegate.key, is_fresh=True)
                wish = Wish(request_id, payment.voucher, hold, again or payment.delegate)
            return await self._book.reserve(wish)

    async def acknowledge(self, payment: Payment) -> None:
        """Keep a voucher that came by itself. Raises: VoucherCapLow, NonceUsed."""
        voucher = payment.voucher.voucher
        await self._look(voucher.payer, voucher.provider, voucher.token)
        key = voucher.payer if payment.delegate is None else payment.delegate.key
        await self._book.acknowledge(payment.voucher, key)

    async def _signer(self, signed: SignedVoucher, digest: bytes) -> Delegate | None:
        """None when the payer signed. Raises: VoucherRejected, DelegateSpent."""
        voucher = signed.voucher
        key = signer_of(digest, signed.signature)
        if key == voucher.payer:
            return None
        if key is not None:
            delegate = await self._delegate(voucher.payer, key)
            if delegate is not None:
                self._require_delegate(delegate, signed)
                return delegate
        at = self._watch.reading().at
        takes = self._escrow.takes_signature
        if await asyncio.to_thread(takes, voucher.payer, digest, signed.signature, at=at):
            return None
        raise VoucherRejected(reason="signature")

    def _require_delegate(self, delegate: Delegate, signed: SignedVoucher) -> None:
        voucher = signed.voucher
        if not delegate.serves(voucher.provider, voucher.service, voucher.token):
            raise DelegateSpent(reason="scope")
        until = self._watch.time.now() + self._rules.settle_seconds
        if delegate.is_revoked or delegate.expiry < until:
            raise DelegateSpent(reason="ended", expiry=delegate.expiry, needed=until)

    def _require_room(self, payment: Payment, hold: int) -> None:
        """Raises: ProviderFull when the stake could not cover this besides all that is open."""
        token = payment.voucher.voucher.token
        room = self._watch.reading().rooms.get(token, 0) * self._rules.full_permille // 1_000
        promised = self._book.promised(token)
        if promised + hold > room:
            raise ProviderFull(room=room, promised=promised, needed=hold)

    async def _look(
        self, payer: bytes, provider: bytes, token: bytes, *, is_fresh: bool = False
    ) -> None:
        """Let the book know the payer's bucket as of now."""
        now = self._watch.time.now()
        seen = self._purses.get((payer, token))
        if seen is not None and not is_fresh and now - seen < self._rules.purse_seconds:
            return
        bucket: Bucket = await asyncio.to_thread(self._read_bucket, payer, provider, token)
        self._book.observe(payer, token, bucket)
        if len(self._purses) >= _KEPT:
            self._purses.clear()
        self._purses[payer, token] = now

    def _read_bucket(self, payer: bytes, provider: bytes, token: bytes) -> Bucket:
        head = self._escrow.head()
        return self._escrow.bucket(payer, provider, token, at=head.hash)

    async def _delegate(
        self, payer: bytes, key: bytes, *, is_fresh: bool = False
    ) -> Delegate | None:
        now = self._watch.time.now()
        seen = self._delegates.get((payer, key))
        if seen is not None and not is_fresh and now - seen[0] < self._rules.purse_seconds:
            return seen[1]
        found = await asyncio.to_thread(self._read_delegate, payer, key)
        if len(self._delegates) >= _KEPT:
            self._delegates.clear()
        self._delegates[payer, key] = now, found
        return found

    def _read_delegate(self, payer: bytes, key: bytes) -> Delegate | None:
        return self._escrow.delegate(payer, key, at=self._escrow.head().hash)
