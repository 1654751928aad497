"""What the ledger of stake refuses: one class per revert reason of its contracts.

StakingRefusal          a contract says no; `reason` is its exact revert string
  <class below>         also one of the six kinds, which decides how it is handled

`REVERTS` leads from the string on the chain back to the class. The pure ledger raises the same
classes, so a refusal has one name on and off the chain. Source: docs/protocol/staking.md.
"""

from typing import ClassVar, Final

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, NotFound, Rejected


class StakingRefusal(ApogeeError):
    """The staking layer says no."""

    code = "staking.refused"
    reason: ClassVar[str] = ""


class RegistryAlreadyWired(StakingRefusal, Conflict):
    """StakeManager is wired once."""

    code = "staking.registry_already_wired"
    reason = "registry: already wired"


class RegistryNotWired(StakingRefusal, Conflict):
    """A proof of possession names StakeManager, which is not wired yet."""

    code = "staking.registry_not_wired"
    reason = "registry: not wired"


class StakeNotContract(StakingRefusal, InvalidInput):
    """The address given for StakeManager has no code."""

    code = "staking.stake_not_contract"
    reason = "registry: not a contract"


class NoSuchService(StakingRefusal, InvalidInput):
    """Services are numbered 1 to 5."""

    code = "staking.no_such_service"
    reason = "registry: no such service"


class SeatTooDear(StakingRefusal, Conflict):
    """The service is full and this weight is under 1.1 x the least one."""

    code = "staking.seat_too_dear"
    reason = "registry: no seat for this weight"


class NotStakeManager(StakingRefusal, Rejected):
    """Seats and weights are moved by StakeManager only."""

    code = "staking.not_stake_manager"
    reason = "registry: not StakeManager"


class NotAnOwner(StakingRefusal, Rejected):
    """The caller owns no operator."""

    code = "staking.not_an_owner"
    reason = "registry: not an owner"


class UnbondingTooShort(StakingRefusal, InvalidInput):
    """Evidence, veto and correlation windows do not fit into unbonding."""

    code = "staking.unbonding_too_short"
    reason = "stake: unbonding too short"


class CommissionTooEarly(StakingRefusal, InvalidInput):
    """A raise of commission must wait longer than unbonding."""

    code = "staking.commission_too_early"
    reason = "stake: commission too early"


class NoSuchPool(StakingRefusal, InvalidInput):
    """A pool id has 40 bits."""

    code = "staking.no_such_pool"
    reason = "stake: no such pool"


class NotTicketOwner(StakingRefusal, Rejected):
    """The ticket belongs to somebody else."""

    code = "staking.not_ticket_owner"
    reason = "stake: not the ticket's owner"


class NoPoolNamed(StakingRefusal, Conflict):
    """The ticket's owner named no pool to move to."""

    code = "staking.no_pool_named"
    reason = "stake: no pool named"


class PoolInOrder(StakingRefusal, Conflict):
    """The pool is neither tombstoned, unseated, nor under MIN_STAKE for a day."""

    code = "staking.pool_in_order"
    reason = "stake: pool in order"


class WeightTold(StakingRefusal, Conflict):
    """The tree knows this pool's weight already."""

    code = "staking.weight_told"
    reason = "stake: weight is told"


class NothingToClaim(StakingRefusal, Conflict):
    """No reward is owed here."""

    code = "staking.nothing_to_claim"
    reason = "stake: nothing to claim"


class CannotJoin(StakingRefusal, Conflict):
    """The operator serves already, is jailed, or is tombstoned."""

    code = "staking.cannot_join"
    reason = "stake: cannot join"


class StillJailed(StakingRefusal, Conflict):
    """The sentence is not over."""

    code = "staking.still_jailed"
    reason = "stake: still jailed"


class BelowMinStake(StakingRefusal, InvalidInput):
    """The operator's own stake would be under MIN_STAKE."""

    code = "staking.below_min_stake"
    reason = "stake: below MIN_STAKE"


class JoinFirst(StakingRefusal, Conflict):
    """The operator does not serve here."""

    code = "staking.join_first"
    reason = "stake: join first"


