"""Price rows: first at once, later with notice, payable a while after their end."""

import boa

from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import NATIVE, PRICE_DELAY, PRICE_GRACE, ComputeSite

MAX = 2**96 - 1


def announce(site: ComputeSite, price: int = 5, token: str = NATIVE) -> int:
    owner = site.provider.owner
    return int(site.registry.announce_price(site.service, token, price, price, price, sender=owner))


def payable(site: ComputeSite, version: int) -> bool:
    return bool(site.registry.payable_token(site.service, version)[0])


def test_first_row__announced__applies_at_once(site: ComputeSite) -> None:
    row = site.registry.price_row(site.service, 1)

    assert (row.input_price, row.output_price, row.request_price) == (2_000_000, 8_000_000, 3)
    assert (row.token, row.retired_at) == (NATIVE, 0)
    assert row.valid_from <= boa.env.timestamp
    assert payable(site, 1)
    assert site.registry.service(site.service).price_version == 1


def test_row__at_the_limits_of_its_fields__is_kept_whole(site: ComputeSite) -> None:
    version = announce(site, MAX, site.token.address)

    row = site.registry.price_row(site.service, version)
    assert (row.input_price, row.output_price, row.request_price) == (MAX, MAX, MAX)
    assert row.token == site.token.address


def test_inv_cmp_9__second_row__applies_after_its_delay_and_the_first_has_its_grace(
    site: ComputeSite,
) -> None:
    version = announce(site)
    valid_from = boa.env.timestamp + PRICE_DELAY

    assert valid_from == site.registry.price_row(site.service, version).valid_from
    assert valid_from == site.registry.price_row(site.service, 1).retired_at
    boa.env.timestamp = valid_from - 1
    assert not payable(site, version)
    assert site.registry.service(site.service).price_version == 1
    boa.env.timestamp = valid_from
    assert payable(site, version)
    assert site.registry.service(site.service).price_version == version
    boa.env.timestamp = valid_from + PRICE_GRACE
    assert payable(site, 1)
    boa.env.timestamp = valid_from + PRICE_GRACE + 1
    assert not payable(site, 1)
    assert payable(site, version)


def test_announce__while_a_row_waits__is_refused(site: ComputeSite, refused: Refused) -> None:
    announce(site)
    boa.env.time_travel(seconds=PRICE_DELAY - 1)
    with refused("price_rows: one is waiting"):
        announce(site)
    boa.env.time_travel(seconds=1)

    assert announce(site) == 3


def test_row__that_never_was__is_empty_and_not_payable(site: ComputeSite) -> None:
    assert site.registry.price_row(site.service, 9).valid_from == 0
    assert not payable(site, 9)
    assert not payable(site, 0)
