"""One oracle: what it makes with others, what it never does twice, and what it refuses."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from offchain.agents.adapters.memory_oracle import MemoryOracles
from offchain.agents.bundle import open_bundle
from offchain.agents.deliver import Delivered
from offchain.agents.oracle import KEPT_ORDERS, LISTED, OracleKeys
from offchain.agents.oracle_errors import (
    CommitmentFalse,
    DeliveryFixed,
    EntryChanged,
    NotDerivedYet,
    OrderRefused,
)
from offchain.agents.oracle_ports import (
    Commitment,
    Derived,
    DeriveWish,
    Order,
    Share,
)
from offchain.agents.oracle_words import commitment_digest, commitment_of, old_key_info, seal_to
from offchain.agents.recrypt import delivery_digest, seal_context
from offchain.agents.seal import unseal
from offchain.core.ecdsa import signer_of
from offchain.node.journal import Entry, MemoryJournal
from tests.support.agent_oracles import (
    NOW,
    OLD_KEY,
    PLAIN,
    PURPOSE,
    OracleWorld,
    old_bundle,
    old_entry,
)


def deliver(world: OracleWorld, oracles: MemoryOracles | None = None) -> Delivered:
    return asyncio.run(world.leader(oracles).deliver(world.wish()))


async def lists_of(world: OracleWorld, order: Order) -> tuple[Commitment, ...]:
    return tuple([await world.oracles[one].commit(order) for one in order.signers])


async def wish_for(
    world: OracleWorld, order: Order, signer: bytes, key: bytes = OLD_KEY
) -> DeriveWish:
    """Commitments and shares of everybody, for one of them."""
    listed = await lists_of(world, order)
    shares: list[Share] = []
    for one in order.signers:
        shares += await world.oracles[one].share(order, listed)
    [enclave] = [one.key for one in listed if one.signer == signer]
    sealed = seal_to(key, enclave, old_key_info(order.id, signer))
    mine = tuple(one for one in shares if one.receiver == signer)
    return DeriveWish(order, listed, mine, sealed, wants_file=True)


def test_delivery__three_oracles__receiver_opens_the_same_content_under_a_new_key() -> None:
    world = OracleWorld()

    made = deliver(world)

    file = world.files.content[made.location]
    context = seal_context(made.order, made.derived.new_data_hash)
    key = unseal(made.derived.sealed_key, world.keys.secret(PURPOSE), context)
    assert open_bundle(file, key, old_entry().content_root) == PLAIN
    assert key != OLD_KEY
    digest = delivery_digest(made.order, made.derived, made.location)
    assert list(made.order.signers) == [signer_of(digest, one) for one in made.signatures]


def test_old_key__after_delivery__opens_nothing_new() -> None:
    world = OracleWorld()

    made = deliver(world)

    file = world.files.content[made.location]
    with pytest.raises(Exception, match="bundle") as refused:
        open_bundle(file, OLD_KEY, old_entry().content_root)
    assert refused.type.__name__ == "BundleBroken"


def test_oracle__killed_between_every_two_steps__says_the_same_again() -> None:
    async def story(is_killed: bool) -> tuple[Derived, bytes]:
        world = OracleWorld()
        order = world.order()
        wishes = {}
        for number, signer in enumerate(order.signers):
            wishes[signer] = await wish_for(world, order, signer)
            if is_killed:
                for each in range(3):
                    world.start(each)
            del number
        first = order.signers[0]
        derived, file = await world.oracles[first].derive(wishes[first], old_bundle())
        location = await world.files.put(file, derived.new_data_hash, name="x")
        if is_killed:
            for each in range(3):
                world.start(each)
            with pytest.raises(NotDerivedYet):
                await world.oracles[first].sign(order, location)
            again, _ = await world.oracles[first].derive(wishes[first], old_bundle())
            assert derived == again
        return derived, await world.oracles[first].sign(order, location)

    untouched, killed = asyncio.run(story(is_killed=False)), asyncio.run(story(is_killed=True))

    assert untouched == killed


def test_sign__another_location_of_the_same_file__refused_after_a_restart_too() -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        signer = order.signers[0]
        wish = await wish_for(world, order, signer)
        derived, file = await world.oracles[signer].derive(wish, old_bundle())
        one = await world.files.put(file, derived.new_data_hash, name="one")
        other = await world.files.put(file, derived.new_data_hash, name="other")
        await world.oracles[signer].sign(order, one)
        for number in range(3):
            world.start(number)
        await world.oracles[signer].derive(wish, old_bundle())

        with pytest.raises(DeliveryFixed):
            await world.oracles[signer].sign(order, other)

    asyncio.run(story())


def test_sign__file_that_storage_does_not_have__refused() -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        signer = order.signers[0]
        await world.oracles[signer].derive(await wish_for(world, order, signer), old_bundle())

        with pytest.raises(OrderRefused):
            await world.oracles[signer].sign(order, b"\x09" * 32)

    asyncio.run(story())


def test_share__another_list_for_the_same_order__refused() -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        listed = await lists_of(world, order)
        first = world.oracles[order.signers[0]]
        await first.share(order, listed)
        forger = OracleKeys.of(b"\x02" * 32)  # holds the second oracle's key, tells another secret
        committed = commitment_of(b"\x99" * 32, order.id, forger.signer.address)
        digest = commitment_digest(order.id, committed, forger.public)
        lie = Commitment(
            forger.signer.address, forger.public, committed, forger.signer.sign_digest(digest)
        )
        other = tuple(lie if one.signer == lie.signer else one for one in listed)

        with pytest.raises(DeliveryFixed):
            await first.share(order, other)
        for number in range(3):
            world.start(number)
        with pytest.raises(DeliveryFixed):
            await world.oracles[order.signers[0]].share(order, other)

    asyncio.run(story())


def test_derive__share_that_was_sealed_for_somebody_else__refused() -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        first, second, _ = order.signers
        wish = await wish_for(world, order, first)
        [others] = [
            one for one in (await wish_for(world, order, second)).shares if one.sender != first
        ]
        told = replace(others, receiver=first)
        replayed = tuple(told if one.sender == told.sender else one for one in wish.shares)

        with pytest.raises(OrderRefused):
            await world.oracles[first].derive(replace(wish, shares=replayed), old_bundle())
        derived, _ = await world.oracles[first].derive(wish, old_bundle())
        again, _ = await world.oracles[first].derive(wish, old_bundle())
        assert derived == again

    asyncio.run(story())


def test_oracle__journal_of_many_orders__newest_kept_when_it_starts() -> None:
    world = OracleWorld()
    signer = min(world.oracles)
    entries = [
        Entry(LISTED, number.to_bytes(32, "big") + bytes(32))
        for number in range(2 * KEPT_ORDERS + 1)
    ]
    world.journals[signer] = MemoryJournal(entries)
    numbers = [OracleKeys.of(bytes([one + 1]) * 32).signer.address for one in range(3)]

    world.start(numbers.index(signer))

    assert entries[-KEPT_ORDERS:] == world.journals[signer].entries()


def test_share__key_of_nobody_enrolled__nothing_is_sealed_to_it() -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        listed = list(await lists_of(world, order))
        stranger = OracleKeys.of(b"\x77" * 32)
        committed = listed[1].commitment
        digest = commitment_digest(order.id, committed, stranger.public)
        signature = OracleKeys.of(bytes([1]) * 32).signer.sign_digest(digest)
        listed[1] = replace(listed[1], key=stranger.public, signature=signature)

        with pytest.raises(OrderRefused):
            await world.oracles[order.signers[0]].share(order, listed)

    asyncio.run(story())


def test_derive__secret_that_was_not_committed_to__named() -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        signer = order.signers[0]
        wish = await wish_for(world, order, signer)
        other = world.order(nonce=b"\x02" * 32)
        swapped = tuple(
            replace(one, sealed=two.sealed)
            for one, two in zip(
                wish.shares, (await wish_for(world, other, signer)).shares, strict=True
            )
        )

        with pytest.raises(OrderRefused):
            await world.oracles[signer].derive(replace(wish, shares=swapped), old_bundle())
        with pytest.raises(CommitmentFalse):
            lie = replace(wish.commitments[1], commitment=b"\x00" * 32)
            listed = (wish.commitments[0], lie, wish.commitments[2])
            await world.oracles[signer].share(order, listed)

    asyncio.run(story())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_derive__wrong_key_or_file__refused_by_each(number: int) -> None:
    async def story() -> None:
        world = OracleWorld()
        order = world.order()
        signer = order.signers[number]
        oracle = world.oracles[signer]

        with pytest.raises(OrderRefused):
            wish = await wish_for(world, order, signer, key=b"\x12" * 32)
            await oracle.derive(wish, old_bundle())
        broken = bytearray(old_bundle())
        broken[200] ^= 1
        with pytest.raises(Exception, match="bundle"):
            await oracle.derive(await wish_for(world, order, signer), bytes(broken))

    asyncio.run(story())


@dataclass(frozen=True, slots=True)
class Bad:
    """A change of a good order, and what is said of it."""

    changes: dict[str, object]
    error: type[Exception]


BAD = {
    "other chain": Bad({"chain_id": 1}, OrderRefused),
    "other verifier": Bad({"verifier": b"\x01" * 20}, OrderRefused),
    "deadline passed": Bad({"deadline": NOW}, OrderRefused),
    "deadline too far": Bad({"deadline": NOW + 86_401}, OrderRefused),
    "epoch of the past": Bad({"epoch": 1}, EntryChanged),
    "another entry": Bad({"old": replace(old_entry(), location=bytes(32))}, EntryChanged),
    "not among the signers": Bad({"signers": (b"\x01" * 20,) * 3}, OrderRefused),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_commit__order_that_the_chain_does_not_have__refused(name: str) -> None:
    world = OracleWorld()
    oracle = next(iter(world.oracles.values()))

    with pytest.raises(BAD[name].error):
        asyncio.run(oracle.commit(world.order(**BAD[name].changes)))


def test_commit__fewer_signers_than_the_threshold__refused() -> None:
    world = OracleWorld()
    two = tuple(sorted(world.oracles))[:2]

    with pytest.raises(OrderRefused):
        asyncio.run(world.oracles[two[0]].commit(world.order(signers=two)))
