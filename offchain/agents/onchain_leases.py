"""Client of AgentLeases: agents for a time, clones under a licence, and the events it writes.

Method and field names are the contract's; addresses are 20 raw bytes, times seconds, amounts base
units of a currency (zero address: wei). Source: docs/protocol/agents.md#leases.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from types import MappingProxyType

from offchain.agents.orders import NOBODY
from offchain.agents.reverts_agents_leases import LEASES
from offchain.agents.reverts_agents_verifier import VERIFIER
from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall

Fields = tuple[object, ...]


class OrderState(IntEnum):
    """Flag values of the contract; NONE: no such order."""

    NONE = 0
    ORDERED = 1
    DELIVERED = 2
    SETTLED = 4
    REFUNDED = 8


@dataclass(frozen=True, slots=True)
class RentTerms:
    """`price` a second; `shortest` is paid in any case, 0: not for rent."""

    price: int
    currency: bytes
    shortest: int
    longest: int
    expiry: int


@dataclass(frozen=True, slots=True)
class Lease:
    """`until` 0: it has ended."""

    token: int
    epoch: int
    owner: bytes
    renter: bytes
    currency: bytes
    price: int
    least: int
    earned_until: int
    until: int


@dataclass(frozen=True, slots=True)
class Licence:
    """`max_clones` 0: none are sold; whoever owns the token earns from sales of its clones."""

    max_clones: int
    fee: int
    currency: bytes
    royalty_bps: int
    may_clone_again: bool
    expiry: int


@dataclass(frozen=True, slots=True)
class CloneOrder:
    """`deadline`, `seal`: for the delivery, data_root of what is cloned; then of the buyer's look
    at it, keccak of what the oracles signed.
    """

    state: OrderState
    token: int
    epoch: int
    owner: bytes
    buyer: bytes
    currency: bytes
    fee: int
    royalty_bps: int
    may_clone_again: bool
    key_hash: bytes
    deadline: int
    seal: bytes


@dataclass(frozen=True, slots=True)
class Rented:
    lease: int
    token: int
    renter: bytes
    until: int
    held: int


@dataclass(frozen=True, slots=True)
class RentEarned:
    lease: int
    amount: int


@dataclass(frozen=True, slots=True)
class LeaseEnded:
    lease: int
    at: int
    refund: int


@dataclass(frozen=True, slots=True)
class CloneOrdered:
    order: int
    token: int
    buyer: bytes
    fee: int
    currency: bytes
    key: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class CloneDelivered:
    order: int
    clone: int
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ClonePaid:
    order: int
    owner: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class RoyaltyPaid:
    order: int
    receiver: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class CloneRefunded:
    order: int
    is_false: bool


class AgentLeasesClient(ContractClient):
    """Owners offer, renters rent, buyers order clones; anybody delivers and settles."""

    contract = "AgentLeases"
    reverts = MappingProxyType({**VERIFIER, **LEASES})  # it calls both

    # Views

    def rent_of(self, token: int, *, at: BlockRef) -> RentTerms:
        """All zero: not for rent now."""
        return self._read(RentTerms, "rent_of", token, at=at)

    def lease(self, lease: int, *, at: BlockRef) -> Lease:
        return self._read(Lease, "lease", lease, at=at)

    def leases(self, numbers: Sequence[int], *, at: BlockRef) -> Sequence[Lease]:
        """Several in one round trip."""
        return self._read_many(Lease, "lease", [(number,) for number in numbers], at=at)

    def orders(self, numbers: Sequence[int], *, at: BlockRef) -> Sequence[CloneOrder]:
        """Several in one round trip."""
        return self._read_many(CloneOrder, "order", [(number,) for number in numbers], at=at)

    def licence_of(self, token: int, *, at: BlockRef) -> Licence:
        """All zero: no clones are sold now."""
        return self._read(Licence, "licence_of", token, at=at)

    def clones_of(self, token: int, *, at: BlockRef) -> int:
        return self._read(int, "clones_of", token, at=at)

    def order(self, order: int, *, at: BlockRef) -> CloneOrder:
        return self._read(CloneOrder, "order", order, at=at)

    def lease_count(self, *, at: BlockRef) -> int:
        """Ids are 1 to this."""
        return self._read(int, "lease_count", at=at)

    def order_count(self, *, at: BlockRef) -> int:
        """Ids are 1 to this."""
        return self._read(int, "order_count", at=at)

    def credit_of(self, account: bytes, currency: bytes, *, at: BlockRef) -> int:
        return self._read(int, "credit_of", account, currency, at=at)

    def windows(self, *, at: BlockRef) -> tuple[int, int]:
        """Seconds for a delivery, and for the buyer's look at it."""
        return self._read(tuple[int, int], "windows", at=at)

    # The owner of a token

    def set_rent(self, token: int, terms: RentTerms) -> TypedCall:
        return self._build("set_rent", token, astuple(terms))

    def set_licence(self, token: int, licence: Licence) -> TypedCall:
        return self._build("set_licence", token, astuple(licence))

    # Anybody

    def rent(self, token: int, seconds: int, terms: RentTerms, *, value_wei: int = 0) -> TypedCall:
        """On these terms alone; out of the value sent, then of the caller's credit."""
        return self._build("rent", token, seconds, astuple(terms), value_wei=value_wei)

    def collect(self, lease: int) -> TypedCall:
        return self._build("collect", lease)

    def order_clone(
        self, token: int, key: bytes, licence: Licence, data_root: bytes, *, value_wei: int = 0
    ) -> TypedCall:
        """Under this licence alone, of these data; `key`: the 64 bytes of B that the clone's key
        is sealed to.
        """
        terms = astuple(licence)
        return self._build("order_clone", token, key, terms, data_root, value_wei=value_wei)

    def deliver_clone(self, order: int, proofs: Sequence[Fields]) -> TypedCall:
        return self._build("deliver_clone", order, list(proofs))

    def settle_clone(self, order: int) -> TypedCall:
        """By the buyer at once, by anybody after his time."""
        return self._build("settle_clone", order)

    def refund_clone(self, order: int) -> TypedCall:
        return self._build("refund_clone", order)

    def refund_false_clone(self, order: int, digests: Sequence[bytes]) -> TypedCall:
        return self._build("refund_false_clone", order, list(digests))

    def deposit(self, account: bytes, currency: bytes, amount: int) -> TypedCall:
        value = amount if currency == NOBODY else 0
        return self._build("deposit", account, currency, amount, value_wei=value)

    def withdraw(self, currency: bytes, amount: int, to: bytes) -> TypedCall:
        return self._build("withdraw", currency, amount, to)

    # The renter

    def end_lease(self, lease: int) -> TypedCall:
        return self._build("end_lease", lease)
