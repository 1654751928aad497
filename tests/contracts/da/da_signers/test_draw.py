"""Drawing an epoch's table: the one that members, stakes and seed allow, or none."""

import itertools
import random
from dataclasses import replace

import boa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.bls import aggregate_keys
from offchain.core.hashing import keccak
from offchain.core.layout import N
from offchain.da.quorums import (
    Member,
    QuorumTable,
    assign,
    draw_table,
    epoch_seed,
    owner_of_row,
    rank,
)
from tests.contracts.da.conftest import Refused
from tests.support.da import DaSite, deploy_da, draw, endpoint_of, raw, table_of, to_first_epoch
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import (
    COIN,
    DA,
    EPOCH,
    a_key,
    a_member,
    a_wallet,
    key_bytes,
    next_epoch,
    proof_of_possession,
)


def read_slots(site: DaSite, epoch: int, quorum_id: int = 0) -> list[tuple[int, int, int, bytes]]:
    count = site.signers.quorum(epoch, quorum_id)[0]
    return [tuple(site.signers.signer_at(epoch, quorum_id, index)) for index in range(count)]


def slots_of(table: QuorumTable, quorum_id: int = 0) -> list[tuple[int, int, int, bytes]]:
    return [
        (signer.operator_id, signer.first_slot, signer.end_slot, signer.seal)
        for signer in table.quorums[quorum_id].signers
    ]


def test_draw__all_members__equals_the_model(undrawn_site: DaSite) -> None:
    site = undrawn_site
    expected = table_of(site, site.stake.current_epoch())

    epoch = draw(site)

    assert slots_of(expected) == read_slots(site, epoch)
    assert (5, expected.quorums[0].key.eip2537()) == tuple(site.signers.quorum(epoch, 0))
    assert site.signers.quorum_count(epoch) == 1
    assert epoch == site.signers.open_epoch() == site.signers.serving_epoch()


def test_seed__of_an_epoch__equals_the_model(site: DaSite) -> None:
    epoch = site.stake.current_epoch()
    randomness = site.beacon.randomness(epoch)
    expected = epoch_seed(
        epoch, randomness, chain_id=site.chain_id, signers=raw(site.signers.address)
    )

    assert expected == site.signers.seed(epoch) == site.signers.epoch_table(epoch)[3]
    assert rank(expected, 7) == site.signers.rank(epoch, 7)


def test_inv_da_11__seed_of_a_coming_epoch__is_not_known(site: DaSite) -> None:
    coming = site.stake.current_epoch() + 1
    boa.env.time_travel(seconds=site.stake.epoch_start(coming) - boa.env.timestamp - 1)

    with boa.reverts():
        site.signers.seed(coming)
    with boa.reverts("da_signers: not this epoch"):
        site.signers.draw(coming, 0, 1, [1])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_draw__in_pages__makes_the_same_table(undrawn_site: DaSite, size: int) -> None:
    site = undrawn_site
    epoch = site.stake.current_epoch()
    page = table_of(site, epoch).pages[0]
    drawer = a_wallet("drawer")
    ids = list(page.operator_ids)
    for position in range(0, len(ids), size):
        assert site.signers.quorum_count(epoch) == 0
        part = ids[position : position + size]
        site.signers.draw(epoch, position, page.total_weight, part, sender=drawer)

    assert slots_of(table_of(site, epoch)) == read_slots(site, epoch)
    assert tuple(site.signers.draw_of(drawer))[:2] == (0, 0)


def test_draw__wrong_pages__are_refused(
    undrawn_site: DaSite, stranger: str, refused: Refused
) -> None:
    site = undrawn_site
    outsider = a_member(site.staking, 60)
    epoch = site.stake.current_epoch()
    page = table_of(site, epoch).pages[0]
    ids, total = list(page.operator_ids), page.total_weight
    attempts = {
        "da_signers: not this epoch": (epoch - 1, 0, total, ids),
        "da_signers: empty page": (epoch, 0, total, []),
        "da_signers: page too long": (epoch, 0, total, [*ids, outsider.operator_id]),
        "table_draw: no weight": (epoch, 0, 0, ids),
        "table_draw: not the next page": (epoch, 1, total, ids[1:]),
        "table_draw: ranks not rising": (epoch, 0, total, [ids[1], ids[0], *ids[2:]]),
        "membership: not a member": (epoch, 0, total, [outsider.operator_id]),
        "table_draw: total weight too low": (epoch, 0, total - 1, ids),
        "table_draw: total weight too high": (epoch, 0, total + 1, ids),
    }
    for reason, arguments in attempts.items():
        with refused(reason):
            site.signers.draw(*arguments, sender=stranger)
    with refused("table_draw: ranks not rising"):
        site.signers.draw(epoch, 0, total, [ids[0], ids[0], *ids[2:]], sender=stranger)

    site.signers.draw(epoch, 0, total, ids[:2], sender=stranger)
    with refused("table_draw: other total weight"):
        site.signers.draw(epoch, 2, total + 1, ids[2:], sender=stranger)
    with refused("table_draw: not the next page"):
        site.signers.draw(epoch, 3, total, ids[3:], sender=stranger)
    with refused("epoch_tables: not drawn"):
        site.signers.open_epoch()


