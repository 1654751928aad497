"""Clients of the staking contracts: reads at a named block, typed calls for the sender.

Amounts are wei, times seconds of chain time, keys and signatures in EIP-2537 form.
Source: contracts/interfaces/ (IOperatorRegistry, IStakeManager, IStakeView, ISlashingCourt,
IRandomBeacon).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from offchain.chain.contract import ContractClient
from offchain.chain.model import Address, BlockRef, Log, TypedCall
from offchain.core.errors import ApogeeError
from offchain.staking.beacon import Absence, Contribution
from offchain.staking.court import CaseState, Rule
from offchain.staking.court_errors import COURT_REVERTS
from offchain.staking.errors import REVERTS
from offchain.staking.events import ExitRequested
from offchain.staking.model import Clock, Operator, OperatorId, PoolId, PoolState, Ticket, TicketId


class OperatorRegistryClient(ContractClient):
    """Who the operators are, their keys and the tree of their weights."""

    contract = "OperatorRegistry"
    reverts: ClassVar[Mapping[str, type[ApogeeError]]] = REVERTS

    def clock(self, *, at: BlockRef) -> Clock:
        return self._read(Clock, "clock", at=at)

    def operator_count(self, *, at: BlockRef) -> int:
        return self._read(int, "operator_count", at=at)

    def operator(self, operator_id: int, *, at: BlockRef) -> Operator:
        return self._read(Operator, "operator", operator_id, at=at)

    def operator_of(self, account: bytes, *, at: BlockRef) -> OperatorId:
        """Whose owner or signer this is; 0 for nobody."""
        return OperatorId(self._read(int, "operator_of", account, at=at))

    def possession_digest(self, owner: bytes, key: bytes, *, at: BlockRef) -> bytes:
        """What a proof of possession signs."""
        return self._read(bytes, "possession_digest", owner, key, at=at)

    def key_of(self, operator_id: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "key_of", operator_id, at=at)

    def seat_of(self, pool: int, *, at: BlockRef) -> int:
        """Seat + 1; 0 for none."""
        return self._read(int, "seat_of", pool, at=at)

    def root_at(self, service: int, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "root_at", service, epoch, at=at)

    def aggregate_key(self, service: int, *, at: BlockRef) -> bytes:
        """Sum of the members' keys as of the next epoch."""
        return self._read(bytes, "aggregate_key", service, at=at)

    def aggregate_key_hash_at(self, service: int, epoch: int, *, at: BlockRef) -> bytes:
        """Hash of the sum of keys in force at an epoch; zero before the first member."""
        return self._read(bytes, "aggregate_key_hash_at", service, epoch, at=at)

    def register(self, key: bytes, proof: bytes) -> TypedCall:
        """Key and proof of possession in EIP-2537 form; the sender becomes the owner."""
        return self._build("register", key, proof)

    def rotate_key(self, key: bytes, proof: bytes) -> TypedCall:
        return self._build("rotate_key", key, proof)

    def offer_signer(self, signer: bytes) -> TypedCall:
        return self._build("offer_signer", signer)

    def accept_signer(self, operator_id: int) -> TypedCall:
        return self._build("accept_signer", operator_id)


