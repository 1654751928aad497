"""Groups that fill, close and end, and who may fill them."""

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.storage.model import MAX_GROUP_BYTES
from tests.support.refusal import Refused
from tests.support.staking import DAY, EPOCH, a_wallet
from tests.support.storage_log import MARKET_WINDOWS, storage_deployer
from tests.support.storage_seats import (
    DRAINED,
    FULL,
    SeatSite,
    confirm,
    draw_successor,
    open_group,
    place_file,
    request,
    took,
)


def test_wire__once_by_governance__named_for_ever(
    site: SeatSite, stranger: str, refused: Refused
) -> None:
    names = (site.draws.address, site.market.address, site.proofs)
    assert names == (site.seats.draws(), site.seats.market(), site.seats.proofs())

    with refused("governed: not governance"):
        site.seats.wire(*names, sender=stranger)
    with refused("seat_wiring: already wired"):
        site.seats.wire(*names, sender=site.staking.governance)


def test_wire__an_account_without_code__reverts(site: SeatSite, stranger: str) -> None:
    governance = site.staking.governance
    fresh = storage_deployer("StorageSeats").deploy(
        site.staking.registry.address, site.stake.address, governance
    )
    with boa.reverts("seat_wiring: not a contract"):
        fresh.wire(site.draws.address, site.market.address, stranger, sender=governance)
    with boa.reverts("group_life: not wired"):
        fresh.request_group(3, 256)
    with boa.reverts("storage_draws: not a contract"):
        storage_deployer("StorageDraws").deploy(
            site.staking.registry.address, site.stake.address, site.beacon.address, stranger
        )


@pytest.mark.parametrize("call", ["fill", "name_successor"])
def test_draws__filled_by_another__reverts(
    site: SeatSite, group: int, stranger: str, refused: Refused, call: str
) -> None:
    arguments = {
        "fill": (group, 1, [], 0, bytes(128), True),
        "name_successor": (group, 0, 1, 256),
    }[call]

    with refused("seat_wiring: not StorageDraws"):
        getattr(site.seats, call)(*arguments, sender=stranger)


def test_name_successor__of_a_seat_nobody_is_sought_for__reverts(
    site: SeatSite, group: int, refused: Refused
) -> None:
    with refused("storage_seats: nobody is sought"):
        site.seats.name_successor(group, 0, 1, 256, sender=site.draws.address)


def test_close_group__has_room_and_is_alone__reverts(
    site: SeatSite, group: int, refused: Refused
) -> None:
    with refused("group_life: has room"):
        site.seats.close_group(group)
    boa.env.time_travel(seconds=8 * DAY)
    with refused("group_life: has room"):
        site.seats.close_group(group)
    with refused("group_life: not open"):
        site.seats.close_group(group + 1)


def test_close_group__a_week_old_with_another_open__takes_no_new_files(
    site: SeatSite, group: int, refused: Refused
) -> None:
    boa.env.time_travel(seconds=7 * DAY - 3 * EPOCH)
    open_group(site)
    with refused("group_life: has room"):
        site.seats.close_group(group)
    boa.env.time_travel(seconds=2 * EPOCH)

    site.seats.close_group(group)

    assert (site.seats.group(group).state, site.seats.open_count(3)) == (FULL, 1)
    assert not site.market.group(group).is_listed
    with refused("group_life: not open"):
        site.seats.close_group(group)


def test_drain_group__nothing_kept_any_more__frees_every_seat_and_successor(
    site: SeatSite, group: int, refused: Refused
) -> None:
    site.seats.vacate(group, 3, sender=site.proofs)
    site.seats.leave(group, 9, sender=site.operator(site.seats.seat(group, 9).operator_id).owner)
    assert draw_successor(site, group, 3) != 0
    with refused("group_life: not full"):
        site.seats.drain_group(group)
    boa.env.time_travel(seconds=7 * DAY)
    other = open_group(site)
    site.seats.close_group(group)
    with refused("group_life: receipts may come"):
        site.seats.drain_group(group)
    boa.env.time_travel(seconds=MARKET_WINDOWS[0] + 1)

    site.seats.drain_group(group)

    assert site.seats.group(group).state == DRAINED
    loads = [tuple(site.draws.load_of(one.operator_id)) for one in site.operators]
    assert sum(load[0] for load in loads) == site.seats.group(other).drawn
    assert all(load[2] == 0 for load in loads)
    with refused("storage_seats: not open"):
        site.seats.check_quorum(group, 0, keccak(b"late"), bytes(256), 0, b"")


def test_seat_bytes__profiles_and_contracts__agree(site: SeatSite) -> None:
    # asks count capacity in seats of 64 GiB, as the model does
    operator = site.operators[0]
    site.draws.set_ask(256, 3 * MAX_GROUP_BYTES - 1, 5, "x", sender=operator.owner)

    ask = site.draws.ask_at(operator.operator_id, site.stake.current_epoch() + 1)

    assert ask.capacity == 2 * MAX_GROUP_BYTES


def test_group__requested__has_no_seats_yet(site: SeatSite) -> None:
    group = request(site)

    seat = site.seats.seat(group, 0)

    assert (seat.operator_id, int(seat.state)) == (0, 0)
    assert site.seats.holder_at(group, 0, boa.env.timestamp).operator_id == 0


def test_drain_group__a_file_lives_in_it__reverts_until_it_is_over(
    site: SeatSite, group: int, refused: Refused
) -> None:
    file_id = place_file(site, term_epochs=60)
    confirm(site, file_id, absent=(1, 17))
    assert site.market.file(file_id).absent == (1 << 1 | 1 << 17)
    boa.env.time_travel(seconds=7 * DAY)
    open_group(site)
    site.seats.close_group(group)
    boa.env.time_travel(seconds=MARKET_WINDOWS[0] + 1)

    with refused("group_life: keeps files"):
        site.seats.drain_group(group)

    boa.env.time_travel(seconds=70 * EPOCH)
    site.market.close(file_id)
    site.seats.drain_group(group)
    assert site.seats.group(group).state == DRAINED


def test_inv_sto_2__drained_before_seats_collected__each_is_paid_what_it_earned(
    site: SeatSite, group: int
) -> None:
    """Anybody may drain a group the moment it is empty; what was earned in it stays due."""
    file_id = place_file(site, term_epochs=60)
    confirm(site, file_id)
    boa.env.time_travel(seconds=7 * DAY)
    open_group(site)
    site.seats.close_group(group)
    boa.env.time_travel(seconds=80 * EPOCH)
    site.market.close(file_id)
    site.seats.vacate(group, 3, sender=site.proofs)
    escrow = site.market.group(group).escrow

    site.seats.drain_group(group, sender=a_wallet("stranger"))

    paid = sum(site.market.collect(group, seat) for seat in range(32) if seat != 3)
    assert escrow - paid == site.market.group(group).escrow <= 32
    assert sum(site.market.collect(group, seat) for seat in range(32) if seat != 3) == 0
    with boa.reverts("storage_market: not paid"):
        site.market.collect(group, 3)


def test_take_over__segments_that_the_market_counted__are_what_is_signed(
    site: SeatSite, group: int, refused: Refused
) -> None:
    confirm(site, place_file(site, term_epochs=60))
    site.seats.vacate(group, 5, sender=site.proofs)
    draw_successor(site, group, 5)

    with refused("storage_seats: other segments"):
        site.seats.take_over(group, 5, 2, took(site, group, 5, 2))
    site.seats.take_over(group, 5, 1, took(site, group, 5, 1))

    assert site.seats.seat(group, 5).generation == 1
