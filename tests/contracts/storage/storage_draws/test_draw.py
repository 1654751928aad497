"""First draws: whom the model names holds the seats, and nobody else can be shown."""

from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.storage.model import profile_named
from offchain.storage.seat_draw import collateral_for, draw_calls, hit_of
from tests.support.refusal import Refused
from tests.support.staking import COIN, DAY, EPOCH, STORAGE, a_wallet
from tests.support.storage_seats import (
    FAILED,
    OPEN,
    PRICE,
    REQUESTED,
    SERVING,
    SeatSite,
    ask,
    deploy_seats,
    expected,
    lottery_of,
    open_group,
    request,
    seats_by_operator,
    show,
    words_of,
)


def first_words(site: SeatSite, group: int) -> list[Any]:
    """The arguments of the one call that draws a durable group."""
    lottery = lottery_of(site, group, profile_named("durable"))
    [call] = draw_calls(lottery, 0, expected(site, group))
    return list(words_of(site, call))


def test_inv_sto_8__eight_equal_operators__fill_a_durable_group_in_one_call(
    site: SeatSite,
) -> None:
    group = request(site)

    state = show(site, group, expected(site, group))

    assert state == OPEN
    held = seats_by_operator(site, group)
    assert sorted(len(seats) for seats in held.values()) == [4] * 8
    assert all(site.seats.seat(group, seat).state == SERVING for seat in range(32))
    assert site.market.group(group).rate == 32 * PRICE
    assert (site.seats.requested_count(3), site.seats.open_count(3)) == (0, 1)


@pytest.mark.parametrize("profile", ["solo", "local", "replica", "standard", "hot"])
def test_inv_sto_8__uneven_stakes__chain_and_model_draw_the_same(profile: str) -> None:
    site = deploy_seats([COIN * (60 + 37 * number % 50) for number in range(14)])
    boa.env.time_travel(seconds=EPOCH)
    group = request(site, profile)

    drawn = expected(site, group, profile)
    state = show(site, group, drawn, profile)

    assert (FAILED if drawn[-1].operator == 0 else OPEN) == state
    if state == OPEN:
        assert [one.operator for one in drawn] == list(site.seats.operators_of(group))
        limit = site.draws.profile(profile_named(profile).number).limit
        held = seats_by_operator(site, group)
        assert all(len(seats) <= limit for seats in held.values())


def test_draw__in_parts_by_several__same_seats_as_at_once(site: SeatSite) -> None:
    group = request(site)
    drawn = expected(site, group)

    for first, end in [(0, 3), (3, 4), (4, 21)]:
        assert show(site, group, drawn[first:end]) == REQUESTED
    assert show(site, group, drawn[21:]) == OPEN

    assert [one.operator for one in drawn] == list(site.seats.operators_of(group))
    load = site.draws.load_of(site.operators[0].operator_id)
    assert tuple(load) == (4, 4 * collateral_for(PRICE, DAY), 0)
    assert site.market.group(group).rate == 32 * PRICE


def test_draw__asks_above_the_price__fails_and_frees_every_seat(site: SeatSite) -> None:
    for operator in site.operators[4:]:
        ask(site, operator, price=4 * PRICE)
    boa.env.time_travel(seconds=EPOCH)
    group = request(site)
    drawn = expected(site, group)
    assert drawn[-1].operator == 0

    state = show(site, group, drawn)

    assert state == FAILED
    assert all(site.draws.load_of(one.operator_id).seats == 0 for one in site.operators)
    assert (site.draws.operator_count(), site.seats.requested_count(3)) == (0, 0)


def test_draw__failed_in_its_second_part__frees_those_of_the_first(site: SeatSite) -> None:
    for operator in site.operators[4:]:
        ask(site, operator, price=4 * PRICE)
    boa.env.time_travel(seconds=EPOCH)
    group = request(site)
    drawn = expected(site, group)
    show(site, group, drawn[:5])
    assert site.draws.operator_count() == 2

    state = show(site, group, drawn[5:])

    assert state == FAILED
    assert site.draws.operator_count() == 0


def test_draw__nobody_has_stake__fails_by_a_call_without_attempts() -> None:
    site = deploy_seats([])
    group = request(site)

    state = show(site, group, expected(site, group))

    assert state == FAILED


def test_draw__stake_covers_two_seats_each__no_third_is_given() -> None:
    dear = 256 * 10**10
    assert 2 * collateral_for(dear, DAY) <= 10 * COIN < 3 * collateral_for(dear, DAY)
    site = deploy_seats([10 * COIN] * 3, asking=False)
    for operator in site.operators:
        ask(site, operator, price=dear)
    boa.env.time_travel(seconds=EPOCH)

    states = []
    for _ in range(3):
        group = request(site, "local", max_price=dear)
        states.append(show(site, group, expected(site, group, "local"), "local"))

    assert states == [OPEN, OPEN, FAILED]
    stake = site.stake.stake_at(site.operators[0].pool(STORAGE), site.stake.current_epoch())
    assert all(site.draws.load_of(one.operator_id).collateral <= stake for one in site.operators)


def test_draw__ask_changed_after_the_seed_is_known__the_ask_before_counts(site: SeatSite) -> None:
    group = request(site)
    ask(site, site.operators[0], price=8 * PRICE)
    boa.env.time_travel(seconds=5 * EPOCH)

    show(site, group, expected(site, group))

    operator = site.operators[0].operator_id
    seats = seats_by_operator(site, group)[operator]
    assert [site.seats.seat(group, seat).price for seat in seats] == [PRICE] * 4


