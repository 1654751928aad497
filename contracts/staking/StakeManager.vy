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

exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)

FORCE_DAYS: constant(uint256) = 1  # under MIN_STAKE, before anyone may close the pool

EVIDENCE_LONG: immutable(uint256)
EVIDENCE_SHORT: immutable(uint256)
VETO: immutable(uint256)
CORRELATION: immutable(uint256)

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
    EVIDENCE_LONG = terms.evidence_long
    EVIDENCE_SHORT = terms.evidence_short
    VETO = terms.veto
    CORRELATION = terms.correlation


# --- PERMISSIONLESS
@payable
@external
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
    self._close(pool, state.status)


@payable
@external
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
    amount: uint256 = rewards._collect(msg.sender, pool, self._is_owner(msg.sender, pool))
    assert amount > 0, "stake: nothing to claim"

    log IStakeManager.Claimed(pool=pool, account=msg.sender, to=to, amount=amount)
    raw_call(to, b"", value=amount)
    return amount


# --- OPERATOR
@payable
@external
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
        self._unseat(evicted, pool_book.EXITING)
        log IStakeManager.SeatLost(pool=evicted)
    extcall pool_book.REGISTRY.take_seat(pool)
    state.status = pool_book.ACTIVE
    stake_ledger._deposit_own(pool, state, msg.value)
    log IStakeManager.Joined(pool=pool, own=own, commission_bps=commission_bps)


@payable
@external
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
    pool: uint256 = self._own_pool(service)
    self._close(pool, pool_book._status(pool))


@external
def unjail(service: uint256):
    pool: uint256 = self._own_pool(service)
    assert pool_book._status(pool) == pool_book.JAILED, "stake: not jailed"
    assert block.timestamp >= pool_book.terms[pool] >> 192, "stake: still jailed"

    pool_book._save_status(pool, pool_book.ACTIVE, epoch_clock._next_epoch())
    log IStakeManager.Unjailed(pool=pool)


@external
def set_commission(service: uint256, commission_bps: uint256):
    """
    @notice Lower it at once, raise it after COMMISSION_DELAY.
    """
    rewards._set_commission(self._own_pool(service), commission_bps, False)


# --- ROLE-GATED: SlashingCourt
@external
def slash(pool: uint256, epoch: uint256, amount: uint256) -> uint256:
    """
    @notice Take up to `amount` for an offence of `epoch`, never more than the stake of that epoch, and pay it to the court.
    @return Wei taken.
    """
    self._check_court()
    total: uint256 = stake_ledger._slash(pool, epoch, amount)
    raw_call(msg.sender, b"", value=total)
    return total


@external
def reserve(pool: uint256, amount: uint256):
    self._check_court()
    total: uint256 = self._reserved(pool) + amount
    assert total <= pool_book.LOW_112, "stake: reservation too large"
    pool_book._set_reserved(pool, total)


@external
def release(pool: uint256, amount: uint256):
    self._check_court()
    assert amount <= self._reserved(pool), "stake: not reserved"
    pool_book._set_reserved(pool, self._reserved(pool) - amount)


@external
def open_case(pool: uint256):
    self._check_court()
    pool_book._set_cases(pool, pool_book._cases(pool) + 1)


@external
def close_case(pool: uint256):
    self._check_court()
    cases: uint256 = pool_book._cases(pool)
    assert cases > 0, "stake: no open case"
    pool_book._set_cases(pool, cases - 1)


@external
def jail(pool: uint256, until: uint256):
    """
    @notice Take the weight away until the operator comes back after `until`; a longer sentence stands.
    """
    self._check_court()
    assert until < 2**64, "stake: jailed too long"
    if until > pool_book.terms[pool] >> 192:
        pool_book._set_jailed_until(pool, until)
    if pool_book._status(pool) == pool_book.ACTIVE:
        pool_book._save_status(pool, pool_book.JAILED, epoch_clock._next_epoch())
    log IStakeManager.Jailed(pool=pool, until=until)