class StakeManagerClient(ContractClient):
    """The ledger of stake; services read weights here."""

    contract = "StakeManager"
    reverts: ClassVar[Mapping[str, type[ApogeeError]]] = REVERTS

    def current_epoch(self, *, at: BlockRef) -> int:
        return self._read(int, "current_epoch", at=at)

    def epoch_start(self, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "epoch_start", epoch, at=at)

    def epoch_cutoff(self, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "epoch_cutoff", epoch, at=at)

    def epoch_length(self, *, at: BlockRef) -> int:
        return self._read(int, "epoch_length", at=at)

    def day_of(self, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "day_of", epoch, at=at)

    def unbonding_seconds(self, service: int, *, at: BlockRef) -> int:
        return self._read(int, "unbonding_seconds", service, at=at)

    def operator(self, operator_id: int, *, at: BlockRef) -> Operator:
        return self._read(Operator, "operator", operator_id, at=at)

    def operator_of(self, account: bytes, *, at: BlockRef) -> OperatorId:
        """Whose owner or signer this is; 0 for nobody."""
        return OperatorId(self._read(int, "operator_of", account, at=at))

    def operator_of_key(self, key_hash: bytes, *, at: BlockRef) -> OperatorId:
        return OperatorId(self._read(int, "operator_of_key", key_hash, at=at))

    def key_at(self, operator_id: int, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "key_at", operator_id, epoch, at=at)

    def keys_at(self, operators: Sequence[int], epoch: int, *, at: BlockRef) -> list[bytes]:
        """Keys of many operators in one round trip."""
        return self._read_many(bytes, "key_at", [(one, epoch) for one in operators], at=at)

    def is_member(self, pool: int, *, at: BlockRef) -> bool:
        return self._read(bool, "is_member", pool, at=at)

    def stake_at(self, pool: int, epoch: int, *, at: BlockRef) -> int:
        """Raises: EpochNotFinal before the cut-off of `epoch`, like every value of an epoch."""
        return self._read(int, "stake_at", pool, epoch, at=at)

    def weight_at(self, pool: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "weight_at", pool, epoch, at=at)

    def weights_at(self, pools: Sequence[int], epoch: int, *, at: BlockRef) -> list[int]:
        """Weights of many pools in one round trip."""
        return self._read_many(int, "weight_at", [(pool, epoch) for pool in pools], at=at)

    def total_weight_at(self, service: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "total_weight_at", service, epoch, at=at)

    def total_stake_at(self, service: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "total_stake_at", service, epoch, at=at)

    def total_stake(self, *, at: BlockRef) -> int:
        return self._read(int, "total_stake", at=at)

    def tree_root_at(self, service: int, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "tree_root_at", service, epoch, at=at)

    def untold(self, service: int, *, at: BlockRef) -> int:
        """Pools whose weight in the tree is that from before a slash; see `reweigh`."""
        return self._read(int, "untold", service, at=at)

    def snapshot(self, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "snapshot", epoch, at=at)

    def exposed(self, pool: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "exposed", pool, epoch, at=at)

    def slashed_at(self, pool: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "slashed_at", pool, epoch, at=at)

    def pool_state(self, pool: int, *, at: BlockRef) -> PoolState:
        return self._read(PoolState, "pool_state", pool, at=at)

    def shares_of(self, account: bytes, pool: int, *, at: BlockRef) -> tuple[int, int]:
        """Shares and the generation they belong to."""
        return self._read(tuple[int, int], "shares_of", account, pool, at=at)

    def ticket(self, ticket_id: int, *, at: BlockRef) -> Ticket:
        return self._read(Ticket, "ticket", ticket_id, at=at)

    def matures_at(self, ticket_id: int, *, at: BlockRef) -> int:
        return self._read(int, "matures_at", ticket_id, at=at)

    def claimable(self, account: bytes, pool: int, *, at: BlockRef) -> int:
        return self._read(int, "claimable", account, pool, at=at)

    def votes_at(self, account: bytes, pool: int, time: int, *, at: BlockRef) -> int:
        return self._read(int, "votes_at", account, pool, time, at=at)

    def exit_tickets(self, logs: Iterable[Log]) -> list[TicketId]:
        """The tickets that a transaction opened."""
        return [TicketId(event.ticket) for event in self.events_in(ExitRequested, logs)]

    def join(self, service: int, commission_bps: int, *, stake_wei: int) -> TypedCall:
        return self._build("join", service, commission_bps, value_wei=stake_wei)

    def deposit(self, service: int, *, amount_wei: int) -> TypedCall:
        return self._build("deposit", service, value_wei=amount_wei)

    def exit_own(self, service: int, amount_wei: int) -> TypedCall:
        return self._build("exit_own", service, amount_wei)

    def leave(self, service: int) -> TypedCall:
        return self._build("leave", service)

    def unjail(self, service: int) -> TypedCall:
        return self._build("unjail", service)

    def set_commission(self, service: int, commission_bps: int) -> TypedCall:
        return self._build("set_commission", service, commission_bps)

    def delegate(self, pool: int, min_shares: int, *, amount_wei: int) -> TypedCall:
        return self._build("delegate", pool, min_shares, value_wei=amount_wei)

    def request_exit(self, pool: int, shares: int, then: PoolId | int = 0) -> TypedCall:
        """Turn shares into a ticket; `then` names a pool for `redelegate`, 0 for none."""
        return self._build("request_exit", pool, shares, then)

    def withdraw(self, ticket_id: int, to: bytes) -> TypedCall:
        return self._build("withdraw", ticket_id, to)

    def redelegate(self, ticket_id: int) -> TypedCall:
        return self._build("redelegate", ticket_id)

    def force_exit(self, pool: int) -> TypedCall:
        return self._build("force_exit", pool)

    def reweigh(self, pool: int) -> TypedCall:
        """Tell the tree what the court left of a pool's weight; reverts when it knows."""
        return self._build("reweigh", pool)

    def reward(self, pool: int, *, amount_wei: int) -> TypedCall:
        return self._build("reward", pool, value_wei=amount_wei)

    def claim(self, pool: int, to: bytes) -> TypedCall:
        return self._build("claim", pool, to)


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """One case as the court keeps it; amounts are 0 once it is closed. State 0: no such case."""

    state: CaseState
    offence: int
    pool: int
    epoch: int
    reporter: Address
    taken: int
    left: int
    reporter_bps: int
    opened_at: int
    victim: Address
    loss: int


