"""What ComputeEscrow does with money, in Python: the model that the contract is held against.

It knows sums, nonces, times and who signed; signatures themselves and calls of other contracts are
not its matter. Source: docs/protocol/compute.md#escrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.compute.model import MAX_U96
from offchain.compute.ports import SkipReason
from offchain.compute.reverts_compute import (
    BatchNotReleasable,
    DelegateInvalid,
    ExitLocked,
    FundsTooLow,
    PaymentWrong,
)

MAX_LEAVES: Final = 1 << 20
AUDIT_FEE_BPS: Final = 100
BPS: Final = 10_000
STAKE_COVER: Final = 2
RATE_UNIT: Final = 10**18
Money = tuple[bytes, bytes]  # account, token
PurseKey = tuple[bytes, bytes, bytes]  # payer, provider, token


@dataclass(slots=True)
class Purse:
    """One bucket and its exit."""

    balance: int = 0
    spent: int = 0
    last_nonce: int = 0
    exit_amount: int = 0
    exit_at: int = 0


@dataclass(slots=True)
class Key:
    """One delegate of one payer, in one token, for any provider and service."""

    token: bytes
    cap: int
    expiry: int
    spent: int = 0
    is_revoked: bool = False


@dataclass(slots=True)
class Held:
    """One batch."""

    token: bytes
    total: int
    value: int
    release_at: int
    held: int
    open_cases: int = 0
    fee: int = 0
    is_released: bool = False
    refunded: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Presented:
    """One item as the provider presents it; `signer` None: nobody's signature."""

    payer: bytes
    signer: bytes | None
    cumulative: int
    cap: int
    expiry: int
    nonce: int
    claim: int
    first_nonce: int
    last_nonce: int
    leaf_count: int
    is_payable: bool = True


@dataclass(frozen=True, slots=True)
class BookWindows:
    """Seconds."""

    dispute: int
    withdraw_lock: int
    delegate_grace: int


