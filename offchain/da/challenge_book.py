"""DAChallenges without a chain: open challenges, what they cost and who owns the bonds, to the wei.

The tests run it beside the contract; a challenger or a watcher may run it over events to know what
a step would do. Source: docs/protocol/da.md#challenges.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.core.layout import LEAF_ELEMENTS, N
from offchain.core.units import Seconds, Wei
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW, Challenge
from offchain.da.reverts import (
    AnswerLate,
    BondTooLow,
    ChallengeEarly,
    ChallengeRefused,
    ChallengeTaken,
    NoOpenChallenge,
    NothingToWithdraw,
)

STEP_OPEN: Final = 16
MAX_OPEN: Final = 256
LEAF_ANSWER_GAS: Final = 95_000
ROW_ANSWER_GAS: Final = 120_000
COLUMN_ANSWER_GAS: Final = 1_280


@dataclass(frozen=True, slots=True)
class Asked:
    """What a challenge is about: one leaf, or `WHOLE_ROW`, of one row of one blob."""

    blob_id: bytes
    row: int
    leaf: int


@dataclass(frozen=True, slots=True)
class Duty:
    """What the chain says about the row: `operator_id` is 0 when its owner was absent."""

    state: BlobState
    expiry: Seconds
    columns: int
    epoch: int
    operator_id: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who answers: its account, the operator it belongs to (0 for none)."""

    account: bytes
    operator_id: int = 0


def bond_wei(columns: int, leaf: int, *, waiting: int, base_fee: int, min_bond: int) -> Wei:
    """Half as much again as the answer's gas costs, and a minimum; doubled every 16 that wait."""
    gas = LEAF_ANSWER_GAS
    if leaf == WHOLE_ROW:
        gas = ROW_ANSWER_GAS + COLUMN_ANSWER_GAS * columns
    return Wei((gas * base_fee * 3 // 2 + min_bond) << waiting // STEP_OPEN)


@dataclass(slots=True)
class ChallengeBook:
    """Open challenges by what they ask for, credits by account; nothing else is owed to anybody."""

    window: Seconds
    min_bond: Wei
    opened: dict[Asked, Challenge] = field(default_factory=dict)
    punished: set[tuple[bytes, int]] = field(default_factory=set)
    credits: dict[bytes, int] = field(default_factory=dict)
    deposited: int = 0
    withdrawn: int = 0

    def waiting(self, operator_id: int) -> int:
        """Open challenges that an operator has to answer."""
        return sum(1 for one in self.opened.values() if one.operator_id == operator_id)

    def challenge(
        self, asked: Asked, duty: Duty, challenger: bytes, *, value: int, base_fee: int, now: int
    ) -> None:
        """Raises: ChallengeRefused, ChallengeTaken, BondTooLow."""
        if duty.state is not BlobState.CONFIRMED or now >= duty.expiry:
            raise ChallengeRefused(state=duty.state.name, expiry=duty.expiry, now=now)
        if asked.leaf != WHOLE_ROW and asked.leaf >= duty.columns // LEAF_ELEMENTS:
            raise ChallengeRefused(leaf=asked.leaf, columns=duty.columns)
        if (asked.blob_id, asked.row) in self.punished:
            raise ChallengeTaken(row=asked.row, reason="punished")
        if asked.row >= N or duty.operator_id == 0:
            raise ChallengeRefused(row=asked.row)
        waiting = self.waiting(duty.operator_id)
        bond = bond_wei(
            duty.columns, asked.leaf, waiting=waiting, base_fee=base_fee, min_bond=self.min_bond
        )
        if value < bond:
            raise BondTooLow(bond=bond, value=value)
        if asked in self.opened or waiting >= MAX_OPEN:
            raise ChallengeTaken(row=asked.row, leaf=asked.leaf, waiting=waiting)
        self.opened[asked] = Challenge(
            challenger=challenger,
            operator_id=duty.operator_id,
            epoch=duty.epoch,
            opened_at=Seconds(now),
            deadline=Seconds(now + self.window),
            bond=bond,
        )
        self.deposited += value
        self._credit(challenger, value - bond)

    def answer(self, asked: Asked, caller: Caller, owner: bytes, *, now: int) -> bytes:
        """A true answer; who earned the bond. Raises: NoOpenChallenge, AnswerLate.

        In the first half of the window that is the signer: the caller if it belongs to the
        operator, else the operator's `owner`.
        """
        challenge = self._open(asked)
        if now > challenge.deadline:
            raise AnswerLate(deadline=challenge.deadline, now=now)
        answerer = caller.account
        is_early = now <= challenge.opened_at + self.window // 2
        if is_early and caller.operator_id != challenge.operator_id:
            answerer = owner
        del self.opened[asked]
        self._credit(answerer, challenge.bond)
        return answerer

    def close(self, asked: Asked, state: BlobState, *, now: int) -> bool:
        """Whether the signer was convicted. Raises: NoOpenChallenge, ChallengeEarly."""
        challenge = self._open(asked)
        if now <= challenge.deadline:
            raise ChallengeEarly(deadline=challenge.deadline, now=now)
        place = (asked.blob_id, asked.row)
        is_convicted = state is BlobState.CONFIRMED and place not in self.punished
        if is_convicted:
            self.punished.add(place)
        self._give_back(asked)
        return is_convicted

    def reclaim(self, asked: Asked, *, barred_at: int, now: int) -> None:
        """Raises: NoOpenChallenge, ChallengeEarly while the court may judge, up to `barred_at`."""
        self._open(asked)
        if now <= barred_at:
            raise ChallengeEarly(barred_at=barred_at, now=now)
        self._give_back(asked)

    def withdraw(self, account: bytes) -> int:
        """Raises: NothingToWithdraw."""
        amount = self.credits.pop(account, 0)
        if amount == 0:
            raise NothingToWithdraw(account=account.hex())
        self.withdrawn += amount
        return amount

    @property
    def balance(self) -> int:
        """What the contract must have: everything that came in and did not go out."""
        return self.deposited - self.withdrawn

    @property
    def owed(self) -> int:
        """What somebody owns of the balance; equal to it."""
        return sum(one.bond for one in self.opened.values()) + sum(self.credits.values())

    def _open(self, asked: Asked) -> Challenge:
        challenge = self.opened.get(asked)
        if challenge is None:
            raise NoOpenChallenge(row=asked.row, leaf=asked.leaf)
        return challenge

    def _give_back(self, asked: Asked) -> None:
        challenge = self.opened.pop(asked)
        self._credit(challenge.challenger, challenge.bond)

    def _credit(self, account: bytes, amount: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
