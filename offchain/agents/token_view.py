"""A token as its traders see it: entries with their roots, and data keys that a wallet opens.

The chain keeps one hash of each entry's roots; the roots themselves are told by events and count
only when they give that hash. All of a view was read at one block; blocking.
Source: docs/protocol/agents.md#token.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.agents.bundle import key_commit_of
from offchain.agents.delivery_keys import (
    MAX_OFFERS,
    DeliveryKeys,
    clone_purpose,
    gift_purpose,
    offer_purpose,
    own_purpose,
)
from offchain.agents.onchain_market import AgentMarketClient, SaleLocked
from offchain.agents.onchain_nft import AgentNFTClient, PublishedSealedKey, Rooted
from offchain.agents.onchain_verifier import KeyDeliveryVerifierClient
from offchain.agents.oracle_ports import DataEntry
from offchain.agents.seal import SealBroken, SealContext, unseal
from offchain.chain.event_ranges import events_between
from offchain.chain.model import Block
from offchain.chain.node import Node
from offchain.core.errors import NotFound

MAX_CLONES: Final = 64  # that one wallet orders of one token


class RootsUntold(NotFound):
    """No event tells the roots of a token's entry."""

    code = "agents.token.roots_untold"
    next_step = "Do not buy: nobody can deliver this token."


class KeyNotHeld(NotFound):
    """The data key of the token does not open with the key of this wallet."""

    code = "agents.token.key_not_held"
    next_step = "Use the wallet that bought or minted the token; `apogee agent show ID` names it."


@dataclass(frozen=True, slots=True)
class TradeClients:
    """The contracts that trading reads."""

    node: Node
    nft: AgentNFTClient
    market: AgentMarketClient
    verifier: KeyDeliveryVerifierClient
    chain_id: int
    first_block: int


@dataclass(frozen=True, slots=True)
class AgentToken:
    """One token at one block. `locker` empty: not locked."""

    id: int
    owner: bytes
    epoch: int
    since: int
    threshold: int
    entries: tuple[DataEntry, ...]
    descriptions: tuple[str, ...]
    data_root: bytes
    parent: int
    parent_epoch: int
    locker: bytes
    locked_until: int
    block: Block


@dataclass(frozen=True, slots=True)
class SealedAt:
    """Where a sealed key may open: what it was made for, and in which words."""

    purpose: bytes
    token: int
    epoch: int


def read_token(clients: TradeClients, token: int) -> AgentToken:
    """Raises: RootsUntold, and TokenUnknown of the contract."""
    nft, block = clients.nft, clients.node.block()
    at = block.hash
    owner = nft.owner_of(token, at=at)
    epoch, since = nft.epoch_of(token, at=at)
    locker, until = nft.lock_of(token, at=at)
    kept = nft.entries_of(token, at=at)
    told = _roots_of(clients, token, block)
    entries = []
    for one in kept:
        entry = told.get((one.data_hash, one.roots_hash))
        if entry is None:
            raise RootsUntold(token=token, data_hash=one.data_hash.hex())
        entries.append(entry)
    datas = nft.intelligent_data_of(token, at=at)
    traits = nft.traits_of(token, at=at)
    return AgentToken(
        id=token,
        owner=owner,
        epoch=epoch,
        since=since,
        threshold=traits.threshold,
        entries=tuple(entries),
        descriptions=tuple(one.description for one in datas),
        data_root=nft.data_root(token, at=at),
        parent=traits.parent,
        parent_epoch=nft.epoch_of(traits.parent, at=at)[0] if traits.parent else 0,
        locker=locker if any(locker) else b"",
        locked_until=until,
        block=block,
    )


def roots_told(clients: TradeClients, token: int, data_hash: bytes) -> DataEntry:
    """The newest roots told of a file of a token, stored or only prepared. Raises: RootsUntold."""
    block = clients.node.block()
    told = [
        entry for (name, _), entry in _roots_of(clients, token, block).items() if name == data_hash
    ]
    if not told:
        raise RootsUntold(token=token, data_hash=data_hash.hex())
    return told[-1]


