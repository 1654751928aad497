"""Silence costs whoever held the seat, more with every epoch; never less than a declared loss."""

from dataclasses import replace
from itertools import permutations

import boa
import pytest

from offchain.storage.model import kept_bytes
from tests.support.refusal import Refused
from tests.support.staking import COIN, EPOCH, STORAGE, a_member, a_wallet
from tests.support.storage_proofs import (
    ANSWER,
    DURABLE,
    EVIDENCE,
    GROUP,
    PRICE,
    SERVING,
    SUSPECT,
    VACANT,
    AFile,
    ProofsSite,
    default,
    drawn_seats,
    fallen,
    fine,
    kept_by,
    proof_of,
    prove,
    store,
    to_epoch,
    with_end,
)

SEAT = 4
LATE = ANSWER + 1


def miss(site: ProofsSite, files: list[AFile], epoch: int, *, seat: int = SEAT) -> int:
    """Let an epoch's window pass and punish; tries as the seat is suspect."""
    to_epoch(site, epoch, offset=LATE)
    tries = 16 if site.standing(seat).is_suspect else 1
    return default(site, files, epoch, seat, tries=tries)


def test_inv_sto_9__silence__fined_at_once_and_suspect(
    site: ProofsSite, files: list[AFile]
) -> None:
    operator, reporter = site.operators[SEAT % 3], a_wallet("reporter")
    to_epoch(site, 10, offset=LATE)

    misses = default(site, files, 10, SEAT, who=reporter)
    event = next(one for one in site.proofs.get_logs() if type(one).__name__ == "Defaulted")

    assert (1, fine(files)) == (misses, site.slashed(operator, 10))
    assert (operator.operator_id, 1, fine(files), reporter) == (
        event.operator_id,
        event.misses,
        event.amount,
        event.reporter,
    )
    assert fine(files) == site.proofs.fine(10, GROUP, SEAT)
    assert fine(files) * 500 // 10_000 == site.court.credit_of(reporter)
    assert site.seat_state(SEAT) == SUSPECT


def test_default__before_the_window_ends__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    to_epoch(site, 10, offset=ANSWER)

    with unmoved("storage_proofs: answer may come"):
        default(site, files, 10, SEAT)


def test_default__twice__is_refused(site: ProofsSite, files: list[AFile], unmoved: Refused) -> None:
    miss(site, files, 10)

    with unmoved("storage_proofs: punished already"):
        default(site, files, 10, SEAT)


def test_default__seat_that_proved__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    prove(site, proof_of(site, files, 10, SEAT), 10, SEAT)
    to_epoch(site, 10, offset=LATE)

    with unmoved("storage_proofs: proven already"):
        default(site, files, 10, SEAT)


def test_default__seat_that_was_not_drawn__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    """Ten seats' bytes to a challenge: about three of 32 are drawn, the model says which."""
    rate = 10 * kept_by(files)
    site.files.set_total(rate * 2, 1)
    site.proofs.measure(sender=a_wallet("anybody"))
    store_later(site, files)
    drawn = drawn_seats(site, 11, kept_by(files), rate)
    to_epoch(site, 11, offset=LATE)

    assert rate == site.proofs.bytes_per_challenge(11)
    assert drawn == [seat for seat in range(32) if site.proofs.is_challenged(11, GROUP, seat)]
    assert 0 < len(drawn) < 32
    for seat in (one for one in range(32) if one not in drawn):
        with unmoved("storage_proofs: not challenged"):
            default(site, files, 11, seat)
    for seat in drawn:
        assert default(site, files, 11, seat) == 1
    assert fine(files, rate=rate) * sum(1 for one in drawn if one % 3 == 1) == site.slashed(
        site.operators[1], 11
    )


def store_later(site: ProofsSite, files: list[AFile]) -> None:
    to_epoch(site, 11)
    store(site, files)


def test_default__file_that_was_not_drawn_or_is_over__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    drawn = fallen(site, files, 10, SEAT)
    assert drawn is not None
    others = [one for one in files if one.id != drawn.file.id]
    ended = [with_end(one, site.clock.start_of(10) + ANSWER) for one in files]
    to_epoch(site, 10, offset=LATE)

    def convict(file: AFile, *skipped: bytes) -> None:
        who = a_wallet("reporter")
        site.proofs.default_(10, GROUP, SEAT, list(skipped), file.id, sender=who)

    for other in others:
        with unmoved("storage_proofs: another file"):
            convict(other)
    with unmoved("storage_proofs: drawn once"):
        convict(others[0], drawn.file.id)
    store(site, ended)
    with unmoved("storage_proofs: not owed"):
        convict(next(one for one in ended if one.id == drawn.file.id))


