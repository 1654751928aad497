"""The model of challenges: who is asked, what a miss costs, whom bonds belong to in the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.storage.challenge_draw import (
    KeptFile,
    chance_of,
    fall,
    is_drawn,
    position_of,
)
from offchain.storage.onchain_proofs import Wanted
from offchain.storage.proof_book import (
    MAX_OPEN,
    Clock,
    Holder,
    ProofBook,
    bond_wei,
    declared_wei,
)
from offchain.storage.reverts_proofs import (
    CreditEmpty,
    DemandBondTooLow,
    DemandTaken,
    MissEarly,
    MissSettled,
    NoOpenDemand,
    NotChallenged,
    ProofEarly,
    ProofLate,
    ProvenAlready,
)

CLOCK = Clock(genesis=1_000, epoch_seconds=100, answer_seconds=40)
HOLDER = Holder(3, 10**9, 1_000)
FINE, BOND = 1_000, 50
GROUP, SEAT = 1, 2
WANTED = Wanted(bytes(32), 0, SEAT, 130, 1)


@pytest.fixture
def book() -> ProofBook:
    return ProofBook(CLOCK, BOND)


def late(epoch: int) -> int:
    return CLOCK.start_of(epoch) + CLOCK.answer_seconds + 1


def files_of(*sizes: int, end: int = 10**9) -> list[KeptFile]:
    first, files = 0, []
    for number, size in enumerate(sizes):
        files.append(KeptFile(bytes([number]) * 32, first, size, size, end))
        first += size
    return files


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**6), st.integers(1, 10**6))
def test_fall__any_file_over__its_bytes_are_passed_over(
    randomness: bytes, alive: int, over: int
) -> None:
    kept = alive + over
    files = [*files_of(over, end=5), KeptFile(b"\1" * 32, over, alive, alive, 10**9)]
    chance = chance_of(randomness, GROUP, SEAT)

    drawn = fall(chance, files, seat=SEAT, kept=kept, owed_until=5, tries=16)

    positions = [position_of(chance, attempt, kept) for attempt in range(16)]
    first = next((i for i, position in enumerate(positions) if position >= over), None)
    if first is None:
        assert drawn is None
    else:
        assert drawn is not None
        assert (drawn.file.id, len(drawn.skipped)) == (b"\1" * 32, first)
        assert drawn.offset == positions[first] - over


def test_is_drawn__many_seats__as_often_as_bytes_say() -> None:
    """A seat with a tenth of a challenge's bytes: 10 % of 20,000, six sigma wide."""
    drawn = sum(
        is_drawn(chance_of(bytes(32), number, 0), kept=10, bytes_per_challenge=100)
        for number in range(20_000)
    )

    assert abs(drawn - 2_000) < 6 * (20_000 * 0.1 * 0.9) ** 0.5


def test_prove__in_time__once(book: ProofBook) -> None:
    start = CLOCK.start_of(4)
    with pytest.raises(ProofEarly):
        book.prove(4, GROUP, SEAT, now=start - 1)
    with pytest.raises(ProofLate):
        book.prove(4, GROUP, SEAT, now=start + 41)

    assert not book.prove(4, GROUP, SEAT, now=start + 40)
    with pytest.raises(ProvenAlready):
        book.prove(4, GROUP, SEAT, now=start + 40)
    with pytest.raises(ProvenAlready):
        book.default(4, GROUP, SEAT, HOLDER, fine=FINE, now=late(4))


@given(st.permutations([4, 5, 6, 7]))
def test_default__run_in_any_order__costs_the_same(order: list[int]) -> None:
    book = ProofBook(CLOCK, BOND)

    amounts = [
        book.default(epoch, GROUP, SEAT, HOLDER, fine=FINE, now=late(7)).amount for epoch in order
    ]

    assert sum(amounts) == 15 * FINE


def test_default__too_early_twice_or_nobodys__is_refused(book: ProofBook) -> None:
    with pytest.raises(MissEarly):
        book.default(4, GROUP, SEAT, HOLDER, fine=FINE, now=late(4) - 1)
    with pytest.raises(NotChallenged):
        book.default(4, GROUP, SEAT, Holder(0, 0, 0), fine=FINE, now=late(4))
    book.default(4, GROUP, SEAT, HOLDER, fine=FINE, now=late(4))
    with pytest.raises(MissSettled):
        book.default(4, GROUP, SEAT, HOLDER, fine=FINE, now=late(4))