@external
def tombstone(operator_id: uint256):
    """
    @notice End an operator: no weight in any service from the next epoch on, and no way back.
    """
    self._check_court()
    extcall pool_book.REGISTRY.tombstone(operator_id)
    for index: uint256 in range(C.SERVICE_COUNT):
        self._unseat(operator_id << 8 | (index + 1), pool_book.TOMBSTONED)
    log IStakeManager.Tombstoned(operator_id=operator_id)


# --- ROLE-GATED: governance
@external
def wire_court(court: address):
    """
    @notice Name SlashingCourt, once and for ever.
    """
    governed._check_governance()
    assert self.court == empty(address), "stake: already wired"
    assert court != empty(address), "stake: no court"

    self.court = court
    log IStakeManager.CourtWired(court=court)


# --- VIEWS: time
@view
@external
@reentrant
def current_epoch() -> uint256:
    return epoch_clock._current_epoch()


@view
@external
@reentrant
def epoch_start(epoch: uint256) -> uint256:
    return epoch_clock._start_of(epoch)


@view
@external
@reentrant
def epoch_cutoff(epoch: uint256) -> uint256:
    return epoch_clock._cutoff_of(epoch)


@view
@external
@reentrant
def epoch_length() -> uint256:
    return epoch_clock.EPOCH


@view
@external
@reentrant
def day_of(epoch: uint256) -> uint256:
    return epoch_clock._day_of(epoch)


@view
@external
@reentrant
def unbonding_seconds(service: uint256) -> uint256:
    return stake_ledger._unbonding(service)


@view
@external
@reentrant
def evidence_seconds(service: uint256) -> uint256:
    return EVIDENCE_LONG if pool_book._is_long(service) else EVIDENCE_SHORT


@view
@external
@reentrant
def veto_seconds() -> uint256:
    return VETO


@view
@external
@reentrant
def correlation_seconds() -> uint256:
    return CORRELATION


# --- VIEWS: identity, kept by OperatorRegistry
@view
@external
@reentrant
def registry() -> address:
    return pool_book.REGISTRY.address


@view
@external
@reentrant
def operator(operator_id: uint256) -> IStakeView.Operator:
    return staticcall pool_book.REGISTRY.operator(operator_id)


@view
@external
@reentrant
def operator_of(account: address) -> uint256:
    return staticcall pool_book.REGISTRY.operator_of(account)


@view
@external
@reentrant
def key_of(operator_id: uint256) -> Bytes[128]:
    return staticcall pool_book.REGISTRY.key_of(operator_id)


@view
@external
@reentrant
def key_at(operator_id: uint256, epoch: uint256) -> Bytes[128]:
    return staticcall pool_book.REGISTRY.key_at(operator_id, epoch)


@view
@external
@reentrant
def operator_of_key(key_hash: bytes32) -> uint256:
    return staticcall pool_book.REGISTRY.operator_of_key(key_hash)


# --- VIEWS: stake
@view
@external
@reentrant
def stake_at(pool: uint256, epoch: uint256) -> uint256:
    epoch_clock._check_final(epoch)
    return pool_book._stake(pool_book._head_at(pool, epoch))


@view
@external
@reentrant
def weight_at(pool: uint256, epoch: uint256) -> uint256:
    epoch_clock._check_final(epoch)
    return pool_book._weight(pool_book._head_at(pool, epoch), pool_book._min_stake(pool & 255))


@view
@external
@reentrant
def total_weight_at(service: uint256, epoch: uint256) -> uint256:
    stake: uint256 = 0
    weight: uint256 = 0
    stake, weight = staticcall pool_book.REGISTRY.totals_at(service, epoch)
    return weight


@view
@external
@reentrant
def total_stake_at(service: uint256, epoch: uint256) -> uint256:
    stake: uint256 = 0
    weight: uint256 = 0
    stake, weight = staticcall pool_book.REGISTRY.totals_at(service, epoch)
    return stake


@view
@external
@reentrant
def total_stake() -> uint256:
    return staticcall pool_book.REGISTRY.total_stake()


@view
@external
@reentrant
def snapshot(epoch: uint256) -> bytes32:
    return staticcall pool_book.REGISTRY.snapshot(epoch)


