"""Asks: who may ask what, and from when on it counts."""

import boa
import pytest

from tests.support.refusal import Refused
from tests.support.staking import CUTOFF, EPOCH, a_wallet, an_operator
from tests.support.storage_seats import CAPACITY, LONGEST, PRICE, SeatSite, ask


def test_set_ask__a_member__counts_from_the_next_epoch_that_is_not_final(site: SeatSite) -> None:
    operator = site.operators[0]
    epoch = site.stake.current_epoch()

    site.draws.set_ask(2 * PRICE, 2**37 + 5, 90, "http://127.0.0.1:9", sender=operator.owner)

    assert tuple(site.draws.ask_at(operator.operator_id, epoch)) > (0, PRICE, CAPACITY, LONGEST)
    assert site.draws.ask_at(operator.operator_id, epoch).price == PRICE
    newest = site.draws.ask_at(operator.operator_id, epoch + 1)
    assert tuple(newest) == (epoch + 1, 2 * PRICE, 2**37, 90)
    assert site.draws.endpoint(operator.operator_id) == "http://127.0.0.1:9"


def test_set_ask__after_the_cut_off__counts_one_epoch_later(site: SeatSite) -> None:
    operator = site.operators[0]
    epoch = site.stake.current_epoch()
    left = site.stake.epoch_start(epoch + 1) - boa.env.timestamp
    boa.env.time_travel(seconds=left - CUTOFF)

    ask(site, operator, price=3 * PRICE)

    assert site.draws.ask_at(operator.operator_id, epoch + 1).price == PRICE
    assert site.draws.ask_at(operator.operator_id, epoch + 2).price == 3 * PRICE


def test_set_ask__every_epoch__each_keeps_its_own(site: SeatSite) -> None:
    operator = site.operators[0]
    first = site.stake.current_epoch()

    for step in range(1, 6):
        ask(site, operator, price=step * PRICE)
        boa.env.time_travel(seconds=EPOCH)

    prices = [site.draws.ask_at(operator.operator_id, first + step).price for step in range(1, 6)]
    assert prices == [step * PRICE for step in range(1, 6)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((0, CAPACITY, LONGEST, "x"), "asks: no such price"),
        ((PRICE + 1, CAPACITY, LONGEST, "x"), "asks: no such price"),
        ((256 * 2**36, CAPACITY, LONGEST, "x"), "asks: no such price"),
        ((PRICE, 2**52, LONGEST, "x"), "asks: too much capacity"),
        ((PRICE, CAPACITY, 0, "x"), "asks: no such term"),
        ((PRICE, CAPACITY, 2**16, "x"), "asks: no such term"),
        ((PRICE, CAPACITY, LONGEST, ""), "storage_draws: no endpoint"),
    ],
)
def test_set_ask__out_of_bounds__reverts(
    site: SeatSite, refused: Refused, arguments: tuple[object, ...], reason: str
) -> None:
    with refused(reason):
        site.draws.set_ask(*arguments, sender=site.operators[0].owner)


def test_set_ask__no_operator__reverts(site: SeatSite, stranger: str, refused: Refused) -> None:
    with refused("storage_draws: not an operator"):
        site.draws.set_ask(PRICE, CAPACITY, LONGEST, "x", sender=stranger)


def test_set_ask__operator_without_storage_stake__reverts(site: SeatSite, refused: Refused) -> None:
    newcomer = an_operator(site.staking, 77)

    with refused("storage_draws: no STORAGE stake"):
        site.draws.set_ask(PRICE, CAPACITY, LONGEST, "x", sender=newcomer.owner)


@pytest.mark.parametrize("call", ["release", "shed"])
def test_loads__changed_by_another_than_the_seats__reverts(
    site: SeatSite, refused: Refused, call: str
) -> None:
    arguments = (1, PRICE, False) if call == "release" else (1, PRICE)

    with refused("storage_draws: not StorageSeats"):
        getattr(site.draws, call)(*arguments, sender=a_wallet("stranger"))


def test_profile__unknown__reverts(site: SeatSite) -> None:
    assert tuple(site.draws.profile(3)) == (32, 16, 28, 64, 4)
    with boa.reverts("profiles: no such profile"):
        site.draws.profile(6)


def test_set_ask__an_id_that_no_seat_can_name__reverts(site: SeatSite, refused: Refused) -> None:
    with refused("asks: id too large"):
        site.draws.eval("asks._set(268435456, 1, 256, 0, 1)")