def test_default__seat_that_nobody_held__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    """Of the epochs before it was drawn, and of those after it was lost, a seat owes nothing."""
    to_epoch(site, 11)
    site.files.vacate(GROUP, SEAT)
    to_epoch(site, 12, offset=LATE)
    drawn = fallen(site, files, 12, SEAT)
    assert drawn is not None

    with unmoved("storage_proofs: nobody's seat"):
        default(site, files, 12, SEAT)
    with unmoved("storage_proofs: nobody's seat"):
        default(site, files, 0, SEAT)
    assert not site.proofs.is_challenged(12, GROUP, SEAT)


def test_default__epochs_in_a_row__double_until_the_seat_is_lost(
    site: ProofsSite, files: list[AFile]
) -> None:
    operator = site.operators[SEAT % 3]
    for number in range(6):
        assert site.seat_state(SEAT) != VACANT
        assert number + 1 == miss(site, files, 10 + number)
        assert fine(files) << number == site.slashed(operator, 10 + number)

    assert site.seat_state(SEAT) == VACANT


def test_default__proof_between__the_row_begins_anew(site: ProofsSite, files: list[AFile]) -> None:
    miss(site, files, 10)
    assert miss(site, files, 11) == 2
    to_epoch(site, 12)
    prove(site, proof_of(site, files, 12, SEAT), 12, SEAT)

    assert miss(site, files, 13) == 1


@pytest.mark.parametrize("order", list(permutations((10, 11, 12))))
def test_default__reported_in_any_order__costs_the_same(
    site: ProofsSite, files: list[AFile], order: tuple[int, ...]
) -> None:
    operator = site.operators[SEAT % 3]
    to_epoch(site, 12, offset=LATE)

    for epoch in order:
        default(site, files, epoch, SEAT)

    assert fine(files) * 7 == sum(site.slashed(operator, epoch) for epoch in order)


def test_default__suspect_seat__is_challenged_every_epoch(
    site: ProofsSite, files: list[AFile]
) -> None:
    """However rare challenges are, a seat that missed one is asked until it shows something."""
    miss(site, files, 10)
    site.files.set_total(10**9 * kept_by(files), 1)
    site.proofs.measure(sender=a_wallet("anybody"))
    to_epoch(site, 11)
    store(site, files)

    assert [one for one in range(32) if site.proofs.is_challenged(11, GROUP, one)] == [SEAT]
    assert miss(site, files, 11) == 2
    to_epoch(site, 12)
    prove(site, proof_of(site, files, 12, SEAT), 12, SEAT)
    to_epoch(site, 13)
    assert not site.proofs.is_challenged(13, GROUP, SEAT)


