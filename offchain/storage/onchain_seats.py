"""Client of StorageSeats, and the events it writes.

Method and field names are the contract's; prices are wei per 2^30 byte-seconds of one seat, times
seconds of the chain, bitmaps by seat. Source: docs/protocol/storage.md#seats.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.storage import reverts_seats as reverts
from offchain.storage.model import GroupState, SeatState


@dataclass(frozen=True, slots=True)
class Group:
    """All zero when there is none of this id."""

    profile: int
    state: GroupState
    requested: int
    seed_epoch: int
    drawn: int
    max_price: int
    longest_epochs: int
    opened: int
    filled: int
    suspect: int
    vacant: int
    leaving: int


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat; `operator_id` of a vacant one is who lost it."""

    operator_id: int
    price: int
    state: SeatState
    generation: int
    since: int
    leaves_at: int
    vacated_at: int
    successor: int
    successor_price: int
    successor_until: int
    redraw_epoch: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who answers for a seat at a time; operator 0: nobody."""

    operator_id: int
    price: int
    since: int


@dataclass(frozen=True, slots=True)
class GroupRequested:
    group: int
    profile: int
    max_price: int


@dataclass(frozen=True, slots=True)
class GroupOpened:
    group: int
    profile: int
    price_sum: int


@dataclass(frozen=True, slots=True)
class GroupFailed:
    group: int
    seat: int


@dataclass(frozen=True, slots=True)
class GroupFilled:
    group: int


@dataclass(frozen=True, slots=True)
class GroupDrained:
    group: int


@dataclass(frozen=True, slots=True)
class SuccessorNamed:
    group: int
    operator_id: int
    seat: int
    price: int


@dataclass(frozen=True, slots=True)
class SuccessorLapsed:
    group: int
    operator_id: int
    seat: int


@dataclass(frozen=True, slots=True)
class SeatChanged:
    group: int
    operator_id: int
    seat: int
    state: SeatState
    price: int


class StorageSeatsClient(ContractClient):
    """Groups and who holds their seats."""

    contract = "StorageSeats"
    reverts = reverts.SEATS

    def group(self, group: int, *, at: BlockRef) -> Group:
        return self._read(Group, "group", group, at=at)

    def seat(self, group: int, seat: int, *, at: BlockRef) -> Seat:
        return self._read(Seat, "seat", group, seat, at=at)

    def seats(self, group: int, seats: Sequence[int], *, at: BlockRef) -> list[Seat]:
        """Many seats in one round trip."""
        return self._read_many(Seat, "seat", [(group, one) for one in seats], at=at)

    def holder_at(self, group: int, seat: int, time: int, *, at: BlockRef) -> Holder:
        return self._read(Holder, "holder_at", group, seat, time, at=at)

    def operator_count(self, *, at: BlockRef) -> int:
        """Operators that hold a seat, or are drawn for one."""
        return self._read(int, "operator_count", at=at)

    def operators_of(self, group: int, *, at: BlockRef) -> list[int]:
        """Operator ids, seat by seat."""
        return self._read(list[int], "operators_of", group, at=at)

    def held_by(self, group: int, operators: Sequence[int], *, at: BlockRef) -> list[int]:
        """Seats that each has here; 255 more for each that is suspect, vacant or leaving."""
        parts = [list(operators[start : start + 32]) for start in range(0, len(operators), 32)]
        found = self._read_many(list[int], "held_by", [(group, part) for part in parts], at=at)
        return [count for part in found for count in part]

    def newest_group(self, *, at: BlockRef) -> int:
        return self._read(int, "newest_group", at=at)

    def requested_count(self, profile: int, *, at: BlockRef) -> int:
        """Groups of a profile that wait for their draw."""
        return self._read(int, "requested_count", profile, at=at)

    def open_count(self, profile: int, *, at: BlockRef) -> int:
        return self._read(int, "open_count", profile, at=at)

    def took_digest(self, group: int, seat: int, segments: int, *, at: BlockRef) -> bytes:
        """What a successor signs."""
        return self._read(bytes, "took_digest", group, seat, segments, at=at)

    def key_epoch(self, group: int, operator_id: int, *, at: BlockRef) -> int:
        """Of which epoch an operator's key is that counts in a group."""
        return self._read(int, "key_epoch", group, operator_id, at=at)

    def key_epochs(self, group: int, operators: Sequence[int], *, at: BlockRef) -> list[int]:
        """Many of them in one round trip."""
        return self._read_many(int, "key_epoch", [(group, one) for one in operators], at=at)

    def group_key(self, group: int, *, at: BlockRef) -> bytes:
        """Sum of the keys of all seats that are not vacant, EIP-2537 G1."""
        return self._read(bytes, "group_key", group, at=at)

    def request_group(self, profile: int, max_price: int) -> TypedCall:
        return self._build("request_group", profile, max_price)

    def leave(self, group: int, seat: int) -> TypedCall:
        """By the seat's operator: hand it over."""
        return self._build("leave", group, seat)

    def take_over(self, group: int, seat: int, segments: int, signature: bytes) -> TypedCall:
        """By anyone, with the successor's signature over `took_digest`, EIP-2537 G2."""
        return self._build("take_over", group, seat, segments, signature)

    def lapse(self, group: int, seat: int) -> TypedCall:
        return self._build("lapse", group, seat)

    def let_go(self, group: int, seat: int) -> TypedCall:
        return self._build("let_go", group, seat)

    def push_out(self, group: int, seat: int) -> TypedCall:
        return self._build("push_out", group, seat)

    def refresh_key(self, group: int, operator_id: int) -> TypedCall:
        return self._build("refresh_key", group, operator_id)

    def close_group(self, group: int) -> TypedCall:
        return self._build("close_group", group)

    def drain_group(self, group: int) -> TypedCall:
        return self._build("drain_group", group)
