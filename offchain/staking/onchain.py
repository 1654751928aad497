"""Clients of the staking contracts: reads at a named block, typed calls for the sender.

Source: contracts/interfaces/ISlashingCourt.vyi, contracts/interfaces/IRandomBeacon.vyi.
"""

from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import Address, BlockRef, TypedCall
from offchain.staking.beacon import Absence, Contribution
from offchain.staking.court import CaseState, Rule
from offchain.staking.court_errors import COURT_REVERTS
from offchain.staking.errors import REVERTS


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
    reverts = {**REVERTS, **COURT_REVERTS}

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
    reverts = {**REVERTS, **COURT_REVERTS}

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
