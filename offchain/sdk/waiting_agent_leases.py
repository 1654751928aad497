"""Renting and cloning agents for programs that wait; each method as in `AsyncAgentLeases`."""

from offchain.agents.onchain_leases import (
    CloneOrder,
    CloneOrdered,
    Lease,
    Licence,
    Rented,
    RentTerms,
)
from offchain.agents.orders import NOBODY
from offchain.agents.refuse import Refused
from offchain.sdk.agent_leases import AsyncAgentLeases
from offchain.sdk.agent_parts import Bundle
from offchain.sdk.loop_thread import LoopThread


class AgentLeases:
    """Use of agents without their sale."""

    def __init__(self, leases: AsyncAgentLeases, loop: LoopThread) -> None:
        self._leases = leases
        self._loop = loop

    def let(self, token: int, terms: RentTerms) -> None:
        self._loop.run(self._leases.let(token, terms))

    def rent_terms(self, token: int) -> RentTerms:
        """`shortest` 0: not for rent."""
        return self._loop.run(self._leases.rent_terms(token))

    def rent(self, token: int, seconds: int, *, most: int, currency: bytes = NOBODY) -> Rented:
        """Paid in advance, `most` base units at most."""
        return self._loop.run(self._leases.rent(token, seconds, most=most, currency=currency))

    def lease(self, lease: int) -> Lease:
        return self._loop.run(self._leases.lease(lease))

    def end_lease(self, lease: int) -> int:
        """What is credited of the rent."""
        return self._loop.run(self._leases.end_lease(lease))

    def collect(self, lease: int) -> int:
        """What its owner is credited."""
        return self._loop.run(self._leases.collect(lease))

    def open_leases(self) -> list[tuple[int, Lease]]:
        """Of this wallet, by number."""
        return self._loop.run(self._leases.open_leases())

    def license(self, token: int, licence: Licence) -> None:
        self._loop.run(self._leases.license(token, licence))

    def licence(self, token: int) -> Licence:
        """`max_clones` 0: none are sold."""
        return self._loop.run(self._leases.licence(token))

    def clone(self, token: int, *, most: int, currency: bytes = NOBODY) -> CloneOrdered:
        """The order that waits, or a new one."""
        return self._loop.run(self._leases.clone(token, most=most, currency=currency))

    def clone_order(self, order: int) -> CloneOrder:
        return self._loop.run(self._leases.clone_order(order))

    def deliver_clone(self, order: int) -> int:
        """The clone's token."""
        return self._loop.run(self._leases.deliver_clone(order))

    def take_clone(self, order: int) -> list[Bundle]:
        """Open, and let its owner be paid."""
        return self._loop.run(self._leases.take_clone(order))

    def refuse_clone(self, order: int) -> Refused[CloneOrder]:
        return self._loop.run(self._leases.refuse_clone(order))

    def settle_clone(self, order: int) -> bool:
        """Whether anything was due."""
        return self._loop.run(self._leases.settle_clone(order))
