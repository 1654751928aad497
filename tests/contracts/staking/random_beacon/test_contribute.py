"""Seats, their signatures and the value they make; every way to be refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.core.bls import aggregate_signatures
from offchain.staking.beacon import BeaconHistory, Contribution, sign_for
from offchain.staking.tree import Cover, StakeTree
from tests.support.beacon import BeaconSite, arguments, deploy_beacon
from tests.support.court import to_time
from tests.support.staking import CUTOFF, EPOCH, a_key, key_bytes

ALL = 2**32 - 1


def history(site: BeaconSite, *contributions: tuple[int, list[int]]) -> BeaconHistory:
    """The oracle after these contributions: epoch and the operators that signed."""
    oracle = BeaconHistory(site.identity())
    by_id = {relayer.operator_id: relayer for relayer in site.relayers}
    for epoch, operators in contributions:
        prior = oracle.value_at(epoch - 1)
        bits = site.holders(epoch)
        signatures = [sign_for(by_id[one].key, site.identity(), epoch, prior) for one in operators]
        oracle.contribute(epoch, sum(bits[one] for one in operators), signatures)
    return oracle


def test_contribute__all_seats__makes_the_value_of_the_model(
    beacon_site: BeaconSite, anyone: str
) -> None:
    site = beacon_site
    epoch = site.to_window()
    holders = site.holders(epoch)

    added = site.contribute(site.contribution(epoch, holders), anyone)

    oracle = history(site, (epoch, list(holders)))
    assert added == ALL == site.beacon.seats_of(epoch)
    to_time(site.stake.epoch_start(epoch))
    assert bytes(site.beacon.randomness(epoch)) == oracle.value_at(epoch)
    assert not site.beacon.is_weak(epoch)


def test_holders__drawn_from_the_frozen_tree__hold_all_seats_once(beacon_site: BeaconSite) -> None:
    site = beacon_site
    epoch = site.to_window()
    tree = site.tree(epoch - 1)

    bitmaps = list(site.holders(epoch).values())

    assert bytes(site.stake.tree_root_at(4, epoch - 1)) == tree.root
    assert sum(bitmaps) == ALL
    for seat, leaf in tree.leaves.items():
        most = -(-32 * leaf.weight_wei // tree.total_wei) + 1
        held = site.holders(epoch).get(leaf.operator_id, 0).bit_count()
        assert held <= most, seat


@pytest.mark.parametrize("reverse", [False, True])
def test_inv_stake_16__seats_in_any_number_of_calls__make_one_value(
    beacon_site: BeaconSite, anyone: str, *, reverse: bool
) -> None:
    site = beacon_site
    epoch = site.to_window()
    operators = sorted(site.holders(epoch), reverse=reverse)

    for operator in operators:
        site.contribute(site.contribution(epoch, [operator]), anyone)

    to_time(site.stake.epoch_start(epoch))
    oracle = history(site, (epoch, operators))
    assert bytes(site.beacon.randomness(epoch)) == oracle.value_at(epoch)


def test_inv_stake_16__honest_seat__adds_itself_until_the_last_second(
    beacon_site: BeaconSite, anyone: str
) -> None:
    site = beacon_site
    epoch = site.to_window()
    first, last = sorted(site.holders(epoch))[:2]
    site.contribute(site.contribution(epoch, [first]), anyone)
    late = site.contribution(epoch, [last])
    to_time(site.stake.epoch_start(epoch) - 1)

    site.contribute(late, anyone)

    boa.env.time_travel(seconds=1)
    oracle = history(site, (epoch, [first, last]))
    assert bytes(site.beacon.randomness(epoch)) == oracle.value_at(epoch)
    with boa.reverts("beacon: not the coming epoch"):
        site.contribute(late, anyone)


def test_inv_stake_16__epochs_nobody_contributed_to__have_values_without_loops(
    beacon_site: BeaconSite, anyone: str
) -> None:
    site = beacon_site
    epoch = site.to_window()
    operators = list(site.holders(epoch))
    site.contribute(site.contribution(epoch, operators), anyone)
    oracle = history(site, (epoch, operators))
    to_time(site.stake.epoch_start(epoch + 5_000))

    gas = []
    for idle in (epoch + 1, epoch + 5_000):
        assert bytes(site.beacon.randomness(idle)) == oracle.value_at(idle)
        gas.append(site.beacon._computation.get_gas_used())

    assert bytes(site.beacon.randomness(0)) == oracle.value_at(0)
    assert bytes(site.beacon.randomness(epoch - 1)) == oracle.value_at(epoch - 1)
    assert abs(gas[0] - gas[1]) < 100
    assert site.beacon.is_weak(epoch + 1)


def test_values__contributed_idle_contributed__chain_through_the_model(
    beacon_site: BeaconSite, anyone: str
) -> None:
    site = beacon_site
    oracle = BeaconHistory(site.identity())
    by_id = {relayer.operator_id: relayer for relayer in site.relayers}
    seen = []
    for gap in (0, 3, 1):
        boa.env.time_travel(seconds=gap * EPOCH)
        epoch = site.to_window()
        holders = site.holders(epoch)
        chosen = sorted(holders)[: 2 + gap]
        prior = oracle.value_at(epoch - 1)
        site.contribute(site.contribution(epoch, chosen), anyone)
        oracle.contribute(
            epoch,
            sum(holders[one] for one in chosen),
            [sign_for(by_id[one].key, site.identity(), epoch, prior) for one in chosen],
        )
        seen.append(epoch)

    to_time(site.stake.epoch_start(seen[-1] + 2))
    for epoch in range(seen[-1] + 3):
        assert bytes(site.beacon.randomness(epoch)) == oracle.value_at(epoch)
        assert site.beacon.is_weak(epoch) == oracle.is_weak(epoch)
        assert site.beacon.seats_of(epoch) == oracle.seats_at(epoch)


def test_contribute__seats_twice__is_refused(beacon_site: BeaconSite, anyone: str) -> None:
    site = beacon_site
    epoch = site.to_window()
    one, two = sorted(site.holders(epoch))[:2]
    site.contribute(site.contribution(epoch, [one]), anyone)
    before = site.beacon.seats_of(epoch)

    for again in ([one], [one, two]):
        with boa.reverts("beacon: seat is in already"):
            site.contribute(site.contribution(epoch, again), anyone)
    assert site.beacon.seats_of(epoch) == before


def test_contribute__outside_the_window__is_refused(beacon_site: BeaconSite, anyone: str) -> None:
    site = beacon_site
    epoch = site.to_window()
    contribution = site.contribution(epoch, list(site.holders(epoch)))

    with boa.reverts("beacon: not the coming epoch"):
        site.contribute(replace(contribution, epoch=epoch + 1), anyone)
    with boa.reverts("beacon: not the coming epoch"):
        site.contribute(replace(contribution, epoch=epoch - 1), anyone)
    to_time(site.stake.epoch_start(epoch + 1) - CUTOFF - 1)
    with boa.reverts("beacon: cut-off not reached"):
        site.contribute(replace(contribution, epoch=epoch + 1), anyone)
    assert site.beacon.seats_of(epoch) == 0


def with_words(good: Contribution, change: Callable[[int], int]) -> Contribution:
    words = tuple(change(word) for word in good.cover.words)
    return replace(good, cover=replace(good.cover, words=words))


def opened(change: int) -> Callable[[Contribution], Contribution]:
    return lambda good: with_words(good, lambda word: word + change if word >> 136 else word)


def closed(change: int) -> Callable[[Contribution], Contribution]:
    return lambda good: with_words(good, lambda word: word if word >> 136 else word + change)


def cover(**changes: Callable[[Cover], tuple[Any, ...]]) -> Callable[[Contribution], Contribution]:
    def change(good: Contribution) -> Contribution:
        fresh = {name: make(good.cover) for name, make in changes.items()}
        return replace(good, cover=replace(good.cover, **fresh))

    return change


def signed(change: Callable[[bytes], bytes]) -> Callable[[Contribution], Contribution]:
    return lambda good: replace(good, aggregate=change(good.aggregate))


def keyed(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Callable[..., Contribution]:
    return lambda good: replace(good, keys=change(good.keys))


OTHER = a_key(2)
FORGERIES: dict[str, tuple[Callable[[Contribution], Contribution], str]] = {
    "another's signature": (
        signed(lambda _: OTHER.sign(b"\x01" * 32).eip2537()),
        "beacon: wrong signature",
    ),
    "infinity": (signed(lambda _: bytes(256)), "beacon: wrong signature"),
    "short": (signed(lambda raw: raw[:-1]), "beacon: wrong signature"),
    "off the curve": (
        signed(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
        "beacon: wrong signature",
    ),
    "other weight": (opened(1), "beacon: not the frozen tree"),
    "other operator": (opened(1 << 136), "beacon: not the frozen tree"),
    "opened above the leaves": (opened(1 << 128), "stake_cover: no such leaf"),
    "other sum": (closed(1), "stake_cover: hash missing"),
    "sum over 128 bits": (
        cover(words=lambda c: tuple(w | (2**128 - 1) for w in c.words)),
        "stake_cover: sum too large",
    ),
    "other key": (keyed(lambda _: (key_bytes(OTHER),)), "beacon: not the frozen tree"),
    "key too many": (keyed(lambda keys: keys * 2), "stake_cover: key left over"),
    "no key": (keyed(lambda _: ()), "stake_cover: key missing"),
    "other hash": (
        cover(hashes=lambda c: (bytes(32), *c.hashes[1:])),
        "beacon: not the frozen tree",
    ),
    "hash too many": (
        cover(hashes=lambda c: (*c.hashes, bytes(32))),
        "stake_cover: hash left over",
    ),
    "too short": (cover(words=lambda c: c.words[:-1]), "stake_cover: too short"),
    "too long": (cover(words=lambda c: (*c.words, 0)), "stake_cover: too long"),
    "overlap": (
        cover(words=lambda c: (c.words[0], 1 << 128, *c.words[1:])),
        "stake_cover: gap or overlap",
    ),
    "level": (cover(words=lambda c: (13 << 128, *c.words)), "stake_cover: no such level"),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_contribute__anything_changed__is_refused(
    beacon_site: BeaconSite, anyone: str, how: str
) -> None:
    site = beacon_site
    epoch = site.to_window()
    # the largest relayer has a seat in every draw
    good = site.contribution(epoch, [site.relayers[0].operator_id])
    forge, reason = FORGERIES[how]

    with boa.reverts(reason):
        site.contribute(forge(good), anyone)
    assert site.beacon.seats_of(epoch) == 0
    site.contribute(good, anyone)


def test_contribute__nobody_opened__is_refused(beacon_site: BeaconSite, anyone: str) -> None:
    site = beacon_site
    epoch = site.to_window()
    good = site.contribution(epoch, [site.relayers[0].operator_id])
    nothing = site.tree(epoch - 1).cover([])

    with boa.reverts("beacon: nobody signs"):
        site.contribute(replace(good, cover=nothing, keys=()), anyone)
    assert site.beacon.seats_of(epoch) == 0


def test_contribute__operator_without_a_seat__is_refused(
    beacon_site: BeaconSite, anyone: str
) -> None:
    site = beacon_site
    for _ in range(40):
        epoch = site.to_window()
        idle = [r for r in site.relayers if r.operator_id not in site.holders(epoch)]
        if idle:
            break
        boa.env.time_travel(seconds=EPOCH)
    else:
        pytest.fail("every draw seated everybody")
    tree, prior = site.tree(epoch - 1), site.seed(epoch)
    shown = tree.cover([seat_of(tree, idle[0].operator_id)])
    signature = sign_for(idle[0].key, site.identity(), epoch, prior)
    keys = (idle[0].key.public_key().eip2537(),)
    forged = Contribution(epoch, signature.eip2537(), shown, keys, 0)

    with boa.reverts("beacon: holds no seat"):
        site.contribute(forged, anyone)
    assert site.beacon.seats_of(epoch) == 0


def seat_of(tree: StakeTree, operator: int) -> int:
    return next(seat for seat, leaf in tree.leaves.items() if leaf.operator_id == operator)


def test_contribute__signature_for_another_beacon__is_refused(
    beacon_site: BeaconSite, anyone: str
) -> None:
    site = beacon_site
    epoch = site.to_window()
    relayer = site.relayers[0]
    good = site.contribution(epoch, [relayer.operator_id])
    prior = site.seed(epoch)
    me = site.identity()
    foreign = [
        sign_for(relayer.key, replace(me, address=b"\x01" * 20), epoch, prior),
        sign_for(relayer.key, replace(me, chain_id=me.chain_id + 1), epoch, prior),
        sign_for(relayer.key, me, epoch + 1, prior),
        sign_for(relayer.key, me, epoch, b"\x09" * 32),
    ]

    for signature in foreign:
        with boa.reverts("beacon: wrong signature"):
            site.contribute(replace(good, aggregate=signature.eip2537()), anyone)
    assert aggregate_signatures([foreign[0]]).eip2537() != good.aggregate


def test_randomness__before_the_epoch__is_refused(beacon_site: BeaconSite) -> None:
    site = beacon_site
    epoch = int(site.stake.current_epoch())

    for view in (site.beacon.randomness, site.beacon.is_weak):
        with boa.reverts("beacon: epoch has not begun"):
            view(epoch + 1)
    with boa.reverts("beacon: nobody owed epoch 0"):
        site.beacon.message_of(0)
    with boa.reverts("beacon: epoch has not begun"):
        site.beacon.message_of(epoch + 2)


def test_contribute__no_relayer_weighs_anything__is_refused_and_the_value_is_weak(
    native_evm: None, anyone: str
) -> None:
    site = deploy_beacon([])
    epoch = site.to_window()
    empty: tuple[Any, ...] = (epoch, bytes(256), [12 << 128], [], [])

    with boa.reverts("beacon: nobody signs"):
        site.beacon.contribute(*empty, sender=anyone)
    to_time(site.stake.epoch_start(epoch))
    assert site.beacon.is_weak(epoch)
    assert len(set(arguments(Contribution(1, b"", StakeTree({}).cover([]), (), 0))[2])) == 1


def test_contribute__stored_sum_is_no_point__is_refused(
    beacon_site: BeaconSite, anyone: str
) -> None:
    """G2ADD cannot fail on sums that a pairing has checked; the storage is spoilt to show it."""
    site = beacon_site
    epoch = site.to_window()
    one, two = sorted(site.holders(epoch))[:2]
    site.contribute(site.contribution(epoch, [one]), anyone)
    layout = site.beacon.compiler_data.storage_layout["storage_layout"]
    boa.env.set_storage(site.beacon.address, layout["partial_sum"]["slot"], 2**256 - 1)
    before = site.beacon.seats_of(epoch)

    with boa.reverts("beacon: G2ADD failed"):
        site.contribute(site.contribution(epoch, [two]), anyone)
    assert site.beacon.seats_of(epoch) == before
