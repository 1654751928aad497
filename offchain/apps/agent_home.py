"""A wallet of this home that trades agents: contracts, storage, oracles and keys in one value.

<home>/agents/deliveries/   deliveries that were begun, without a secret
<home>/agents/files/        encrypted bundles, so that a file outlives its seller's storage term
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.agents.adapters.disk_deliveries import DiskShelf
from offchain.agents.adapters.http_oracle import HttpOracles
from offchain.agents.adapters.storage_root import storage_engines
from offchain.agents.adapters.stored_files import StoredFiles
from offchain.agents.buy_agent import Buy
from offchain.agents.deliver import Deliver, DeliverParts
from offchain.agents.delivery_keys import DeliveryKeys
from offchain.agents.delivery_ports import BundleFiles
from offchain.agents.hold import Hold
from offchain.agents.mint_agent import Mint
from offchain.agents.oracle_ports import OraclePlace, Oracles
from offchain.agents.sell import Sell
from offchain.agents.token_view import TradeClients
from offchain.apps.home import Home
from offchain.apps.keystore import AccountKey, Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment
from offchain.apps.oracles import chain_oracles
from offchain.apps.storage_client import Opened, open_files
from offchain.chain.due import execute_due
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.chain.model import Receipt, TypedCall
from offchain.node.leased_sender import LeasedSender
from offchain.storage.file_client import PutOptions
from offchain.storage.model import profile_named

PROFILE: Final = "durable"
TERM_SECONDS: Final = 365 * 86_400
Watcher = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trader:
    """Everything one wallet does with agents."""

    mint: Mint
    sell: Sell
    buy: Buy
    hold: Hold


@dataclass(frozen=True, slots=True)
class Outside:
    """Whom a trader reaches beside the chain: storage, and oracles that stand."""

    files: BundleFiles
    oracles: Oracles
    standing: Callable[[], Sequence[OraclePlace]]


def trade_clients(network: Network) -> TradeClients:
    """The contracts that trading reads."""
    return TradeClients(
        node=network.node,
        nft=network.agents,
        market=network.agent_market,
        verifier=network.verifier,
        chain_id=network.chain_id,
        first_block=network.deployments.first_block(),
    )


@asynccontextmanager
async def open_trader(
    home: Home, network: Network, role: str, watch: Watcher = lambda _: None
) -> AsyncIterator[Trader]:
    """A role of this home, ready to trade. Raises: HomeNotRunning, Unavailable."""
    account = Keystore(home.keys).account(role)
    await asyncio.to_thread(fund_trader, network, home, account)
    sender = LeasedSender(address_of(account), partial(open_sender, network, home, role, account))

    def send(call: TypedCall, key: str) -> Receipt:
        return execute_due(sender, call, key=key)

    clients, signer = trade_clients(network), LocalSigner.from_secret(account.secret)
    keys = DeliveryKeys(account.secret, network.chain_id, network.agents.address)
    engines = storage_engines()
    async with open_outside(home, network) as outside:
        leader = Deliver(
            DeliverParts(
                oracles=outside.oracles,
                standing=outside.standing,
                files=outside.files,
                shelf=DiskShelf(home.root / "agents" / "deliveries"),
                randomness=secrets.token_bytes,
                chain_id=network.chain_id,
                verifier=network.verifier.address,
            ),
            watch,
        )
        buy = Buy(clients, keys, signer, outside.files, engines, send)
        yield Trader(
            mint=Mint(network.agents, keys, signer.address, outside.files, engines, send),
            sell=Sell(clients, keys, signer, leader, send, secrets.token_bytes),
            buy=buy,
            hold=Hold(buy, send),
        )


@asynccontextmanager
async def open_outside(home: Home, network: Network) -> AsyncIterator[Outside]:
    """The storage client of a home, and the network's oracles. Raises: HomeNotRunning, Unavailable.

    What is stored for sales is kept in <home>/agents/files too.
    """
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_files(home, None))
        options = await asyncio.to_thread(_options, opened)
        files = StoredFiles(opened.files, home.root / "agents" / "files", options)
        await stack.enter_async_context(files)
        oracles = await stack.enter_async_context(HttpOracles())
        yield Outside(files, oracles, chain_oracles(network).standing)


async def open_agent(home: Home, network: Network, role: str, token: int) -> tuple[bytes, bytes]:
    """A token's bundle and the data key in use, for its owner's runtime; in memory only.

    Raises: NotYours, KeyNotHeld, Corrupt, Unavailable.
    """
    async with open_trader(home, network, role) as trader:
        first, *_ = await trader.hold.open(token)
        return first.data, first.data_key


def fund_trader(network: Network, home: Home, account: AccountKey) -> None:
    """On a devnet the faucet fills the account."""
    if network.chain_id in DEVNET_CHAIN_IDS:
        Enrolment(network, home).fund([account])


def _options(opened: Opened) -> PutOptions:
    """For a year, or as long as groups take files."""
    profile = profile_named(PROFILE)
    epochs = min(TERM_SECONDS // opened.epoch_seconds, max(1, opened.longest_epochs(profile)))
    return PutOptions(profile=profile, term_epochs=max(1, epochs), is_public=True)
