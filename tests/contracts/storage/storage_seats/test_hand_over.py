"""Seats that change hands: leaving, successors, those who do not come, exits under a seat."""

import boa
import pytest

from offchain.core.bls import aggregate_keys
from offchain.storage.seat_draw import collateral_for
from tests.support.refusal import Refused
from tests.support.staking import COIN, DAY, EPOCH, STORAGE
from tests.support.storage_seats import (
    LEAVING,
    PRICE,
    SERVING,
    SUSPECT,
    VACANT,
    SeatSite,
    ask,
    draw_successor,
    expected_successor,
    signed,
    successor_words,
    took,
)

SEAT = 6  # the third of the second operator


def sum_of_held(site: SeatSite, group: int) -> bytes:
    vacant = site.seats.group(group).vacant
    keys = [
        site.operator(operator).key.public_key()
        for seat, operator in enumerate(site.seats.operators_of(group))
        if not vacant >> seat & 1
    ]
    return aggregate_keys(keys).eip2537()


def holder(site: SeatSite, group: int, seat: int = SEAT) -> str:
    return site.operator(site.seats.seat(group, seat).operator_id).owner


def test_leave__by_its_operator__stays_paid_until_the_successor_takes_over(
    site: SeatSite, group: int
) -> None:
    former = site.seats.seat(group, SEAT).operator_id
    site.seats.leave(group, SEAT, sender=holder(site, group))
    assert site.seats.seat(group, SEAT).state == LEAVING
    assert tuple(site.seats.paid_price(group, SEAT)) == (former, PRICE)

    successor = draw_successor(site, group, SEAT)
    assert successor not in (0, former)
    before = boa.env.timestamp
    boa.env.time_travel(seconds=20)
    site.seats.take_over(group, SEAT, 0, took(site, group, SEAT))

    seat = site.seats.seat(group, SEAT)
    assert (seat.operator_id, seat.state, seat.generation) == (successor, SERVING, 1)
    assert (seat.since, seat.successor, seat.leaves_at) == (boa.env.timestamp, 0, 0)
    assert tuple(site.draws.load_of(former)) == (3, 3 * collateral_for(PRICE, DAY), 0)
    assert site.draws.load_of(successor).seats == 5
    assert sum_of_held(site, group) == site.seats.group_key(group)
    assert site.seats.holder_at(group, SEAT, before).operator_id == former
    assert site.seats.holder_at(group, SEAT, boa.env.timestamp).operator_id == successor
    assert site.seats.holder_at(group, SEAT, 0).operator_id == 0
    assert site.market.group(group).rate == 32 * PRICE


def test_leave__by_another_or_twice_or_nowhere__reverts(
    site: SeatSite, group: int, stranger: str, refused: Refused
) -> None:
    with refused("storage_seats: seat of another"):
        site.seats.leave(group, SEAT, sender=stranger)
    with refused("storage_seats: seat of another"):
        site.seats.leave(group, SEAT, sender=site.operators[7].owner)
    with refused("storage_seats: nobody holds it"):
        site.seats.leave(group, 32, sender=holder(site, group))
    with refused("storage_seats: nobody holds it"):
        site.seats.leave(group + 1, SEAT, sender=holder(site, group))
    site.seats.leave(group, SEAT, sender=holder(site, group))
    with refused("storage_seats: leaving already"):
        site.seats.leave(group, SEAT, sender=holder(site, group))


