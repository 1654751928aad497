"""Agents that are traded: real contracts on the embedded chain, oracles, files, people with homes.

Real are AgentNFT, KeyDeliveryVerifier, DeliveryFraudProofs, AgentMarket, AgentLeases, AgentAccount,
StorageLog, KVStreams, the oracles' code, roots of storage, senders with their outboxes. Storage,
attestation, stake and court of the chain are one twin (agent_surroundings.vy); files lie in this
process. Time moves only when a test moves it.
"""

import itertools
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final, TypeVar

import boa
from eth_account import Account
from vyper.compiler.output import build_abi_output

from offchain.agents.adapters.chain_oracles import ChainOracles, OracleClients
from offchain.agents.adapters.memory_oracle import MemoryOracles
from offchain.agents.buy_agent import Buy
from offchain.agents.deliver import Deliver, DeliverParts, DeliverRules
from offchain.agents.delivery_keys import DeliveryKeys
from offchain.agents.delivery_ports import BundleFiles
from offchain.agents.hold import Hold
from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.mint_agent import Mint, MintWish
from offchain.agents.onchain_leases import AgentLeasesClient
from offchain.agents.onchain_market import AgentMarketClient, Sale
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.onchain_verifier import DeliveryFraudProofsClient, KeyDeliveryVerifierClient
from offchain.agents.oracle import Oracle, OracleKeys
from offchain.agents.orders import NOBODY, Offer, bond_of
from offchain.agents.recrypt import Engines
from offchain.agents.refuse import Refuse
from offchain.agents.sell import Sell, SellWish
from offchain.agents.token_view import TradeClients
from offchain.agents.trade_files import SignedOrder
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import ContractClient
from offchain.chain.contract_abi import ContractAbi, parse_abi
from offchain.chain.deployments import Deployments
from offchain.chain.devnet.network import DEV_MNEMONIC
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.due import execute_due
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Block, BlockRef, Receipt, TypedCall
from offchain.chain.node import Node
from offchain.chain.ports import Question
from offchain.chain.sender import TransactionSender
from offchain.core.hashing import keccak
from tests.support.agents_runtime import a_bundle
from tests.support.da_encoding import the_engine
from tests.support.trade_gates import (
    Gate,
    GatedFiles,
    GatedOracles,
    GatedShelf,
    GatedTransport,
    Store,
)

WINDOWS: Final = (1_800, 86_400, 7_200)
FEE_BPS: Final = 250
ROYALTY_BPS: Final = 500
PRICE: Final = 1_000_003  # so that shares round
WEEK: Final = 7 * 86_400
TREASURY: Final = b"\x77" * 20
T = TypeVar("T")


@cache
def built_twin(name: str) -> tuple[list[dict[str, Any]], bytes]:
    """ABI and creation code of a contract of tests/support."""
    found = boa.load_partial(str(Path(__file__).parent / f"{name}.vy")).compiler_data
    return list(build_abi_output(found)), found.bytecode


class TwinClient(ContractClient):
    """A contract of tests/support, called by the names of its functions."""

    @classmethod
    def interface(cls) -> ContractAbi:
        return parse_abi(cls.contract, built_twin(cls.contract)[0])

    def call(self, name: str, *arguments: object) -> TypedCall:
        return self._build(name, *arguments)

    def read(self, kind: type[T], name: str, *arguments: object, at: BlockRef) -> T:
        return self._read(kind, name, *arguments, at=at)


class SurroundingsClient(TwinClient):
    contract = "agent_surroundings"


class CoinClient(TwinClient):
    contract = "hostile_token"


class TetherClient(TwinClient):
    contract = "tether_token"


class PlainClient(TwinClient):
    contract = "plain_token"


