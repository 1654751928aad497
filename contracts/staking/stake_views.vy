# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What services, courts and users read of the stake
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing here writes after deployment, and no value of an epoch is told before its cut-off has passed.
@dev StakeManager exports all of it. Identity is kept by OperatorRegistry and passed on.
"""
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from . import epoch_clock
from . import exit_buckets
from . import pool_book
from . import rewards
from . import stake_ledger

uses: epoch_clock
uses: exit_buckets
uses: pool_book
uses: rewards
uses: stake_ledger

# Read when a court is built and when it adds a type, so not worth 32 bytes of code each.
windows: uint256[4]  # seconds: evidence of DA and RELAYER, of the others, veto, correlation


@deploy
def __init__(terms: IStakeManager.Terms):
    self.windows = [terms.evidence_long, terms.evidence_short, terms.veto, terms.correlation]


# --- TIME
@external
@view
@reentrant
def current_epoch() -> uint256:
    return epoch_clock._current_epoch()


@external
@view
@reentrant
def epoch_start(epoch: uint256) -> uint256:
    return epoch_clock._start_of(epoch)


@external
@view
@reentrant
def epoch_cutoff(epoch: uint256) -> uint256:
    return epoch_clock._cutoff_of(epoch)


@external
@view
@reentrant
def epoch_length() -> uint256:
    return epoch_clock.EPOCH


@external
@view
@reentrant
def day_of(epoch: uint256) -> uint256:
    return epoch_clock._day_of(epoch)


@external
@view
@reentrant
def unbonding_seconds(service: uint256) -> uint256:
    return stake_ledger._unbonding(service)


@external
@view
@reentrant
def evidence_seconds(service: uint256) -> uint256:
    return self.windows[0] if pool_book._is_long(service) else self.windows[1]


@external
@view
@reentrant
def veto_seconds() -> uint256:
    return self.windows[2]


@external
@view
@reentrant
def correlation_seconds() -> uint256:
    return self.windows[3]


# --- IDENTITY
@external
@view
@reentrant
def registry() -> address:
    return pool_book.REGISTRY.address


@external
@view
@reentrant
def operator(operator_id: uint256) -> IStakeView.Operator:
    return staticcall pool_book.REGISTRY.operator(operator_id)


@external
@view
@reentrant
def operator_of(account: address) -> uint256:
    return convert(self._ask(), uint256)


@external
@view
@reentrant
def key_at(operator_id: uint256, epoch: uint256) -> Bytes[128]:
    return staticcall pool_book.REGISTRY.key_at(operator_id, epoch)


@external
@view
@reentrant
def operator_of_key(key_hash: bytes32) -> uint256:
    return convert(self._ask(), uint256)


# --- STAKE
@external
@view
@reentrant
def stake_at(pool: uint256, epoch: uint256) -> uint256:
    epoch_clock._check_final(epoch)
    return pool_book._stake(pool_book._head_at(pool, epoch))


@external
@view
@reentrant
def weight_at(pool: uint256, epoch: uint256) -> uint256:
    epoch_clock._check_final(epoch)
    return pool_book._weight(pool_book._head_at(pool, epoch), pool_book._min_stake(pool & 255))


@external
@view
@reentrant
def total_weight_at(service: uint256, epoch: uint256) -> uint256:
    return self._totals(service, epoch)[1]


@external
@view
@reentrant
def total_stake_at(service: uint256, epoch: uint256) -> uint256:
    return self._totals(service, epoch)[0]


@external
@view
@reentrant
def total_stake() -> uint256:
    return convert(self._ask(), uint256)


@external
@view
@reentrant
def snapshot(epoch: uint256) -> bytes32:
    return self._ask()


@external
@view
@reentrant
def tree_root_at(service: uint256, epoch: uint256) -> bytes32:
    return staticcall pool_book.REGISTRY.root_at(service, epoch)


@external
@view
@reentrant
def is_member(pool: uint256) -> bool:
    return pool_book._weight(pool_book.heads[pool], pool_book._min_stake(pool & 255)) > 0


@external
@view
@reentrant
def untold(service: uint256) -> uint256:
    """
    @return Pools whose weight in the tree is that from before a slash; 0 when the tree is up to date.
    """
    return pool_book.untold[service]


@external
@view
@reentrant
def exposed(pool: uint256, epoch: uint256) -> uint256:
    held: uint256[2] = stake_ledger._exposed(pool, pool_book._load(pool), epoch_clock._day_of(epoch))
    return held[0] + held[1]


@external
@view
@reentrant
def slashed_at(pool: uint256, epoch: uint256) -> uint256:
    return stake_ledger.taken[pool][epoch]


@external
@view
@reentrant
def reserved(pool: uint256) -> uint256:
    return (pool_book.terms[pool] & pool_book.LOW_112)


@external
@view
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
        reserved=terms & pool_book.LOW_112,
    )


@external
@view
@reentrant
def shares_of(account: address, pool: uint256) -> (uint256, uint256):
    held: pool_book.Position = pool_book._position(account, pool)
    return held.amount, held.generation


@external
@view
@reentrant
def ticket(ticket_id: uint256) -> IStakeManager.Ticket:
    return exit_buckets._ticket(ticket_id)


@external
@view
@reentrant
def matures_at(ticket_id: uint256) -> uint256:
    return stake_ledger._matures_at(exit_buckets._ticket(ticket_id))


@external
@view
@reentrant
def claimable(account: address, pool: uint256) -> uint256:
    held: pool_book.Position = pool_book._position(account, pool)
    return rewards._claimable(account, pool, held.generation, held.amount, pool_book._is_owner(account, pool))


@external
@view
@reentrant
def votes_at(account: address, pool: uint256, time: uint256) -> uint256:
    """
    @return Wei that `account` had in the pool by the cut-off of the epoch in which `time` lies.
    """
    assert time <= block.timestamp, "stake: not past"
    epoch: uint256 = (time - epoch_clock.GENESIS) // epoch_clock.EPOCH
    votes: uint256 = pool_book._shares_value_at(account, pool, epoch)
    if pool_book._is_owner(account, pool):
        votes += (pool_book._head_at(pool, epoch) >> 108) & pool_book.AMOUNT
    return votes


# --- INTERNAL
@internal
@view
def _ask() -> bytes32:
    """
    @dev OperatorRegistry's answer to the same call, one word.
    """
    return convert(
        raw_call(pool_book.REGISTRY.address, msg.data, max_outsize=32, is_static_call=True), bytes32
    )


@internal
@view
def _totals(service: uint256, epoch: uint256) -> uint256[2]:
    """
    @dev Stake and weight of a service's members.
    """
    stake: uint256 = 0
    weight: uint256 = 0
    stake, weight = staticcall pool_book.REGISTRY.totals_at(service, epoch)
    return [stake, weight]
