"""A sale as its buyer sees it on the chain: the wallet that goes with a token, what was delivered.

Source: docs/protocol/agents.md#trading.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from offchain.agents.delivery import Delivery
from offchain.agents.onchain_market import WAITING, Sale, SaleDelivered
from offchain.agents.onchain_nft import Prepared
from offchain.agents.onchain_verifier import DeliveryVerified
from offchain.agents.oracle_ports import DataEntry, Op
from offchain.agents.token_view import (
    AgentToken,
    TradeClients,
    read_token,
    roots_told,
    sealed_keys,
)
from offchain.agents.trade_errors import DeliveredWrong, OrderElsewhere, SaleNotHere
from offchain.agents.trade_files import Proofs
from offchain.chain.contract import ContractClient
from offchain.chain.contract_abi import artifact
from offchain.chain.event_ranges import events_between
from offchain.chain.model import Address, Call
from offchain.core.hashing import keccak

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry's delivery as the buyer sees it, from proofs or from the chain."""

    old: DataEntry
    new: DataEntry
    sealed_key: bytes
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Handover:
    """What the deliveries of a token's entries have in common: what is done with it, for whom.

    `key_hash` of the one-time key that the data keys are sealed to.
    """

    collection: bytes
    token: int
    epoch: int
    op: Op
    receiver: bytes
    key_hash: bytes

    def shown(
        self, old: DataEntry, new: DataEntry, sealed_key: bytes, verified: DeliveryVerified
    ) -> Shown:
        """One entry's delivery, put together from what events tell."""
        delivery = Delivery(
            collection=self.collection,
            token=self.token,
            epoch=self.epoch,
            op=int(self.op),
            receiver=self.receiver,
            old_data_hash=old.data_hash,
            new_data_hash=new.data_hash,
            content_root=new.content_root,
            key_root=new.key_root,
            key_commit=new.key_commit,
            location=new.location,
            sealed_key_hash=keccak(sealed_key),
            key_hash=self.key_hash,
            nonce_hash=verified.nonce_hash,
            deadline=verified.deadline,
        )
        return Shown(old, new, sealed_key, delivery)


class Signed(Protocol):
    """An order or an offer: where it counts."""

    @property
    def chain_id(self) -> int: ...

    @property
    def market(self) -> bytes: ...


def require_here(clients: TradeClients, signed: Signed, collection: bytes) -> None:
    """Raises: OrderElsewhere."""
    if (signed.chain_id, signed.market) != (clients.chain_id, clients.market.address):
        raise OrderElsewhere(chain_id=signed.chain_id, market=signed.market.hex())
    if collection != clients.nft.address:
        raise OrderElsewhere(collection=collection.hex())


def wallet_of(clients: TradeClients, token: AgentToken) -> tuple[bytes, int]:
    """A token's own wallet, and what it has done so far; 0 before it exists."""
    at = token.block.hash
    account = Address(clients.nft.account_of(token.id, at=at))
    if not clients.node.code(account, at=at):
        return account, 0
    state = artifact("AgentAccount").abi.function("state", 0)
    [raw] = clients.node.calls([Call(account, state.encode(()))], at=at)
    return account, int.from_bytes(raw, "big")


def told(
    clients: TradeClients, client: ContractClient, kind: type[T], indexed: Mapping[str, object]
) -> list[T]:
    """Every event of a kind with these indexed fields, oldest first."""
    span = (clients.first_block, clients.node.block().number)
    return list(events_between(clients.node, client, kind, span, indexed))


def shown_in(clients: TradeClients, proofs: Proofs, sale_id: int, sale: Sale) -> list[Shown]:
    """What proofs in hand would deliver. Raises: DeliveredWrong for those of another token."""
    token = read_token(clients, sale.token)
    found = []
    for one in proofs.proofs:
        own, roots = one.ownership, one.ownership.roots
        old = next((e for e in token.entries if e.data_hash == own.old_data_hash), None)
        if old is None or roots.content_root != old.content_root:
            raise DeliveredWrong(part="entry", sale=sale_id)
        new = DataEntry(
            own.new_data_hash,
            roots.content_root,
            roots.key_root,
            roots.key_commit,
            roots.location,
        )
        said = own.delivery(
            collection=clients.nft.address,
            token=sale.token,
            epoch=token.epoch,
            op=int(Op.TRANSFER),
            receiver=sale.buyer,
        )
        found.append(Shown(old, new, own.sealed_key, said))
    if [one.old for one in found] != list(token.entries):
        raise DeliveredWrong(part="entries", sale=sale_id)
    return found


def shown_on_chain(clients: TradeClients, sale_id: int, sale: Sale) -> list[Shown]:
    """What somebody showed for a sale, as the events of that transaction tell it.

    Raises: SaleNotHere before that, and once the sale is over.
    """
    if sale.state not in WAITING:
        raise SaleNotHere(sale=sale_id, state=sale.state.name.lower())
    delivered = _last(clients, clients.market, SaleDelivered, {"sale": sale_id})
    prepared = _last(clients, clients.nft, Prepared, {"token": sale.token})
    sealed = sealed_keys(clients, sale.token, sale.buyer)[0]
    verified = verified_of(clients, sale.token)
    token = read_token(clients, sale.token)
    handover = Handover(
        collection=clients.nft.address,
        token=token.id,
        epoch=token.epoch,
        op=Op.TRANSFER,
        receiver=sale.buyer,
        key_hash=sale.key_hash,
    )
    parts = zip(token.entries, prepared.outputs, sealed, delivered.digests, strict=True)
    return [
        handover.shown(old, roots_told(clients, token.id, output.data_hash), key, verified[digest])
        for old, output, key, digest in parts
    ]


def verified_of(clients: TradeClients, token: int) -> dict[bytes, DeliveryVerified]:
    """Every delivery of a token whose signatures counted, by what was signed."""
    found = told(clients, clients.verifier, DeliveryVerified, {"token": token})
    return {one.digest: one for one in found}


def _last(
    clients: TradeClients, client: ContractClient, kind: type[T], indexed: dict[str, object]
) -> T:
    found = told(clients, client, kind, indexed)
    if not found:
        raise SaleNotHere(missing=kind.__name__)
    return found[-1]
