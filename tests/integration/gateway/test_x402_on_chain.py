"""x402 with a real EIP-3009 token: the gateway moves the money once, before it serves."""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.model import Address, BlockRef, Call, TypedCall
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.gateway.x402 import Asset, Authorization
from offchain.gateway.x402_chain import ChainFacilitator, transfer_call
from offchain.node.leased_sender import Sends
from tests.support.compute_gateway import CHAT, Shop, a_shop, bearer
from tests.support.probe import a_funded_key, ticking
from tests.support.scripted_provider import ScriptedProvider
from tests.support.x402 import BUYER, PATH, a_payment, price, signed_by

SOURCE = Path(__file__).parents[2] / "support" / "dollar_token.vy"
FAR = 1 << 40  # seconds: after every test
WALLET = 10**9


@functools.cache
def creation_code() -> bytes:
    from vyper import compile_code

    built = compile_code(SOURCE.read_text(), output_formats=["bytecode"])
    return bytes.fromhex(built["bytecode"].removeprefix("0x"))


@dataclass
class Dollars:
    """The token on a chain in this process, and the gateway's account there."""

    node: Node
    sender: TransactionSender
    token: Address
    turn: threading.Lock

    @property
    def asset(self) -> Asset:
        account = self.sender.account
        return Asset(self.token, "Test Dollar", "2", self.node.chain_id(), account)

    @property
    def facilitator(self) -> ChainFacilitator:
        return ChainFacilitator(self.asset, self.opening)

    @contextmanager
    def opening(self) -> Iterator[Sends]:
        """The account's one sender, as its outbox's lock has it."""
        with self.turn:
            yield self.sender

    def send(self, name: str, *arguments: int | bytes, key: str) -> None:
        self.sender.execute(self.call(name, *arguments), key=key)

    def call(self, name: str, *arguments: int | bytes) -> TypedCall:
        data = keccak(name.encode())[:4] + words(*arguments)
        return TypedCall(self.token, data, 0, "dollar", name.partition("(")[0])

    def read(self, name: str, *arguments: int | bytes) -> bytes:
        made = self.call(name, *arguments)
        at: BlockRef = self.node.block().hash
        return self.node.calls([Call(self.token, made.data)], at=at)[0]

    def balance(self, account: bytes) -> int:
        return int.from_bytes(self.read("balanceOf(address)", account), "big")

    def pays(self, amount: int, nonce: bytes = b"\x01" * 32) -> dict[str, str]:
        return a_payment(self.asset, amount, nonce=nonce, valid_after=1, valid_before=FAR)


@pytest.fixture
def dollars(tmp_path: Path) -> Iterator[Dollars]:
    transport = EmbeddedTransport()
    node = Node(transport)
    path = tmp_path / "outbox.db"
    with TransactionSender.open(node, a_funded_key(), path, clock=ticking(node)) as sender:
        made = TypedCall(None, creation_code(), 0, "dollar", "__init__")
        receipt = sender.execute(made, key="deploy")
        assert receipt.contract_address is not None
        found = Dollars(node, sender, receipt.contract_address, threading.Lock())
        found.send("mint(address,uint256)", BUYER.address, WALLET, key="mint")
        yield found
    transport.close()


def in_shop(
    folder: Path, dollars: Dollars, story: Callable[[Shop], Awaitable[None]]
) -> ScriptedProvider:
    one = ScriptedProvider("one")
    one.row = replace(one.row, token=dollars.token)

    async def run() -> None:
        asset, facilitator = dollars.asset, dollars.facilitator
        async with a_shop(folder, one, asset=asset, facilitator=facilitator) as shop:
            await story(shop)

    asyncio.run(run())
    return one


def test_domain__of_the_token__is_the_one_that_payers_sign_under(dollars: Dollars) -> None:
    assert dollars.read("DOMAIN_SEPARATOR()") == dollars.asset.domain


def test_payment__in_a_real_token__moves_once_then_serves_and_the_rest_is_credit(
    dollars: Dollars, tmp_path: Path
) -> None:
    gateway = dollars.sender.account

    async def story(shop: Shop) -> None:
        amount = await price(shop) + 5_000
        payment = dollars.pays(amount)
        posts = [shop.client.post(PATH, json=CHAT, headers=payment) for _ in range(4)]
        answers = await asyncio.gather(*posts)

        assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
        assert (dollars.balance(BUYER.address), dollars.balance(gateway)) == (
            WALLET - amount,
            amount,
        )
        [bought] = [one for one in answers if one.status_code == 200]
        credit = bearer(bought.headers["x-apogee-credit-key"])
        assert (await shop.client.post(PATH, json=CHAT, headers=credit)).status_code == 200
        assert dollars.balance(gateway) == amount

    assert in_shop(tmp_path, dollars, story).asked == 2


def test_payment__that_the_token_refuses__is_a_402_and_serves_nothing(
    dollars: Dollars, tmp_path: Path
) -> None:
    async def story(shop: Shop) -> None:
        amount = await price(shop)
        beyond = await shop.client.post(PATH, json=CHAT, headers=dollars.pays(WALLET + 1))
        dollars.sender.execute(
            transfer_call(dollars.asset, an_authorization(dollars, amount)), key="used elsewhere"
        )
        used = await shop.client.post(PATH, json=CHAT, headers=dollars.pays(amount, b"\x02" * 32))

        for refused in (beyond, used):
            assert refused.status_code == 402
            fields = refused.json()["error"]["metadata"]["fields"]
            assert fields["reason"] == "invalid_transaction_state"
        assert dollars.balance(BUYER.address) == WALLET - amount  # only what went elsewhere

    assert in_shop(tmp_path, dollars, story).asked == 0


def test_settlement__asked_twice__is_one_transaction(dollars: Dollars) -> None:
    paid = an_authorization(dollars, 7)

    first = dollars.facilitator.settle(paid)
    again = dollars.facilitator.settle(paid)

    assert first == again
    assert dollars.balance(dollars.sender.account) == 7


def an_authorization(dollars: Dollars, amount: int) -> Authorization:
    to = dollars.sender.account
    said = Authorization(BUYER.address, to, amount, 1, FAR, b"\x02" * 32, b"")
    return signed_by(said, BUYER, dollars.asset)
