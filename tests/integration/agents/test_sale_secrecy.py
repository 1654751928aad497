"""Nothing secret of an agent lies anywhere after its sale: not on chain, on disks or in logs."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from offchain.agents.delivery_keys import DeliveryKeys, own_purpose
from offchain.agents.orders import market_domain
from offchain.agents.token_view import data_keys, read_token
from offchain.agents.trade_files import proofs_text
from tests.support.agents_runtime import MEMORY_KEY
from tests.support.trade_world import PRICE, Person, TradeWorld, minted, ordered, the_bundle

SHORTEST = 16  # bytes of a text that no other text holds by chance


def keys_of(one: Person) -> DeliveryKeys:
    clients = one.world.clients
    return DeliveryKeys(one.secret, clients.chain_id, clients.nft.address)


def data_key(one: Person, token: int) -> bytes:
    clients = one.world.clients
    [key] = data_keys(clients, read_token(clients, token), keys_of(one))
    return key


def on_chain(world: TradeWorld) -> Iterator[tuple[str, bytes]]:
    """Calldata and events of every block."""
    for number in range(world.node.block().number + 1):
        block = world.ask("eth_getBlockByNumber", hex(number), True)
        for sent in block["transactions"]:
            yield f"block {number}", bytes.fromhex(sent["input"][2:])
    wanted = {"fromBlock": "0x0", "toBlock": hex(world.node.block().number)}
    for log in world.ask("eth_getLogs", wanted):
        yield "an event", bytes.fromhex(log["data"][2:])


def on_disks(world: TradeWorld) -> Iterator[tuple[str, bytes]]:
    """Everybody's home, the oracles' journals, and what storage keeps."""
    for path in sorted(world.folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(world.folder)), path.read_bytes()
    for location, content in world.store.content.items():
        yield f"storage {location.hex()[:8]}", content


def test_inv_agt_16__agent_sold__no_plaintext_and_no_key_anywhere(
    trade: TradeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story() -> tuple[dict[str, bytes], bytes]:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await minted(seller)
        [entry] = read_token(trade.clients, token).entries
        sold = {
            "the seller's data key": data_key(seller, token),
            "the seller's one-time key": keys_of(seller).secret(own_purpose(entry.data_hash)),
        }
        order = ordered(seller, token)
        sale = await buyer.buy.buy(order, price=PRICE)
        proofs = await seller.sell.prove(sale)
        (seller.folder / "proofs.json").write_text(proofs_text(proofs))
        await buyer.buy.take(sale, proofs)
        domain = market_domain(chain_id=trade.clients.chain_id, market=trade.market.address)
        purpose = order.order.digest(domain)
        sold |= {
            "the buyer's data key": data_key(buyer, token),
            "the buyer's one-time key": keys_of(buyer).secret(purpose),
            "the memory key": MEMORY_KEY,
            "the seller's wallet": seller.secret,
            "the buyer's wallet": buyer.secret,
        }
        return sold, entry.data_hash

    secrets, public = asyncio.run(story())
    secrets |= {
        f"plaintext of {name}": text for name, text in the_bundle().items() if len(text) >= SHORTEST
    }

    places = [*on_chain(trade), *on_disks(trade), ("the log", caplog.text.encode())]

    for found in (on_chain(trade), on_disks(trade)):  # what is told is found: the search sees it
        assert any(public in one or public.hex().encode() in one for _, one in found)
    assert len(set(secrets.values())) == len(secrets)
    for place, content in places:
        for name, secret in secrets.items():
            assert secret not in content, (name, place)
            assert secret.hex().encode() not in content.lower(), (name, place)
