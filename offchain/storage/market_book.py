"""StorageMarket without a chain: every file's state and who owns the money, exact to the wei.

The tests run it beside the contract; a client may run it over events to audit one.
Source: docs/protocol/storage.md#market.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from offchain.core.hashing import keccak
from offchain.storage.group_flow import GroupFlow, SeatPay
from offchain.storage.model import MAX_GROUP_BYTES, FileState, kept_bytes, profile_of
from offchain.storage.reverts_market import (
    ActionEarly,
    EnoughSeats,
    FileKnown,
    FileLeaves,
    FileStateWrong,
    GroupUnknown,
    NoGroup,
    NotEntitled,
    NothingToWithdraw,
    PaymentTooLow,
    ReceiptsLate,
    SeatUnpaid,
    TermInvalid,
)

PRICE_UNIT: Final = 1 << 30
MAX_TERM_EPOCHS: Final = 10_950
MAX_PROBES: Final = 32


@dataclass(frozen=True, slots=True)
class MarketClock:
    """Epochs and windows, seconds."""

    genesis: int
    epoch: int
    confirm: int
    grace: int
    repair: int

    def epoch_of(self, time: int) -> int:
        return (time - self.genesis) // self.epoch

    def start_of(self, epoch: int) -> int:
        return self.genesis + epoch * self.epoch


@dataclass(frozen=True, slots=True)
class Opening:
    """A submission as the log hands it on."""

    owner: bytes
    profile: int
    length: int
    term_epochs: int
    max_cost: int


@dataclass(frozen=True, slots=True)
class BookedFile:
    """One file; `end` and `leaves` are times, `cost_before` is A when it was stored."""

    state: FileState
    opening: Opening
    deposit: int
    deadline: int
    end: int
    kept: int = 0
    group: int = 0
    started: int = 0
    leaves: int = 0
    cost_before: int = 0
    first_byte: int = 0


@dataclass(slots=True)
class MarketBook:
    """Files by id, groups by number, credits by account; `deposited - withdrawn` is the balance."""

    clock: MarketClock
    files: dict[bytes, BookedFile] = field(default_factory=dict)
    groups: dict[int, GroupFlow] = field(default_factory=dict)
    listed: dict[int, list[int]] = field(default_factory=dict)  # profile -> groups, in its order
    owners: dict[int, bytes] = field(default_factory=dict)  # operator -> account
    credits: dict[bytes, int] = field(default_factory=dict)
    deposited: int = 0
    withdrawn: int = 0

    def open(self, file_id: bytes, opening: Opening, *, value: int, now: int) -> None:
        """Raises: TermInvalid, PaymentTooLow, FileKnown."""
        if not 1 <= opening.term_epochs <= MAX_TERM_EPOCHS:
            raise TermInvalid(term_epochs=opening.term_epochs)
        if opening.max_cost == 0 or value < opening.max_cost:
            raise PaymentTooLow(value=value, needed=opening.max_cost)
        if file_id in self.files:
            raise FileKnown(file_id=file_id.hex())
        self.deposited += opening.max_cost
        end = self.clock.start_of(self.clock.epoch_of(now) + 1 + opening.term_epochs)
        self.files[file_id] = BookedFile(
            FileState.SUBMITTED, opening, opening.max_cost, now + self.clock.confirm, end
        )

    def open_group(
        self, group: int, profile: int, seats: Sequence[tuple[int, int]], *, terms: "GroupOffer"
    ) -> None:
        """`seats` are (operator, price). Raises: GroupUnknown."""
        pays = [SeatPay(operator, price) for operator, price in seats]
        if group in self.groups or sum(price for _, price in seats) > terms.max_rate:
            raise GroupUnknown(group=group)
        self.groups[group] = GroupFlow(
            profile_of(profile),
            terms.max_rate,
            min(terms.longest_epochs, MAX_TERM_EPOCHS) * self.clock.epoch,
            pays,
            moved=terms.now,
        )
        self.listed.setdefault(profile, []).append(group)

    def change_seat(self, group: int, seat: int, operator: int, price: int, *, now: int) -> None:
        """Raises: AdvanceFirst, GroupUnknown."""
        flow = self._group(group)
        pay = flow.seats[seat]
        flow.check_steps(now)
        if flow.rate - pay.price + price > flow.max_rate:
            raise GroupUnknown(group=group)
        flow.catch_up(now)
        self._pay(pay.operator, flow.settle(seat))
        flow.change(seat, operator, price, now)

    def shut_group(self, group: int) -> None:
        self._group(group).is_shut = True
        self._relist(group)

    def place(self, file_id: bytes, *, randomness: bytes, entropy: bytes, now: int) -> int:
        """The group. Raises: FileStateWrong, ReceiptsLate, NoGroup."""
        file = self._file(file_id, FileState.SUBMITTED)
        if now > file.deadline:
            raise ReceiptsLate(deadline=file.deadline, now=now)
        profile = profile_of(file.opening.profile)
        kept = kept_bytes(profile, file.opening.length)
        groups = self.listed.get(profile.number, [])
        seed = int.from_bytes(keccak(randomness, entropy, file_id), "big")
        for probe in range(min(MAX_PROBES, len(groups))):
            number = groups[(seed % len(groups) + probe) % len(groups)]
            flow = self.groups[number]
            deposit = _in_wei(kept * flow.max_rate * (file.end + self.clock.grace - now))
            if (
                deposit <= file.deposit
                and flow.paid_seats >= profile.receipts
                and file.end <= now + flow.longest_seconds
                and flow.taken + kept <= MAX_GROUP_BYTES
            ):
                break
        else:
            raise NoGroup(profile=profile.name, groups=len(groups))
        flow.taken += kept
        flow.escrow += deposit
        self._relist(number)
        self._credit(file.opening.owner, file.deposit - deposit)
        self.files[file_id] = replace(
            file, state=FileState.PLACED, deposit=deposit, kept=kept, group=number
        )
        return number

    def confirm(self, file_id: bytes, *, now: int) -> None:
        """With receipts that the seats found valid. Raises: FileStateWrong, ReceiptsLate."""
        file = self._file(file_id, FileState.PLACED)
        if now > file.deadline:
            raise ReceiptsLate(deadline=file.deadline, now=now)
        flow = self.groups[file.group]
        flow.catch_up(now)
        leaves = file.end + self.clock.grace
        flow.enter(file.kept, leaves)
        self.files[file_id] = replace(
            file,
            state=FileState.STORED,
            started=now,
            leaves=leaves,
            cost_before=flow.cost,
            first_byte=flow.number(file.kept, self.clock.epoch_of(now)),
        )

    def refund(self, file_id: bytes, *, now: int) -> None:
        """Raises: FileStateWrong, ActionEarly."""
        file = self._file(file_id, FileState.SUBMITTED, FileState.PLACED)
        if now <= file.deadline:
            raise ActionEarly(until=file.deadline, now=now)
        if file.state is FileState.PLACED:
            flow = self.groups[file.group]
            flow.taken -= file.kept
            flow.escrow -= file.deposit
            self._relist(file.group)
        self._credit(file.opening.owner, file.deposit)
        self.files[file_id] = replace(file, state=FileState.REFUNDED, deposit=0, end=0)

    def renewal_price(self, file_id: bytes, epochs: int, sender: bytes, *, now: int) -> int:
        """What `renew` would take now. Raises: what `renew` raises, but for the payment."""
        file = self._file(file_id, FileState.STORED)
        if not 1 <= epochs <= MAX_TERM_EPOCHS:
            raise TermInvalid(epochs=epochs)
        if now >= file.leaves or file.leaves < file.end + self.clock.grace:
            raise FileLeaves(leaves=file.leaves, now=now)
        flow = self.groups[file.group]
        if file.end + epochs * self.clock.epoch > now + flow.longest_seconds:
            raise TermInvalid(epochs=epochs)
        flow.check_steps(now)
        cost = flow.cost + flow.rate * (now - flow.moved)
        ahead = flow.max_rate * (file.leaves + epochs * self.clock.epoch - now)
        needed = _in_wei(file.kept * (cost - file.cost_before + ahead))
        lacks = max(needed - file.deposit, 0)
        if sender == file.opening.owner:
            return lacks
        return max(lacks, _in_wei(file.kept * flow.rate * epochs * self.clock.epoch))

    def renew(self, file_id: bytes, epochs: int, sender: bytes, *, value: int, now: int) -> int:
        """What was taken. Raises: FileStateWrong, TermInvalid, FileLeaves, PaymentTooLow."""
        paid = self.renewal_price(file_id, epochs, sender, now=now)
        if value < paid:
            raise PaymentTooLow(value=value, needed=paid)
        file = self.files[file_id]
        more = epochs * self.clock.epoch
        self.groups[file.group].catch_up(now)
        self._move(file, file.leaves + more)
        self.groups[file.group].escrow += paid
        self.deposited += paid
        self.files[file_id] = replace(
            file, deposit=file.deposit + paid, end=file.end + more, leaves=file.leaves + more
        )
        return paid

    def release(self, file_id: bytes, sender: bytes, *, now: int) -> None:
        """Raises: FileStateWrong, NotEntitled, FileLeaves."""
        file = self._file(file_id, FileState.STORED)
        if sender != file.opening.owner:
            raise NotEntitled(owner=file.opening.owner.hex())
        leaves = self.clock.start_of(self.clock.epoch_of(now) + 1)
        if leaves >= file.leaves:
            raise FileLeaves(leaves=file.leaves, now=now)
        self.groups[file.group].catch_up(now)
        self._move(file, leaves)
        self.files[file_id] = replace(file, leaves=leaves, end=min(file.end, leaves))

    def close(self, file_id: bytes, *, now: int) -> None:
        """Raises: FileStateWrong, ActionEarly, AdvanceFirst."""
        file = self._file(file_id, FileState.STORED)
        if now < file.leaves:
            raise ActionEarly(until=file.leaves, now=now)
        self._finish(file_id, file, FileState.CLOSED, now)

    def declare_lost(self, file_id: bytes, *, now: int) -> None:
        """Raises: FileStateWrong, EnoughSeats, ActionEarly, AdvanceFirst."""
        file = self._file(file_id, FileState.STORED)
        short_since = self.groups[file.group].short_since
        if not short_since:
            raise EnoughSeats(group=file.group)
        if now < short_since + self.clock.repair:
            raise ActionEarly(until=short_since + self.clock.repair, now=now)
        self._finish(file_id, file, FileState.LOST, now)

    def void(self, file_id: bytes, *, now: int) -> None:
        """Raises: FileStateWrong, AdvanceFirst."""
        self._finish(file_id, self._file(file_id, FileState.STORED), FileState.VOID, now)

    def collect(self, group: int, seat: int, *, now: int) -> int:
        """Raises: SeatUnpaid, AdvanceFirst."""
        flow = self._group(group)
        pay = flow.seats[seat]
        if not pay.price:
            raise SeatUnpaid(group=group, seat=seat)
        flow.catch_up(now)
        amount = flow.settle(seat)
        self._pay(pay.operator, amount)
        return amount

    def advance(self, group: int, *, now: int) -> None:
        self._group(group).advance(now)

    def withdraw(self, account: bytes) -> int:
        """Raises: NothingToWithdraw."""
        amount = self.credits.pop(account, 0)
        if not amount:
            raise NothingToWithdraw(account=account.hex())
        self.withdrawn += amount
        return amount

    @property
    def balance(self) -> int:
        """What the contract must have: everything that came in and did not go out."""
        return self.deposited - self.withdrawn

    @property
    def owed(self) -> int:
        """Deposits that no group holds yet, escrow of the groups, credits; equal to the balance."""
        waiting = (f.deposit for f in self.files.values() if f.state is FileState.SUBMITTED)
        escrow = (flow.escrow for flow in self.groups.values())
        return sum(waiting) + sum(escrow) + sum(self.credits.values())

    def _finish(self, file_id: bytes, file: BookedFile, state: FileState, now: int) -> None:
        flow = self.groups[file.group]
        flow.catch_up(now)
        cost_after = flow.cost
        if now >= file.leaves:
            cost_after = flow.passed[file.leaves]
        else:
            flow.exit(file.kept, file.leaves)
        rest = file.deposit - _in_wei(file.kept * (cost_after - file.cost_before))
        flow.escrow -= rest
        self._credit(file.opening.owner, rest)
        self.files[file_id] = replace(file, state=state, deposit=0)

    def _move(self, file: BookedFile, leaves: int) -> None:
        flow = self.groups[file.group]
        flow.exit(file.kept, file.leaves)
        flow.enter(file.kept, leaves)

    def _file(self, file_id: bytes, *states: FileState) -> BookedFile:
        file = self.files.get(file_id)
        if file is None or file.state not in states:
            raise FileStateWrong(file_id=file_id.hex(), state=str(file and file.state))
        return file

    def _group(self, group: int) -> GroupFlow:
        if group not in self.groups:
            raise GroupUnknown(group=group)
        return self.groups[group]

    def _relist(self, group: int) -> None:
        """In the contract's order: a new one is last, the last one takes the place of one gone."""
        flow = self.groups[group]
        groups = self.listed[flow.profile.number]
        if flow.is_listed and group not in groups:
            groups.append(group)
        elif not flow.is_listed and group in groups:
            groups[groups.index(group)] = groups[-1]
            groups.pop()

    def _pay(self, operator: int, amount: int) -> None:
        if amount:
            self._credit(self.owners[operator], amount)

    def _credit(self, account: bytes, amount: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount


@dataclass(frozen=True, slots=True)
class GroupOffer:
    """What a group opens with."""

    max_rate: int
    longest_epochs: int
    now: int


def _in_wei(scaled: int) -> int:
    """Of bytes x price x seconds, rounded up."""
    return -(-scaled // PRICE_UNIT)
