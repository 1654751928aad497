"""Who the operators are, which keys they proved, where they sit and what they weigh.

The pure twin of OperatorRegistry. A proof of possession is a fact the caller has checked: the
ledger takes key hashes. Source: docs/protocol/staking.md#keys, #snapshots.
"""

from dataclasses import dataclass, field

from offchain.chain.model import Address
from offchain.staking.errors import (
    AccountTaken,
    KeySeenBefore,
    NoFreeSeat,
    NotAnOwner,
    NotTheOfferedSigner,
    OperatorTombstoned,
    SeatTooDear,
)
from offchain.staking.model import (
    BEAT_PERCENT,
    History,
    Operator,
    OperatorId,
    PoolId,
    Service,
    operator_of,
    pool_id,
    service_of,
)
from offchain.staking.tree import Leaf, StakeTree


@dataclass(frozen=True, slots=True)
class Member:
    """One pool in the tree of its service."""

    pool: PoolId
    stake_wei: int
    leaf: Leaf


@dataclass(slots=True)
class Desk:
    """Seats and members of one service."""

    seats: dict[int, PoolId] = field(default_factory=dict)
    used: int = 0
    vacant: list[int] = field(default_factory=list)
    members: History[dict[int, Member]] = field(default_factory=lambda: History({}))


@dataclass(slots=True)
class Roster:
    """All operators and all seats."""

    max_operators: int
    owners: dict[OperatorId, Address] = field(default_factory=dict)
    signers: dict[OperatorId, Address] = field(default_factory=dict)
    offered: dict[OperatorId, Address] = field(default_factory=dict)
    keys: dict[OperatorId, History[bytes]] = field(default_factory=dict)
    operator_by_key: dict[bytes, OperatorId] = field(default_factory=dict)
    operator_by_account: dict[Address, OperatorId] = field(default_factory=dict)
    tombstoned: set[OperatorId] = field(default_factory=set)
    desks: dict[Service, Desk] = field(default_factory=lambda: {s: Desk() for s in Service})

    def register(self, owner: Address, key_hash: bytes, epoch: int) -> OperatorId:
        """Raises: AccountTaken, KeySeenBefore."""
        if owner in self.operator_by_account:
            raise AccountTaken(account=owner.hex())
        self._check_new(key_hash)
        number = OperatorId(len(self.owners) + 1)
        self.owners[number] = self.signers[number] = owner
        self.operator_by_account[owner] = number
        self.keys[number] = History(b"")
        self._put_key(number, key_hash, epoch)
        return number

    def rotate(self, owner: Address, key_hash: bytes, epoch: int) -> None:
        """Raises: NotAnOwner, OperatorTombstoned, KeySeenBefore."""
        number = self.owned(owner)
        if number in self.tombstoned:
            raise OperatorTombstoned(operator=number)
        self._check_new(key_hash)
        self._put_key(number, key_hash, epoch)
        for desk in self.desks.values():
            for seat, member in desk.members.newest.items():
                if operator_of(member.pool) == number:
                    leaf = Leaf(number, member.leaf.weight_wei, key_hash)
                    changed = {seat: Member(member.pool, member.stake_wei, leaf)}
                    desk.members.put(epoch, desk.members.newest | changed)
                    break

    def offer_signer(self, owner: Address, signer: Address) -> None:
        self.offered[self.owned(owner)] = signer

    def accept_signer(self, signer: Address, number: OperatorId) -> None:
        """Raises: NotTheOfferedSigner, AccountTaken."""
        if self.offered.get(number) != signer:
            raise NotTheOfferedSigner(operator=number)
        if signer in self.operator_by_account and signer != self.owners[number]:
            raise AccountTaken(account=signer.hex())
        if self.signers[number] != self.owners[number]:
            del self.operator_by_account[self.signers[number]]
        del self.offered[number]
        self.signers[number] = signer
        self.operator_by_account[signer] = number

    def owned(self, account: Address) -> OperatorId:
        """The operator `account` owns. Raises: NotAnOwner."""
        number = self.operator_by_account.get(account)
        if number is None or self.owners[number] != account:
            raise NotAnOwner(account=account.hex())
        return number

    def operator(self, number: OperatorId) -> Operator:
        return Operator(
            self.owners[number],
            self.signers[number],
            self.keys[number].newest,
            number in self.tombstoned,
        )

    def find_seat(self, pool: PoolId, weight: int) -> PoolId | None:
        """The pool this newcomer evicts, None while a seat is free.

        Raises: OperatorTombstoned, SeatTooDear.
        """
        if operator_of(pool) in self.tombstoned:
            raise OperatorTombstoned(operator=operator_of(pool))
        desk = self.desks[service_of(pool)]
        if desk.vacant or desk.used < self.max_operators:
            return None
        members = desk.members.newest
        weights = {
            seat: members[seat].leaf.weight_wei if seat in members else 0 for seat in desk.seats
        }
        least = min(sorted(weights), key=weights.__getitem__)
        if weight * 100 < weights[least] * BEAT_PERCENT:
            raise SeatTooDear(weight=weight, least=weights[least])
        return desk.seats[least]

    def take_seat(self, pool: PoolId) -> None:
        desk = self.desks[service_of(pool)]
        if desk.vacant:
            seat = desk.vacant.pop()
        elif desk.used < self.max_operators:
            seat = desk.used
            desk.used += 1
        else:
            raise NoFreeSeat(pool=pool)
        desk.seats[seat] = pool

    def leave_seat(self, pool: PoolId) -> None:
        desk = self.desks[service_of(pool)]
        seat = self.seat_of(pool)
        if seat is not None:
            del desk.seats[seat]
            desk.vacant.append(seat)

    def seat_of(self, pool: PoolId) -> int | None:
        seats = self.desks[service_of(pool)].seats
        return next((seat for seat, holder in seats.items() if holder == pool), None)

    def set_weight(self, pool: PoolId, epoch: int, *, stake: int, weight: int) -> None:
        """Let the pool weigh `weight` from `epoch` on; 0 takes it out of the tree."""
        desk = self.desks[service_of(pool)]
        seat = self.seat_of(pool)
        members = dict(desk.members.newest)
        if seat is None:
            return
        members.pop(seat, None)
        if weight:
            leaf = Leaf(operator_of(pool), weight, self.keys[operator_of(pool)].newest)
            members[seat] = Member(pool, stake, leaf)
        if members != desk.members.newest:
            desk.members.put(epoch, members)

    def members_at(self, service: Service, epoch: int) -> dict[int, Member]:
        return self.desks[service].members.at(epoch)

    def tree_at(self, service: Service, epoch: int) -> StakeTree:
        members = self.members_at(service, epoch)
        return StakeTree({seat: member.leaf for seat, member in members.items()})

    def pools_of(self, number: OperatorId) -> list[PoolId]:
        return [pool_id(number, service) for service in Service]

    def _check_new(self, key_hash: bytes) -> None:
        if key_hash in self.operator_by_key:
            raise KeySeenBefore(key_hash=key_hash.hex())

    def _put_key(self, number: OperatorId, key_hash: bytes, epoch: int) -> None:
        self.keys[number].put(epoch, key_hash)
        self.operator_by_key[key_hash] = number
