"""Log, market, seats and proofs together, all real: whatever happens, no wei is lost."""

from collections.abc import Iterator

import boa
import pytest
from hypothesis import settings

from offchain.storage.model import FileState
from tests.support.staking import EPOCH
from tests.support.storage_seats import PRICE, open_group
from tests.support.storage_whole import deploy_storage
from tests.support.storage_whole_machine import STORED, AllOfStorage


@pytest.fixture(scope="module", autouse=True)
def deployed(native_evm: None) -> Iterator[None]:
    """One deployment with a group of three seats for all runs; each run undoes what it did."""
    boa.env.set_random_seed("all of storage")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_storage()
        STORED.append((site, open_group(site.seats, "local")))
        yield


@pytest.fixture
def all_of_it() -> Iterator[AllOfStorage]:
    machine = AllOfStorage()
    machine.begin()
    yield machine
    machine.teardown()


def check(machine: AllOfStorage) -> None:
    machine.invariant_sto_2_no_wei_is_lost_between_the_contracts()
    machine.invariant_sto_7_seats_that_serve_and_only_they_are_paid()
    machine.invariant_sto_9_who_failed_pays_and_nobody_else()
    machine.invariant_sto_16_files_of_any_state_can_be_wound_up()


def test_whole__a_seat_is_lost__its_pay_stops_and_its_successor_is_paid(
    all_of_it: AllOfStorage,
) -> None:
    """The steps that random ones reach seldom, one by one."""
    all_of_it.store(1_000_000, 30)
    assert all_of_it.book.files[all_of_it.files[0]].state is FileState.STORED
    all_of_it.wait(3 * EPOCH)
    former = all_of_it.paid(1)[0]

    all_of_it.lose(1)
    assert all_of_it.paid(1) == (former, 0)
    check(all_of_it)
    while not all_of_it.model.seats.seats[1].successor:
        all_of_it.draw_a_successor()
    all_of_it.take_over()

    operator, price = all_of_it.paid(1)
    assert (operator != former, price) == (True, PRICE)
    all_of_it.wait(EPOCH)
    all_of_it.collect(1)
    check(all_of_it)


def test_whole__six_misses_in_a_row__the_seat_is_taken_and_made_good(
    all_of_it: AllOfStorage,
) -> None:
    all_of_it.store(1_000_000, 30)
    all_of_it.wait(EPOCH)
    for _ in range(6):
        all_of_it.wait(EPOCH)
        all_of_it.default(0, 1)
    check(all_of_it)
    assert all_of_it.model.seats.seats[0].is_vacant

    while not all_of_it.model.seats.seats[0].successor:
        all_of_it.draw_a_successor()
    all_of_it.take_over()
    all_of_it.store(1_000_000, 4)
    check(all_of_it)

    assert all_of_it.book.files[all_of_it.files[1]].state is FileState.STORED


def test_whole__a_suspect_seat_proves__it_is_paid_again(all_of_it: AllOfStorage) -> None:
    all_of_it.store(1_000_000, 30)
    all_of_it.wait(2 * EPOCH)
    all_of_it.default(2, 1)
    assert all_of_it.paid(2)[1] == 0
    ahead = all_of_it.book.clock.start_of(all_of_it.epoch + 1) - all_of_it.now
    boa.env.time_travel(seconds=ahead)

    all_of_it.prove(2)

    assert all_of_it.paid(2)[1] == PRICE
    check(all_of_it)


TestAllOfStorage = AllOfStorage.TestCase
# a step is a dozen contracts with real signatures: a few runs in the quick profile, many in `deep`
TestAllOfStorage.settings = settings(
    max_examples=max(settings.default.max_examples // 5, 2), stateful_step_count=15
)