def sealed_keys(clients: TradeClients, token: int, receiver: bytes) -> list[tuple[bytes, ...]]:
    """What was ever sealed to an account for a token, newest first."""
    block = clients.node.block()
    span = (clients.first_block, block.number)
    found = events_between(
        clients.node, clients.nft, PublishedSealedKey, span, {"token": token, "receiver": receiver}
    )
    return [tuple(one.sealed_keys) for one in found][::-1]


def data_keys(clients: TradeClients, token: AgentToken, keys: DeliveryKeys) -> list[bytes]:
    """The data key of each entry, for the wallet of the token's owner. Raises: KeyNotHeld."""
    sealed = sealed_keys(clients, token.id, token.owner)
    bought = purchases(clients, token.id, token.owner)
    return [_key_of(token, entry, sealed, keys, bought) for entry in token.entries]


def purchases(clients: TradeClients, token: int, buyer: bytes) -> list[bytes]:
    """The digests of the orders by which an account bought a token, newest first."""
    span = (clients.first_block, clients.node.block().number)
    found = events_between(
        clients.node, clients.market, SaleLocked, span, {"token": token, "buyer": buyer}
    )
    return [one.order for one in found][::-1]


@dataclass(frozen=True, slots=True)
class Opening:
    """A sealed key, where it may open, and for whom."""

    sealed: bytes = field(repr=False)
    chain_id: int
    collection: bytes
    receiver: bytes
    data_hash: bytes
    key_commit: bytes


def open_key(one: Opening, keys: DeliveryKeys, places: Iterable[SealedAt]) -> bytes | None:
    """The data key, from the first of the places in which it opens to what was committed to."""
    for place in places:
        context = SealContext(
            one.chain_id, one.collection, place.token, place.epoch, one.receiver, one.data_hash
        )
        try:
            key = unseal(one.sealed, keys.secret(place.purpose), context)
        except SealBroken:
            continue
        if key_commit_of(key) == one.key_commit:
            return key
    return None


def _key_of(
    token: AgentToken,
    entry: DataEntry,
    sealed: Sequence[tuple[bytes, ...]],
    keys: DeliveryKeys,
    bought: Sequence[bytes],
) -> bytes:
    places = list(_places(token, entry, bought))
    for one in (each for some in sealed for each in some):
        opening = Opening(
            one, keys.chain_id, keys.collection, token.owner, entry.data_hash, entry.key_commit
        )
        found = open_key(opening, keys, places)
        if found is not None:
            return found
    raise KeyNotHeld(token=token.id, owner=token.owner.hex())


def _places(token: AgentToken, entry: DataEntry, bought: Sequence[bytes]) -> Iterator[SealedAt]:
    """Everything that a key of this owner may have been sealed for."""
    yield SealedAt(own_purpose(entry.data_hash), 0, 0)
    before = token.epoch - 1
    if before < 0 and token.parent:
        for epoch in range(token.parent_epoch, -1, -1):
            purposes = (clone_purpose(token.parent, epoch, n) for n in range(1, MAX_CLONES + 1))
            yield from (SealedAt(one, token.parent, epoch) for one in purposes)
            given = gift_purpose(token.parent, epoch)
            yield SealedAt(given, token.parent, epoch)
    if before >= 0:
        yield from (SealedAt(one, token.id, before) for one in bought)
        yield SealedAt(gift_purpose(token.id, before), token.id, before)
        offers = map(offer_purpose, range(1, MAX_OFFERS + 1))
        yield from (SealedAt(one, token.id, before) for one in offers)


def _roots_of(
    clients: TradeClients, token: int, block: Block
) -> dict[tuple[bytes, bytes], DataEntry]:
    """Every set of roots ever told of a token, by data hash and roots hash, oldest first."""
    span = (clients.first_block, block.number)
    found = {}
    for one in events_between(clients.node, clients.nft, Rooted, span, {"token": token}):
        entry = DataEntry(
            one.data_hash, one.content_root, one.key_root, one.key_commit, one.location
        )
        found[one.data_hash, bytes(entry.roots_hash)] = entry
    return found
