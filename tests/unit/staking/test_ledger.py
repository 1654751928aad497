"""The pure ledger: clock, histories, rounding and rewards, over many inputs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.model import Address
from offchain.core.hashing import keccak
from offchain.staking import errors
from offchain.staking.ledger import StakeLedger
from offchain.staking.model import (
    TOMBSTONE,
    Clock,
    History,
    PoolId,
    Service,
    Status,
    Terms,
    pool_id,
)

COIN = 10**18
DAY, EPOCH, CUTOFF = 86_400, 14_400, 900
CLOCK = Clock(1_700_000_000, EPOCH, CUTOFF, DAY)
TERMS = Terms(
    unbonding_long=28 * DAY,
    unbonding_short=11 * DAY,
    evidence_long=24 * DAY,
    evidence_short=7 * DAY,
    veto=2 * DAY,
    correlation=DAY,
    commission_delay=29 * DAY,
    min_stake_long=100 * COIN,
    min_stake_short=10 * COIN,
    min_deposit=COIN // 100,
)
POOL = pool_id(1, Service.DA)
AMOUNT = st.integers(COIN // 100, 10**6 * COIN)


def an_account(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


OWNER = an_account(1)


def a_ledger(own: int = 100 * COIN) -> StakeLedger:
    ledger = StakeLedger(CLOCK, TERMS, 4096, CLOCK.genesis)
    ledger.register(OWNER, keccak(b"key"))
    ledger.join(OWNER, Service.DA, commission_bps=0, value=own)
    return ledger


def later(ledger: StakeLedger, *, epochs: int = 2) -> int:
    """Let time pass; the epoch that runs then."""
    ledger.now += epochs * EPOCH
    return CLOCK.current_epoch(ledger.now)


@given(st.integers(0, 10**9))
def test_clock__any_time__change_counts_first_in_an_epoch_that_is_not_final(since: int) -> None:
    now = CLOCK.genesis + since
    first = CLOCK.next_epoch(now)

    assert CLOCK.cutoff_of(first) > now >= CLOCK.cutoff_of(first - 1)
    CLOCK.check_final(first - 1, now)
    with pytest.raises(errors.EpochNotFinal):
        CLOCK.check_final(first, now)


@pytest.mark.parametrize(
    ("clock", "refusal"),
    [
        ((0, 100, 100, 1_000), errors.CutoffTooEarly),
        ((0, 100, 10, 1_050), errors.EpochsSplitDays),
    ],
)
def test_clock__impossible__refused(clock: tuple[int, ...], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        Clock(*clock)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers()), max_size=30))
def test_history__any_writes__at_finds_what_a_walk_finds(writes: list[tuple[int, int]]) -> None:
    history, plain = History(0), {}
    for epoch, value in sorted(writes, key=lambda write: write[0]):
        history.put(epoch, value)
        plain[epoch] = value

    for epoch in range(52):
        known = [at for at in plain if at <= epoch]
        assert history.at(epoch) == (plain[max(known)] if known else 0)


@given(AMOUNT, AMOUNT, st.integers(0, 10**6))
def test_inv_stake_8__deposit_then_exit__never_returns_more(
    first: int, second: int, slash: int
) -> None:
    ledger = a_ledger()
    ledger.delegate(an_account(2), POOL, value=first)
    epoch = later(ledger)
    ledger.slash(POOL, epoch, 100 * COIN + first * slash // 10**6)
    try:
        shares = ledger.delegate(an_account(3), POOL, value=second)
    except errors.TrancheFull:
        return

    ticket = ledger.request_exit(an_account(3), POOL, shares=shares)
    later(ledger, epochs=6 * 30)

    paid = ledger.withdraw(an_account(3), ticket)
    assert second - 2 - second * 2**21 // max(ledger.pool(POOL).shares, 1) <= paid <= second


@given(st.lists(AMOUNT, min_size=1, max_size=6), st.integers(0, 10_000))
def test_inv_stake_7__any_slash__equal_parts_for_equal_shares(
    deposits: list[int], bps: int
) -> None:
    ledger = a_ledger()
    for number, amount in enumerate(deposits):
        ledger.delegate(an_account(10 + number), POOL, value=amount)
    epoch = later(ledger)
    total = sum(deposits)

    ledger.slash(POOL, epoch, 100 * COIN + total * bps // 10_000)

    state = ledger.pool(POOL)
    assert state.delegated <= max(state.shares, 0)
    assert state.own == 0
    for number, amount in enumerate(deposits):
        held = ledger.position(an_account(10 + number), POOL)
        if held.generation == state.generation and state.shares:
            exact = amount * (total - total * bps // 10_000) / total
            worth = held.shares * state.delegated // state.shares
            assert abs(worth - exact) <= 1 + exact * 1e-12


@given(st.lists(st.integers(1, 10**24), min_size=1, max_size=8), AMOUNT, AMOUNT)
def test_inv_stake_8__any_rewards__everything_is_claimable_but_dust(
    rewards: list[int], first: int, second: int
) -> None:
    ledger = a_ledger()
    ledger.delegate(an_account(2), POOL, value=first)
    ledger.delegate(an_account(3), POOL, value=second)
    for amount in rewards:
        ledger.reward(POOL, amount)

    claimed = sum(
        ledger.claim(account, POOL)
        for account in (OWNER, an_account(2), an_account(3))
        if ledger.claimable(account, POOL)
    )

    assert sum(rewards) - 3 <= claimed <= sum(rewards)


def test_slash__nothing_delegated__stops_at_own_stake() -> None:
    ledger = a_ledger()
    epoch = later(ledger)

    assert ledger.slash(POOL, epoch, 10**9 * COIN) == 100 * COIN
    assert ledger.slash(POOL, epoch, 1) == 0
    assert ledger.balance == 0


def test_slash__pool_that_never_was__takes_nothing() -> None:
    assert a_ledger().slash(PoolId(999 << 8 | 1), 0, COIN) == 0


def test_refused_call__any__leaves_the_ledger_as_it_was() -> None:
    ledger = a_ledger()
    before = repr(ledger)
    refusals = (
        (errors.CannotJoin, lambda: ledger.join(OWNER, Service.DA, commission_bps=0, value=COIN)),
        (errors.NotAnOwner, lambda: ledger.deposit(an_account(9), Service.DA, COIN)),
        (errors.DepositTooSmall, lambda: ledger.delegate(an_account(9), POOL, value=1)),
        (errors.ExceedsOwnStake, lambda: ledger.exit_own(OWNER, Service.DA, 101 * COIN)),
        (errors.PoolInOrder, lambda: ledger.force_exit(POOL)),
        (errors.NotJailed, lambda: ledger.unjail(OWNER, Service.DA)),
        (errors.KeySeenBefore, lambda: ledger.rotate(OWNER, keccak(b"key"))),
        (errors.NotReserved, lambda: ledger.release(POOL, 1)),
    )

    for refusal, call in refusals:
        with pytest.raises(refusal):
            call()
    assert before == repr(ledger)


def test_reverts__every_reason__leads_to_one_class() -> None:
    assert len(errors.REVERTS) == len(errors.StakingRefusal.__subclasses__())
    for reason, refusal in errors.REVERTS.items():
        assert refusal.reason == reason
        assert ": " in reason


def test_tombstone__only_live_pools__lose_their_weight() -> None:
    ledger = a_ledger()

    ledger.slash(POOL, 0, 0, TOMBSTONE)

    assert ledger.pool(POOL).status == Status.TOMBSTONED
    assert ledger.pool(pool_id(1, Service.STORAGE)).status == Status.ABSENT
    assert (ledger.untold(Service.DA), ledger.untold(Service.STORAGE)) == (1, 0)
    with pytest.raises(errors.OperatorTombstoned):
        ledger.join(OWNER, Service.STORAGE, commission_bps=0, value=100 * COIN)