@view
@external
@reentrant
def tree_root_at(service: uint256, epoch: uint256) -> bytes32:
    return staticcall pool_book.REGISTRY.root_at(service, epoch)


@view
@external
@reentrant
def is_member(pool: uint256) -> bool:
    return pool_book._weight(pool_book.heads[pool], pool_book._min_stake(pool & 255)) > 0


@view
@external
@reentrant
def exposed(pool: uint256, epoch: uint256) -> uint256:
    held: uint256[2] = stake_ledger._exposed(pool, pool_book._load(pool), epoch_clock._day_of(epoch))
    return held[0] + held[1]


@view
@external
@reentrant
def slashed_at(pool: uint256, epoch: uint256) -> uint256:
    return stake_ledger.taken[pool][epoch]


@view
@external
@reentrant
def reserved(pool: uint256) -> uint256:
    return self._reserved(pool)


@view
@external
@reentrant
def pool_state(pool: uint256) -> IStakeManager.PoolState:
    state: pool_book.Pool = pool_book._load(pool)
    terms: uint256 = pool_book.terms[pool]
    return IStakeManager.PoolState(
        status=state.status,
        own=state.own,
        delegated=state.delegated,
        shares=state.shares,
        generation=state.generation,
        open_cases=state.cases,
        jailed_until=terms >> 192,
        below_since=(terms >> 128) & pool_book.LOW_64,
        reserved=self._reserved(pool),
    )


@view
@external
@reentrant
def shares_of(account: address, pool: uint256) -> (uint256, uint256):
    held: pool_book.Position = pool_book._position(account, pool)
    return held.amount, held.generation


@view
@external
@reentrant
def ticket(ticket_id: uint256) -> IStakeManager.Ticket:
    return exit_buckets._ticket(ticket_id)


@view
@external
@reentrant
def matures_at(ticket_id: uint256) -> uint256:
    return stake_ledger._matures_at(exit_buckets._ticket(ticket_id))


@view
@external
@reentrant
def claimable(account: address, pool: uint256) -> uint256:
    held: pool_book.Position = pool_book._position(account, pool)
    return rewards._claimable(account, pool, held.generation, held.amount, self._is_owner(account, pool))


@view
@external
@reentrant
def votes_at(account: address, pool: uint256, time: uint256) -> uint256:
    """
    @return Wei that `account` had in the pool by the cut-off of the epoch in which `time` lies.
    """
    assert time <= block.timestamp, "stake: not past"
    epoch: uint256 = (time - epoch_clock.GENESIS) // epoch_clock.EPOCH
    votes: uint256 = pool_book._shares_value_at(account, pool, epoch)
    if self._is_owner(account, pool):
        votes += (pool_book._head_at(pool, epoch) >> 108) & pool_book.AMOUNT
    return votes


# --- INTERNAL
@internal
def _close(pool: uint256, status: uint256):
    """
    @dev A tombstone stays; every other pool may join again, once its sentence is over.
    """
    owner: address = staticcall pool_book.REGISTRY.owner_of(pool >> 8)
    stays: uint256 = pool_book.TOMBSTONED if status == pool_book.TOMBSTONED else pool_book.ABSENT
    stake_ledger._close(pool, owner, stays)
    extcall pool_book.REGISTRY.leave_seat(pool)


@internal
def _unseat(pool: uint256, status: uint256):
    pool_book._save_status(pool, status, epoch_clock._next_epoch())
    extcall pool_book.REGISTRY.leave_seat(pool)


@view
@internal
def _own_pool(service: uint256) -> uint256:
    return staticcall pool_book.REGISTRY.own_pool(msg.sender, service)


@view
@internal
def _is_owner(account: address, pool: uint256) -> bool:
    return staticcall pool_book.REGISTRY.owner_of(pool >> 8) == account


@view
@internal
def _reserved(pool: uint256) -> uint256:
    return pool_book.terms[pool] & pool_book.LOW_112


@view
@internal
def _check_court():
    assert msg.sender == self.court, "stake: not the court"
