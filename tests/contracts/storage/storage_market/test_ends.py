"""However a file ends, it costs bytes x price x time to the wei, and the rest comes back."""

import boa
import pytest

from offchain.storage.model import FileState
from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.staking import EPOCH
from tests.support.storage import PRICE, MarketSite, a_file, placed, stored

KEPT = 512 * 32 * 8 * 4  # a million bytes in the local profile


def cost(rate_seconds: int) -> int:
    return -(-KEPT * rate_seconds // 2**30)


def test_inv_sto_7__term_and_grace_over__charged_for_exactly_that_time(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    file = site.market.file(file_id)
    with refused("storage_market: too early", file_id):
        site.market.close(file_id)
    boa.env.time_travel(seconds=file.leaves - boa.env.timestamp + 10**6)

    site.market.close(file_id)

    charged = cost(3 * PRICE * (file.leaves - file.started))
    assert 10**15 - charged == site.market.credit_of(owner)
    assert charged == site.market.group(1).escrow
    assert FileState.CLOSED is FileState(site.market.file(file_id).state)
    assert site.market.total_kept() == 0
    with refused("file_records: not stored", file_id):
        site.market.close(file_id)


def test_inv_sto_7__seat_unpaid_meanwhile__time_without_it_costs_nothing(
    site: MarketSite, owner: str
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    file = site.market.file(file_id)
    boa.env.time_travel(seconds=100)
    site.seats.change(1, 2, site.operators[2].operator_id, 0)
    boa.env.time_travel(seconds=50)
    site.seats.change(1, 2, site.operators[4].operator_id, 2 * PRICE)
    boa.env.time_travel(seconds=file.leaves - boa.env.timestamp)
    site.market.close(file_id)

    seconds = file.leaves - file.started
    rate_seconds = 2 * PRICE * seconds + PRICE * 100 + 2 * PRICE * (seconds - 150)
    assert 10**15 - cost(rate_seconds) == site.market.credit_of(owner)
    paid = sum(site.market.collect(1, seat) for seat in range(3))
    before = site.market.credit_of(site.operators[2].owner)
    assert KEPT * PRICE * 100 // 2**30 + KEPT * PRICE * seconds * 0 <= before
    assert cost(rate_seconds) - 3 <= paid + KEPT * PRICE * 100 // 2**30 <= cost(rate_seconds)


def test_release__by_the_owner__leaves_at_the_next_epoch_and_pays_until_then(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    started = boa.env.timestamp
    with refused("storage_market: not the owner", file_id):
        site.market.release(file_id, sender=stranger)
    boa.env.time_travel(seconds=EPOCH + 5)

    site.market.release(file_id, sender=owner)

    leaves = site.clock().start_of(site.clock().epoch_of(boa.env.timestamp) + 1)
    file = site.market.file(file_id)
    assert (leaves, leaves) == (file.end, file.leaves)
    with refused("storage_market: leaves already", file_id):
        site.market.release(file_id, sender=owner)
    with refused("renewal: leaves already", file_id):
        site.market.renew(file_id, 1, value=10**15, sender=stranger)
    boa.env.time_travel(seconds=leaves - boa.env.timestamp)
    site.market.close(file_id)
    assert 10**15 - cost(3 * PRICE * (leaves - started)) == site.market.credit_of(owner)


def test_declare_lost__too_few_seats_for_a_repair__refunded_from_then_on(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    with refused("storage_market: enough seats", file_id):
        site.market.declare_lost(file_id)
    site.seats.change(1, 0, 1, 0)
    with refused("storage_market: enough seats", file_id):  # two of three rebuild it
        site.market.declare_lost(file_id)
    site.seats.change(1, 1, 2, 0)
    boa.env.time_travel(seconds=2 * EPOCH - 1)
    with refused("storage_market: too early", file_id):
        site.market.declare_lost(file_id)
    boa.env.time_travel(seconds=1)

    site.market.declare_lost(file_id)

    assert FileState.LOST is FileState(site.market.file(file_id).state)
    assert 10**15 - cost(PRICE * 2 * EPOCH) == site.market.credit_of(owner)
    assert not site.market.is_live(file_id)


def test_inv_sto_12__seat_back_in_time__the_clock_of_loss_begins_anew(
    site: MarketSite, owner: str
) -> None:
    file_id = stored(site, a_file(owner))
    for seat in (0, 1):
        site.seats.change(1, seat, 1, 0)
    boa.env.time_travel(seconds=2 * EPOCH - 1)
    site.seats.change(1, 0, 1, PRICE)
    assert site.market.group(1).short_since == 0
    site.seats.change(1, 0, 1, 0)
    boa.env.time_travel(seconds=EPOCH)

    with boa.reverts("storage_market: too early"):
        site.market.declare_lost(file_id)


def test_void__by_the_proofs__settled_at_once(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    boa.env.time_travel(seconds=77)
    with refused("storage_market: not the proofs", file_id):
        site.market.void(file_id, sender=stranger)

    site.market.void(file_id, sender=site.proofs)

    assert FileState.VOID is FileState(site.market.file(file_id).state)
    assert 10**15 - cost(3 * PRICE * 77) == site.market.credit_of(owner)
    assert (site.market.duty(file_id).end, site.market.group(1).bytes) == (0, 0)
    assert site.market.owed_at(file_id, 0).end == 0
    with refused("file_records: not stored", file_id):
        site.market.void(file_id, sender=site.proofs)


@pytest.mark.parametrize("act", ["release", "declare_lost", "close"])
def test_ends__file_not_stored__refused(
    site: MarketSite, owner: str, refused: Refused, act: str
) -> None:
    file_id = placed(site, a_file(owner))

    with refused("file_records: not stored", file_id):
        getattr(site.market, act)(file_id, sender=owner)


def test_withdraw__credited__paid_once_where_its_owner_says(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    site.market.void(file_id, sender=site.proofs)
    before = boa.env.get_balance(stranger)
    nobody = "0x" + bytes(20).hex()
    with refused("credits: no receiver"):
        site.market.withdraw(nobody, sender=owner)
    with refused("credits: receiver refused"):
        site.market.withdraw(site.seats.address, sender=owner)

    assert site.market.withdraw(stranger, sender=owner) == 10**15

    assert before + 10**15 == boa.env.get_balance(stranger)
    with refused("credits: nothing to withdraw"):
        site.market.withdraw(stranger, sender=owner)