def test_inv_sto_11__nobody_comes__the_leaver_goes_after_three_days_not_before(
    site: SeatSite, group: int, refused: Refused
) -> None:
    with refused("storage_seats: not leaving"):
        site.seats.let_go(group, SEAT)
    former = site.seats.seat(group, SEAT).operator_id
    site.seats.leave(group, SEAT, sender=holder(site, group))
    boa.env.time_travel(seconds=3 * DAY)
    with refused("storage_seats: he has to wait"):
        site.seats.let_go(group, SEAT)
    boa.env.time_travel(seconds=1)

    site.seats.let_go(group, SEAT)

    seat = site.seats.seat(group, SEAT)
    assert (seat.state, seat.vacated_at) == (VACANT, boa.env.timestamp)
    assert tuple(site.seats.paid_price(group, SEAT)) == (former, 0)
    assert site.seats.holder_at(group, SEAT, boa.env.timestamp).operator_id == 0
    assert site.draws.load_of(former).seats == 3
    assert sum_of_held(site, group) == site.seats.group_key(group)
    assert site.market.group(group).rate == 31 * PRICE


def test_inv_sto_12__a_vacant_seat__is_drawn_again_and_served(site: SeatSite, group: int) -> None:
    former = site.seats.seat(group, SEAT).operator_id
    site.seats.vacate(group, SEAT, sender=site.proofs)
    assert site.seats.seat(group, SEAT).state == VACANT

    successor = draw_successor(site, group, SEAT)
    site.seats.take_over(group, SEAT, 0, took(site, group, SEAT))

    seat = site.seats.seat(group, SEAT)
    assert successor != former
    assert (seat.operator_id, seat.state, seat.vacated_at) == (successor, SERVING, 0)
    assert site.market.group(group).rate == 32 * PRICE
    assert sum_of_held(site, group) == site.seats.group_key(group)


def test_inv_sto_12__two_of_eight_operators_gone__the_rest_takes_all_their_seats(
    site: SeatSite, group: int
) -> None:
    gone = {one.operator_id for one in site.operators[:2]}
    for operator in site.operators[:2]:
        ask(site, operator, capacity=0)
    boa.env.time_travel(seconds=EPOCH)
    seats = [s for s, one in enumerate(site.seats.operators_of(group)) if one in gone]
    for seat in seats:
        site.seats.vacate(group, seat, sender=site.proofs)

    for seat in seats:
        while draw_successor(site, group, seat) == 0:
            pass
        site.seats.take_over(group, seat, 0, took(site, group, seat))

    operators = site.seats.operators_of(group)
    assert not gone & set(operators)
    assert all(operators.count(one) <= 8 for one in operators)
    assert site.seats.group(group).vacant == 0
    digest = b"\x07" * 32
    bitmap, signature, keys = signed(site, group, digest)
    assert site.seats.check_quorum(group, bitmap, digest, signature, 32, keys) == 32


def test_draw_successor__nobody_fits__the_next_epoch_decides(site: SeatSite, group: int) -> None:
    for operator in site.operators:
        ask(site, operator, capacity=0)
    boa.env.time_travel(seconds=2 * EPOCH)
    site.seats.vacate(group, SEAT, sender=site.proofs)

    assert draw_successor(site, group, SEAT) == 0

    seat = site.seats.seat(group, SEAT)
    assert (seat.successor, seat.redraw_epoch) == (0, site.stake.current_epoch())


def test_draw_successor__twice_or_for_a_served_seat__reverts(
    site: SeatSite, group: int, refused: Refused
) -> None:
    site.seats.vacate(group, SEAT, sender=site.proofs)
    boa.env.time_travel(seconds=2 * EPOCH)
    words = successor_words(site, group, expected_successor(site, group, SEAT))
    with refused("seat_draw: attempt left over"):
        site.draws.draw_successor(*words[:5], words[5] + b"\0")
    site.draws.draw_successor(*words)

    with refused("storage_draws: nobody is sought"):
        site.draws.draw_successor(*words)
    with refused("storage_draws: nobody is sought"):
        site.draws.draw_successor(group, SEAT + 1, *words[2:])