def test_draw__drawn_epoch__is_refused(site: DaSite, stranger: str, refused: Refused) -> None:
    epoch = site.stake.current_epoch()
    page = table_of(site, epoch).pages[0]

    with refused("epoch_tables: already drawn"):
        site.signers.draw(epoch, 0, page.total_weight, list(page.operator_ids), sender=stranger)


def test_inv_da_14__wrong_draw_under_way__delays_nobody(
    undrawn_site: DaSite, stranger: str
) -> None:
    site = undrawn_site
    epoch = site.stake.current_epoch()
    ids = list(table_of(site, epoch).pages[0].operator_ids)
    site.signers.draw(epoch, 0, 10**30, ids[:3], sender=stranger)

    draw(site)

    assert slots_of(table_of(site, epoch)) == read_slots(site, epoch)
    with boa.reverts("epoch_tables: already drawn"):
        site.signers.draw(epoch, 3, 10**30, ids[3:], sender=stranger)


def test_draw__begun_anew__forgets_the_former_page(undrawn_site: DaSite, stranger: str) -> None:
    site = undrawn_site
    epoch = site.stake.current_epoch()
    page = table_of(site, epoch).pages[0]
    ids = list(page.operator_ids)
    site.signers.draw(epoch, 0, 10**30, ids[:3], sender=stranger)

    site.signers.draw(epoch, 0, page.total_weight, ids, sender=stranger)

    assert slots_of(table_of(site, epoch)) == read_slots(site, epoch)


def test_draw__member_without_stake__is_left_out(site: DaSite) -> None:
    site.stake.leave(DA, sender=site.operators[4].owner)
    next_epoch()

    epoch = draw(site)

    assert site.signers.member_count(epoch) == 5
    assert slots_of(table_of(site, epoch)) == read_slots(site, epoch)
    assert site.operators[4].operator_id not in [slot[0] for slot in read_slots(site, epoch)]


def test_draw__rotated_key__counts_from_the_next_epoch(site: DaSite) -> None:
    drawn = site.stake.current_epoch()
    operator, key = site.operators[0], a_key(900)
    proof = proof_of_possession(site.staking, operator.owner, key)
    site.staking.registry.rotate_key(key_bytes(key), proof, sender=operator.owner)
    before = bytes(site.signers.quorum(drawn, 0)[1])
    next_epoch()

    epoch = draw(site, [replace(operator, key=key), *site.operators[1:]])

    others = [one.key.public_key() for one in site.operators[1:]]
    assert aggregate_keys([operator.key.public_key(), *others]).eip2537() == before
    assert aggregate_keys([key.public_key(), *others]).eip2537() == site.signers.quorum(epoch, 0)[1]


def test_open_epoch__nothing_changed__carries_the_table_with_a_new_seed(site: DaSite) -> None:
    drawn = site.stake.current_epoch()
    next_epoch()

    assert drawn + 1 == site.signers.serving_epoch() == site.signers.open_epoch()
    first, second = site.signers.epoch_table(drawn), site.signers.epoch_table(drawn + 1)
    assert first[0] == second[0] and first[3] != second[3] == site.signers.seed(drawn + 1)
    assert read_slots(site, drawn) == read_slots(site, drawn + 1)


@pytest.mark.parametrize("change", ["stake", "join", "leave"])
def test_open_epoch__something_changed__serves_from_one_epoch_before_only(
    site: DaSite, change: str, refused: Refused
) -> None:
    drawn = site.stake.current_epoch()
    if change == "stake":
        site.stake.deposit(DA, value=COIN, sender=site.operators[0].owner)
    elif change == "join":
        operator = a_member(site.staking, 61)
        site.signers.join(endpoint_of(operator), sender=operator.owner)
    else:
        site.signers.leave(sender=site.operators[0].owner)
    next_epoch()

    assert drawn == site.signers.open_epoch() == site.signers.serving_epoch()
    next_epoch()
    with refused("epoch_tables: not drawn"):
        site.signers.open_epoch()
    with boa.reverts("epoch_tables: not drawn"):
        site.signers.serving_epoch()


def test_inv_da_14__idle_time__costs_no_gas(site: DaSite) -> None:
    gas = []
    for epochs in (2, 5_000):
        with boa.env.anchor():
            boa.env.time_travel(seconds=epochs * EPOCH)
            site.signers.open_epoch()
            gas.append(site.signers._computation.get_gas_used())

    assert abs(gas[0] - gas[1]) <= 100