class EscrowBook:
    """One provider's side of an escrow; `stake` is what answers for it, in wei."""

    def __init__(self, provider: bytes, court: bytes, windows: BookWindows, stake: int) -> None:
        self.provider = provider
        self.court = court
        self.windows = windows
        self.stake = stake
        self.rates: dict[bytes, int] = {bytes(20): RATE_UNIT}
        self.free: dict[Money, int] = {}
        self.purses: dict[PurseKey, Purse] = {}
        self.keys: dict[tuple[bytes, bytes], Key] = {}
        self.batches: list[Held] = []
        self.used: set[bytes] = set()

    # Sums

    def total(self, token: bytes) -> int:
        """Everything of a token that is somebody's here."""
        free = sum(amount for (_, one), amount in self.free.items() if one == token)
        purses = sum(purse.balance for (*_, one), purse in self.purses.items() if one == token)
        held = sum(batch.held for batch in self.batches if batch.token == token)
        return free + purses + held

    def value_held(self) -> int:
        """Wei of stake that the provider's posted batches stand for."""
        return sum(batch.value for batch in self.batches if not batch.is_released)

    def purse(self, payer: bytes, token: bytes) -> Purse:
        return self.purses.setdefault((payer, self.provider, token), Purse())

    # Own money

    def deposit(self, payer: bytes, token: bytes, amount: int, *, into_bucket: bool) -> None:
        if amount == 0:
            raise PaymentWrong
        if not into_bucket:
            self._credit(payer, token, amount)
            return
        purse = self.purse(payer, token)
        if purse.balance + amount > MAX_U96:
            raise PaymentWrong
        purse.balance += amount

    def give(self, account: bytes, token: bytes, to: bytes, amount: int) -> None:
        self._debit(account, token, amount)
        self._credit(to, token, amount)

    def withdraw(self, account: bytes, token: bytes, amount: int) -> None:
        self._debit(account, token, amount)

    def fund(self, payer: bytes, token: bytes, amount: int, *, sender: bytes, now: int) -> None:
        purse = self.purse(payer, token)
        if sender != payer:
            key = self.keys.get((payer, sender))
            if key is None or now > key.expiry or key.is_revoked or key.token != token:
                raise DelegateInvalid
            if purse.balance + amount + key.spent > key.cap:
                raise DelegateInvalid
        self._debit(payer, token, amount)
        purse.balance += amount

    def request_exit(self, payer: bytes, token: bytes, amount: int, *, now: int) -> None:
        purse = self.purse(payer, token)
        if amount > purse.balance:
            raise FundsTooLow
        purse.exit_amount = amount
        purse.exit_at = now + self.windows.withdraw_lock if amount else 0

    def finish_exit(self, payer: bytes, token: bytes, *, now: int) -> int:
        purse = self.purse(payer, token)
        if purse.exit_at == 0 or now < purse.exit_at:
            raise ExitLocked
        amount = min(purse.exit_amount, purse.balance)
        purse.balance -= amount
        purse.exit_amount = purse.exit_at = 0
        self._credit(payer, token, amount)
        return amount

    # Delegates

    def set_delegate(
        self, payer: bytes, key: bytes, *, token: bytes, cap: int, expiry: int, now: int
    ) -> None:
        known = self.keys.get((payer, key))
        if expiry <= now or key == payer or cap <= (known.spent if known else 0):
            raise DelegateInvalid
        if known is not None:
            if known.token != token:
                raise DelegateInvalid
            if now <= known.expiry and (cap < known.cap or expiry < known.expiry):
                raise DelegateInvalid
        spent = known.spent if known else 0
        self.keys[payer, key] = Key(token, cap, expiry, spent)

    def revoke_delegate(self, payer: bytes, key: bytes, *, now: int) -> None:
        known = self.keys.get((payer, key))
        if known is None or known.expiry <= now or known.is_revoked:
            raise DelegateInvalid
        known.expiry = min(known.expiry, now + self.windows.delegate_grace)
        known.is_revoked = True

    # Batches

    def settle(
        self, token: bytes, items: Sequence[Presented], *, now: int
    ) -> tuple[int, dict[int, SkipReason]]:
        """The batch (0: none) and why items were passed over."""
        skipped: dict[int, SkipReason] = {}
        taken = 0
        for position, item in enumerate(items):
            reason = self._take(token, item, taken, now)
            if reason is None:
                purse = self.purse(item.payer, token)
                amount = item.claim - purse.spent
                purse.balance -= amount
                purse.spent, purse.last_nonce = item.claim, item.last_nonce
                taken += amount
            else:
                skipped[position] = reason
        if len(skipped) == len(items):
            return 0, skipped
        value, release_at = self._value(token, taken), now + self.windows.dispute
        self.batches.append(Held(token, taken, value, release_at, taken))
        return len(self.batches), skipped

    def open_case(self, batch: int) -> None:
        self._posted(batch).open_cases += 1

    def close_case(self, batch: int) -> None:
        held = self._posted(batch)
        if held.open_cases == 0:
            raise BatchNotReleasable
        held.open_cases -= 1

    def refund(
        self, batch: int, index: int, *, item_amount: int, key: bytes, payer: bytes, amount: int
    ) -> int:
        held = self.batches[batch - 1]
        due = min(amount, item_amount - held.refunded.get(index, 0))
        if key in self.used or due <= 0:
            return 0
        paid = 0 if held.is_released else min(due, held.held)
        self.used.add(key)
        held.refunded[index] = held.refunded.get(index, 0) + due
        held.held -= paid
        self._credit(payer, held.token, paid)
        return paid

    def release(self, batch: int, *, now: int) -> int:
        """Of a batch whose audits are done."""
        held = self._posted(batch)
        if now < held.release_at or held.open_cases:
            raise BatchNotReleasable
        held.fee = min(held.held, held.total * AUDIT_FEE_BPS // BPS)
        amount = held.held - held.fee
        held.held, held.is_released = 0, True
        self._credit(self.provider, held.token, amount)
        self._credit(self.court, held.token, held.fee)
        return amount

    # Internal

    def _take(self, token: bytes, item: Presented, taken: int, now: int) -> SkipReason | None:
        """Why an item is not taken; counts it against its delegate when it is."""
        purse = self.purse(item.payer, token)
        amount = item.claim - purse.spent
        spread = item.last_nonce - item.first_nonce + 1
        in_order = purse.last_nonce < item.first_nonce <= item.last_nonce <= item.nonce
        checks = (
            (item.is_payable, SkipReason.PRICE_ROW),
            (purse.spent < item.claim <= item.cap >= item.cumulative, SkipReason.CLAIM),
            (now <= item.expiry, SkipReason.EXPIRED),
            (in_order, SkipReason.NONCE),
            (0 < item.leaf_count <= min(spread, MAX_LEAVES), SkipReason.LEAVES),
            (amount <= purse.balance, SkipReason.BALANCE),
            (self._fits(token, taken + amount), SkipReason.STAKE),
        )
        for holds, reason in checks:
            if not holds:
                return reason
        if item.signer == item.payer:
            return None
        key = self.keys.get((item.payer, item.signer or b""))
        if key is None:
            return SkipReason.SIGNATURE
        if now > key.expiry or key.spent + amount > key.cap or key.token != token:
            return SkipReason.DELEGATE
        key.spent += amount
        return None

    def _fits(self, token: bytes, amount: int) -> bool:
        room = max(0, self.stake // STAKE_COVER - self.value_held())
        return self._value(token, amount) <= room

    def _value(self, token: bytes, amount: int) -> int:
        return -(-self.rates[token] * amount // RATE_UNIT)

    def _posted(self, batch: int) -> Held:
        held = self.batches[batch - 1]
        if held.is_released:
            raise BatchNotReleasable
        return held

    def _credit(self, account: bytes, token: bytes, amount: int) -> None:
        self.free[account, token] = self.free.get((account, token), 0) + amount

    def _debit(self, account: bytes, token: bytes, amount: int) -> None:
        held = self.free.get((account, token), 0)
        if amount == 0 or amount > held:
            raise FundsTooLow
        self.free[account, token] = held - amount
