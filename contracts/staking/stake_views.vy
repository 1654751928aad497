# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What services, courts and users read of the stake
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing here writes, and no value of an epoch is told before its cut-off has passed.
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

EVIDENCE_LONG: immutable(uint256)  # seconds, DA and RELAYER
EVIDENCE_SHORT: immutable(uint256)
VETO: immutable(uint256)
CORRELATION: immutable(uint256)


@deploy
def __init__(terms: IStakeManager.Terms):
    EVIDENCE_LONG = terms.evidence_long
    EVIDENCE_SHORT = terms.evidence_short
    VETO = terms.veto
    CORRELATION = terms.correlation


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
    return EVIDENCE_LONG if pool_book._is_long(service) else EVIDENCE_SHORT


@external
@view
@reentrant
def veto_seconds() -> uint256:
    return VETO


@external
@view
@reentrant
def correlation_seconds() -> uint256:
    return CORRELATION


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
    return staticcall pool_book.REGISTRY.operator_of(account)


@external
@view
@reentrant
def key_of(operator_id: uint256) -> Bytes[128]:
    return staticcall pool_book.REGISTRY.key_of(operator_id)


@external
@view
@reentrant
def key_at(operator_id: uint256, epoch: uint256) -> Bytes[128]:
    return staticcall pool_book.REGISTRY.key_at(operator_id, epoch)


@external
@view
@reentrant
def operator_of_key(key_hash: bytes32) -> uint256:
    return staticcall pool_book.REGISTRY.operator_of_key(key_hash)


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
    stake: uint256 = 0
    weight: uint256 = 0
    stake, weight = staticcall pool_book.REGISTRY.totals_at(service, epoch)
    return weight


@external
@view
@reentrant
def total_stake_at(service: uint256, epoch: uint256) -> uint256:
    stake: uint256 = 0
    weight: uint256 = 0
    stake, weight = staticcall pool_book.REGISTRY.totals_at(service, epoch)
    return stake


@external
@view
@reentrant
def total_stake() -> uint256:
    return staticcall pool_book.REGISTRY.total_stake()


@external
@view
@reentrant
def snapshot(epoch: uint256) -> bytes32:
    return staticcall pool_book.REGISTRY.snapshot(epoch)


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
        reserved=(pool_book.terms[pool] & pool_book.LOW_112),
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
