"""Anybody prolongs a file's term, also in its grace, and nobody with the owner's money but he."""

import boa

from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.staking import EPOCH
from tests.support.storage import PRICE, MarketSite, a_file, placed, stored

KEPT = 512 * 32 * 8 * 4
MAX_RATE = 6 * PRICE


def test_renew__by_its_owner__ends_later_and_costs_what_the_deposit_lacks(
    site: MarketSite, owner: str
) -> None:
    file_id = stored(site, a_file(owner))
    before, started = site.market.file(file_id), boa.env.timestamp
    boa.env.time_travel(seconds=10 * EPOCH)
    wealth = boa.env.get_balance(owner)

    paid = site.market.renew(file_id, 20, value=10**17, sender=owner)

    after = site.market.file(file_id)
    assert (before.end + 20 * EPOCH, before.leaves + 20 * EPOCH) == (after.end, after.leaves)
    ahead = MAX_RATE * (after.leaves - boa.env.timestamp)
    needed = -(-KEPT * (3 * PRICE * (boa.env.timestamp - started) + ahead) // 2**30)
    assert needed == after.deposit == before.deposit + paid
    assert wealth - paid == boa.env.get_balance(owner)
    assert needed == site.market.group(1).escrow


def test_renew__deposit_covers_it__free_for_the_owner_alone(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner, term_epochs=30))
    boa.env.time_travel(seconds=30 * EPOCH)  # half of the price of the deposit: 15 epochs are left
    added = -(-KEPT * 3 * PRICE * 10 * EPOCH // 2**30)
    with refused("renewal: too little paid", file_id):
        site.market.renew(file_id, 10, value=added - 1, sender=stranger)
    with boa.env.anchor():
        assert site.market.renew(file_id, 10, value=10**17, sender=stranger) == added

    assert site.market.renew(file_id, 10, sender=owner) == 0


def test_inv_sto_7__seats_renew_a_file_that_they_are_paid_for__owner_gets_back_no_less(
    site: MarketSite, owner: str, stranger: str
) -> None:
    file_id = stored(site, a_file(owner, term_epochs=30, max_cost=10**15))
    boa.env.time_travel(seconds=10 * EPOCH)

    def given_back(renewed: int) -> int:
        with boa.env.anchor():
            for _ in range(renewed):
                site.market.renew(file_id, 5, value=10**17, sender=stranger)
            file = site.market.file(file_id)
            boa.env.time_travel(seconds=file.leaves - boa.env.timestamp)
            site.market.close(file_id)
            return int(site.market.credit_of(owner))

    assert given_back(4) >= given_back(0)


def test_renew__in_the_last_second_of_grace__keeps_the_file(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner))
    leaves = site.market.file(file_id).leaves
    boa.env.time_travel(seconds=leaves - 1 - boa.env.timestamp)
    with boa.env.anchor():
        site.market.renew(file_id, 1, value=10**17, sender=stranger)
        boa.env.time_travel(seconds=1)
        assert site.market.is_live(file_id)
    boa.env.time_travel(seconds=1)

    with refused("renewal: too late", file_id):
        site.market.renew(file_id, 1, value=10**17, sender=stranger)


def test_renew__bad_input__refused(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner))
    cases = [(0, "renewal: wrong term"), (10_951, "renewal: wrong term"),
             (590, "renewal: term too long"), (589, "renewal: too little paid")]  # fmt: skip
    for epochs, reason in cases:
        with refused(reason, file_id):
            site.market.renew(file_id, epochs, value=1, sender=stranger)
    waiting = placed(site, a_file(owner, nonce=1))
    with refused("file_records: not stored", waiting):
        site.market.renew(waiting, 1, value=10**17, sender=stranger)


def test_renew__receiver_of_the_change_refuses__nothing_moves(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    file_id = stored(site, a_file(owner))
    payer = site.seats.address  # a contract that takes no money
    boa.env.set_balance(payer, 10**18)

    with refused("credits: receiver refused", file_id):
        site.market.renew(file_id, 1, value=10**17, sender=payer)


def test_renew__again_and_again__the_deposit_stays_the_most_it_can_cost(
    site: MarketSite, owner: str, stranger: str
) -> None:
    file_id = stored(site, a_file(owner, max_cost=10**15))
    spent = 10**15
    for epochs in (1, 30, 7, 100):
        boa.env.time_travel(seconds=3 * EPOCH)
        spent += site.market.renew(file_id, epochs, value=10**17, sender=stranger)
        for seat in range(3):
            site.seats.change(1, seat, site.operators[seat].operator_id, 2 * PRICE)
    file = site.market.file(file_id)
    boa.env.time_travel(seconds=file.leaves - boa.env.timestamp)
    site.market.close(file_id)

    for seat in range(3):
        site.market.collect(1, seat)
    earned = sum(site.market.credit_of(one.owner) for one in site.operators)
    dust = site.market.group(1).escrow
    assert spent == earned + dust + site.market.credit_of(owner)
    assert dust <= 4
