# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title The ledger of stake
@license AGPL-3.0-only
@author Apogee
@notice Operators and delegators lock coins here; services read weights here; the court slashes here. Invariant: the
        balance is what is owed (coins sent without a call are ignored).
@custom:kill Nothing to stop: exits, withdrawals and claims look at no pause, no service and no operator's state.
@custom:security Stake and weight at an epoch are refused until its cut-off has passed, because they may still change.
"""
from ..interfaces import IOperatorRegistry
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import checkpoints
from ..shared import constants as C
from ..shared import governed
from . import epoch_clock
from . import exit_buckets
from . import pool_book
from . import rewards
from . import stake_ledger
from . import stake_views

implements: IStakeManager
implements: IStakeView
initializes: governed
initializes: epoch_clock
initializes: checkpoints
initializes: exit_buckets
initializes: rewards
initializes: pool_book[checkpoints := checkpoints]
initializes: stake_ledger[
    epoch_clock := epoch_clock, exit_buckets := exit_buckets, pool_book := pool_book, rewards := rewards
]
initializes: stake_views[
    epoch_clock := epoch_clock,
    exit_buckets := exit_buckets,
    pool_book := pool_book,
    rewards := rewards,
    stake_ledger := stake_ledger,
]

exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)
exports: (
    stake_views.current_epoch,
    stake_views.epoch_start,
    stake_views.epoch_cutoff,
    stake_views.epoch_length,
    stake_views.day_of,
    stake_views.unbonding_seconds,
    stake_views.evidence_seconds,
    stake_views.veto_seconds,
    stake_views.correlation_seconds,
    stake_views.registry,
    stake_views.operator,
    stake_views.operator_of,
    stake_views.key_at,
    stake_views.operator_of_key,
    stake_views.stake_at,
    stake_views.weight_at,
    stake_views.total_weight_at,
    stake_views.total_stake_at,
    stake_views.total_stake,
    stake_views.snapshot,
    stake_views.tree_root_at,
    stake_views.is_member,
    stake_views.untold,
    stake_views.exposed,
    stake_views.slashed_at,
    stake_views.reserved,
    stake_views.pool_state,
    stake_views.shares_of,
    stake_views.ticket,
    stake_views.matures_at,
    stake_views.claimable,
    stake_views.votes_at,
)

FORCE_DAYS: constant(uint256) = 1  # under MIN_STAKE, before anyone may close the pool
TOMBSTONE: constant(uint256) = max_value(uint256)  # a sentence without end, for all of an operator's pools

court: reentrant(public(address))  # SlashingCourt


@deploy
def __init__(registry: address, governance: address, terms: IStakeManager.Terms):
    """
    @notice Every evidence, veto and correlation window fits into unbonding, with a day to spare.
    @param registry OperatorRegistry; epochs and days are its own.
    @param governance Wires the court, once.
    @param terms Durations in seconds, amounts in wei.
    """
    clock: IOperatorRegistry.Clock = staticcall IOperatorRegistry(registry).clock()
    governed.__init__(governance)
    epoch_clock.__init__(clock.genesis, clock.epoch_seconds, clock.cutoff_seconds, clock.day_seconds)
    spare: uint256 = terms.veto + terms.correlation + clock.day_seconds
    assert terms.unbonding_long >= terms.evidence_long + spare, "stake: unbonding too short"
    assert terms.unbonding_short >= terms.evidence_short + spare, "stake: unbonding too short"
    assert terms.commission_delay > terms.unbonding_long, "stake: commission too early"
    rewards.__init__(terms.commission_delay)
    pool_book.__init__(registry, terms.min_stake_long, terms.min_stake_short)
    stake_ledger.__init__(terms.min_deposit, terms.unbonding_long, terms.unbonding_short)
    stake_views.__init__(terms)


# --- PERMISSIONLESS
@external
@payable
def delegate(pool: uint256, min_shares: uint256) -> uint256:
    """
    @notice Lock the sent coins behind an operator in one service; they count from the next cut-off on.
    @param min_shares Refuse if the deposit buys fewer.
    @return Shares minted.
    """
    return stake_ledger._delegate(msg.sender, pool, msg.value, min_shares)


@external
def request_exit(pool: uint256, shares: uint256, then: uint256) -> uint256:
    """
    @notice Take shares out; the money waits in today's bucket and stays slashable for what happened until now.
    @param then A pool that anyone may move the money to when it is due; 0 for none.
    @return The ticket's id.
    """
    assert then < 2**40, "stake: no such pool"
    return stake_ledger._request_exit(pool, shares, then)


@external
def withdraw(ticket: uint256, to: address) -> uint256:
    """
    @notice Pay a matured ticket, or what of it is not reserved for an open case.
    @return Wei paid.
    """
    held: IStakeManager.Ticket = exit_buckets._ticket(ticket)
    assert held.owner == msg.sender or held.owner == empty(address), "stake: not the ticket's owner"
    amount: uint256 = stake_ledger._pay_ticket(ticket, held)

    log IStakeManager.Withdrawn(ticket=ticket, to=to, amount=amount)
    raw_call(to, b"", value=amount)
    return amount


@external
def redelegate(ticket: uint256) -> uint256:
    """
    @notice Move a matured ticket's money to the pool its owner named; anyone may call.
    @return Shares minted for the owner.
    """
    held: IStakeManager.Ticket = exit_buckets._ticket(ticket)
    assert held.then != 0 or held.owner == empty(address), "stake: no pool named"
    amount: uint256 = stake_ledger._pay_ticket(ticket, held)

    log IStakeManager.Redelegated(ticket=ticket, pool=held.then, amount=amount)
    return stake_ledger._delegate(held.owner, held.then, amount, 0)


@external
def force_exit(pool: uint256):
    """
    @notice Close a pool that is tombstoned, lost its seat, or has been under MIN_STAKE for a day; anyone may call.
    """
    state: pool_book.Pool = pool_book._load(pool)
    below_since: uint256 = (pool_book.terms[pool] >> 128) & pool_book.LOW_64
    is_below: bool = below_since > 0 and block.timestamp >= below_since + FORCE_DAYS * epoch_clock.DAY
    is_out: bool = state.status == pool_book.TOMBSTONED or state.status == pool_book.EXITING
    assert is_out or is_below, "stake: pool in order"
    self._close(pool)


@external
def reweigh(pool: uint256):
    """
    @notice Tell the tree what a pool weighs since the court took stake or standing from it; anyone may call.
    """
    assert pool_book._is_untold(pool), "stake: weight is told"
    pool_book._tell(pool, epoch_clock._next_epoch())


@external
@payable
def reward(pool: uint256):
    """
    @notice Pay the pool: its operator for the own tranche and commission, its delegators by share.
    """
    state: pool_book.Pool = pool_book._load(pool)
    rewards._distribute(
        pool, msg.value, state.generation, state.own, state.delegated, state.shares
    )


@external
def claim(pool: uint256, to: address) -> uint256:
    """
    @notice Collect the caller's rewards of a pool; the operator's too if the caller owns it.
    @return Wei paid.
    """
    held: pool_book.Position = pool_book._position(msg.sender, pool)
    stake_ledger._settle(msg.sender, pool, held, held.generation)
    amount: uint256 = rewards._collect(msg.sender, pool, pool_book._is_owner(msg.sender, pool))
    assert amount > 0, "stake: nothing to claim"

    log IStakeManager.Claimed(pool=pool, account=msg.sender, to=to, amount=amount)
    raw_call(to, b"", value=amount)
    return amount


# --- OPERATOR
@external
@payable
def join(service: uint256, commission_bps: uint256):
    """
    @notice Serve: lock the sent coins as own stake and take a seat. In a full service the weight must be 1.1 x the
            least one, whose pool then loses its seat, never its money.
    """
    pool: uint256 = self._own_pool(service)
    state: pool_book.Pool = pool_book._load(pool)
    assert state.status == pool_book.ABSENT or state.status == pool_book.EXITING, "stake: cannot join"
    assert block.timestamp >= pool_book.terms[pool] >> 192, "stake: still jailed"
    own: uint256 = state.own + msg.value
    min_stake: uint256 = pool_book._min_stake(service)
    assert own >= min_stake, "stake: below MIN_STAKE"

    if state.status == pool_book.ABSENT:
        rewards._set_commission(pool, commission_bps, True)
    weight: uint256 = min(own + state.delegated, pool_book.MAX_LEVERAGE * own)
    evicted: uint256 = staticcall pool_book.REGISTRY.find_seat(pool, weight)
    if evicted != 0:
        # a tombstone stays; whoever else lost the seat may win one back
        status: uint256 = pool_book._status(evicted)
        pool_book._save_status(
            evicted, max(status, pool_book.EXITING), epoch_clock._next_epoch(), False
        )
        extcall pool_book.REGISTRY.leave_seat(evicted)
        log IStakeManager.SeatLost(pool=evicted)
    extcall pool_book.REGISTRY.take_seat(pool)
    state.status = pool_book.ACTIVE
    stake_ledger._deposit_own(pool, state, msg.value)
    log IStakeManager.Joined(pool=pool, own=own, commission_bps=rewards._commission(pool))


@external
@payable
def deposit(service: uint256):
    """
    @notice Add to the own stake.
    """
    pool: uint256 = self._own_pool(service)
    state: pool_book.Pool = pool_book._load(pool)
    assert state.status != pool_book.ABSENT and state.status != pool_book.TOMBSTONED, "stake: join first"
    stake_ledger._deposit_own(pool, state, msg.value)


@external
def exit_own(service: uint256, amount: uint256) -> uint256:
    """
    @notice Take own stake out; it waits like any exit.
    @return The ticket's id.
    """
    return stake_ledger._exit_own(self._own_pool(service), amount)


@external
def leave(service: uint256):
    """
    @notice Stop serving: the whole pool goes to today's bucket, delegators turn their shares into tickets.
    """
    self._close(self._own_pool(service))


@external
def unjail(service: uint256):
    pool: uint256 = self._own_pool(service)
    assert pool_book._status(pool) == pool_book.JAILED, "stake: not jailed"
    assert block.timestamp >= pool_book.terms[pool] >> 192, "stake: still jailed"

    pool_book._save_status(pool, pool_book.ACTIVE, epoch_clock._next_epoch(), False)
    log IStakeManager.Unjailed(pool=pool)


@external
@reentrant
def set_commission(service: uint256, commission_bps: uint256):
    """
    @notice Lower it at once, raise it after COMMISSION_DELAY.
    """
    rewards._set_commission(self._own_pool(service), commission_bps, False)


# --- ROLE-GATED: SlashingCourt
@external
def slash(pool: uint256, epoch: uint256, amount: uint256, sentence: uint256) -> uint256:
    """
    @notice Take up to `amount` for an offence of `epoch`, never more than its stake, and pay it to the court. Stake and
            weight fall from the next epoch on; the tree hears of it when anyone calls `reweigh`.
    @param sentence 0 for none; until when the pool is jailed, seconds, a longer one stands; max_value ends the
           operator: no weight in any service, and no way back.
    @return Wei taken.
    """
    self._check_court()
    status: uint256 = pool_book._status(pool)
    if sentence == TOMBSTONE:
        extcall pool_book.REGISTRY.tombstone(pool >> 8)
        for index: uint256 in range(C.SERVICE_COUNT):
            other: uint256 = (pool >> 8) << 8 | (index + 1)
            if other != pool and pool_book._status(other) != pool_book.ABSENT:
                pool_book._save_status(other, pool_book.TOMBSTONED, epoch_clock._next_epoch(), True)
        if status != pool_book.ABSENT:
            status = pool_book.TOMBSTONED
        log IStakeManager.Tombstoned(operator_id=pool >> 8)
    elif sentence > 0:
        assert sentence < 2**64, "stake: jailed too long"
        pool_book._jail_until(pool, sentence)
        if status == pool_book.ACTIVE:
            status = pool_book.JAILED
        log IStakeManager.Jailed(pool=pool, until=sentence)
    total: uint256 = stake_ledger._slash(pool, status, epoch, amount)
    raw_call(msg.sender, b"", value=total)
    return total


@external
@reentrant
def reserve(pool: uint256, amount: uint256):
    self._check_court()
    total: uint256 = self._reserved(pool) + amount
    assert total <= pool_book.LOW_112, "stake: reservation too large"
    pool_book._set_reserved(pool, total)


@external
@reentrant
def release(pool: uint256, amount: uint256):
    self._check_court()
    assert amount <= self._reserved(pool), "stake: not reserved"
    pool_book._set_reserved(pool, self._reserved(pool) - amount)


@external
@reentrant
def open_case(pool: uint256):
    self._check_court()
    pool_book._set_cases(pool, pool_book._cases(pool) + 1)


@external
@reentrant
def close_case(pool: uint256):
    self._check_court()
    cases: uint256 = pool_book._cases(pool)
    assert cases > 0, "stake: no open case"
    pool_book._set_cases(pool, cases - 1)


# --- ROLE-GATED: governance
@external
@reentrant
def wire_court(court: address):
    """
    @notice Name SlashingCourt, once and for ever.
    """
    governed._check_governance()
    assert self.court == empty(address), "stake: already wired"
    assert court != empty(address), "stake: no court"

    self.court = court
    log IStakeManager.CourtWired(court=court)


# --- INTERNAL
@internal
def _close(pool: uint256):
    """
    @dev The pool may join again, once its sentence is over; a tombstone of its operator stays with the registry.
    """
    stake_ledger._close(pool, staticcall pool_book.REGISTRY.owner_of(pool >> 8))
    extcall pool_book.REGISTRY.leave_seat(pool)


@internal
@view
def _own_pool(service: uint256) -> uint256:
    return staticcall pool_book.REGISTRY.own_pool(msg.sender, service)


@internal
@view
def _reserved(pool: uint256) -> uint256:
    return pool_book.terms[pool] & pool_book.LOW_112


@internal
@view
def _check_court():
    assert msg.sender == self.court, "stake: not the court"
