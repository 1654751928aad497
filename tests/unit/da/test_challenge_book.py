"""The model of challenges alone: prices, who gets a bond, and that every wei has an owner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.units import Seconds, Wei
from offchain.da.challenge_book import MAX_OPEN, Asked, Caller, ChallengeBook, Duty, bond_wei
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW, challenge_id
from offchain.da.reverts import (
    AnswerLate,
    BondTooLow,
    ChallengeEarly,
    ChallengeRefused,
    ChallengeTaken,
    NoOpenChallenge,
    NothingToWithdraw,
)

MIN_BOND = Wei(10**16)
WINDOW = Seconds(3_600)
BLOB = b"\x01" * 32
DOUBTER, OWNER, OTHER = b"\x0d" * 20, b"\x0a" * 20, b"\x0c" * 20
DUTY = Duty(BlobState.CONFIRMED, Seconds(10**6), columns=32, epoch=3, operator_id=7)


def a_book() -> ChallengeBook:
    return ChallengeBook(WINDOW, MIN_BOND)


def ask(book: ChallengeBook, *, leaf: int = 0, row: int = 5, now: int = 100) -> Asked:
    asked = Asked(BLOB, row, leaf)
    waiting = book.waiting(7)
    bond = bond_wei(32, leaf, waiting=waiting, base_fee=10**9, min_bond=MIN_BOND)
    book.challenge(asked, DUTY, DOUBTER, value=bond + 5, base_fee=10**9, now=now)
    return asked


@given(
    waiting=st.integers(0, MAX_OPEN - 1),
    base_fee=st.integers(0, 10**13),
    columns=st.sampled_from([8, 32, 1_024]),
    leaf=st.sampled_from([0, WHOLE_ROW]),
)
def test_inv_da_16__bond__pays_the_answer_half_again_and_the_minimum(
    waiting: int, base_fee: int, columns: int, leaf: int
) -> None:
    gas = 95_000 if leaf == 0 else 120_000 + 1_280 * columns

    bond = bond_wei(columns, leaf, waiting=waiting, base_fee=base_fee, min_bond=MIN_BOND)

    assert bond >= gas * base_fee + MIN_BOND
    assert bond == (gas * base_fee * 3 // 2 + MIN_BOND) * 2 ** (waiting // 16)


@pytest.mark.parametrize(
    ("after", "caller", "earns"),
    [
        (1_800, Caller(OWNER, 7), OWNER),
        (1_800, Caller(OTHER), OWNER),
        (1_800, Caller(DOUBTER, 8), OWNER),
        (1_801, Caller(OTHER), OTHER),
        (3_600, Caller(DOUBTER), DOUBTER),
    ],
)
def test_answer__by_time_and_caller__pays_the_right_account(
    after: int, caller: Caller, earns: bytes
) -> None:
    book = a_book()
    asked = ask(book)
    bond = book.opened[asked].bond

    assert book.answer(asked, caller, OWNER, now=100 + after) == earns

    refunded = 5 if earns == DOUBTER else 0
    assert book.credits[earns] == bond + refunded
    assert book.owed == book.balance == bond + 5


def test_answer__late_or_not_open__is_refused() -> None:
    book = a_book()
    asked = ask(book)

    with pytest.raises(AnswerLate):
        book.answer(asked, Caller(OWNER, 7), OWNER, now=3_701)
    book.close(asked, BlobState.CONFIRMED, now=3_701)
    with pytest.raises(NoOpenChallenge):
        book.answer(asked, Caller(OWNER, 7), OWNER, now=3_701)


def test_close__before_the_deadline__is_refused_and_after_it_convicts_once() -> None:
    book = a_book()
    first, second = ask(book, leaf=0), ask(book, leaf=1)
    with pytest.raises(ChallengeEarly):
        book.close(first, BlobState.CONFIRMED, now=3_700)

    assert book.close(first, BlobState.CONFIRMED, now=3_701)
    assert not book.close(second, BlobState.CONFIRMED, now=3_701)

    assert book.credits[DOUBTER] == book.deposited
    with pytest.raises(ChallengeTaken):
        ask(book, leaf=2, now=3_702)


def test_close__void_blob__convicts_nobody() -> None:
    book = a_book()
    asked = ask(book)

    assert not book.close(asked, BlobState.VOID, now=3_701)
    assert not book.punished


def test_challenge__nobody_answers_for_it__is_refused() -> None:
    book = a_book()
    for duty in (
        Duty(BlobState.VOID, Seconds(10**6), 32, 3, 7),
        Duty(BlobState.PAID, Seconds(10**6), 32, 3, 7),
        Duty(BlobState.CONFIRMED, Seconds(100), 32, 3, 7),
        Duty(BlobState.CONFIRMED, Seconds(10**6), 32, 3, 0),
    ):
        with pytest.raises(ChallengeRefused):
            book.challenge(Asked(BLOB, 5, 0), duty, DOUBTER, value=10**18, base_fee=0, now=100)
    with pytest.raises(ChallengeRefused):
        book.challenge(Asked(BLOB, 5, 4), DUTY, DOUBTER, value=10**18, base_fee=0, now=100)
    with pytest.raises(BondTooLow):
        book.challenge(Asked(BLOB, 5, 0), DUTY, DOUBTER, value=1, base_fee=0, now=100)
    assert (book.owed, book.balance) == (0, 0)


def test_challenge__open_already__is_refused() -> None:
    book = a_book()
    ask(book)

    with pytest.raises(ChallengeTaken):
        ask(book)


def test_reclaim__after_the_courts_window__gives_the_bond_back() -> None:
    book = a_book()
    asked = ask(book)
    with pytest.raises(ChallengeEarly):
        book.reclaim(asked, barred_at=5_000, now=5_000)

    book.reclaim(asked, barred_at=5_000, now=5_001)

    assert book.withdraw(DOUBTER) == book.deposited
    with pytest.raises(NothingToWithdraw):
        book.withdraw(DOUBTER)
    assert (book.owed, book.balance) == (0, 0)


def test_challenge_id__differs_by_every_part() -> None:
    ids = {
        challenge_id(BLOB, 5, 0),
        challenge_id(BLOB, 5, 1),
        challenge_id(BLOB, 6, 0),
        challenge_id(b"\x02" * 32, 5, 0),
    }

    assert len(ids) == 4
