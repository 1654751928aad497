"""A loss that nobody can make good is declared in time; every other one is not."""

import asyncio

import pytest

from offchain.storage.losses import DeclareLosses, LostFile, is_silence_dearer
from offchain.storage.model import SeatState
from tests.support.keeping import EPOCH, KeepWorld, KeptFile

PATIENCE = EPOCH
OWNER = 1  # the operator of seat 0


def a_loss() -> tuple[KeepWorld, KeptFile]:
    """Two of the three seats of a file have lost their disks: k - 1 are left."""
    world = KeepWorld("local")
    file = world.store()
    world.lose(OWNER)
    world.lose(2)
    return world, file


def keep(world: KeepWorld, losses: DeclareLosses) -> list[tuple[int, int]]:
    """One pass of the chore: repair, then what it could not do."""
    report = asyncio.run(world.repair(OWNER).repair())
    return asyncio.run(losses.declare(report.unmade))


def state_of(world: KeepWorld) -> SeatState:
    return world.group.seats[0].state


def test_losses__nobody_can_make_the_shard__declared_once_patience_is_over() -> None:
    world, _ = a_loss()
    losses = world.losses(OWNER, patience_seconds=PATIENCE)
    assert keep(world, losses) == []
    world.chain.seal(PATIENCE - 1)
    assert keep(world, losses) == []
    assert state_of(world) is SeatState.SERVING
    world.chain.seal(1)

    assert keep(world, losses) == [(1, 0)]

    assert state_of(world) is SeatState.VACANT
    world.chain.seal(PATIENCE)
    assert keep(world, losses) == []  # given up is given up


def test_losses__peers_make_it_good__nothing_is_declared() -> None:
    world = KeepWorld("local")
    file = world.store()
    world.lose(OWNER)

    assert keep(world, world.losses(OWNER)) == []

    assert world.holds(OWNER, file, 0)
    assert state_of(world) is SeatState.SERVING


def test_losses__peers_are_back_before_patience_is_over__patience_begins_anew() -> None:
    world, file = a_loss()
    losses = world.losses(OWNER, patience_seconds=PATIENCE)
    keep(world, losses)
    world.chain.seal(PATIENCE - 1)
    world.give(file, 1)
    assert keep(world, losses) == []
    world.lose(OWNER)
    world.lose(2)
    world.chain.seal(2)

    assert keep(world, losses) == []

    assert state_of(world) is SeatState.SERVING


def test_losses__file_the_seat_never_signed_for__costs_nothing_and_is_not_declared() -> None:
    world = KeepWorld("local")
    world.store(absent=(0, 1))

    assert keep(world, world.losses(OWNER)) == []


def test_losses__file_is_no_codeword_or_only_slow__is_not_a_loss() -> None:
    world, file = a_loss()

    assert asyncio.run(world.losses(OWNER).declare(frozenset())) == []
    assert asyncio.run(world.losses(OWNER).declare({b"another file"})) == []

    assert file.stored.file_id in asyncio.run(world.repair(OWNER).repair()).unmade


def test_losses__a_sliver_of_what_a_fine_covers__is_dearer_declared_than_missed() -> None:
    world, _ = a_loss()
    world.chain.bytes_per_challenge = 1 << 40

    assert keep(world, world.losses(OWNER)) == []

    assert state_of(world) is SeatState.SERVING


def test_losses__seat_is_vacant_already__nothing_is_sent() -> None:
    world, _ = a_loss()
    world.chain.change_seat(1, 0, state=SeatState.VACANT)
    world.chain.seal()

    assert keep(world, world.losses(OWNER)) == []


@pytest.mark.parametrize(
    ("lost", "epochs", "fined", "expected"),
    [(1, 1, 4, True), (1, 1, 5, False), (10, 6, 240, True), (10, 6, 241, False), (1, 0, 1, False)],
)
def test_is_silence_dearer__expected_fines_against_a_quarter(
    lost: int, epochs: int, fined: int, expected: bool
) -> None:
    files = [LostFile(lost, epochs * EPOCH)]

    assert expected == is_silence_dearer(files, fined_bytes=fined, epoch_seconds=EPOCH)
