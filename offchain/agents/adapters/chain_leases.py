"""Rentals and orders of clones that have not ended, and the calls that end them, from the chain.

A lease ends with its time or with its owner's; a clone is paid for, or paid back, once time or a
proof has decided. Source: docs/protocol/agents.md#leases.
"""

from dataclasses import dataclass
from typing import TypeVar

from offchain.agents.onchain_leases import (
    AgentLeasesClient,
    CloneDelivered,
    CloneOrder,
    CloneOrdered,
    Lease,
    OrderState,
    Rented,
)
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.chain.contract import ContractClient
from offchain.chain.followed import Followed
from offchain.chain.model import Block, TypedCall
from offchain.chain.ports import ChainReader

T = TypeVar("T")
OPEN_ORDERS = (OrderState.ORDERED, OrderState.DELIVERED)


@dataclass(frozen=True, slots=True)
class LeaseClients:
    """Where leases are read; `depth` blocks may still be replaced."""

    node: ChainReader
    leases: AgentLeasesClient
    agents: AgentNFTClient
    first_block: int
    depth: int


class ChainLeases:
    """Those that money is held for. One thread's."""

    def __init__(self, clients: LeaseClients) -> None:
        self._clients = clients
        self._rented = self._follow(Rented, clients.leases)
        self._ordered = self._follow(CloneOrdered, clients.leases)
        self._delivered = self._follow(CloneDelivered, clients.leases)
        self._over_since: dict[tuple[str, int], int] = {}  # and the block it was first seen over at

    def open_leases(self, block: Block, *, most: int) -> list[tuple[int, Lease]]:
        """The oldest of them."""
        told = [one.lease for one in self._rented.upto(block)]
        numbers = self._not_over("lease", told, block)[:most]
        found = self._clients.leases.leases(numbers, at=block.hash)
        pairs = zip(numbers, found, strict=True)
        return [
            (number, one) for number, one in pairs if self._is_open("lease", number, one, block)
        ]

    def open_orders(self, block: Block, *, most: int) -> list[tuple[int, CloneOrder]]:
        """The oldest of them."""
        told = [one.order for one in self._ordered.upto(block)]
        numbers = self._not_over("order", told, block)[:most]
        found = self._clients.leases.orders(numbers, at=block.hash)
        pairs = zip(numbers, found, strict=True)
        return [
            (number, one) for number, one in pairs if self._is_open("order", number, one, block)
        ]

    def is_lease_over(self, lease: Lease, block: Block) -> bool:
        """Whether collecting ends it: its time has passed, or the token has moved."""
        return bool(lease.until) and (
            block.timestamp >= lease.until or self._has_moved(lease.token, lease.epoch, block)
        )

    def collect_call(self, number: int, block: Block) -> TypedCall | None:
        """None while it runs: an owner collects earlier for himself."""
        lease = self._clients.leases.lease(number, at=block.hash)
        return self._clients.leases.collect(number) if self.is_lease_over(lease, block) else None

    def end_order_call(self, number: int, block: Block) -> TypedCall | None:
        """Pay back what was not delivered, or pay for what was looked at for long enough."""
        leases = self._clients.leases
        order = leases.order(number, at=block.hash)
        if order.state is OrderState.ORDERED:
            return leases.refund_clone(number)
        is_due = order.state is OrderState.DELIVERED and block.timestamp >= order.deadline
        return leases.settle_clone(number) if is_due else None

    def refund_false_call(self, number: int, block: Block) -> TypedCall | None:
        """For a clone whose delivery is proven false; None before a delivery."""
        told = [one for one in self._delivered.upto(block) if one.order == number]
        return self._clients.leases.refund_false_clone(number, told[-1].digests) if told else None

    def _has_moved(self, token: int, epoch: int, block: Block) -> bool:
        return self._clients.agents.epoch_of(token, at=block.hash)[0] != epoch

    def _not_over(self, kind: str, numbers: list[int], block: Block) -> list[int]:
        """Without those that ended in a block that is not replaced any more."""
        last = block.number - self._clients.depth
        over = self._over_since
        return [one for one in dict.fromkeys(numbers) if over.get((kind, one), last) >= last]

    def _is_open(self, kind: str, number: int, one: Lease | CloneOrder, block: Block) -> bool:
        is_open = bool(one.until) if isinstance(one, Lease) else one.state in OPEN_ORDERS
        if is_open:
            self._over_since.pop((kind, number), None)
        else:
            self._over_since.setdefault((kind, number), block.number)
        return is_open

    def _follow(self, kind: type[T], client: ContractClient) -> Followed[T]:
        clients = self._clients
        return Followed(
            clients.node,
            client,
            kind,
            indexed={},
            first_block=clients.first_block,
            depth=clients.depth,
        )
