"""Seats earn price x bytes x time while they are paid; one group never pays for another."""

import boa

from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.staking import EPOCH
from tests.support.storage import LOCAL, PRICE, SOLO, MarketSite, a_file, open_group, stored

KEPT = 512 * 32 * 8 * 4


def test_collect__any_time__credits_the_owner_of_the_operator(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    stored(site, a_file(owner))
    boa.env.time_travel(seconds=1_000)

    earned = site.market.collect(1, 1, sender=stranger)

    assert earned == KEPT * PRICE * 1_000 // 2**30
    assert earned == site.market.credit_of(site.operators[1].owner)
    site.seats.change(1, 1, 5, 0)
    with refused("storage_market: not paid"):
        site.market.collect(1, 1, sender=stranger)


def test_collect__every_second__fractions_of_a_wei_are_not_lost(
    site: MarketSite, owner: str
) -> None:
    site.seats.change(1, 0, 1, 3_000)  # 1.46 wei a second
    stored(site, a_file(owner))
    collected = 0
    for _ in range(20):
        boa.env.time_travel(seconds=1)
        collected += site.market.collect(1, 0)

    assert collected == KEPT * 3_000 * 20 // 2**30


def test_inv_sto_7__suspect_seat__earns_nothing_until_it_is_back(
    site: MarketSite, owner: str
) -> None:
    stored(site, a_file(owner))
    operator = site.operators[0]
    for price, seconds in ((0, 500), (PRICE, 300), (0, 900)):
        site.seats.change(1, 0, operator.operator_id, price)
        boa.env.time_travel(seconds=seconds)
    site.seats.change(1, 0, operator.operator_id, PRICE)

    assert site.market.credit_of(operator.owner) == KEPT * PRICE * 300 // 2**30


def test_seat_changed__successor__former_and_new_are_paid_for_their_own_time(
    site: MarketSite, owner: str
) -> None:
    stored(site, a_file(owner))
    boa.env.time_travel(seconds=100)
    site.seats.change(1, 0, site.operators[3].operator_id, 2 * PRICE)
    boa.env.time_travel(seconds=100)
    site.market.collect(1, 0)

    assert site.market.credit_of(site.operators[0].owner) == KEPT * PRICE * 100 // 2**30
    later = site.market.credit_of(site.operators[3].owner)
    assert 0 <= later - KEPT * 2 * PRICE * 100 // 2**30 <= 1


def test_inv_sto_16__many_endings_wait__advance_first_then_everything_goes_on(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    files = [
        stored(site, a_file(owner, nonce=term, term_epochs=term, length=1)) for term in range(1, 71)
    ]
    boa.env.time_travel(seconds=200 * EPOCH)
    with refused("integrals: advance first", files[0]):
        site.market.close(files[0])
    with refused("integrals: advance first"):
        site.market.collect(1, 0)
    with refused("integrals: advance first"):
        site.seats.change(1, 0, 1, 0)

    site.market.advance(1)
    site.market.close(files[0])  # six wait still: an ordinary call passes them
    site.market.advance(1)

    for file_id in files[1:]:
        site.market.close(file_id)
    assert (site.market.group(1).bytes, site.market.total_kept()) == (0, 0)
    for seat in range(3):
        site.market.collect(1, seat)
    assert site.market.group(1).escrow <= len(files)


def test_inv_sto_16__years_of_silence__gas_does_not_grow(site: MarketSite, owner: str) -> None:
    used = []
    for years in (0, 5):
        with boa.env.anchor():
            file_id = stored(site, a_file(owner, nonce=years, term_epochs=500))
            leaves = site.market.file(file_id).leaves
            boa.env.time_travel(seconds=leaves - boa.env.timestamp + years * 365 * 6 * EPOCH)
            site.market.close(file_id)
            used.append(site.market._computation.get_gas_used())

    assert abs(used[0] - used[1]) < 100


def test_open_group__wrong_input__refused(
    site: MarketSite, stranger: str, refused: Refused
) -> None:
    with refused("storage_market: not the seats"):
        site.market.open_group(2, LOCAL, 1, 3, 3, sender=stranger)
    seats = site.seats.address
    cases = [
        ((1, LOCAL, 10, 3, 3), "group_terms: open already"),
        ((2, LOCAL, 0, 3, 3), "group_terms: no term"),
        ((2, LOCAL, 10, 2**72, 3), "group_terms: rate too high"),
        ((2, LOCAL, 10, 3, 4), "storage_market: rate above maximum"),
        ((2, 6, 10, 3, 3), "profiles: no such profile"),
    ]
    for arguments, reason in cases:
        with refused(reason):
            site.market.open_group(*arguments, sender=seats)


def test_seat_changed__wrong_input__refused(
    site: MarketSite, stranger: str, refused: Refused
) -> None:
    with refused("storage_market: not the seats"):
        site.market.seat_changed(1, 0, 1, PRICE, 0, sender=stranger)
    with refused("storage_market: rate above maximum"):
        site.seats.change(1, 0, 1, 5 * PRICE)
    with refused("group_terms: not open"):
        site.seats.change(9, 0, 1, PRICE)
    with refused("group_terms: not open"):
        site.market.advance(9)


def test_shut_group__by_the_seats__takes_no_file_more_and_serves_those_it_has(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner))
    with refused("storage_market: not the seats"):
        site.market.shut_group(1, sender=stranger)

    site.seats.shut(1)
    site.seats.shut(1)

    assert site.market.listed_count(LOCAL) == 0
    boa.env.time_travel(seconds=EPOCH)
    assert site.market.collect(1, 0) > 0
    assert site.market.renew(file_id, 5, value=10**17, sender=stranger) >= 0


def test_listed__one_of_several_goes__the_last_takes_its_place(site: MarketSite) -> None:
    for group in (2, 3):
        open_group(site, group)
    site.seats.shut(1)

    assert [site.market.listed_group(LOCAL, at) for at in range(2)] == [3, 2]
    assert site.market.listed_count(SOLO) == 0