def test_lapse__the_successor_does_not_come__another_is_drawn(
    site: SeatSite, group: int, refused: Refused
) -> None:
    with refused("storage_seats: no successor"):
        site.seats.lapse(group, SEAT)
    site.seats.vacate(group, SEAT, sender=site.proofs)
    successor = draw_successor(site, group, SEAT)
    boa.env.time_travel(seconds=DAY)
    with refused("storage_seats: he may still come"):
        site.seats.lapse(group, SEAT)
    boa.env.time_travel(seconds=1)

    site.seats.lapse(group, SEAT)

    seat = site.seats.seat(group, SEAT)
    assert (seat.successor, seat.redraw_epoch) == (0, site.stake.current_epoch())
    assert site.draws.load_of(successor).seats == 4


def test_take_over__wrong_word__reverts(site: SeatSite, group: int, refused: Refused) -> None:
    with refused("storage_seats: no successor"):
        site.seats.take_over(group, SEAT, 0, bytes(256))
    site.seats.vacate(group, SEAT, sender=site.proofs)
    with refused("storage_seats: no successor"):
        site.seats.take_over(group, SEAT, 0, bytes(256))
    successor = draw_successor(site, group, SEAT)
    other = next(one for one in site.operators if one.operator_id != successor)
    digest = site.seats.took_digest(group, SEAT, 0)

    with refused("storage_seats: wrong signature"):
        site.seats.take_over(group, SEAT, 0, other.key.sign(digest).eip2537())
    with refused("storage_seats: other segments"):
        site.seats.take_over(group, SEAT, 1, took(site, group, SEAT, 1))


def test_push_out__exit_below_the_collateral__one_seat_leaves_and_no_more(
    site: SeatSite, group: int, refused: Refused
) -> None:
    operator = site.operators[1]
    with refused("storage_seats: stake covers it"):
        site.seats.push_out(group, SEAT)
    covered = 3 * collateral_for(PRICE, DAY)  # 3 of its 4 seats, were MIN_STAKE not far above
    assert covered < 10 * COIN
    site.stake.leave(STORAGE, sender=operator.owner)
    boa.env.time_travel(seconds=EPOCH)

    site.seats.push_out(group, SEAT)

    assert site.seats.seat(group, SEAT).state == LEAVING
    assert site.draws.load_of(operator.operator_id).leaving == collateral_for(PRICE, DAY)
    with refused("storage_seats: leaving already"):
        site.seats.push_out(group, SEAT)


@pytest.mark.parametrize("leaving", [False, True])
def test_inv_sto_7__suspect__is_unpaid_until_restored(
    site: SeatSite, group: int, leaving: bool
) -> None:
    if leaving:
        site.seats.leave(group, SEAT, sender=holder(site, group))
    operator = site.seats.seat(group, SEAT).operator_id

    site.seats.suspect(group, SEAT, sender=site.proofs)

    assert site.seats.seat(group, SEAT).state == SUSPECT
    assert tuple(site.seats.paid_price(group, SEAT)) == (operator, 0)
    assert site.market.group(group).rate == 31 * PRICE
    site.seats.suspect(group, SEAT, sender=site.proofs)
    site.seats.restore(group, SEAT, sender=site.proofs)
    site.seats.restore(group, SEAT, sender=site.proofs)
    assert site.seats.seat(group, SEAT).state == (LEAVING if leaving else SERVING)
    assert site.market.group(group).rate == 32 * PRICE


def test_proofs__senseless_marks__do_nothing(site: SeatSite, group: int) -> None:
    site.seats.vacate(group, SEAT, sender=site.proofs)
    before = tuple(site.seats.group(group))

    for act in (site.seats.suspect, site.seats.restore, site.seats.vacate):
        for place in ((group, SEAT), (group, 32), (group + 1, 0), (0, 0)):
            act(*place, sender=site.proofs)

    assert before == tuple(site.seats.group(group))


@pytest.mark.parametrize("act", ["suspect", "restore", "vacate"])
def test_proofs__marks_by_another__revert(
    site: SeatSite, group: int, stranger: str, refused: Refused, act: str
) -> None:
    with refused("seat_wiring: not StorageProofs"):
        getattr(site.seats, act)(group, SEAT, sender=stranger)
