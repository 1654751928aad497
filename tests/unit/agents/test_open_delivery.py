"""What a buyer's client makes of a delivery: it opens what was sold, and takes nothing else."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from offchain.agents.bundle import HEADER_BYTES, content_leaves, reencrypt
from offchain.agents.buy_agent import Buy, Shown
from offchain.agents.delivery_keys import (
    MAX_OFFERS,
    clone_purpose,
    gift_purpose,
    offer_purpose,
    own_purpose,
)
from offchain.agents.oracle_ports import DataEntry
from offchain.agents.recrypt import Engines, delivery_of, new_entry
from offchain.agents.seal import SealContext, is_ephemeral, is_point, seal
from offchain.agents.token_view import Opening, SealedAt, open_key
from offchain.agents.trade_errors import DeliveredWrong, GoodsUnusable
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak
from tests.support.agent_oracles import (
    CHAIN_ID,
    COLLECTION,
    OLD_KEY,
    PLAIN,
    PURPOSE,
    RECEIVER,
    TOKEN,
    OracleWorld,
    old_bundle,
    old_entry,
    root_of,
)


def a_buyer(world: OracleWorld) -> Buy:
    """A buyer whose chain is only a number: opening needs no more."""
    return Buy(
        clients=SimpleNamespace(chain_id=CHAIN_ID),
        keys=world.keys,
        signer=LocalSigner.from_secret(b"\x09" * 32),
        files=world.files,
        engines=Engines(root_of),
        send=lambda _, __: None,
    )


def delivered(world: OracleWorld) -> Shown:
    """A delivery as the buyer is shown it."""
    made = asyncio.run(world.leader().deliver(world.wish()))
    new = new_entry(made.order, made.derived, made.location)
    said = delivery_of(made.order, made.derived, made.location)
    return Shown(made.order.old, new, made.derived.sealed_key, said)


def opened(world: OracleWorld, shown: Shown, purpose: bytes = PURPOSE) -> bytes:
    return asyncio.run(a_buyer(world).open(shown, world.keys.secret(purpose))).data


def test_open__what_oracles_delivered__is_what_was_sold() -> None:
    world = OracleWorld()

    assert opened(world, delivered(world)) == PLAIN


def test_open__sealed_to_another_purchase__refused() -> None:
    world = OracleWorld()
    shown = delivered(world)

    with pytest.raises(DeliveredWrong) as refused:
        opened(world, shown, keccak(b"another order"))
    assert refused.value.fields["part"] == "sealed key"


def test_open__key_of_another_commitment__refused() -> None:
    world = OracleWorld()
    shown = delivered(world)
    other = replace(shown, new=replace(shown.new, key_commit=bytes(32)))

    with pytest.raises(DeliveredWrong) as refused:
        opened(world, other)
    assert refused.value.fields["part"] == "data key"


@pytest.mark.parametrize("place", [0, HEADER_BYTES + 40, -40])
def test_open__one_byte_of_the_file_is_wrong__refused(place: int) -> None:
    world = OracleWorld()
    shown = delivered(world)
    file = bytearray(world.files.content[shown.new.location])
    file[place] ^= 1
    world.files.content[shown.new.location] = bytes(file)

    with pytest.raises(DeliveredWrong) as refused:
        opened(world, shown)
    assert refused.value.fields["part"] == "content"


def test_open__other_content_under_the_right_key__refused() -> None:
    world = OracleWorld()
    shown = delivered(world)
    other = replace(shown, old=replace(shown.old, content_root=keccak(b"another bundle")))

    with pytest.raises(DeliveredWrong):
        opened(world, other)


def test_leaves__file_on_sale_is_gone_or_spoilt__nothing_is_bought() -> None:
    world = OracleWorld()
    buyer, entry = a_buyer(world), old_entry()
    good = asyncio.run(buyer.leaves_of(entry))
    assert good.shape == content_leaves(old_bundle(), entry.content_root).shape

    world.files.content[entry.location] = old_bundle()[:-1]
    with pytest.raises(GoodsUnusable):
        asyncio.run(buyer.leaves_of(entry))
    del world.files.content[entry.location]
    with pytest.raises(GoodsUnusable):
        asyncio.run(buyer.leaves_of(entry))


def test_open_key__of_any_purpose__found_without_anything_stored() -> None:
    world = OracleWorld()
    made = reencrypt(old_bundle(), OLD_KEY, b"\x21" * 32, old_entry().content_root)
    data_hash = root_of(made.file)
    scalar = next(one for one in (bytes([n]) * 32 for n in range(1, 99)) if is_ephemeral(one))
    purposes = {
        own_purpose(data_hash): (0, 0),
        gift_purpose(TOKEN, 3): (TOKEN, 3),
        offer_purpose(MAX_OFFERS): (TOKEN, 3),
        clone_purpose(TOKEN, 3, 2): (TOKEN, 3),
        PURPOSE: (TOKEN, 3),
    }
    places = [SealedAt(purpose, *where) for purpose, where in purposes.items()]
    for purpose, (token, epoch) in purposes.items():
        context = SealContext(CHAIN_ID, COLLECTION, token, epoch, RECEIVER, data_hash)
        sealed = seal(b"\x21" * 32, world.keys.public(purpose), context, scalar=scalar)
        one = Opening(sealed, CHAIN_ID, COLLECTION, RECEIVER, data_hash, made.roots.key_commit)

        assert open_key(one, world.keys, places) == b"\x21" * 32
        assert open_key(one, replace(world.keys, wallet=b"\x78" * 32), places) is None
        assert open_key(replace(one, receiver=b"\xb1" * 20), world.keys, places) is None


def test_purposes__of_different_kinds__never_share_a_key() -> None:
    world = OracleWorld()
    purposes = [own_purpose(bytes(32)), gift_purpose(0, 0), offer_purpose(0)]
    purposes += [offer_purpose(1), clone_purpose(0, 0, 0), clone_purpose(0, 0, 1), bytes(32)]
    keys = {world.keys.public(one) for one in purposes}

    assert len(keys) == len(purposes)
    assert all(is_point(one) for one in keys)
    assert world.keys.public(PURPOSE) == OracleWorld().keys.public(PURPOSE)
    assert world.keys.public(PURPOSE) != replace(world.keys, chain_id=1).public(PURPOSE)


def test_roots_hash__of_an_entry__is_that_of_the_contract() -> None:
    entry = DataEntry(bytes(32), b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32)
    words = b"".join(bytes([number]) * 32 for number in range(1, 5))

    assert entry.roots_hash == keccak(words)
