"""DAEntrance without a chain: the state of every blob and who owns the money, exact to the wei.

The tests run it beside the contract; a client may run it over events to audit one.
Source: docs/protocol/da.md#life-of-a-blob.
"""

from dataclasses import dataclass, field, replace

from offchain.core.units import Seconds, Wei, share_bps
from offchain.da.model import TREASURY_BPS, BlobState, Terms, Windows, fee_wei
from offchain.da.reverts import (
    AlreadyPaid,
    CertificateLate,
    NothingToWithdraw,
    NotPaid,
    NotVoidable,
    PaymentInvalid,
    PaymentsPaused,
    PoolTooSmall,
    RefundEarly,
)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One blob's money; `fee` is what was paid for it."""

    state: BlobState
    payer: bytes
    fee: Wei
    deadline: Seconds
    expiry: Seconds


@dataclass(slots=True)
class FeeLedger:
    """Entries by blob id and credits by account; nothing else is owed to anybody."""

    terms: Terms
    windows: Windows
    treasury: bytes
    is_paused: bool = False
    entries: dict[bytes, LedgerEntry] = field(default_factory=dict)
    credits: dict[bytes, int] = field(default_factory=dict)
    earned: int = 0
    collected: int = 0
    rewarded: int = 0
    deposited: int = 0
    withdrawn: int = 0

    def pay(
        self, blob_id: bytes, payer: bytes, *, length: int, days: int, value: int, now: int
    ) -> None:
        """Raises: PaymentsPaused, FeeInvalid, PaymentInvalid, AlreadyPaid."""
        if self.is_paused:
            raise PaymentsPaused
        fee = fee_wei(length, days, self.terms)
        if value < fee:
            raise PaymentInvalid(fee=fee, value=value)
        if blob_id in self.entries:
            raise AlreadyPaid(blob_id=blob_id.hex())
        self.entries[blob_id] = LedgerEntry(
            BlobState.PAID,
            payer,
            fee,
            Seconds(now + self.windows.confirm),
            Seconds(now + days * self.windows.day),
        )
        self.deposited += value
        self._credit(payer, value - fee)

    def confirm(self, blob_id: bytes, *, now: int) -> None:
        """A certificate that the contract found valid. Raises: NotPaid, CertificateLate."""
        entry = self._paid(blob_id)
        if now > entry.deadline:
            raise CertificateLate(deadline=entry.deadline, now=now)
        self.entries[blob_id] = replace(entry, state=BlobState.CONFIRMED)
        self.earned += entry.fee

    def refund(self, blob_id: bytes, *, now: int) -> None:
        """Raises: NotPaid, RefundEarly."""
        entry = self._paid(blob_id)
        if now <= entry.deadline:
            raise RefundEarly(deadline=entry.deadline, now=now)
        self.entries[blob_id] = replace(entry, state=BlobState.REFUNDED)
        self._credit(entry.payer, entry.fee)

    def void(self, blob_id: bytes) -> None:
        """What is held goes back, what was earned stays. Raises: NotVoidable."""
        entry = self.entries.get(blob_id)
        if entry is None or entry.state not in {BlobState.PAID, BlobState.CONFIRMED}:
            raise NotVoidable(blob_id=blob_id.hex())
        self.entries[blob_id] = replace(entry, state=BlobState.VOID)
        if entry.state is BlobState.PAID:
            self._credit(entry.payer, entry.fee)

    def reward(self, account: bytes, amount: int) -> None:
        """Out of the pool. Raises: PoolTooSmall."""
        if amount > self.reward_pool:
            raise PoolTooSmall(pool=self.reward_pool, amount=amount)
        self.rewarded += amount
        self._credit(account, amount)

    def collect(self) -> int:
        """Credit the Treasury's share of all that was earned so far."""
        amount = share_bps(self.earned, TREASURY_BPS) - self.collected
        self.collected += amount
        self._credit(self.treasury, amount)
        return amount

    def withdraw(self, account: bytes) -> int:
        """Raises: NothingToWithdraw."""
        amount = self.credits.pop(account, 0)
        if amount == 0:
            raise NothingToWithdraw(account=account.hex())
        self.withdrawn += amount
        return amount

    @property
    def held(self) -> int:
        paid = (entry for entry in self.entries.values() if entry.state is BlobState.PAID)
        return sum(entry.fee for entry in paid)

    @property
    def reward_pool(self) -> int:
        return self.earned - share_bps(self.earned, TREASURY_BPS) - self.rewarded

    @property
    def balance(self) -> int:
        """What the contract must have: everything that came in and did not go out."""
        return self.deposited - self.withdrawn

    @property
    def owed(self) -> int:
        """What somebody owns of the balance; equal to it."""
        uncollected = share_bps(self.earned, TREASURY_BPS) - self.collected
        return self.held + self.reward_pool + uncollected + sum(self.credits.values())

    def is_available(self, blob_id: bytes, *, now: int) -> bool:
        entry = self.entries.get(blob_id)
        return entry is not None and entry.state is BlobState.CONFIRMED and now < entry.expiry

    def _paid(self, blob_id: bytes) -> LedgerEntry:
        entry = self.entries.get(blob_id)
        if entry is None or entry.state is not BlobState.PAID:
            raise NotPaid(blob_id=blob_id.hex())
        return entry

    def _credit(self, account: bytes, amount: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