class NotJailed(StakingRefusal, Conflict):
    """The operator is not jailed here."""

    code = "staking.not_jailed"
    reason = "stake: not jailed"


class ReservationTooLarge(StakingRefusal, InvalidInput):
    """The reservations of a pool have 112 bits."""

    code = "staking.reservation_too_large"
    reason = "stake: reservation too large"


class NotReserved(StakingRefusal, Conflict):
    """Less is reserved than the court would release."""

    code = "staking.not_reserved"
    reason = "stake: not reserved"


class NoOpenCase(StakingRefusal, Conflict):
    """The pool has no open case to close."""

    code = "staking.no_open_case"
    reason = "stake: no open case"


class JailedTooLong(StakingRefusal, InvalidInput):
    """A sentence ends within 64 bits of seconds."""

    code = "staking.jailed_too_long"
    reason = "stake: jailed too long"


class CourtAlreadyWired(StakingRefusal, Conflict):
    """The court is wired once."""

    code = "staking.court_already_wired"
    reason = "stake: already wired"


class NoCourt(StakingRefusal, InvalidInput):
    """The court cannot be the zero address."""

    code = "staking.no_court"
    reason = "stake: no court"


class NotPast(StakingRefusal, InvalidInput):
    """Votes are counted at a time that has passed."""

    code = "staking.not_past"
    reason = "stake: not past"


class NotTheCourt(StakingRefusal, Rejected):
    """Only SlashingCourt may do this."""

    code = "staking.not_the_court"
    reason = "stake: not the court"


class CutoffTooEarly(StakingRefusal, InvalidInput):
    """The cut-off must lie within one epoch."""

    code = "staking.cutoff_too_early"
    reason = "epoch_clock: cut-off too early"


class EpochsSplitDays(StakingRefusal, InvalidInput):
    """A day must be a whole number of epochs."""

    code = "staking.epochs_split_days"
    reason = "epoch_clock: epochs split days"


class EpochNotFinal(StakingRefusal, Conflict):
    """The cut-off of this epoch has not passed, its stake may still change."""

    code = "staking.epoch_not_final"
    reason = "epoch_clock: not final"


class MoneyReserved(StakingRefusal, Conflict):
    """All of this money is reserved for an open case."""

    code = "staking.money_reserved"
    reason = "exit_buckets: reserved"


class AmountTooLarge(StakingRefusal, InvalidInput):
    """A bucket holds less than 2**112 wei and shares."""

    code = "staking.amount_too_large"
    reason = "exit_buckets: amount too large"


class AccountTaken(StakingRefusal, Conflict):
    """The account owns or signs for an operator already."""

    code = "staking.account_taken"
    reason = "keys: account taken"


class OperatorTombstoned(StakingRefusal, Rejected):
    """The operator has equivocated and never returns."""

    code = "staking.operator_tombstoned"
    reason = "keys: tombstoned"


class NotTheOfferedSigner(StakingRefusal, Rejected):
    """The owner offered this role to another address."""

    code = "staking.not_the_offered_signer"
    reason = "keys: not the offered signer"


class KeyLengthWrong(StakingRefusal, InvalidInput):
    """A key has 128 bytes, a proof 256, in EIP-2537 form."""

    code = "staking.key_length_wrong"
    reason = "keys: wrong length"


class KeyIsIdentity(StakingRefusal, InvalidInput):
    """The point at infinity is no key."""

    code = "staking.key_is_identity"
    reason = "keys: identity"


class KeySeenBefore(StakingRefusal, Conflict):
    """A key belongs to one operator, once."""

    code = "staking.key_seen_before"
    reason = "keys: key seen before"


class PossessionNotProven(StakingRefusal, Rejected):
    """The proof is no signature by this key over this owner."""

    code = "staking.possession_not_proven"
    reason = "keys: possession not proven"


class NoStakeToReward(StakingRefusal, Conflict):
    """The pool holds no stake a reward could go to."""

    code = "staking.no_stake_to_reward"
    reason = "rewards: no stake"


class CommissionTooHigh(StakingRefusal, InvalidInput):
    """Commission is at most 10,000 bps."""

    code = "staking.commission_too_high"
    reason = "rewards: commission > 100 %"


