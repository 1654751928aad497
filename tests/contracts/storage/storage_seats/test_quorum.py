"""One signature of a group's seats, all but the absent and the vacant."""

import boa
import pytest

from offchain.core.bls import aggregate_keys
from offchain.core.hashing import keccak
from offchain.storage.model import profile_named
from tests.support.refusal import Refused
from tests.support.staking import EPOCH, a_key, key_bytes, proof_of_possession
from tests.support.storage_seats import (
    SeatSite,
    request,
    seats_by_operator,
    short_key,
    signed,
)

DIGEST = keccak(b"what seats sign")
NEEDED = profile_named("durable").receipts


@pytest.mark.parametrize("absent", [(), (0,), (3, 4, 30), (0, 1, 2, 3)])
def test_check_quorum__signed_by_the_rest__counts_them(
    site: SeatSite, group: int, absent: tuple[int, ...]
) -> None:
    bitmap, signature, keys = signed(site, group, DIGEST, absent=absent)

    present = site.seats.check_quorum(group, bitmap, DIGEST, signature, NEEDED, keys)

    assert 32 - len(absent) == present


def test_check_quorum__vacant_seats__need_not_be_named(site: SeatSite, group: int) -> None:
    for seat in (2, 9):
        site.seats.vacate(group, seat, sender=site.proofs)
    bitmap, signature, keys = signed(site, group, DIGEST, absent=(5,))
    named = sorted([2, 5])
    operators = site.seats.operators_of(group)
    with_vacant = b"".join(
        short_key(key_bytes(site.operator(operators[seat]).key)) for seat in named
    )

    assert site.seats.check_quorum(group, bitmap, DIGEST, signature, 29, keys) == 29
    both = bitmap | 1 << 2
    assert site.seats.check_quorum(group, both, DIGEST, signature, 29, with_vacant) == 29


def test_inv_sto_3__any_statement_or_set_but_the_signed_one__reverts(
    site: SeatSite, group: int, refused: Refused
) -> None:
    bitmap, signature, keys = signed(site, group, DIGEST, absent=(4,))

    with refused("seat_keys: wrong signature"):
        site.seats.check_quorum(group, bitmap, keccak(DIGEST), signature, NEEDED, keys)
    with refused("seat_keys: wrong signature"):
        site.seats.check_quorum(group, 0, DIGEST, signature, NEEDED, b"")
    with refused("seat_keys: too few seats"):
        site.seats.check_quorum(group, bitmap, DIGEST, signature, 32, keys)
    with refused("seat_keys: no such seat"):
        site.seats.check_quorum(group, 1 << 32, DIGEST, signature, NEEDED, keys)
    with refused("seat_keys: key missing"):
        site.seats.check_quorum(group, bitmap, DIGEST, signature, NEEDED, b"")
    with refused("seat_keys: key left over"):
        site.seats.check_quorum(group, bitmap, DIGEST, signature, NEEDED, keys * 2)
    other = short_key(key_bytes(site.operators[0].key))
    assert seats_by_operator(site, group)[site.operators[0].operator_id][0] != 4
    with refused("seat_keys: key of another"):
        site.seats.check_quorum(group, bitmap, DIGEST, signature, NEEDED, other)


def test_check_quorum__group_that_is_not_open__reverts(site: SeatSite, refused: Refused) -> None:
    group = request(site)

    with refused("storage_seats: not open"):
        site.seats.check_quorum(group, 0, DIGEST, bytes(256), 0, b"")


def test_group_key__open_group__sums_a_key_for_each_seat(site: SeatSite, group: int) -> None:
    operators = site.seats.operators_of(group)
    keys = [site.operator(one).key.public_key() for one in operators]

    assert aggregate_keys(keys).eip2537() == site.seats.group_key(group)


def test_refresh_key__after_a_rotation__the_new_key_signs(
    site: SeatSite, group: int, refused: Refused
) -> None:
    operator = site.operators[2]
    with refused("storage_seats: same key"):
        site.seats.refresh_key(group, operator.operator_id)
    fresh = a_key(900)
    site.staking.registry.rotate_key(
        fresh.public_key().eip2537(),
        proof_of_possession(site.staking, operator.owner, fresh),
        sender=operator.owner,
    )
    boa.env.time_travel(seconds=EPOCH)

    site.seats.refresh_key(group, operator.operator_id)

    operators = site.seats.operators_of(group)
    keys = [
        (fresh if one == operator.operator_id else site.operator(one).key).public_key()
        for one in operators
    ]
    assert aggregate_keys(keys).eip2537() == site.seats.group_key(group)
    assert site.stake.current_epoch() == site.seats.key_epoch(group, operator.operator_id)
    with refused("storage_seats: holds no seat"):
        site.seats.refresh_key(group, 999)