def test_views__nothing_there__are_refused(site: DaSite) -> None:
    epoch = site.stake.current_epoch()

    with boa.reverts("da_signers: no such quorum"):
        site.signers.quorum(epoch, 1)
    with boa.reverts("da_signers: no such quorum"):
        site.signers.quorum(epoch + 1, 0)
    with boa.reverts("quorum_table: no such signer"):
        site.signers.signer_at(epoch, 0, 5)
    with boa.reverts("da_signers: no such row"):
        site.signers.owner_of_row(epoch, bytes(32), N)
    with boa.reverts("epoch_tables: not drawn"):
        site.signers.owner_of_row(epoch + 1, bytes(32), 0)
    with boa.reverts("epoch_tables: not drawn"):
        site.signers.blob_seed(epoch + 1, bytes(32), bytes(32))


@pytest.fixture(scope="module")
def wide_deployed() -> DaSite:
    """Stakes from the least to thousands of it, a newcomer without a slot among them."""
    site = deploy_da(own=[100, 100, 350_000, 1_000, 7_777, 123_456, 100])
    to_first_epoch()
    keep_moment("stakes far apart")
    return site


@pytest.fixture
def wide_site(at_its_moment: None, wide_deployed: DaSite) -> DaSite:
    return_to("stakes far apart")
    return wide_deployed


def test_inv_da_10__stakes_far_apart__slots_follow_stake_to_within_one(wide_site: DaSite) -> None:
    site = wide_site
    epoch = draw(site)
    slots = read_slots(site, epoch)
    weights = {o.operator_id: site.stake.weight_at(o.pool(DA), epoch) for o in site.operators}
    total = sum(weights.values())

    assert slots_of(table_of(site, epoch)) == slots
    assert slots[0][1] == 0 and slots[-1][2] == N
    assert all(left[2] == right[1] for left, right in itertools.pairwise(slots))
    held = {operator: end - first for operator, first, end, _ in slots}
    for operator, weight in weights.items():
        assert abs(held.get(operator, 0) - N * weight / total) <= 1
    assert all(count > 0 for count in held.values())


@given(seed=st.binary(min_size=32, max_size=32), rows=st.lists(st.integers(0, N - 1), max_size=8))
def test_inv_da_10__any_seed__chain_and_model_name_the_same_owner(
    wide_site: DaSite, seed: bytes, rows: list[int]
) -> None:
    site = wide_site
    with boa.env.anchor():
        epoch = draw(site)
        quorum = table_of(site, epoch).quorums[0]
        assignment = assign(seed, 1)
        for row in rows:
            expected = owner_of_row(quorum, assignment, row)

            assert expected == site.signers.owner_of_row(epoch, seed, row)


@pytest.mark.parametrize("number", range(4))
def test_inv_da_10__random_stakes__chain_and_model_draw_the_same_table(number: int) -> None:
    source = random.Random(number)
    site = deploy_da(own=[100 * source.randint(1, 10 ** source.randint(0, 4)) for _ in range(6)])
    to_first_epoch()
    epoch = draw(site)
    table = table_of(site, epoch)

    assert slots_of(table) == read_slots(site, epoch)
    assert table.quorums[0].key.eip2537() == site.signers.quorum(epoch, 0)[1]
    for _ in range(8):
        seed, row = source.randbytes(32), source.randrange(N)
        expected = owner_of_row(table.quorums[0], assign(seed, 1), row)

        assert expected == site.signers.owner_of_row(epoch, seed, row)


def test_inv_da_11__key_changed_to_a_better_one__changes_no_place(site: DaSite) -> None:
    """A rank is made of the seed and the operator's id, so a ground key buys nothing."""
    next_epoch()
    operator = site.operators[0]
    with boa.env.anchor():
        site.signers.open_epoch()
        kept = [slot[0] for slot in read_slots(site, site.stake.current_epoch())]
    for number in range(901, 905):
        with boa.env.anchor():
            key = a_key(number)
            proof = proof_of_possession(site.staking, operator.owner, key)
            site.staking.registry.rotate_key(key_bytes(key), proof, sender=operator.owner)
            epoch = site.stake.current_epoch()
            ranks = {o.operator_id: site.signers.rank(epoch, o.operator_id) for o in site.operators}
            next_epoch()
            drawn = draw(site, [replace(operator, key=key), *site.operators[1:]])

            seed = site.signers.seed(drawn)
            ordered = sorted(ranks, key=lambda one: rank(seed, one))
            assert ordered == [slot[0] for slot in read_slots(site, drawn)]
            assert ranks == {one: rank(site.signers.seed(epoch), one) for one in ranks}
    assert sorted(kept) == sorted(o.operator_id for o in site.operators)


def test_draw_table__members_in_any_order__is_one_table(site: DaSite) -> None:
    members = [Member(o.operator_id, 10**18, o.key.public_key()) for o in site.operators]
    seed = keccak(b"seed")

    assert draw_table(members, seed) == draw_table(members[::-1], seed)
