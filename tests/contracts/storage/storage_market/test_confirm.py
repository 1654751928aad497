"""Receipts of enough seats, over this file, make it STORED; without them in time it is refunded."""

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.storage.model import FileState, held_digest, held_domain
from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.da import raw
from tests.support.storage import (
    DURABLE,
    MarketSite,
    a_file,
    open_group,
    placed,
    receipts,
    stored,
)


@pytest.fixture
def durable(site: MarketSite) -> MarketSite:
    """Group 2 has 32 seats."""
    open_group(site, 2, profile=DURABLE)
    return site


def test_inv_sto_3__enough_receipts__stored_with_the_absent_named(
    durable: MarketSite, owner: str
) -> None:
    absent = 0b1001_0000_0000_0000_0000_0000_0000_0011  # 4 of 32: 28 are enough
    file_id = placed(durable, a_file(owner, profile=DURABLE))

    durable.market.confirm(*receipts(durable, file_id, absent))

    file = durable.market.file(file_id)
    assert FileState.STORED is FileState(file.state)
    assert (absent, boa.env.timestamp) == (file.absent, file.started)
    assert file.end + durable.clock().grace == file.leaves
    assert durable.market.is_live(file_id)
    assert 32 * file.bytes == durable.market.total_kept()


def test_inv_sto_3__one_receipt_too_few__refused(
    durable: MarketSite, owner: str, refused: Refused
) -> None:
    file_id = placed(durable, a_file(owner, profile=DURABLE))

    with refused("seats_twin: too few", file_id):
        durable.market.confirm(*receipts(durable, file_id, 0b11111))
    with refused("storage_market: no such seat", file_id):
        durable.market.confirm(*receipts(durable, file_id, 1 << 48))


@pytest.mark.parametrize("part", ["group", "digest", "needed"])
def test_inv_sto_3__receipts_of_something_else__refused(
    durable: MarketSite, owner: str, refused: Refused, part: str
) -> None:
    file_id = placed(durable, a_file(owner, profile=DURABLE))
    other = keccak(b"other") if part == "digest" else 27

    with refused("seats_twin: wrong receipts", file_id):
        durable.market.confirm(*receipts(durable, file_id, **{part: other}))


def test_held_digest__placed_file__is_the_models(site: MarketSite, owner: str) -> None:
    file_id = placed(site, a_file(owner))
    file = site.market.file(file_id)

    domain = held_domain(chain_id=site.base.chain_id, market=raw(site.market.address))
    expected = held_digest(
        domain, file_id=file_id, root=file.root, group=file.group, expiry=file.end
    )
    assert expected == site.market.held_digest(file_id)


def test_confirm__wrong_state_or_time__refused(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    file_id = placed(site, a_file(owner))
    arguments = receipts(site, file_id)
    with boa.env.anchor():
        site.market.confirm(*arguments)
        with refused("file_records: not placed", file_id):
            site.market.confirm(*arguments)
        with refused("file_records: not placed", file_id):
            site.market.held_digest(file_id)
    boa.env.time_travel(seconds=37)

    with refused("storage_market: too late", file_id):
        site.market.confirm(*arguments)


def test_confirm__several_files__kept_bytes_are_numbered_one_after_the_other(
    site: MarketSite, owner: str
) -> None:
    first, second = (stored(site, a_file(owner, nonce=nonce)) for nonce in range(2))
    kept = site.market.file(first).bytes

    duty = site.market.duty(second)
    assert (0, kept) == (site.market.file(first).first_byte, duty.first_byte)
    assert (2 * kept, 2) == (site.market.group(1).numbered, site.market.group(1).segments)
    assert site.market.file(second).leaves == duty.end


def test_owed_at__a_stored_file__says_what_duty_and_bytes_at_say(
    site: MarketSite, owner: str
) -> None:
    first, second = (stored(site, a_file(owner, nonce=nonce)) for nonce in range(2))
    epoch = site.clock().epoch_of(boa.env.timestamp) + 1

    owed, duty = site.market.owed_at(second, epoch), site.market.duty(second)

    shared = "root", "group", "first_byte", "bytes", "length", "profile", "end"
    assert [getattr(duty, name) for name in shared] == [getattr(owed, name) for name in shared]
    assert 2 * site.market.file(first).bytes == owed.numbered == site.market.bytes_at(1, epoch)
    assert site.market.owed_at(second, epoch - 1).numbered == 0


def test_bytes_at__files_in_many_epochs__what_was_numbered_before_stands_still(
    site: MarketSite, owner: str
) -> None:
    clock, market = site.clock(), site.market
    kept = market.kept_bytes(1, 1)
    first = clock.epoch_of(boa.env.timestamp)
    for nonce in range(70):
        stored(site, a_file(owner, nonce=nonce, length=1, term_epochs=100))
        epoch = clock.epoch_of(boa.env.timestamp)
        assert nonce * kept == market.bytes_at(1, epoch)
        assert (nonce + 1) * kept == market.bytes_at(1, epoch + 1)
        boa.env.time_travel(seconds=clock.epoch * (1 + nonce % 2))

    for back in range(64):
        epoch = clock.epoch_of(boa.env.timestamp) - back
        started = [file for file in range(70) if first + file + file // 2 < epoch]
        assert len(started) * kept == market.bytes_at(1, epoch)
    with boa.reverts("byte_numbers: too long ago"):
        market.bytes_at(1, first)


def test_refund__no_receipts_in_time__all_is_the_owners_and_the_room_is_free(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    waiting = placed(site, a_file(owner, max_cost=10**15))
    with refused("storage_market: too early", waiting):
        site.market.refund(waiting, sender=stranger)
    boa.env.time_travel(seconds=37)

    site.market.refund(waiting, sender=stranger)

    assert FileState.REFUNDED is FileState(site.market.file(waiting).state)
    assert site.market.credit_of(owner) == 10**15
    assert (site.market.group(1).taken, site.market.group(1).escrow) == (0, 0)
    with refused("file_records: not waiting", waiting):
        site.market.refund(waiting, sender=stranger)


def test_refund__group_had_left_the_list__it_is_listed_again(site: MarketSite, owner: str) -> None:
    full = 1_024 * 32_505_856
    files = [
        placed(site, a_file(owner, nonce=nonce, length=full, segments=1_024)) for nonce in range(4)
    ]
    assert site.market.listed_count(1) == 0
    boa.env.time_travel(seconds=37)

    site.market.refund(files[0])

    assert site.market.listed_count(1) == 1
    assert site.market.listed_group(1, 0) == 1
