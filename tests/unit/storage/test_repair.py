"""Repair: lost, absent and followed seats come back from any k others, whoever lies."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.storage.model import SeatState
from tests.support.keeping import KeepWorld

HALF_DAY = 43_200


def vacate(world: KeepWorld, seat: int, *, successor: int) -> None:
    """A seat is given up: nobody owes it until its successor does."""
    lost = world.group.seats[seat].operator
    world.chain.change_seat(
        1, seat, state=SeatState.VACANT, since=world.chain.now, successor=successor
    )
    world.peer(lost).is_silent = True
    world.chain.settle()


def test_repair__a_vacant_seat__is_rebuilt_byte_for_byte_and_taken_over() -> None:
    world = KeepWorld("local")
    file = world.store()
    vacate(world, 0, successor=4)

    report = asyncio.run(world.repair(4).repair())

    assert report.taken == [(1, 0)]
    assert (report.acquired.rebuilt, report.acquired.copied) == (1, 0)
    assert world.holds(4, file, 0)
    assert (world.group.seats[0].operator, world.group.seats[0].state) == (4, SeatState.SERVING)


def test_repair__seats_of_one_operator__share_one_decode() -> None:
    world = KeepWorld("standard", spare=1)
    file = world.store()
    for seat in (0, 7, 23):
        vacate(world, seat, successor=25)

    report = asyncio.run(world.repair(25).repair())

    assert sorted(report.taken) == [(1, 0), (1, 7), (1, 23)]
    assert (report.acquired.rebuilt, report.acquired.source_bytes) == (3, 200_000)
    assert all(world.holds(25, file, seat) for seat in (0, 7, 23))


def test_repair__absent_when_confirmed__fetches_its_shard_by_itself() -> None:
    world = KeepWorld("local")
    file = world.store(absent=[1])

    report = asyncio.run(world.repair(2).repair())

    assert world.holds(2, file, 1)
    assert (report.acquired.rebuilt, report.taken) == (1, [])


def test_repair__disk_replaced__everything_owed_is_there_again() -> None:
    world = KeepWorld("local")
    files = [world.store(seed=seed) for seed in (1, 2)]
    world.lose(3)

    asyncio.run(world.repair(3).repair())

    assert all(world.holds(3, file, 2) for file in files)


def test_repair__rotten_shard__is_healed() -> None:
    world = KeepWorld("local")
    file = world.store()
    world.peer(1).shelf.rot(file.encoded[0].header.data_root)

    asyncio.run(world.repair(1).repair())

    assert world.holds(1, file, 0)


@pytest.mark.parametrize("profile", ["replica", "solo"])
def test_repair__profile_of_copies__copies_from_the_next_who_has_them(profile: str) -> None:
    world = KeepWorld(profile)
    file = world.store()
    successor = world.profile.seats + 1
    world.chain.change_seat(1, 0, state=SeatState.LEAVING, successor=successor)
    world.chain.settle()

    report = asyncio.run(world.repair(successor).repair())

    assert world.holds(successor, file, 0)
    assert (report.acquired.copied, report.acquired.rebuilt) == (1, 0)


def test_repair__leaving_seat__is_copied_one_to_one_from_who_leaves() -> None:
    world = KeepWorld("standard", spare=1)
    file = world.store()
    world.chain.change_seat(1, 5, state=SeatState.LEAVING, successor=25)
    world.chain.settle()

    report = asyncio.run(world.repair(25).repair())

    assert (report.acquired.copied, report.acquired.rebuilt) == (1, 0)
    assert report.acquired.bytes_received == file.shard(0, 5).run.data.nbytes
    assert world.holds(25, file, 5)


def test_repair__who_leaves_is_silent__the_shard_is_made_from_others() -> None:
    world = KeepWorld("standard", spare=1)
    file = world.store()
    world.chain.change_seat(1, 5, state=SeatState.LEAVING, successor=25)
    world.peer(6).is_silent = True
    world.chain.settle()

    report = asyncio.run(world.repair(25).repair())

    assert (report.acquired.copied, report.acquired.rebuilt) == (0, 1)
    assert world.holds(25, file, 5)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), lie=st.sampled_from(["bytes", "place", "matrix", "short"]))
def test_inv_sto_15__a_third_of_the_seats_lie_or_are_silent__blamed_and_nothing_wrong_is_kept(
    seed: int, lie: str
) -> None:
    chance = random.Random(seed)
    world = KeepWorld("standard", spare=1)
    file = world.store()
    vacate(world, 3, successor=25)
    others = [seat for seat in range(24) if seat != 3]
    bad = chance.sample(others, 7)
    for seat in bad[:4]:
        world.peer(seat + 1).lie = lie
    for seat in bad[4:]:
        world.peer(seat + 1).is_silent = True

    report = asyncio.run(world.repair(25).repair())

    assert world.holds(25, file, 3)
    liars = {one.operator for one in report.acquired.lies}
    assert liars <= {seat + 1 for seat in bad[:4]}
    assert report.taken == [(1, 3)]


def test_inv_sto_4__k_minus_one_seats_left__nothing_is_made_and_nothing_taken() -> None:
    world = KeepWorld("local")
    file = world.store()
    vacate(world, 0, successor=4)
    world.peer(2).is_silent = True

    report = asyncio.run(world.repair(4).repair())

    assert (report.put_off, report.taken) == (1, [])
    assert not world.holds(4, file, 0)
    assert world.group.seats[0].state is SeatState.VACANT


def test_inv_sto_12__enough_seats_live__a_vacant_one_waits_a_thin_group_does_not() -> None:
    world = KeepWorld("standard", spare=1)
    file = world.store()
    vacate(world, 0, successor=25)
    patient = world.repair(25, vacant_seconds=HALF_DAY)

    assert asyncio.run(patient.repair()).taken == []
    for seat in (1, 2, 3):
        vacate(world, seat, successor=0)
    assert asyncio.run(patient.repair()).taken == [(1, 0)]
    assert world.holds(25, file, 0)


def test_inv_sto_12__patience_over__the_seat_is_rebuilt() -> None:
    world = KeepWorld("standard", spare=1)
    world.store()
    vacate(world, 0, successor=25)
    patient = world.repair(25, vacant_seconds=HALF_DAY)

    world.chain.seal(HALF_DAY)

    assert asyncio.run(patient.repair()).taken == [(1, 0)]


def test_repair__file_placed_meanwhile__the_seat_is_not_taken_until_it_is_whole() -> None:
    world = KeepWorld("local")
    world.store()
    vacate(world, 0, successor=4)
    repair = world.repair(4)
    world.peer(2).on_run = lambda: world.store(seed=7)

    first = asyncio.run(repair.repair())
    second = asyncio.run(repair.repair())

    assert (first.taken, second.taken) == ([], [(1, 0)])


def test_repair__file_over__is_not_rebuilt() -> None:
    world = KeepWorld("local")
    world.store()
    world.lose(1)
    world.chain.seal(90_000)

    report = asyncio.run(world.repair(1).repair())

    assert report.acquired.rebuilt == 0
