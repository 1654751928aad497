"""Handing over: every seat is left once, served until somebody follows, and nothing new comes."""

import asyncio

from offchain.storage.drain import HIGHEST_PRICE, DrainSeats
from offchain.storage.model import SeatState
from tests.support.keeping import KeepWorld

SPARE = 4


def test_drain__two_seats__both_left_and_owed_until_a_successor_serves() -> None:
    world = KeepWorld("local")
    world.chain.change_seat(1, 1, operator=1)
    world.chain.seal()
    file = world.store()
    drain = DrainSeats(1, world.chain, world.chain.desk(1))

    first = drain.step()

    assert (first.left, first.is_ask_closed) == (((1, 0), (1, 1)), True)
    assert [one.seat for one in first.owed] == [0, 1]
    assert all(one.until > first.block.timestamp for one in first.owed)
    assert not first.is_over
    world.chain.change_seat(1, 0, successor=SPARE)
    world.chain.seal()
    asyncio.run(world.repair(SPARE).repair())
    assert world.holds(SPARE, file, 0)
    [left] = drain.step().owed
    assert (left.seat, left.state) == (1, SeatState.LEAVING)


def test_drain__repeated__leaves_nothing_twice_and_ends_when_all_is_taken_over() -> None:
    world = KeepWorld("local")
    world.store()
    drain = DrainSeats(2, world.chain, world.chain.desk(2))
    assert drain.step().left == ((1, 1),)

    assert drain.step().left == ()

    world.chain.change_seat(1, 1, successor=SPARE)
    world.chain.seal()
    asyncio.run(world.repair(SPARE).repair())
    assert drain.step().is_over


def test_drain__ask__is_as_high_as_an_ask_can_be_and_its_bytes_stay() -> None:
    world = KeepWorld("local")
    desk = world.chain.desk(1)
    before = desk.ask(at=world.chain.head())
    drain = DrainSeats(1, world.chain, desk)
    assert not drain.look().is_ask_closed

    drain.step()

    after = desk.ask(at=world.chain.head())
    assert (after.price, after.capacity) == (HIGHEST_PRICE, before.capacity)
    assert drain.look().is_ask_closed


def test_drain__drawn_for_anothers_seat__is_not_over() -> None:
    world = KeepWorld("local")
    world.chain.change_seat(1, 0, state=SeatState.VACANT, successor=SPARE)
    world.chain.seal()
    drain = DrainSeats(SPARE, world.chain, world.chain.desk(SPARE))

    report = drain.step()

    assert (report.owed, report.drawn_for, report.is_over) == ((), ((1, 0),), False)


def test_look__sends_nothing() -> None:
    world = KeepWorld("local")
    drain = DrainSeats(1, world.chain, world.chain.desk(1))

    report = drain.look()

    assert [one.state for one in report.owed] == [SeatState.SERVING]
    assert world.group.seats[0].state is SeatState.SERVING
