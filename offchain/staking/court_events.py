"""Events of SlashingCourt and RandomBeacon, with the names and fields they have on chain.

Apart from onchain.py because StakeManager has an event `Slashed` too. Amounts are wei.
Source: contracts/interfaces/ISlashingCourt.vyi, contracts/interfaces/IRandomBeacon.vyi.
"""

from dataclasses import dataclass

from offchain.chain.model import Address
from offchain.staking.court import CaseState


@dataclass(frozen=True, slots=True)
class Committed:
    commitment: bytes


@dataclass(frozen=True, slots=True)
class CaseOpened:
    offence_id: bytes
    pool: int
    offence: int
    epoch: int
    subject: bytes
    reporter: Address
    reserved: int


@dataclass(frozen=True, slots=True)
class Slashed:
    """Where slashed wei went; the four shares sum to `taken`."""

    offence_id: bytes
    pool: int
    taken: int
    to_reporter: int
    to_victim: int
    to_insurance: int
    to_treasury: int


@dataclass(frozen=True, slots=True)
class CaseClosed:
    offence_id: bytes
    state: CaseState


@dataclass(frozen=True, slots=True)
class VetoVoted:
    offence_id: bytes
    guardian: Address
    reason: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn:
    account: Address
    to: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Contributed:
    """Seats joined an epoch; `value` is its entropy unless more follow."""

    epoch: int
    added: int
    seats: int
    value: bytes
