"""Rounds of sampling as a pure model: target, wins, and what a pool pays in the long run."""

import random

import pytest

from offchain.core.layout import LEAF_BYTES
from offchain.da.reverts import LeafLost, LeafWonAlready, RoundFull, RoundNotOpen
from offchain.da.sampling_book import (
    MAX_TARGET,
    MAX_WINS,
    MIN_TARGET,
    REWARD_DIVISOR,
    TARGET_WINS,
    Round,
    SamplingBook,
    is_win,
    lottery_digest,
    moved_target,
    reward_of,
)

PERIOD = 600
WEEK = 7 * 86_400
LEAF = bytes(LEAF_BYTES)


def a_book() -> SamplingBook:
    return SamplingBook(31_337, b"s" * 20, PERIOD)


def place(number: int) -> tuple[bytes, int, int]:
    return b"b" * 32, number, 0


def test_win__round_not_opened_or_over__is_refused() -> None:
    book = a_book()
    with pytest.raises(RoundNotOpen):
        book.win(PERIOD, place(0), LEAF)
    assert book.open_round(PERIOD, b"r" * 32)
    assert not book.open_round(2 * PERIOD - 1, b"q" * 32)

    book.win(2 * PERIOD - 1, place(0), LEAF)

    with pytest.raises(RoundNotOpen):
        book.win(2 * PERIOD, place(1), LEAF)


def test_inv_da_21__one_leaf__wins_once_a_round_and_a_round_has_an_end() -> None:
    book = a_book()
    book.open_round(PERIOD, b"r" * 32)
    for number in range(MAX_WINS - 1):
        book.win(PERIOD, place(number), LEAF)
    with pytest.raises(LeafWonAlready):
        book.win(PERIOD, place(0), LEAF)
    book.win(PERIOD, place(MAX_WINS), LEAF)

    with pytest.raises(RoundFull):
        book.win(PERIOD, place(MAX_WINS + 1), LEAF)
    book.open_round(2 * PERIOD, b"r" * 32)
    assert book.round.target == moved_target(MAX_TARGET, MAX_WINS) < MAX_TARGET


def test_win__digest_above_the_target__is_refused() -> None:
    book = a_book()
    book.round = Round(1, b"s" * 32, MIN_TARGET, 0)

    with pytest.raises(LeafLost):
        book.win(PERIOD, place(0), LEAF)


def test_lottery_digest__any_part_changed__is_another() -> None:
    base = lottery_digest(b"s" * 32, place(1), LEAF)

    assert (
        len(
            {
                base,
                lottery_digest(b"t" * 32, place(1), LEAF),
                lottery_digest(b"s" * 32, (b"c" * 32, 1, 0), LEAF),
                lottery_digest(b"s" * 32, (b"b" * 32, 0, 1), LEAF),
                lottery_digest(b"s" * 32, place(1), LEAF[:-1] + b"\x01"),
            }
        )
        == 5
    )


def test_open_round__randomness_or_round__changes_the_seed() -> None:
    seeds = set()
    for now, randomness in ((PERIOD, b"a" * 32), (PERIOD, b"b" * 32), (2 * PERIOD, b"a" * 32)):
        book = a_book()
        book.open_round(now, randomness)
        seeds.add(book.round.seed)

    assert len(seeds) == 3


def test_moved_target__wins_as_wanted__stays() -> None:
    assert moved_target(10**70, TARGET_WINS) == 10**70
    assert moved_target(1 << 200, 0) == (1 << 200) * 9 // 8
    assert moved_target(1 << 200, MAX_WINS) == (1 << 200) * 7 // 8
    assert moved_target(MAX_TARGET, 0) == MAX_TARGET
    assert moved_target(MIN_TARGET, MAX_WINS) == MIN_TARGET


def test_target__many_leaves__finds_sixteen_wins_a_round() -> None:
    """Of 20,000 leaves about one in 1,250 wins once the target has settled; seeded."""
    source = random.Random(20)
    target, leaves, wins_seen = MAX_TARGET, 20_000, []
    for _ in range(400):
        chance = target / MAX_TARGET
        mean = leaves * chance
        drawn = source.gauss(mean, (mean * (1 - chance)) ** 0.5)  # binomial, for so many leaves
        wins = min(max(round(drawn), 0), MAX_WINS)
        wins_seen.append(wins)
        target = moved_target(target, wins)

    settled = wins_seen[200:]
    assert TARGET_WINS - 1 <= sum(settled) / len(settled) <= TARGET_WINS + 1


def test_pool__wins_as_wanted__gives_out_63_percent_in_a_week_and_is_never_empty() -> None:
    pool = whole = 10**18
    for _ in range(WEEK // PERIOD * TARGET_WINS):
        pool -= reward_of(pool)

    assert 0.36 < pool / whole < 0.38  # 1/e
    assert WEEK // PERIOD * TARGET_WINS == REWARD_DIVISOR


def test_income__leaf_not_held__cannot_be_known_to_win() -> None:
    """Without the bytes both outcomes stay open: their digest decides."""
    opened = Round(1, b"s" * 32, MAX_TARGET // 2, 0)
    source = random.Random(5)
    outcomes = {is_win(opened, place(0), source.randbytes(LEAF_BYTES)) for _ in range(64)}

    assert outcomes == {True, False}