def test_default__file_the_seat_never_signed_for__suspect_but_not_fined(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    unsigned = [replace(one, kept=replace(one.kept, absent=1 << SEAT)) for one in files]
    store(site, unsigned)
    to_epoch(site, 10, offset=LATE)

    assert default(site, unsigned, 10, SEAT) == 0
    assert site.seat_state(SEAT) == SUSPECT
    assert site.slashed(site.operators[SEAT % 3], 10) == 0
    assert site.standing(SEAT).missed == 0
    with unmoved("storage_proofs: suspect already"):
        default(site, unsigned, 10, SEAT)


def test_default__somebody_took_the_seat_over__who_held_it_pays(
    site: ProofsSite, files: list[AFile]
) -> None:
    before, after = site.operators[SEAT % 3], site.operators[(SEAT + 1) % 3]
    to_epoch(site, 10, offset=3)
    site.files.set_seat(GROUP, SEAT, after.operator_id, PRICE)
    to_epoch(site, 10, offset=LATE)

    assert default(site, files, 10, SEAT) == 1

    assert (fine(files), 0) == (site.slashed(before, 10), site.slashed(after, 10))
    assert site.seat_state(SEAT) == SERVING
    assert not site.standing(SEAT).is_suspect


def test_default__successor_of_a_suspect_seat__begins_anew(
    site: ProofsSite, files: list[AFile]
) -> None:
    after = site.operators[(SEAT + 1) % 3]
    miss(site, files, 10)
    miss(site, files, 11)
    site.files.set_seat(GROUP, SEAT, after.operator_id, PRICE)
    to_epoch(site, 12, offset=LATE)

    assert default(site, files, 12, SEAT) == 1
    assert fine(files) == site.slashed(after, 12)
    # the mark is his now, not his predecessor's: he is asked every epoch until he proves
    assert site.standing(SEAT).suspect_since == 12
    assert site.seat_state(SEAT) == SUSPECT


def test_default__nothing_at_stake__only_suspect(site: ProofsSite, files: list[AFile]) -> None:
    """A seat without stake cannot pay; it must not go on earning for that."""
    newcomer = a_member(site.staking, 9, service=STORAGE)
    site.files.set_seat(GROUP, SEAT, newcomer.operator_id, PRICE)
    site.files.set_seat(GROUP, SEAT + 1, newcomer.operator_id, PRICE)
    to_epoch(site, 11, offset=LATE)
    stake = site.stake.stake_at(newcomer.pool(STORAGE), 11)

    default(site, files, 11, SEAT)
    event = next(one for one in site.proofs.get_logs() if type(one).__name__ == "Defaulted")

    assert (event.amount != 0) == (stake != 0)
    assert site.seat_state(SEAT) == SUSPECT


def test_default__older_than_the_court_judges__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    end_of_evidence = site.clock.start_of(11) + EVIDENCE
    boa.env.time_travel(seconds=end_of_evidence + 1 - boa.env.timestamp)

    with unmoved("court: evidence too late"):
        default(site, files, 10, SEAT)


def test_default__forgotten_epoch__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    to_epoch(site, 74)
    prove(site, proof_of(site, files, 74, SEAT), 74, SEAT)

    with unmoved("seat_standing: too old"):
        default(site, files, 10, SEAT)


def test_declare_loss__a_quarter_of_the_fine_and_the_seat(
    site: ProofsSite, files: list[AFile]
) -> None:
    operator = site.operators[SEAT % 3]

    site.proofs.declare_loss(GROUP, SEAT, sender=operator.owner)
    event = next(one for one in site.proofs.get_logs() if type(one).__name__ == "LossDeclared")

    assert (GROUP, SEAT, operator.operator_id, fine(files) // 4) == (
        event.group,
        event.seat,
        event.operator_id,
        event.amount,
    )
    assert fine(files) // 4 == site.slashed(operator, 10)
    assert site.seat_state(SEAT) == VACANT


def test_declare_loss__not_the_operator_or_nobodys_seat__is_refused(
    site: ProofsSite, stranger: str, unmoved: Refused
) -> None:
    other = site.operators[(SEAT + 1) % 3]
    for who in (stranger, other.owner):
        with unmoved("penalties: not your seat"):
            site.proofs.declare_loss(GROUP, SEAT, sender=who)
    with unmoved("penalties: nobody's seat"):
        site.proofs.declare_loss(GROUP, 40, sender=other.owner)
    site.proofs.declare_loss(GROUP, SEAT, sender=site.operators[SEAT % 3].owner)
    with unmoved("penalties: nobody's seat"):
        site.proofs.declare_loss(GROUP, SEAT, sender=site.operators[SEAT % 3].owner)


def test_inv_sto_9__silence_partial_declared__cost_less_and_less(
    site: ProofsSite, files: list[AFile]
) -> None:
    """Whatever else an operator lost or proved: silence >= one miss of several >= declared."""
    silent, partial, honest = (site.operators[number] for number in range(3))
    for epoch in (10, 11, 12):
        to_epoch(site, epoch)
        for seat in (1, 4):
            if (epoch, seat) != (11, 1):
                prove(site, proof_of(site, files, epoch, seat), epoch, seat)
        to_epoch(site, epoch, offset=LATE)
        for seat in (0, 3):
            tries = 16 if site.standing(seat).is_suspect else 1
            default(site, files, epoch, seat, tries=tries)
        if epoch == 11:
            default(site, files, 11, 1)
    site.proofs.declare_loss(GROUP, 2, sender=honest.owner)

    costs = [
        sum(site.slashed(one, epoch) for epoch in (10, 11, 12)) for one in (silent, partial, honest)
    ]
    assert [14 * fine(files), fine(files), fine(files) // 4] == costs
    assert costs == sorted(costs, reverse=True)


def test_declare_loss__while_a_challenge_waits__does_not_settle_it(
    site: ProofsSite, files: list[AFile]
) -> None:
    operator = site.operators[SEAT % 3]
    to_epoch(site, 10, offset=1)
    site.proofs.declare_loss(GROUP, SEAT, sender=operator.owner)
    to_epoch(site, 10, offset=LATE)

    default(site, files, 10, SEAT)

    assert fine(files) + fine(files) // 4 == site.slashed(operator, 10)
    assert site.seat_state(SEAT) == VACANT


def test_fine__twelve_epochs_of_the_price_of_what_shares_a_challenge(
    site: ProofsSite, files: list[AFile]
) -> None:
    kept = 3 * kept_bytes(DURABLE, 1_000_000)
    assert kept == kept_by(files)
    assert PRICE * kept * 12 * EPOCH >> 30 == site.proofs.fine(10, GROUP, SEAT)
    assert site.proofs.fine(10, GROUP, SEAT) < COIN
