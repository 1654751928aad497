"""Clients of StorageMarket and StandingOrders, and the events they write.

Method and field names are the contracts'; addresses are 20 raw bytes, amounts wei, times seconds,
prices wei per 2^30 byte-seconds, bytes those that one seat keeps.
Source: docs/protocol/storage.md#market.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.bls import Signature
from offchain.core.units import Wei
from offchain.storage import reverts_market as reverts
from offchain.storage.model import FileState


@dataclass(frozen=True, slots=True)
class File:
    """What the market knows of a file; all zero when it was never submitted."""

    state: FileState
    owner: bytes
    profile: int
    segments: int
    length: int
    root: bytes
    deposit: Wei
    submitted_block: int
    deadline: int
    group: int
    bytes: int
    started: int
    end: int
    leaves: int
    first_byte: int
    absent: int


@dataclass(frozen=True, slots=True)
class Duty:
    """What a prover needs of a file; `end` 0 unless it is STORED."""

    root: bytes
    group: int
    first_byte: int
    bytes: int
    length: int
    segments: int
    profile: int
    started: int
    end: int
    absent: int


@dataclass(frozen=True, slots=True)
class GroupQuote:
    """What a file submitted now would cost in one group; `deposit` is the most it can."""

    bytes: int
    cost: Wei
    deposit: Wei


@dataclass(frozen=True, slots=True)
class MarketGroup:
    """Money and bytes of a group, as of `moved`."""

    profile: int
    rate: int
    max_rate: int
    paid_seats: int
    short_since: int
    cost_integral: int
    byte_integral: int
    moved: int
    bytes: int
    taken: int
    numbered: int
    segments: int
    longest_epochs: int
    escrow: Wei
    is_listed: bool


@dataclass(frozen=True, slots=True)
class MarketWindows:
    """Of every file, seconds."""

    confirm: int
    grace: int
    repair: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An order to renew a file; `epochs` 0 when there is none."""

    epochs: int
    limit: Wei
    tip: Wei
    funds: Wei


@dataclass(frozen=True, slots=True)
class FilePlaced:
    id: bytes
    group: int
    owner: bytes
    deposit: Wei


@dataclass(frozen=True, slots=True)
class FileStored:
    id: bytes
    group: int
    absent: int
    first_byte: int
    end: int
    leaves: int
    signed: int


@dataclass(frozen=True, slots=True)
class FileRefunded:
    id: bytes
    owner: bytes
    amount: Wei


@dataclass(frozen=True, slots=True)
class FileRenewed:
    id: bytes
    by: bytes
    end: int
    leaves: int
    paid: Wei


@dataclass(frozen=True, slots=True)
class FileReleased:
    id: bytes
    leaves: int


@dataclass(frozen=True, slots=True)
class FileEnded:
    """`cost` and `refund` are all of the deposit."""

    id: bytes
    group: int
    owner: bytes
    state: FileState
    cost: Wei
    refund: Wei


@dataclass(frozen=True, slots=True)
class Collected:
    group: int
    seat: int
    operator_id: int
    account: bytes
    amount: Wei


@dataclass(frozen=True, slots=True)
class GroupListed:
    group: int
    profile: int
    is_listed: bool


@dataclass(frozen=True, slots=True)
class OrderSet:
    id: bytes
    epochs: int
    limit: Wei
    tip: Wei
    funds: Wei


