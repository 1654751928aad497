"""A file goes to the group that beacon and block name, or to the next that can take it."""

import boa

from offchain.core.hashing import keccak
from offchain.storage.model import MAX_GROUP_BYTES
from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.staking import EPOCH
from tests.support.storage import (
    LOCAL,
    PRICE,
    REPLICA,
    MarketSite,
    a_file,
    entropy_of,
    mine_entropy,
    open_group,
    placed,
    randomness_of,
)
from tests.support.storage_log import submit

FULL_FILE = 1_024 * 32_505_856


def test_place__several_groups__the_drawn_one(site: MarketSite, owner: str) -> None:
    open_group(site, 2)
    open_group(site, 3)
    chosen = set()
    for nonce in range(8):
        file_id = placed(site, a_file(owner, nonce=nonce))

        block = site.base.log.submitted(file_id)[1] + 1
        seed = keccak(randomness_of(site, file_id), entropy_of(block), file_id)
        group = int.from_bytes(seed, "big") % 3 + 1
        assert group == site.market.file(file_id).group
        chosen.add(group)

    assert len(chosen) > 1


def test_place__paid_above_the_highest_price__the_rest_is_the_owners(
    site: MarketSite, owner: str
) -> None:
    submission = a_file(owner, max_cost=10**17)
    file_id = placed(site, submission)

    file, clock = site.market.file(file_id), site.clock()
    seconds = file.end + clock.grace - boa.env.timestamp
    highest = -(-site.market.kept_bytes(10**6, LOCAL) * 6 * PRICE * seconds // 2**30)
    assert highest == file.deposit == site.market.group(1).escrow
    assert 10**17 - highest == site.market.credit_of(owner)


def test_place__drawn_group_cannot_take_it__the_next_one(site: MarketSite, owner: str) -> None:
    site.seats.change(1, 0, 1, 0)  # two seats of three: no receipts of three
    open_group(site, 2, max_price=10**6 * PRICE)  # above every deposit
    open_group(site, 3, longest=5)  # terms of ten epochs are too long
    open_group(site, 4)

    groups = {
        site.market.file(placed(site, a_file(owner, nonce=nonce, max_cost=10**13))).group
        for nonce in range(6)
    }

    assert {4} == groups


def test_place__no_group_can_take_it__refused(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    cheap = a_file(owner, max_cost=1)
    other = a_file(owner, nonce=1, profile=REPLICA)
    for submission, reason in ((cheap, "placement: no room"), (other, "placement: no group")):
        submit(site.base, submission)
        mine_entropy(site, site.id_of(submission))

        with refused(reason, site.id_of(submission)):
            site.market.place(site.id_of(submission), sender=owner)


def test_place__group_fills_up__leaves_the_list_and_keeps_its_capacity(
    site: MarketSite, owner: str
) -> None:
    kept = site.market.kept_bytes(FULL_FILE, LOCAL)
    for nonce in range(MAX_GROUP_BYTES // kept):
        assert site.market.listed_count(LOCAL) == 1
        placed(site, a_file(owner, nonce=nonce, length=FULL_FILE, segments=1_024))

    assert site.market.group(1).taken == MAX_GROUP_BYTES
    assert site.market.listed_count(LOCAL) == 0
    assert not site.market.group(1).is_listed


def test_place__too_early_too_late_or_twice__refused(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    submission = a_file(owner)
    file_id = site.id_of(submission)
    submit(site.base, submission)
    with refused("placement: no block hash", file_id):
        site.market.place(file_id, sender=owner)
    mine_entropy(site, file_id)
    site.market.place(file_id, sender=owner)
    with refused("file_records: not submitted", file_id):
        site.market.place(file_id, sender=owner)

    late = a_file(owner, nonce=1)
    submit(site.base, late)
    mine_entropy(site, site.id_of(late))
    boa.env.time_travel(seconds=37)
    with refused("storage_market: too late", site.id_of(late)):
        site.market.place(site.id_of(late), sender=owner)


def test_quote__any_group__names_what_placing_will_hold(site: MarketSite, owner: str) -> None:
    quote = site.market.quote(1, 10**6, 10)
    file_id = placed(site, a_file(owner, max_cost=quote.deposit))

    assert quote.deposit == site.market.file(file_id).deposit
    term = site.market.file(file_id).end - boa.env.timestamp
    assert -(-quote.bytes * 3 * PRICE * term // 2**30) == quote.cost
    assert term <= 11 * EPOCH


def test_quote__no_such_group_or_length__refused(site: MarketSite, refused: Refused) -> None:
    with refused("group_terms: not open"):
        site.market.quote(9, 1, 1)
    for length in (0, 1_024 * 32_505_856 + 1):
        with refused("profiles: wrong length"):
            site.market.quote(1, length, 1)
    with refused("group_terms: no such index"):
        site.market.listed_group(LOCAL, 1)
