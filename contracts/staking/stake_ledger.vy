# pragma version 0.4.3
"""
@title How stake moves: in, out, away
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the balance is the sum of own, delegated, buckets and rewards owed; every wei is in one of them.
@dev Deposits come in, exits go to buckets, tickets are paid out of buckets, slashes go to the court.
"""
from ..interfaces import IStakeManager
from . import epoch_clock
from . import exit_buckets
from . import pool_book
from . import rewards

uses: epoch_clock
uses: exit_buckets
uses: pool_book
uses: rewards

CLOSING_SHIFT: constant(uint256) = 20  # a share price under 2**-20 closes a generation

MIN_DEPOSIT: immutable(uint256)  # wei
UNBONDING_LONG: immutable(uint256)  # seconds, DA and RELAYER
UNBONDING_SHORT: immutable(uint256)

taken: HashMap[uint256, HashMap[uint256, uint256]]  # pool -> epoch of the offence -> wei slashed


@deploy
def __init__(min_deposit: uint256, unbonding_long: uint256, unbonding_short: uint256):
    MIN_DEPOSIT = min_deposit
    UNBONDING_LONG = unbonding_long
    UNBONDING_SHORT = unbonding_short


@internal
def _deposit_own(pool: uint256, state: pool_book.Pool, amount: uint256):
    """
    @dev Allowed while cases are open: the operator tops up what pays first.
    """
    assert amount >= MIN_DEPOSIT, "stake_ledger: deposit too small"
    changed: pool_book.Pool = state
    changed.own += amount
    assert changed.own < pool_book.MAX_TRANCHE, "stake_ledger: tranche full"

    pool_book._save(pool, changed, epoch_clock._next_epoch())
    log IStakeManager.Deposited(pool=pool, account=msg.sender, amount=amount, shares=0)


@internal
def _delegate(account: address, pool: uint256, amount: uint256, min_shares: uint256) -> uint256:
    state: pool_book.Pool = pool_book._load(pool)
    assert state.status == pool_book.ACTIVE, "stake_ledger: pool not active"
    assert state.cases == 0, "stake_ledger: case open"
    assert amount >= MIN_DEPOSIT, "stake_ledger: deposit too small"
    held: pool_book.Position = pool_book._position(account, pool)
    self._settle(account, pool, held, state.generation)
    if held.generation != state.generation:
        assert self._is_worthless(pool, held), "stake_ledger: exit old shares"
        held.generation = state.generation
        held.amount = 0

    minted: uint256 = amount
    if state.shares > 0:
        minted = amount * state.shares // state.delegated
    assert minted >= min_shares, "stake_ledger: too few shares"
    state.delegated += amount
    state.shares += minted
    assert state.delegated < pool_book.MAX_TRANCHE, "stake_ledger: tranche full"

    epoch: uint256 = epoch_clock._next_epoch()
    held.amount += minted
    pool_book._save_position(account, pool, held, epoch)
    pool_book._save(pool, state, epoch)
    log IStakeManager.Deposited(pool=pool, account=account, amount=amount, shares=minted)
    return minted


@internal
def _exit_own(pool: uint256, amount: uint256) -> uint256:
    state: pool_book.Pool = pool_book._load(pool)
    assert amount > 0, "stake_ledger: nothing to exit"
    assert amount <= state.own, "stake_ledger: exceeds own stake"

    epoch: uint256 = epoch_clock._next_epoch()
    state.own -= amount
    pool_book._save(pool, state, epoch)
    return self._ticket_for(msg.sender, pool, epoch, 0, amount, 0)


@internal
def _request_exit(pool: uint256, shares: uint256, then: uint256) -> uint256:
    state: pool_book.Pool = pool_book._load(pool)
    held: pool_book.Position = pool_book._position(msg.sender, pool)
    assert shares > 0, "stake_ledger: nothing to exit"
    assert shares <= held.amount, "stake_ledger: exceeds shares"
    self._settle(msg.sender, pool, held, held.generation)

    epoch: uint256 = epoch_clock._next_epoch()
    held.amount -= shares
    pool_book._save_position(msg.sender, pool, held, epoch)
    if held.generation != state.generation:
        return self._exit_closed(pool, held.generation, shares, then)

    payout: uint256 = state.delegated * shares // state.shares
    assert payout > 0, "stake_ledger: nothing to exit"
    state.delegated -= payout
    state.shares -= shares
    pool_book._save(pool, state, epoch)
    return self._ticket_for(msg.sender, pool, epoch, 1, payout, then)


@internal
def _exit_closed(pool: uint256, generation: uint256, shares: uint256, then: uint256) -> uint256:
    """
    @dev The money is in a bucket already; the holder takes his part of it.
    """
    minted: uint256 = 0
    day: uint256 = 0
    bucket_generation: uint256 = 0
    minted, day, bucket_generation = exit_buckets._unblock(pool, generation, shares)
    assert minted > 0, "stake_ledger: nothing to exit"

    ticket: uint256 = exit_buckets._open_ticket(msg.sender, pool, day, 1, minted, bucket_generation, then)
    log IStakeManager.ExitRequested(
        pool=pool, account=msg.sender, ticket=ticket, day=day, amount=minted, then=then
    )
    return ticket


