"""What OperatorRegistry and StakeManager log; names and fields are those of their interfaces.

Amounts are wei, times seconds of chain time. Source: contracts/interfaces/IOperatorRegistry.vyi,
contracts/interfaces/IStakeManager.vyi.
"""

from dataclasses import dataclass

from offchain.chain.model import Address
from offchain.staking.model import OperatorId, PoolId, TicketId


@dataclass(frozen=True, slots=True)
class Registered:
    operator_id: OperatorId
    owner: Address
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class KeyRotated:
    operator_id: OperatorId
    key_hash: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class SignerOffered:
    operator_id: OperatorId
    signer: Address


@dataclass(frozen=True, slots=True)
class SignerChanged:
    operator_id: OperatorId
    signer: Address


@dataclass(frozen=True, slots=True)
class WeightSet:
    """From `epoch` on the pool weighs `weight`; all of a service's rebuild its tree."""

    pool: PoolId
    epoch: int
    seat: int
    stake: int
    weight: int


@dataclass(frozen=True, slots=True)
class Joined:
    pool: PoolId
    own: int
    commission_bps: int


@dataclass(frozen=True, slots=True)
class Deposited:
    pool: PoolId
    account: Address
    amount: int
    shares: int


@dataclass(frozen=True, slots=True)
class ExitRequested:
    pool: PoolId
    account: Address
    ticket: TicketId
    day: int
    amount: int
    then: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    ticket: TicketId
    to: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Redelegated:
    ticket: TicketId
    pool: PoolId
    amount: int


@dataclass(frozen=True, slots=True)
class SeatLost:
    pool: PoolId


@dataclass(frozen=True, slots=True)
class PoolClosed:
    pool: PoolId
    day: int
    own: int
    delegated: int


@dataclass(frozen=True, slots=True)
class GenerationClosed:
    pool: PoolId
    generation: int


@dataclass(frozen=True, slots=True)
class Slashed:
    pool: PoolId
    epoch: int
    own: int
    delegated: int


@dataclass(frozen=True, slots=True)
class Reserved:
    pool: PoolId
    reserved: int


@dataclass(frozen=True, slots=True)
class CasesChanged:
    pool: PoolId
    open_cases: int


@dataclass(frozen=True, slots=True)
class Jailed:
    pool: PoolId
    until: int


@dataclass(frozen=True, slots=True)
class Unjailed:
    pool: PoolId


@dataclass(frozen=True, slots=True)
class Tombstoned:
    operator_id: OperatorId


@dataclass(frozen=True, slots=True)
class Rewarded:
    pool: PoolId
    operator: int
    delegators: int


@dataclass(frozen=True, slots=True)
class Claimed:
    pool: PoolId
    account: Address
    to: Address
    amount: int


@dataclass(frozen=True, slots=True)
class CommissionSet:
    pool: PoolId
    commission_bps: int
    since: int