class DepositTooSmall(StakingRefusal, InvalidInput):
    """A deposit is at least MIN_DEPOSIT."""

    code = "staking.deposit_too_small"
    reason = "stake_ledger: deposit too small"


class TrancheFull(StakingRefusal, InvalidInput):
    """A tranche holds less than 2**91 wei."""

    code = "staking.tranche_full"
    reason = "stake_ledger: tranche full"


class PoolNotActive(StakingRefusal, Conflict):
    """The pool takes no deposits of delegators now."""

    code = "staking.pool_not_active"
    reason = "stake_ledger: pool not active"


class CaseOpen(StakingRefusal, Conflict):
    """Nobody buys into a pool with an open case."""

    code = "staking.case_open"
    reason = "stake_ledger: case open"


class OldSharesHeld(StakingRefusal, Conflict):
    """Shares of a closed generation must leave before new ones are bought."""

    code = "staking.old_shares_held"
    reason = "stake_ledger: exit old shares"


class TooFewShares(StakingRefusal, Conflict):
    """The deposit buys fewer shares than the caller accepts."""

    code = "staking.too_few_shares"
    reason = "stake_ledger: too few shares"


class NothingToExit(StakingRefusal, Conflict):
    """There is no money behind this exit."""

    code = "staking.nothing_to_exit"
    reason = "stake_ledger: nothing to exit"


class ExceedsOwnStake(StakingRefusal, InvalidInput):
    """The operator's own stake is smaller."""

    code = "staking.exceeds_own_stake"
    reason = "stake_ledger: exceeds own stake"


class ExceedsShares(StakingRefusal, InvalidInput):
    """The account holds fewer shares."""

    code = "staking.exceeds_shares"
    reason = "stake_ledger: exceeds shares"


class NoSuchTicket(StakingRefusal, NotFound):
    """The ticket was paid or never existed."""

    code = "staking.no_such_ticket"
    reason = "stake_ledger: no such ticket"


class NotMatured(StakingRefusal, Conflict):
    """The money is still unbonding."""

    code = "staking.not_matured"
    reason = "stake_ledger: not matured"


class NothingToClose(StakingRefusal, Conflict):
    """The pool holds no stake."""

    code = "staking.nothing_to_close"
    reason = "stake_ledger: nothing to close"


class NoSuchSeat(StakingRefusal, InvalidInput):
    """A service has 4,096 seats."""

    code = "staking.no_such_seat"
    reason = "stake_path: no such seat"


class SumTooLarge(StakingRefusal, InvalidInput):
    """Weights on a path add up to less than 2**128."""

    code = "staking.sum_too_large"
    reason = "stake_path: sum too large"


class NoWeight(StakingRefusal, Conflict):
    """Nobody weighs anything in this epoch."""

    code = "staking.no_weight"
    reason = "stake_path: no weight"


class NoSuchStratum(StakingRefusal, InvalidInput):
    """Draw s of n needs s < n."""

    code = "staking.no_such_stratum"
    reason = "stake_path: no such stratum"


class TooManyStrata(StakingRefusal, InvalidInput):
    """A draw has fewer than 2**32 strata."""

    code = "staking.too_many_strata"
    reason = "stake_path: too many strata"


class BadSeatCount(StakingRefusal, InvalidInput):
    """A service has 1 to 4,096 seats."""

    code = "staking.bad_seat_count"
    reason = "stake_tree: bad seat count"


class NoFreeSeat(StakingRefusal, Conflict):
    """Every seat of the service is taken."""

    code = "staking.no_free_seat"
    reason = "stake_tree: no free seat"


class NoGovernance(StakingRefusal, InvalidInput):
    """Governance cannot be the zero address."""

    code = "staking.no_governance"
    reason = "governed: no governance"


class NotTheCandidate(StakingRefusal, Rejected):
    """Governance was offered to another address."""

    code = "staking.not_the_candidate"
    reason = "governed: not the candidate"


class NotGovernance(StakingRefusal, Rejected):
    """Only governance may do this."""

    code = "staking.not_governance"
    reason = "governed: not governance"


REVERTS: Final[dict[str, type[StakingRefusal]]] = {
    refusal.reason: refusal for refusal in StakingRefusal.__subclasses__()
}