def test_default__six_in_a_row__seat_is_lost(book: ProofBook) -> None:
    verdicts = [
        book.default(epoch, GROUP, SEAT, HOLDER, fine=FINE, now=late(epoch))
        for epoch in range(4, 10)
    ]

    assert [one.amount for one in verdicts] == [FINE << power for power in range(6)]
    assert [one.is_lost for one in verdicts] == [False] * 5 + [True]


def test_excuse__unsigned_file__suspect_until_the_next_proof(book: ProofBook) -> None:
    book.excuse(4, GROUP, SEAT, now=late(4))

    assert book.record(GROUP, SEAT).is_suspect
    assert not book.record(GROUP, SEAT).missed
    with pytest.raises(MissSettled):
        book.excuse(4, GROUP, SEAT, now=late(4))
    assert book.prove(5, GROUP, SEAT, now=CLOCK.start_of(5))
    assert not book.record(GROUP, SEAT).is_suspect
    assert book.record(GROUP, SEAT).was_suspect(5, HOLDER.since, CLOCK)
    assert not book.record(GROUP, SEAT).was_suspect(6, HOLDER.since, CLOCK)


@given(st.integers(1, 10**24))
def test_inv_sto_9__any_fine__silence_partial_declared_in_order(fine: int) -> None:
    book = ProofBook(CLOCK, BOND)
    partial = book.default(4, GROUP, 0, HOLDER, fine=fine, now=late(6)).amount
    silent = sum(
        book.default(epoch, GROUP, 1, HOLDER, fine=fine, now=late(6)).amount for epoch in (4, 5)
    )

    assert silent >= partial >= declared_wei(fine) > 0


def test_demand__answered_or_closed__bond_goes_to_one(book: ProofBook) -> None:
    owner, copier, demander = b"o" * 20, b"c" * 20, b"d" * 20
    book.demand(WANTED, 3, demander, value=BOND + 1, base_fee=0, now=2_000)
    with pytest.raises(DemandTaken):
        book.demand(WANTED, 3, demander, value=BOND, base_fee=0, now=2_000)
    assert book.answer(WANTED, copier, 0, owner, now=2_020) == owner
    book.demand(WANTED, 3, demander, value=BOND, base_fee=0, now=2_000)
    assert book.answer(WANTED, copier, 0, owner, now=2_021) == copier
    book.demand(WANTED, 3, demander, value=BOND, base_fee=0, now=2_000)
    with pytest.raises(ProofLate):
        book.answer(WANTED, copier, 0, owner, now=2_041)
    with pytest.raises(MissEarly):
        book.close(WANTED, GROUP, HOLDER, is_owed=True, fine=FINE, now=2_040)
    verdict = book.close(WANTED, GROUP, HOLDER, is_owed=True, fine=FINE, now=2_041)

    assert verdict is not None
    assert verdict.amount == FINE
    assert book.credits == {demander: BOND + 1, owner: BOND, copier: BOND}
    with pytest.raises(NoOpenDemand):
        book.close(WANTED, GROUP, HOLDER, is_owed=True, fine=FINE, now=2_041)
    assert book.withdraw(owner) == BOND
    with pytest.raises(CreditEmpty):
        book.withdraw(owner)
    assert book.balance == book.owed == 2 * BOND + 1


def test_demand__too_little_or_too_many__is_refused(book: ProofBook) -> None:
    with pytest.raises(DemandBondTooLow):
        book.demand(WANTED, 3, b"d" * 20, value=BOND - 1, base_fee=0, now=2_000)
    for number in range(MAX_OPEN):
        value = bond_wei(waiting=number, base_fee=0, min_bond=BOND)
        wanted = Wanted(number.to_bytes(32, "big"), 0, SEAT, 130, 1)
        book.demand(wanted, 3, b"d" * 20, value=value, base_fee=0, now=2_000)
    with pytest.raises(DemandTaken):
        book.demand(WANTED, 3, b"d" * 20, value=1 << 60, base_fee=0, now=2_000)