class SlashingCourtClient(ContractClient):
    """Evidence becomes a slash."""

    contract = "SlashingCourt"
    reverts: ClassVar[Mapping[str, type[ApogeeError]]] = {**REVERTS, **COURT_REVERTS}

    def case_of(self, offence_id: bytes, *, at: BlockRef) -> CaseRecord:
        return self._read(CaseRecord, "case_of", offence_id, at=at)

    def offence_id_of(self, offence: int, pool: int, subject: bytes, *, at: BlockRef) -> bytes:
        return self._read(bytes, "offence_id_of", offence, pool, subject, at=at)

    def type_of(self, offence: int, *, at: BlockRef) -> Rule:
        """The rule in force; its class is 0 on chain for an unknown type, which raises here."""
        return self._read(Rule, "type_of", offence, at=at)

    def room_of(self, pool: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "room_of", pool, epoch, at=at)

    def credit_of(self, account: bytes, *, at: BlockRef) -> int:
        return self._read(int, "credit_of", account, at=at)

    def insurance_held(self, *, at: BlockRef) -> int:
        return self._read(int, "insurance_held", at=at)

    def commitments(self, commitment: bytes, *, at: BlockRef) -> int:
        """The block a commitment came in; 0 for none, or once its report is in."""
        return self._read(int, "commitments", commitment, at=at)

    def treasury(self, *, at: BlockRef) -> Address:
        return Address(self._read(bytes, "treasury", at=at))

    def commit(self, commitment: bytes) -> TypedCall:
        return self._build("commit", commitment)

    def report(self, offence: int, evidence: bytes, salt: bytes) -> TypedCall:
        return self._build("report", offence, evidence, salt)

    def execute(self, offence_id: bytes) -> TypedCall:
        return self._build("execute", offence_id)

    def settle_correlation(self, offence_id: bytes) -> TypedCall:
        return self._build("settle_correlation", offence_id)

    def veto(self, offence_id: bytes, reason: bytes) -> TypedCall:
        return self._build("veto", offence_id, reason)

    def close_round(self) -> TypedCall:
        return self._build("close_round")

    def collect(self, offence_id: bytes) -> TypedCall:
        return self._build("collect", offence_id)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)


class RandomBeaconClient(ContractClient):
    """Entropy of an epoch."""

    contract = "RandomBeacon"
    reverts: ClassVar[Mapping[str, type[ApogeeError]]] = {**REVERTS, **COURT_REVERTS}

    def randomness(self, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "randomness", epoch, at=at)

    def is_weak(self, epoch: int, *, at: BlockRef) -> bool:
        return self._read(bool, "is_weak", epoch, at=at)

    def seats_of(self, epoch: int, *, at: BlockRef) -> int:
        """Bitmap of the seats that contributed to an epoch."""
        return self._read(int, "seats_of", epoch, at=at)

    def message_of(self, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "message_of", epoch, at=at)

    def contribute(self, contribution: Contribution) -> TypedCall:
        return self._build(
            "contribute",
            contribution.epoch,
            contribution.aggregate,
            list(contribution.cover.words),
            list(contribution.cover.hashes),
            [split_key(key) for key in contribution.keys],
        )

    def convict_absent(self, absence: Absence) -> TypedCall:
        return self._build(
            "convict_absent",
            absence.epoch,
            absence.stratum,
            absence.leaf.operator_id,
            absence.leaf.weight_wei,
            absence.leaf.key_hash,
            absence.tree_seat,
            list(absence.path.siblings),
            list(absence.path.sums_wei),
        )


def split_key(key: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """An EIP-2537 G1 key as the four words the beacon takes."""
    return key[:32], key[32:64], key[64:96], key[96:]
