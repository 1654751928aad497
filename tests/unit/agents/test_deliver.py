"""A leader among oracles that lie, hang, refuse or are busy: bounded, and served by the others."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from offchain.agents.adapters.memory_oracle import MemoryOracles
from offchain.agents.deliver import Delivered, DeliverRules
from offchain.agents.oracle import Oracle
from offchain.agents.oracle_errors import EntryChanged, OracleRefused, TooFewOracles
from offchain.agents.oracle_ports import Commitment, Derived, DeriveWish, OraclePlace, Order
from offchain.core.hashing import keccak
from tests.support.agent_oracles import (
    COLLECTION,
    NOW,
    TOKEN,
    OracleWorld,
    old_bundle,
    old_entry,
    root_of,
)


@dataclass(slots=True)
class Unruly(MemoryOracles):
    """Oracles of which some do not do as they should."""

    lying: set[bytes] = field(default_factory=set)
    garbling: set[bytes] = field(default_factory=set)
    hanging: set[bytes] = field(default_factory=set)
    busy: dict[bytes, int] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    async def commit(self, place: OraclePlace, order: Order) -> Commitment:
        self.asked.append(place.signer)
        if self.busy.get(place.signer):
            self.busy[place.signer] -= 1
            raise OracleRefused(endpoint=place.endpoint, status=503)
        return await MemoryOracles.commit(self, place, order)

    async def derive(
        self, place: OraclePlace, wish: DeriveWish, old_file: bytes
    ) -> tuple[Derived, bytes]:
        if place.signer in self.hanging:
            await asyncio.Event().wait()
        derived, file = await MemoryOracles.derive(self, place, wish, old_file)
        if place.signer in self.lying:
            derived = replace(derived, key_root=keccak(b"a lie"))
        if place.signer in self.garbling and file:
            file = bytes(len(file))
        return derived, file


@dataclass(slots=True)
class Restarting(MemoryOracles):
    """The first question for a signature finds every process started anew."""

    world: OracleWorld | None = None

    async def sign(self, place: OraclePlace, order: Order, location: bytes) -> bytes:
        world, self.world = self.world, None
        for number in range(3 if world else 0):
            world.start(number)
        return await MemoryOracles.sign(self, place, order, location)


def delivered(world: OracleWorld, oracles: MemoryOracles) -> Delivered:
    return asyncio.run(world.leader(oracles).deliver(world.wish()))


def first_choice(count: int, threshold: int = 3) -> tuple[bytes, ...]:
    """The signers that a leader begins with."""
    world = OracleWorld(count, threshold)
    return delivered(world, MemoryOracles(world.oracles)).order.signers


def stored_files(world: OracleWorld) -> set[bytes]:
    return {root_of(file) for file in world.files.content.values()}


def test_deliver__right_result_with_another_file__nothing_stored_of_it_and_another_asked() -> None:
    world = OracleWorld(count=4)
    garbling = {first_choice(4)[0]}

    made = delivered(world, Unruly(world.oracles, garbling=garbling))

    assert garbling.isdisjoint(made.order.signers)
    assert {root_of(old_bundle()), made.derived.new_data_hash} == stored_files(world)


def test_deliver__one_oracle_never_answers__replaced_after_a_while() -> None:
    world = OracleWorld(count=4, rules=DeliverRules(grace_seconds=0.5, again_seconds=0.0))
    hanging = {first_choice(4)[2]}

    made = delivered(world, Unruly(world.oracles, hanging=hanging))

    assert hanging.isdisjoint(made.order.signers)


def test_deliver__one_silent_and_one_lying_of_five__three_good_ones_sign() -> None:
    world = OracleWorld(count=5)
    silent, lying, _ = first_choice(5)

    made = delivered(world, Unruly(world.oracles, {silent}, {lying}))

    assert {silent, lying}.isdisjoint(made.order.signers)


@pytest.mark.parametrize("number", range(3))
def test_deliver__two_of_three_must_agree_and_one_lies__the_other_two_sign(number: int) -> None:
    world = OracleWorld(count=3, threshold=2)
    lying = {sorted(world.oracles)[number]}

    made = delivered(world, Unruly(world.oracles, lying=lying))

    assert set(world.oracles) - lying == set(made.order.signers)


def test_deliver__as_many_as_needed_and_one_busy_for_a_moment__asked_again() -> None:
    world = OracleWorld(count=3)

    made = delivered(world, Unruly(world.oracles, busy={min(world.oracles): 1}))

    assert set(world.oracles) == set(made.order.signers)


def test_deliver__busy_for_good__bounded_and_named() -> None:
    world = OracleWorld(count=3)
    unruly = Unruly(world.oracles, busy={min(world.oracles): 1_000})

    with pytest.raises(TooFewOracles):
        delivered(world, unruly)

    assert len(unruly.asked) <= 18
    assert {root_of(old_bundle())} == stored_files(world)


def test_deliver__token_has_moved_on__said_at_once() -> None:
    world = OracleWorld(count=4)
    view = world.ledger.tokens[COLLECTION, TOKEN]
    world.ledger.tokens[COLLECTION, TOKEN] = replace(view, epoch=1)
    unruly = Unruly(world.oracles)

    with pytest.raises(EntryChanged):
        delivered(world, unruly)

    assert len(unruly.asked) == 3


def test_deliver__oracles_started_anew_before_they_sign__same_delivery() -> None:
    world, untouched = OracleWorld(), OracleWorld()
    restarting = Restarting(world.oracles, world=world)

    made = delivered(world, restarting)

    assert delivered(untouched, MemoryOracles(untouched.oracles)) == made
    assert restarting.world is None


def test_deliver__quorum_cannot_be_had__says_so_and_moves_nothing() -> None:
    world = OracleWorld(count=3)
    silent = MemoryOracles(world.oracles, {next(iter(world.oracles))})

    with pytest.raises(TooFewOracles):
        delivered(world, silent)
    assert {old_entry().location} == set(world.files.content)


class _Killed(Exception):
    """The process ended here."""


class _Dying(MemoryOracles):
    """The leader's process ends before its n-th question is answered."""

    left: int = 0

    def _at(self, place: OraclePlace) -> Oracle:
        self.left -= 1
        if self.left < 0:
            raise _Killed
        return MemoryOracles._at(self, place)


QUESTIONS = 12  # three oracles, four steps


@pytest.mark.parametrize("left", range(QUESTIONS))
def test_deliver__everything_killed_between_two_questions__goes_on_to_the_same_end(
    left: int,
) -> None:
    world = OracleWorld()
    dying = _Dying(world.oracles)
    dying.left = left
    with pytest.raises(_Killed):
        delivered(world, dying)
    begun = world.shelf.begun["sale-1"].order
    for number in range(3):
        world.start(number)

    made = delivered(world, MemoryOracles(world.oracles))

    assert made.order == begun
    assert len(world.files.content) == 2  # the old file and one new one
    assert made == delivered(world, MemoryOracles(world.oracles))


def test_deliver__begun_order_without_time_left__is_begun_anew() -> None:
    world = OracleWorld()
    made = delivered(world, MemoryOracles(world.oracles))
    view = world.ledger.tokens[COLLECTION, TOKEN]
    world.ledger.tokens[COLLECTION, TOKEN] = replace(view, time=NOW + 3_600)

    wish = world.wish(now=NOW + 3_600, deadline=NOW + 7_200)
    other = asyncio.run(world.leader(randomness=lambda size: b"\x44" * size).deliver(wish))

    assert made.order.nonce != other.order.nonce
    assert made.derived.key_commit != other.derived.key_commit
