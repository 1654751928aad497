"""Proofs: what the beacon or a bond asks for is shown in time, once, and again after a reorg."""

import asyncio

from offchain.storage.keep_ports import Challenge
from offchain.storage.model import SeatState
from tests.support.keeping import KeepWorld, KeptFile

WINDOW = 3_600


def ask(
    world: KeepWorld, file: KeptFile, *, seat: int, number: int = 7, late: int = 0
) -> Challenge:
    rows = world.profile.rows_per_seat
    first = 0 if world.profile.is_copy else rows * seat
    challenge = Challenge(
        is_bonded=False,
        number=number,
        group=1,
        seat=seat,
        file_id=file.stored.file_id,
        root=file.stored.root,
        segment=0,
        row=first + rows - 1,
        leaf=0,
        deadline=world.chain.now + WINDOW - late,
    )
    world.chain.challenge(challenge)
    world.chain.seal()
    return challenge


def test_inv_sto_9__challenged_seat__shows_its_leaf_once() -> None:
    world = KeepWorld("local")
    file = world.store()
    challenge = ask(world, file, seat=1)
    prover = world.prover(2)

    first = asyncio.run(prover.prove())
    second = asyncio.run(prover.prove())

    assert [one for one, _ in first.sent] == [challenge]
    assert (second.sent, second.lost) == ([], [])
    frame = world.chain.state.proven[challenge.key].frame
    row = file.encoded[0].rows[challenge.row]
    assert frame[8 : 8 + 256] == row.reshape(-1)[:256].tobytes()


def test_inv_sto_9__last_second__is_still_in_time() -> None:
    world = KeepWorld("local")
    file = world.store()
    challenge = ask(world, file, seat=0, late=WINDOW - 12)
    assert world.chain.now == challenge.deadline

    report = asyncio.run(world.prover(1).prove())

    assert len(report.sent) == 1


def test_inv_sto_9__window_over__nothing_is_sent() -> None:
    world = KeepWorld("local")
    file = world.store()
    ask(world, file, seat=0)
    world.chain.seal(WINDOW)

    report = asyncio.run(world.prover(1).prove())

    assert (report.sent, report.lost, world.chain.state.proven) == ([], [], {})


def test_inv_sto_9__a_reorg_takes_the_proof_back__it_is_sent_again() -> None:
    world = KeepWorld("local")
    file = world.store()
    challenge = ask(world, file, seat=0)
    prover = world.prover(1)
    asyncio.run(prover.prove())
    world.chain.reorganise(1)
    assert world.chain.state.proven == {}

    again = asyncio.run(prover.prove())

    assert [one for one, _ in again.sent] == [challenge]


def test_prove__one_leaf_is_lost__the_others_are_shown_and_the_alarm_is_raised() -> None:
    world = KeepWorld("local")
    good, bad = world.store(seed=1), world.store(seed=2)
    world.peer(1).shelf.rot(bad.encoded[0].header.data_root)
    shown, lost = ask(world, good, seat=0, number=1), ask(world, bad, seat=0, number=2)

    report = asyncio.run(world.prover(1).prove())

    assert ([one for one, _ in report.sent], report.lost) == ([shown], [lost])
    asyncio.run(world.repair(1).repair())
    healed = asyncio.run(world.prover(1).prove())
    assert [one for one, _ in healed.sent] == [lost]


def test_prove__suspect_seat__is_answered_for_too() -> None:
    world = KeepWorld("local")
    file = world.store()
    world.chain.change_seat(1, 0, state=SeatState.SUSPECT)
    ask(world, file, seat=0)

    assert len(asyncio.run(world.prover(1).prove()).sent) == 1


def test_prove__somebody_elses_challenge__is_left_alone() -> None:
    world = KeepWorld("local")
    file = world.store()
    ask(world, file, seat=2)

    assert asyncio.run(world.prover(1).prove()).sent == []