def test_draw__before_its_epoch__reverts(site: SeatSite, refused: Refused) -> None:
    other = request(site)
    words = first_words(site, other)
    group = site.seats.request_group(3, 2 * PRICE, sender=a_wallet("client"))
    words[0] = group

    with refused("storage_draws: seed not known"):
        site.draws.draw(*words)
    boa.env.time_travel(seconds=EPOCH)
    with refused("storage_draws: weak seed"):
        site.draws.draw(*words)


def test_draw__a_group_that_is_open__reverts(site: SeatSite, refused: Refused) -> None:
    group = request(site)
    words = first_words(site, group)
    site.draws.draw(*words)

    with refused("storage_draws: nothing to draw"):
        site.draws.draw(*words)
    with refused("storage_draws: nothing to draw"):
        site.draws.draw(group + 1, *words[1:])


def other_pick(words: list[Any]) -> None:
    words[5] = bytes([(words[5][0] + 1) % 8]) + words[5][1:]


def no_such_pick(words: list[Any]) -> None:
    words[5] = bytes([8]) + words[5][1:]


def extra_pick(words: list[Any]) -> None:
    words[5] += b"\0"


def other_key(words: list[Any]) -> None:
    words[4][0], words[4][1] = words[4][1], words[4][0]


def other_weight(words: list[Any]) -> None:
    words[2][0] += 1


def later_seat(words: list[Any]) -> None:
    words[1] = 1


WRONG = {
    "another operator": (other_pick, "seat_draw: another is drawn"),
    "no such leaf": (no_such_pick, "seat_draw: no such leaf"),
    "an attempt more": (extra_pick, "seat_draw: attempt left over"),
    "another's key": (other_key, "seat_draw: not the frozen tree"),
    "another weight": (other_weight, "seat_draw: not the frozen tree"),
    "a later seat": (later_seat, "storage_draws: not the next seat"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_inv_sto_8__anything_but_the_draw__reverts(
    site: SeatSite, refused: Refused, case: str
) -> None:
    group = request(site)
    words = first_words(site, group)
    change, reason = WRONG[case]
    change(words)

    with refused(reason):
        site.draws.draw(*words)


def test_inv_sto_8__a_fitting_operator_left_out__reverts(site: SeatSite, refused: Refused) -> None:
    group = request(site)
    lottery = lottery_of(site, group, profile_named("durable"))
    first = expected(site, group)[0]
    others = (hit_of(lottery, 0, attempt) for attempt in range(1, 32))
    wanted = next(hit for hit in others if hit != first.hits[0])
    [call] = draw_calls(lottery, 0, [replace(first, hits=(first.hits[0], wanted))])

    with refused("seat_draw: another is drawn"):
        site.draws.draw(*words_of(site, call))


def test_draw__attempts_break_off_before_one_fits__reverts(
    site: SeatSite, refused: Refused
) -> None:
    for operator in site.operators[:1]:
        ask(site, operator, price=4 * PRICE)
    boa.env.time_travel(seconds=EPOCH)
    group = request(site)
    drawn = expected(site, group)
    skipping = next(one for one in drawn if len(one.hits) > 1)
    assert skipping.seat == 0
    cut = replace(skipping, hits=skipping.hits[:-1])
    [call] = draw_calls(lottery_of(site, group, profile_named("durable")), 0, [cut])

    with refused("seat_draw: attempt missing"):
        site.draws.draw(*words_of(site, call))


def test_request_group__bounds__revert(site: SeatSite, refused: Refused) -> None:
    with refused("profiles: no such profile"):
        site.seats.request_group(6, PRICE)
    with refused("group_life: no such price"):
        site.seats.request_group(0, 0)
    with refused("group_life: no such price"):
        site.seats.request_group(0, 2**48)
    for _ in range(4):
        site.seats.request_group(0, PRICE)
    with refused("group_life: draw those first"):
        site.seats.request_group(0, PRICE)


def test_request_group__many_open_already__reverts(site: SeatSite, refused: Refused) -> None:
    slot = 64
    for _ in range(slot // 4):
        groups = [request(site, "solo") for _ in range(4)]
        for group in groups:
            show(site, group, expected(site, group, "solo"), "solo")
    assert site.seats.open_count(0) == slot

    with refused("group_life: enough are open"):
        site.seats.request_group(0, PRICE)


def test_request_group__ids__are_numbered_within_the_epoch(site: SeatSite) -> None:
    epoch = site.stake.current_epoch()

    groups = [site.seats.request_group(number, PRICE) for number in (0, 3)]
    boa.env.time_travel(seconds=EPOCH)
    later = site.seats.request_group(5, PRICE)

    assert [*groups, later] == [epoch << 16 | 1, epoch << 16 | 2, epoch + 1 << 16 | 1]


def test_draw_successor__seat_that_serves__reverts(site: SeatSite, refused: Refused) -> None:
    group = open_group(site)
    words = first_words_of_open(site, group)

    with refused("storage_draws: nobody is sought"):
        site.draws.draw_successor(*words)


def first_words_of_open(site: SeatSite, group: int) -> tuple[Any, ...]:
    call = next(draw_calls(lottery_of(site, group, profile_named("durable")), 0, []))
    return words_of(site, call)