class Person:
    """A wallet with its home; `open` is a new process over what lies on its disk."""

    def __init__(self, world: "TradeWorld", name: str, number: int) -> None:
        self.world, self.name = world, name
        self.secret = secret_of(number)
        self.signer = LocalSigner.from_secret(self.secret)
        self.folder = world.folder / name
        self.folder.mkdir(exist_ok=True)
        self.gate = Gate()
        self._sender: TransactionSender | None = None
        self.open()

    @property
    def address(self) -> bytes:
        return self.signer.address

    @property
    def sender(self) -> TransactionSender:
        if self._sender is None:
            node = Node(GatedTransport(self.world.transport, self.gate))
            path = self.folder / "outbox.sqlite"
            policy = SenderPolicy(finality_blocks=0)
            self._sender = TransactionSender.open(node, self.signer, path, policy=policy)
        return self._sender

    def send(self, call: TypedCall, key: str) -> Receipt:
        return execute_due(self.sender, call, key=key)

    def act(self, call: TypedCall) -> Receipt:
        """Send what happens as often as it is asked for."""
        return self.send(call, f"act {next(self.world.numbers)}")

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def open(self) -> None:
        """Begin anew from the disk alone."""
        self.close()
        self.gate.set()
        world, clients, gate = self.world, self.world.clients, self.gate
        keys = DeliveryKeys(self.secret, clients.chain_id, clients.nft.address)
        files = world.files(gate)
        parts = DeliverParts(
            oracles=GatedOracles(MemoryOracles(world.oracles, world.silent), gate),
            standing=world.ledger.standing,
            files=files,
            shelf=GatedShelf(self.folder / "deliveries", gate),
            randomness=world.draw,
            chain_id=clients.chain_id,
            verifier=clients.verifier.address,
            rules=DeliverRules(grace_seconds=2.0, again_seconds=0.0),
        )
        self.mint = Mint(clients.nft, keys, self.address, files, world.engines, self.send)
        self.sell = Sell(clients, keys, self.signer, Deliver(parts), self.send, world.draw)
        self.buy = Buy(clients, keys, self.signer, files, world.engines, self.send)
        self.hold = Hold(self.buy, self.send)
        self.refuse = Refuse(self.buy, world.proofs, the_engine, self.send)
        self.lease = LeaseAgent(world.leases, self.hold, self.sell, self.send)

    def credit(self, currency: bytes = NOBODY) -> int:
        """What the market owes."""
        return self.world.market.credit_of(self.address, currency, at=self.world.at)


@dataclass
class TradeWorld:
    """One deployment and everybody around it; `honest`: the oracles as they were seated."""

    transport: EmbeddedTransport
    node: Node
    deployments: Deployments
    folder: Path
    engines: Engines
    store: Store = field(default_factory=Store)
    oracles: dict[bytes, Oracle] = field(default_factory=dict)
    honest: dict[bytes, Oracle] = field(default_factory=dict)
    oracle_keys: dict[bytes, OracleKeys] = field(default_factory=dict)
    silent: set[bytes] = field(default_factory=set)
    people: dict[str, Person] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _moments: list[tuple[int, Path, Store]] = field(default_factory=list)

    def __post_init__(self) -> None:
        found, node = self.deployments, self.node
        self.market = AgentMarketClient(found, node)
        self.nft = AgentNFTClient(found, node)
        self.leases = AgentLeasesClient(found, node)
        self.verifier = KeyDeliveryVerifierClient(found, node)
        self.proofs = DeliveryFraudProofsClient(found, node)
        self.twin, self.coin = SurroundingsClient(found, node), CoinClient(found, node)
        self.tether, self.plain = TetherClient(found, node), PlainClient(found, node)
        self.clients = TradeClients(
            node, self.nft, self.market, self.verifier, node.chain_id(), found.first_block()
        )
        self.ledger = ChainOracles(
            OracleClients(
                node,
                self.nft,
                self.verifier,
                relay=SimpleNamespace(live=self._live),  # type: ignore[arg-type]  # all that is asked
                storage=SimpleNamespace(is_live=self._is_live, file=self._file),  # type: ignore[arg-type]  # likewise
                first_block=found.first_block(),
                depth=10**9,  # everything is read anew
            )
        )

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    # The chain

    @property
    def at(self) -> bytes:
        return self.node.block().hash

    @property
    def now(self) -> int:
        return self.node.block().timestamp

    def pass_until(self, time: int) -> None:
        """The next block is one second later than this."""
        self.ask("evm_setNextBlockTimestamp", max(time, self.now) + 1)
        self.ask("evm_mine")

    def sale(self, number: int) -> Sale:
        return self.market.sale(number, at=self.at)

    def owner(self, token: int) -> bytes:
        return self.nft.owner_of(token, at=self.at)

    def keep(self, location: bytes, root: bytes) -> None:
        """Storage has a file from now on."""
        self["governance"].act(self.twin.call("keep", location, root))

    def files(self, gate: Gate) -> BundleFiles:
        """Storage, as somebody reaches it."""
        return GatedFiles(self.store, gate, self.engines.root_of, self.keep)

    def draw(self, size: int) -> bytes:
        return keccak(b"drawn", next(self.numbers).to_bytes(8, "big"))[:size]

    def held(self, currency: bytes = NOBODY) -> int:
        """What the market has of a currency: the credits and the unfinished sales."""
        if currency == NOBODY:
            return self.node.balance(self.market.address, at=self.at)
        return self.coin.read(int, "balanceOf", self.market.address, at=self.at)

    def owed(self, currency: bytes = NOBODY) -> int:
        """The same as the market's own books say it."""
        at, market = self.at, self.market
        everybody = [*(one.address for one in self.people.values()), TREASURY]
        known = sum(market.credit_of(one, currency, at=at) for one in everybody)
        sales = market.sales(range(1, market.sale_count(at=at) + 1), at=at)
        open_ = [one for one in sales if not one.state.is_final and one.currency == currency]
        return known + sum(one.price + one.bond * (2 if one.state == 8 else 1) for one in open_)

    # Moments to come back to

    def remember(self) -> None:
        """A moment to come back to, with everybody's disk; later ones are come back to first."""
        for one in self.people.values():
            one.close()
        kept = self.folder / f"moment-{len(self._moments)}"
        shutil.rmtree(kept, ignore_errors=True)
        for name in self.people:
            shutil.copytree(self.folder / name, kept / name)
        store = Store(dict(self.store.content), list(self.store.paid))
        self._moments.append((self._snapshot(), kept, store))

    def go_back(self) -> None:
        """To the newest moment that is remembered; as often as is wanted."""
        for one in self.people.values():
            one.close()
        snapshot, kept, store = self._moments.pop()
        assert self.ask("evm_revert", hex(snapshot))
        self._moments.append((self._snapshot(), kept, store))
        for name in self.people:
            shutil.rmtree(self.folder / name)
            shutil.copytree(kept / name, self.folder / name)
        self.store.content, self.store.paid = dict(store.content), list(store.paid)
        self.silent.clear()
        self.oracles.update(self.honest)
        for one in self.people.values():
            one.open()

    def start_over(self) -> None:
        """To the first moment."""
        del self._moments[1:]
        self.go_back()

    def _snapshot(self) -> int:
        return int(self.ask("evm_snapshot"), 16)

    def close(self) -> None:
        for one in self.people.values():
            one.close()
        self.node.close()

    def ask(self, method: str, *params: object) -> Any:
        """The node itself."""
        [answer] = self.transport.ask([Question(method, tuple(params))])
        assert answer.fault is None, answer
        return answer.result

    def _live(self, signer: bytes, block: Block) -> Any:
        del block
        keys = self.oracle_keys[signer]
        verdict = SimpleNamespace(enc_key_hash=keccak(keys.public))
        return SimpleNamespace(verdict=verdict, simulated=True)

    def _is_live(self, location: bytes, *, at: bytes) -> bool:
        del at
        return location in self.store.content

    def _file(self, location: bytes, *, at: bytes) -> Any:
        del at
        return SimpleNamespace(root=self.engines.root_of(self.store.content[location]))