class StorageMarketClient(ContractClient):
    """Files, groups' money, and what is owed to whom."""

    contract = "StorageMarket"
    reverts = reverts.MARKET

    def file(self, file_id: bytes, *, at: BlockRef) -> File:
        return self._read(File, "file", file_id, at=at)

    def files(self, file_ids: Sequence[bytes], *, at: BlockRef) -> list[File]:
        """Many files in one round trip."""
        return self._read_many(File, "file", [(one,) for one in file_ids], at=at)

    def is_live(self, file_id: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_live", file_id, at=at)

    def duty(self, file_id: bytes, *, at: BlockRef) -> Duty:
        return self._read(Duty, "duty", file_id, at=at)

    def group(self, group: int, *, at: BlockRef) -> MarketGroup:
        return self._read(MarketGroup, "group", group, at=at)

    def bytes_at(self, group: int, epoch: int, *, at: BlockRef) -> int:
        return self._read(int, "bytes_at", group, epoch, at=at)

    def total_kept(self, *, at: BlockRef) -> int:
        return self._read(int, "total_kept", at=at)

    def listed_count(self, profile: int, *, at: BlockRef) -> int:
        return self._read(int, "listed_count", profile, at=at)

    def listed_groups(self, profile: int, *, at: BlockRef) -> tuple[int, ...]:
        """Every group that files may be placed in: two round trips."""
        places = [(profile, index) for index in range(self.listed_count(profile, at=at))]
        return tuple(self._read_many(int, "listed_group", places, at=at))

    def quote(self, group: int, length: int, epochs: int, *, at: BlockRef) -> GroupQuote:
        return self._read(GroupQuote, "quote", group, length, epochs, at=at)

    def quotes(
        self, groups: Sequence[int], length: int, epochs: int, *, at: BlockRef
    ) -> list[GroupQuote]:
        """Quotes of many groups in one round trip."""
        return self._read_many(
            GroupQuote, "quote", [(group, length, epochs) for group in groups], at=at
        )

    def kept_bytes(self, length: int, profile: int, *, at: BlockRef) -> int:
        return self._read(int, "kept_bytes", length, profile, at=at)

    def held_digest(self, file_id: bytes, *, at: BlockRef) -> bytes:
        """What the seats of a placed file sign."""
        return self._read(bytes, "held_digest", file_id, at=at)

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def windows(self, *, at: BlockRef) -> MarketWindows:
        return self._read(MarketWindows, "windows", at=at)

    def seats(self, *, at: BlockRef) -> bytes:
        """StorageSeats."""
        return self._read(bytes, "SEATS", at=at)

    def proofs(self, *, at: BlockRef) -> bytes:
        """StorageProofs; the zero address until wired."""
        return self._read(bytes, "proofs", at=at)

    def place(self, file_id: bytes) -> TypedCall:
        return self._build("place", file_id)

    def confirm(
        self, file_id: bytes, absent: int, signature: Signature, absent_keys: bytes
    ) -> TypedCall:
        """`absent_keys`: x and y, 48 bytes each, of every absent seat's key, seats rising."""
        return self._build("confirm", file_id, absent, signature.eip2537(), absent_keys)

    def refund(self, file_id: bytes) -> TypedCall:
        return self._build("refund", file_id)

    def renew(self, file_id: bytes, epochs: int, *, value_wei: int) -> TypedCall:
        """What is not needed comes back in the same call."""
        return self._build("renew", file_id, epochs, value_wei=value_wei)

    def release(self, file_id: bytes) -> TypedCall:
        return self._build("release", file_id)

    def close(self, file_id: bytes) -> TypedCall:
        return self._build("close", file_id)

    def declare_lost(self, file_id: bytes) -> TypedCall:
        return self._build("declare_lost", file_id)

    def collect(self, group: int, seat: int) -> TypedCall:
        return self._build("collect", group, seat)

    def advance(self, group: int) -> TypedCall:
        return self._build("advance", group)

    def seat_changed(
        self, group: int, seat: int, operator: int, *, before: int, after: int
    ) -> TypedCall:
        """By StorageSeats: a seat's price was `before`, and is `after` from now on."""
        return self._build("seat_changed", group, seat, operator, before, after)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)

    def wire(self, proofs: bytes) -> TypedCall:
        """By governance, once."""
        return self._build("wire", proofs)


class StandingOrdersClient(ContractClient):
    """Orders to renew files, their funds, and what is owed to whom."""

    contract = "StandingOrders"
    reverts = reverts.ORDERS

    def order(self, file_id: bytes, *, at: BlockRef) -> Standing:
        return self._read(Standing, "order", file_id, at=at)

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def set_order(
        self, file_id: bytes, *, epochs: int, limit_wei: int, tip_wei: int, value_wei: int
    ) -> TypedCall:
        """By the file's owner; 0 epochs end the order."""
        return self._build("set_order", file_id, epochs, limit_wei, tip_wei, value_wei=value_wei)

    def renew_due(self, file_id: bytes) -> TypedCall:
        return self._build("renew_due", file_id)

    def end_order(self, file_id: bytes) -> TypedCall:
        """By anyone once the file has ended."""
        return self._build("end_order", file_id)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)