@internal
def _ticket_for(
    account: address, pool: uint256, epoch: uint256, kind: uint256, amount: uint256, then: uint256
) -> uint256:
    """
    @dev The last epoch that counts the money is the one before `epoch`.
    """
    day: uint256 = epoch_clock._day_of(epoch - 1)
    shares: uint256 = 0
    generation: uint256 = 0
    shares, generation = exit_buckets._enter(pool, day, kind, amount)
    ticket: uint256 = exit_buckets._open_ticket(account, pool, day, kind, shares, generation, then)
    log IStakeManager.ExitRequested(
        pool=pool, account=account, ticket=ticket, day=day, amount=amount, then=then
    )
    return ticket


@internal
def _pay_ticket(ticket_id: uint256, ticket: IStakeManager.Ticket) -> uint256:
    assert ticket.owner != empty(address), "stake_ledger: no such ticket"
    assert block.timestamp >= self._matures_at(ticket), "stake_ledger: not matured"
    limit: uint256 = max_value(uint256)
    reserved: uint256 = pool_book.terms[ticket.pool] & pool_book.LOW_112
    if reserved > 0:
        held: uint256[2] = self._exposed(ticket.pool, pool_book._load(ticket.pool), ticket.day)
        limit = held[0] + held[1] - min(reserved, held[0] + held[1])
    return exit_buckets._take(ticket_id, ticket, limit)


@internal
def _close(pool: uint256, owner: address):
    """
    @dev Everything active goes to the bucket of the day; delegators take their part of it as tickets when they like.
         A pool that holds nothing closes too, or its seat would stay taken for ever.
    """
    state: pool_book.Pool = pool_book._load(pool)
    own: uint256 = state.own
    delegated: uint256 = state.delegated
    assert state.status != pool_book.ABSENT or own + delegated > 0, "stake_ledger: nothing to close"
    epoch: uint256 = epoch_clock._next_epoch()
    state.own = 0
    state.status = pool_book.ABSENT
    state = self._close_generation(pool, state, epoch)
    pool_book._save(pool, state, epoch)
    if own > 0:
        self._ticket_for(owner, pool, epoch, 0, own, 0)
    log IStakeManager.PoolClosed(
        pool=pool, day=epoch_clock._day_of(epoch - 1), own=own, delegated=delegated
    )


@internal
def _close_generation(pool: uint256, state: pool_book.Pool, epoch: uint256) -> pool_book.Pool:
    """
    @dev The next generation starts at price 1, so old shares are never diluted back to life.
    """
    if state.shares == 0:
        return state
    if state.delegated > 0:
        exit_buckets._block(
            pool, state.generation, epoch_clock._day_of(epoch - 1), state.delegated, state.shares
        )
    log IStakeManager.GenerationClosed(pool=pool, generation=state.generation)
    closed: pool_book.Pool = state
    closed.delegated = 0
    closed.shares = 0
    closed.generation += 1
    pool_book._save_price(pool, closed, epoch)
    return closed


@internal
def _slash(pool: uint256, status: uint256, epoch: uint256, amount: uint256) -> uint256:
    """
    @dev Self first, then delegated pro rata; active tranches and every bucket of the offence's day or later. The
         pool's new status is saved with what is left.
    """
    epoch_clock._check_final(epoch)
    state: pool_book.Pool = pool_book._load(pool)
    is_changed: bool = state.status != status
    state.status = status
    first_day: uint256 = epoch_clock._day_of(epoch)
    held: uint256[2] = self._exposed(pool, state, first_day)
    before: uint256 = self.taken[pool][epoch]
    room: uint256 = pool_book._stake(pool_book._head_at(pool, epoch)) - before
    total: uint256 = min(min(amount, room), held[0] + held[1])
    due: uint256[2] = [min(total, held[0]), total - min(total, held[0])]
    if total > 0:
        self.taken[pool][epoch] = before + total
        log IStakeManager.Slashed(pool=pool, epoch=epoch, own=due[0], delegated=due[1])
        due, held = exit_buckets._cut(pool, first_day, due, held)
    now: uint256 = epoch_clock._next_epoch()
    state.own -= due[0]
    state.delegated -= due[1]
    if due[1] > 0:
        if state.delegated == 0 or state.delegated < state.shares >> CLOSING_SHIFT:
            state = self._close_generation(pool, state, now)
        else:
            pool_book._save_price(pool, state, now)
    if is_changed or due[0] + due[1] > 0:
        pool_book._save_untold(pool, state, now)
    return total


@internal
def _settle(account: address, pool: uint256, held: pool_book.Position, next_generation: uint256):
    rewards._settle(account, pool, held.generation, held.amount, next_generation)


@internal
@view
def _is_worthless(pool: uint256, held: pool_book.Position) -> bool:
    """
    @dev Whether shares of a closed generation have nothing left to exit with.
    """
    return held.amount == 0 or exit_buckets.blocks[pool][held.generation] & (2**128 - 1) == 0


@internal
@view
def _exposed(pool: uint256, state: pool_book.Pool, first_day: uint256) -> uint256[2]:
    held: uint256[2] = exit_buckets._held(pool, first_day)
    return [held[0] + state.own, held[1] + state.delegated]


@internal
@view
def _matures_at(ticket: IStakeManager.Ticket) -> uint256:
    return epoch_clock._end_of_day(ticket.day) + self._unbonding(ticket.pool & 255)


@internal
@view
def _unbonding(service: uint256) -> uint256:
    return UNBONDING_LONG if pool_book._is_long(service) else UNBONDING_SHORT
