"""Words of the stake ledger: services, the clock, terms, pools, tickets and values over epochs.

Amounts are wei, times seconds of chain time, epochs and days count from genesis.
Source: docs/protocol/staking.md.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Generic, NewType, TypeVar

from offchain.chain.model import Address
from offchain.staking.errors import CutoffTooEarly, EpochNotFinal, EpochsSplitDays

OperatorId = NewType("OperatorId", int)
PoolId = NewType("PoolId", int)
TicketId = NewType("TicketId", int)
Value = TypeVar("Value")

MAX_LEVERAGE: Final = 5  # weight per own wei
MAX_TRANCHE_WEI: Final = 2**91
CLOSING_SHIFT: Final = 20  # a share price under 2**-20 closes a generation
MAX_LIVE_DAYS: Final = 64  # days of exits a slash looks back over
PRICE_ONE: Final = 2**127
BEAT_PERCENT: Final = 110  # of the least weight, to take its seat
BPS: Final = 10_000
TOMBSTONE: Final = 2**256 - 1  # a sentence without end, for all of an operator's pools


class Service(IntEnum):
    """What an operator can serve in."""

    DA = 1
    STORAGE = 2
    COMPUTE = 3
    RELAYER = 4
    ALIGNMENT = 5

    @property
    def is_long(self) -> bool:
        """Whether its evidence takes longest, so money stays longest."""
        return self in (Service.DA, Service.RELAYER)


class Status(IntEnum):
    """Where a pool stands; EXITING has lost its seat."""

    ABSENT = 0
    ACTIVE = 1
    JAILED = 2
    EXITING = 3
    TOMBSTONED = 4


class Tranche(IntEnum):
    """Whose money: the operator's pays first."""

    OWN = 0
    DELEGATED = 1


def pool_id(operator_id: int, service: int) -> PoolId:
    return PoolId(operator_id << 8 | service)


def service_of(pool: PoolId) -> Service:
    return Service(pool & 255)


def operator_of(pool: PoolId) -> OperatorId:
    return OperatorId(pool >> 8)


@dataclass(frozen=True, slots=True)
class Clock:
    """Epochs, cut-offs and days."""

    genesis: int
    epoch_seconds: int
    cutoff_seconds: int
    day_seconds: int

    def __post_init__(self) -> None:
        if self.cutoff_seconds >= self.epoch_seconds:
            raise CutoffTooEarly(cutoff=self.cutoff_seconds, epoch=self.epoch_seconds)
        if self.day_seconds % self.epoch_seconds:
            raise EpochsSplitDays(day=self.day_seconds, epoch=self.epoch_seconds)

    def current_epoch(self, now: int) -> int:
        return (now - self.genesis) // self.epoch_seconds

    def next_epoch(self, now: int) -> int:
        """The first epoch whose cut-off has not passed: where a change made now counts first."""
        return (now - self.genesis + self.cutoff_seconds) // self.epoch_seconds + 1

    def check_final(self, epoch: int, now: int) -> None:
        """Raises: EpochNotFinal while the stake of `epoch` may still change."""
        if epoch >= self.next_epoch(now):
            raise EpochNotFinal(epoch=epoch, next_epoch=self.next_epoch(now))

    def start_of(self, epoch: int) -> int:
        return self.genesis + epoch * self.epoch_seconds

    def cutoff_of(self, epoch: int) -> int:
        return self.start_of(epoch) - self.cutoff_seconds

    def day_of(self, epoch: int) -> int:
        return epoch * self.epoch_seconds // self.day_seconds

    def end_of_day(self, day: int) -> int:
        return self.genesis + (day + 1) * self.day_seconds


@dataclass(frozen=True, slots=True)
class Terms:
    """What StakeManager was deployed with; seconds and wei."""

    unbonding_long: int
    unbonding_short: int
    evidence_long: int
    evidence_short: int
    veto: int
    correlation: int
    commission_delay: int
    min_stake_long: int
    min_stake_short: int
    min_deposit: int

    def unbonding(self, service: Service) -> int:
        return self.unbonding_long if service.is_long else self.unbonding_short

    def min_stake(self, service: Service) -> int:
        return self.min_stake_long if service.is_long else self.min_stake_short


@dataclass(frozen=True, slots=True)
class Operator:
    """Who an operator is; the names of IStakeView.Operator."""

    owner: Address
    signer: Address
    key_hash: bytes
    tombstoned: bool


@dataclass(frozen=True, slots=True)
class PoolState:
    """One pool as it stands now; the names of IStakeManager.PoolState."""

    status: int
    own: int
    delegated: int
    shares: int
    generation: int
    open_cases: int
    jailed_until: int
    below_since: int
    reserved: int

    @property
    def stake(self) -> int:
        return self.own + self.delegated

    def weight(self, min_stake: int) -> int:
        """min(stake, 5 x own) of an active pool with MIN_STAKE, else 0."""
        if self.status != Status.ACTIVE or self.stake < min_stake:
            return 0
        return min(self.stake, MAX_LEVERAGE * self.own)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A claim on a bucket; the names of IStakeManager.Ticket."""

    owner: Address
    pool: int
    kind: int
    day: int
    generation: int
    shares: int
    then: int


@dataclass(slots=True)
class History(Generic[Value]):
    """A value over epochs: each entry holds from its epoch until the next entry's."""

    initial: Value
    epochs: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    @property
    def newest(self) -> Value:
        return self.values[-1] if self.values else self.initial

    def put(self, epoch: int, value: Value) -> None:
        """Let `value` count from `epoch` on; an entry of the same epoch is replaced."""
        if self.epochs and self.epochs[-1] == epoch:
            self.values[-1] = value
            return
        self.epochs.append(epoch)
        self.values.append(value)

    def at(self, epoch: int) -> Value:
        index = bisect_right(self.epochs, epoch)
        return self.values[index - 1] if index else self.initial
