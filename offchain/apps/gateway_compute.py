"""The gateway as a buyer: the chain it reads, the account it pays by, the book it keeps."""

import hashlib
import socket
import time
from functools import partial
from typing import Final

from offchain.apps.compute_clients import chain_escrow, chain_evidence
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.settings import GatewaySettings
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.chain.model import Address, parse_address
from offchain.compute.adapters.default_models import DEFAULT_MODELS
from offchain.gateway.book import Book
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.compute_face import ComputeFace, ComputeParts
from offchain.gateway.market import MarketSource
from offchain.gateway.options import Defaults
from offchain.gateway.sale import Account
from offchain.gateway.x402 import Asset
from offchain.gateway.x402_chain import ChainFacilitator

ROLE: Final = "gateway"  # of this home: its deposits pay providers
BOOK: Final = "book.sqlite"
LOCK_SECONDS: Final = 10.0  # `apogee compute deposit` may be sending for the same account


def open_book(home: Home, url: str | None) -> Book:
    """The book of keys, vouchers and receipts. Raises: BookUnreachable, BookUrlInvalid."""
    if url is None:
        return Book.in_file(home.gateway / BOOK, _now)
    # Gateways that share a database each end only what they began themselves.
    place = f"{socket.gethostname()} {home.root}"
    return Book(url, _now, name=hashlib.sha256(place.encode()).hexdigest()[:32])


def compute_face(home: Home, network: Network, settings: GatewaySettings) -> ComputeFace:
    """What the gateway buys with. Raises: BookUnreachable, BookUrlInvalid."""
    account = Keystore(home.keys).account(ROLE)
    own = address_of(account)
    payer = own if settings.payer is None else parse_address(settings.payer)
    url = settings.book_url
    asset = None if settings.x402_asset is None else _asset(settings.x402_asset, network, own)
    sender = partial(open_sender, network, home, ROLE, account, lock_seconds=LOCK_SECONDS)
    is_local = network.chain_id in DEVNET_CHAIN_IDS
    return ComputeFace(
        ComputeParts(
            read=market_source(network, payer, delegate=None if payer == own else own).read,
            account=Account(payer, LocalSigner.from_secret(account.secret)),
            desk=BookDesk(open_book(home, None if url is None else url.get_secret_value())),
            defaults=Defaults(is_simulated_allowed=is_local, may_simulate=is_local),
            asset=asset,
            facilitator=None if asset is None else ChainFacilitator(asset, sender),
        )
    )


def market_source(network: Network, payer: bytes, *, delegate: bytes | None = None) -> MarketSource:
    """The market of a network, as one payer sees it, or a key that signs for him."""
    return MarketSource(
        services=network.services,
        escrow=chain_escrow(network),
        payer=payer,
        delegate=delegate,
        names={one.model_hash: one.name for one in DEFAULT_MODELS.values()},
        evidence=chain_evidence(network),
    )


def _asset(text: str, network: Network, own: Address) -> Asset:
    address, name, version = text.split(":")
    return Asset(parse_address(address), name, version, network.chain_id, own)


def _now() -> int:
    return int(time.time())