# Goods and orders


def the_bundle(text: str = "") -> Mapping[str, bytes]:
    """Files of an agent; other text makes another one."""
    files = a_bundle()
    return MappingProxyType({**files, "prompt.md": files["prompt.md"] + text.encode()})


async def minted(one: Person, *, text: str = "", royalty_bps: int = ROYALTY_BPS) -> int:
    """A token of a person, which the market may lock."""
    token = await one.mint.mint(the_bundle(text), MintWish("an agent", royalty_bps=royalty_bps))
    one.act(one.world.nft.approve(one.world.market.address, token))
    return token


def a_wish(world: TradeWorld, token: int, **changes: object) -> SellWish:
    """Its owner's for a fixed price and a week, with its wallet."""
    fields = {"token": token, "price": PRICE, "end": world.now + WEEK} | changes
    return SellWish(**fields)  # type: ignore[arg-type]  # the fields are SellWish's own


def bonded(one: Person, price: int = PRICE, currency: bytes = NOBODY) -> None:
    """The bond of a seller is in the market."""
    one.act(one.world.market.deposit(one.address, currency, bond_of(price)))


def ordered(one: Person, token: int, **changes: object) -> SignedOrder:
    """A signed order, with its bond paid in."""
    wish = a_wish(one.world, token, **changes)
    bonded(one, wish.price, wish.currency)
    return one.sell.order(wish)


def an_offer(one: Person, token: int, **changes: object) -> Offer:
    """What a person wants to pay for a token as it is now."""
    world = one.world
    offer = Offer(
        buyer=one.address,
        collection=world.nft.address,
        token=token,
        price=PRICE,
        currency=NOBODY,
        data_root=world.nft.data_root(token, at=world.at),
        account=world.nft.account_of(token, at=world.at),
        account_state=0,
        key_hash=bytes(32),
        expiry=world.now + WEEK,
        nonce=1,
    )
    return replace(offer, **changes)  # type: ignore[arg-type]  # the fields are Offer's own


# Deployment


def secret_of(number: int) -> bytes:
    """A key of the public devnet mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    return bytes(Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}").key)
