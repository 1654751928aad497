"""A chain of storage in memory: files, groups and money, with the contracts' rules in small.

Every look at the head makes a block a second later, as a devnet's heartbeat does. Prices are wei
per 2^30 byte-seconds of all seats of a group together. `charges` counts payments that took money.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from offchain.chain.model import Block, BlockHash, BlockRef
from offchain.core.bls import PublicKey, aggregate_keys, verify
from offchain.core.errors import Conflict, NotFound, Rejected
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber
from offchain.storage.client_errors import NoGroup
from offchain.storage.client_ports import Order, Paid, Quorum, Quote
from offchain.storage.errors import SubmissionUnknown
from offchain.storage.model import (
    PRICE_UNIT,
    FileState,
    Profile,
    SeatState,
    held_digest,
    held_domain,
    kept_bytes,
    submission_id,
)
from offchain.storage.ports import FileView, GroupView, SeatView, StoredFile

CHAIN_ID: Final = 31_337
LOG: Final = bytes(19) + b"\x01"
MARKET: Final = bytes(19) + b"\x02"
START: Final = 1_700_000_000


@dataclass(frozen=True, slots=True)
class MarketRules:
    """Seconds of an epoch, for receipts and of grace; most epochs of a term."""

    epoch_seconds: int = 86_400
    confirm_seconds: int = 21_600
    grace_seconds: int = 604_800
    longest_epochs: int = 1_826


class MemoryMarket:
    """`StorageLedger`, `StorageTill`, `TermTill` and `StorageIndex` of one account and chain."""

    def __init__(
        self, groups: Sequence[GroupView], *, owner: bytes, rules: MarketRules | None = None
    ) -> None:
        self._groups = {group.group: group for group in groups}
        self._rules = rules or MarketRules()
        self._owner = owner
        self._files: dict[bytes, StoredFile] = {}
        self._paid: dict[bytes, tuple[int, int]] = {}  # block and deposit
        self._number, self._time = 1, START
        self.prices = {group.group: 1_000 for group in groups}
        self.charges = 0
        self.spent_wei = 0

    @property
    def owner(self) -> bytes:
        return self._owner

    # ledger

    def head(self) -> Block:
        self._number += 1
        self._time += 1
        return self._block()

    def view(self, file_id: bytes, *, at: BlockRef) -> FileView:  # noqa: ARG002 - there is one state
        file = self._file(file_id)
        group = self._groups[file.group] if file.group else None
        return FileView(self._block(), file, group)

    def group(self, number: int, *, at: BlockRef) -> GroupView:  # noqa: ARG002 - there is one state
        if number not in self._groups:
            raise NotFound(group=number)
        return self._groups[number]

    def free_bytes(self, operator: int, *, at: BlockRef) -> int:  # noqa: ARG002 - nobody runs out
        return 1 << 40

    def domain(self) -> bytes:
        return held_domain(chain_id=CHAIN_ID, market=MARKET)

    # index

    def ids_of_root(self, root: bytes, *, at: BlockRef) -> Sequence[bytes]:  # noqa: ARG002 - there is one state
        return [one.file_id for one in reversed(self._files.values()) if one.root == root]

    def files_of(self, owner: bytes, *, at: BlockRef) -> Sequence[StoredFile]:  # noqa: ARG002 - there is one state
        return [one for one in self._files.values() if one.owner == owner]

    # till

    def file_id(self, root: bytes, nonce: int) -> bytes:
        return submission_id(chain_id=CHAIN_ID, log=LOG, owner=self._owner, root=root, nonce=nonce)

    def quote(self, length: int, profile: Profile, term_epochs: int) -> Quote:
        open_groups = [one for one in self._groups.values() if one.profile == profile]
        if not open_groups or not 1 <= term_epochs <= self._rules.longest_epochs:
            raise NoGroup(profile=profile.name, term_epochs=term_epochs)
        price = max(self.prices[one.group] for one in open_groups)
        kept = kept_bytes(profile, length)
        cost = kept * price * term_epochs * self._rules.epoch_seconds // PRICE_UNIT
        grace = kept * price * self._rules.grace_seconds // PRICE_UNIT
        return Quote(kept, cost, cost + grace, len(open_groups))

    def submit(self, order: Order, *, max_cost_wei: int) -> Paid:
        file_id = self.file_id(order.root, order.nonce)
        if file_id in self._files:
            return self._sent(0)
        self.charges += 1
        self.spent_wei += max_cost_wei
        block = self.head()
        expiry = block.timestamp + order.term_epochs * self._rules.epoch_seconds
        deadline = block.timestamp + self._rules.confirm_seconds
        self._paid[file_id] = (block.number, max_cost_wei)
        self._files[file_id] = StoredFile(
            file_id=file_id,
            state=FileState.SUBMITTED,
            owner=self._owner,
            root=order.root,
            shape=order.shape,
            profile=order.profile,
            group=0,
            expiry=expiry,
            keep_until=deadline,
        )
        return self._sent(max_cost_wei)

    def place(self, file_id: bytes) -> Paid:
        file = self._file(file_id)
        block, deposit = self._paid[file_id]
        if file.state is not FileState.SUBMITTED:
            raise Conflict(state=file.state.name)
        if self._number < block + 1:
            raise Conflict(block=self._number, needed=block + 1)
        able = [one for one in self._groups.values() if one.profile == file.profile]
        able = [one for one in able if self._most(file, one.group) <= deposit]
        if not able:
            raise Conflict(reason="no group within the deposit")
        chosen = able[int.from_bytes(keccak(b"place", file_id), "big") % len(able)]
        self.head()
        self._change(file_id, state=FileState.PLACED, group=chosen.group, placed_block=self._number)
        return self._sent(0)

    def confirm(self, file_id: bytes, quorum: Quorum) -> Paid:
        file = self._file(file_id)
        if file.state is not FileState.PLACED or self._time > file.keep_until:
            raise Conflict(state=file.state.name)
        group = self._groups[file.group]
        held = [one for one in group.seats if one.state is not SeatState.VACANT]
        keys = [_key_of(seat) for seat in held if seat.seat not in quorum.absent]
        if quorum.group != file.group or len(keys) < group.profile.receipts:
            raise Rejected(signed=len(keys), needed=group.profile.receipts)
        if not verify(aggregate_keys(keys), self._digest(file), quorum.signature):
            raise Rejected(reason="signature")
        self.head()
        self._change(
            file_id,
            state=FileState.STORED,
            keep_until=file.expiry + self._rules.grace_seconds,
        )
        return self._sent(0)

    def refund(self, file_id: bytes) -> Paid:
        file = self._file(file_id)
        is_open = file.state in {FileState.SUBMITTED, FileState.PLACED}
        if not is_open or self._time <= file.keep_until:
            raise Conflict(state=file.state.name)
        self._end(file_id, FileState.REFUNDED)
        return self._sent(0)

    # terms

    def release(self, file_id: bytes) -> Paid:
        if self._file(file_id).state is not FileState.STORED:
            raise Conflict(state=self._file(file_id).state.name)
        self._end(file_id, FileState.CLOSED)
        return self._sent(0)

    def renewal_price(self, file_id: bytes, epochs: int) -> int:
        file = self._file(file_id)
        seconds = epochs * self._rules.epoch_seconds
        kept = kept_bytes(file.profile, file.shape.length)
        return kept * self.prices[file.group] * seconds // PRICE_UNIT

    def renew(self, file_id: bytes, epochs: int, *, value_wei: int) -> Paid:
        file, price = self._file(file_id), self.renewal_price(file_id, epochs)
        if file.state is not FileState.STORED or value_wei < price:
            raise Rejected(state=file.state.name, price_wei=price, value_wei=value_wei)
        seconds = epochs * self._rules.epoch_seconds
        self.spent_wei += price
        self._change(file_id, expiry=file.expiry + seconds, keep_until=file.keep_until + seconds)
        return self._sent(price)

    # for tests

    def travel(self, seconds: int) -> None:
        """Let time pass."""
        self._time += seconds
        self.head()

    def set_group(self, group: GroupView) -> None:
        """Change who holds the seats of a group."""
        self._groups[group.group] = group

    def set_state(self, file_id: bytes, state: FileState) -> None:
        self._change(file_id, state=state)

    def _digest(self, file: StoredFile) -> bytes:
        return held_digest(
            self.domain(),
            file_id=file.file_id,
            root=file.root,
            group=file.group,
            expiry=file.expiry,
        )

    def _most(self, file: StoredFile, group: int) -> int:
        term = file.expiry - (file.keep_until - self._rules.confirm_seconds)
        price = kept_bytes(file.profile, file.shape.length) * self.prices[group]
        grace = price * self._rules.grace_seconds // PRICE_UNIT
        return price * term // PRICE_UNIT + grace

    def _end(self, file_id: bytes, state: FileState) -> None:
        self.spent_wei -= self._paid[file_id][1]
        self._change(file_id, state=state)

    def _change(self, file_id: bytes, **fields: object) -> None:
        self._files[file_id] = replace(self._files[file_id], **fields)  # type: ignore[arg-type]  # fields are the dataclass's own

    def _file(self, file_id: bytes) -> StoredFile:
        if file_id not in self._files:
            raise SubmissionUnknown(file_id=file_id.hex())
        return self._files[file_id]

    def _sent(self, value_wei: int) -> Paid:
        self.head()
        return Paid(keccak(b"tx", self._number.to_bytes(8, "big")), 21_000, value_wei)

    def _block(self) -> Block:
        def hash_of(number: int) -> BlockHash:
            return BlockHash(keccak(b"block", number.to_bytes(8, "big")))

        number = self._number
        return Block(
            number=BlockNumber(number),
            hash=hash_of(number),
            parent_hash=hash_of(number - 1),
            timestamp=self._time,
            base_fee_wei=0,
            gas_limit=30_000_000,
        )


def _key_of(seat: SeatView) -> PublicKey:
    assert seat.key is not None, "every seat of a memory group has a key"
    return seat.key
