"""Files in StorageMarket that somebody has to move on: placed, refunded, renewed, settled, lost.

The subject is the file's id. What is due is asked of the contract itself: the call that would do it
is tried at the block that is looked at, and queued only when the contract would accept it. A file
is not looked at again before the chain time at which something can be due next.
Source: docs/protocol/storage.md#keeping.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.due import execute_due, is_accepted
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Conflict, Rejected
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.storage.model import FileState
from offchain.storage.onchain_market import File, StandingOrdersClient, StorageMarketClient

PLACE_AFTER_BLOCKS: Final = 2  # the block after the submission has a successor: its hash is known
FAR: Final = 2**63
KINDS: Final = (
    JobKind.PLACE_FILE,
    JobKind.REFUND_FILE,
    JobKind.RENEW_FILE,
    JobKind.CLOSE_FILE,
    JobKind.LOSE_FILE,
)


@dataclass(frozen=True, slots=True)
class FileParts:
    """What moving files on reads; `sender_address` is who would send."""

    reader: ChainReader
    market: StorageMarketClient
    orders: StandingOrdersClient
    sender_address: Address


class MoveFiles:
    """Finds and does what files need. Finding is one thread's; doing keeps nothing."""

    def __init__(self, parts: FileParts) -> None:
        self._parts = parts
        self._not_before: dict[bytes, int] = {}

    def find_due(self, file_ids: frozenset[bytes], block: Block) -> Iterator[Job]:
        """What is due at a block among the files that are open."""
        self._not_before = {one: time for one, time in self._not_before.items() if one in file_ids}
        for file_id in sorted(file_ids):
            if block.timestamp < self._not_before.get(file_id, 0):
                continue
            file = self._parts.market.file(file_id, at=block.hash)
            kinds = self._due(file_id, file, block)
            for kind in kinds:
                yield Job(kind, "0x" + file_id.hex())
            if not kinds:
                self._not_before[file_id] = self._next_look(file_id, file, block)

    def move(self, kind: JobKind, file_id: bytes, sender: TransactionSender) -> Outcome:
        """Do one of them; somebody else may have been faster."""
        block = self._parts.reader.block()
        call = self._call(kind, file_id)
        if not self._is_accepted(call, block):
            return Outcome.NOT_DUE
        file = self._parts.market.file(file_id, at=block.hash)
        # A file is renewed again and again: the effect is bound to the end it moves.
        key = f"storage.{kind}:{file_id.hex()}:{file.end}"
        try:
            execute_due(sender, call, key=key)
        except (Conflict, Rejected):
            if self._is_accepted(call, self._parts.reader.block()):
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    def _due(self, file_id: bytes, file: File, block: Block) -> Sequence[JobKind]:
        possible = [kind for kind in candidates(file, block) if kind in KINDS]
        return [kind for kind in possible if self._is_accepted(self._call(kind, file_id), block)][
            :1
        ]

    def _next_look(self, file_id: bytes, file: File, block: Block) -> int:
        """Chain time before which nothing can become due; a group that is short is watched."""
        market = self._parts.market
        match file.state:
            case FileState.SUBMITTED:
                return 0
            case FileState.PLACED:
                return file.deadline + 1
            case FileState.STORED:
                order = self._parts.orders.order(file_id, at=block.hash)
                group = market.group(file.group, at=block.hash)
                return 0 if order.epochs or group.short_since else self._quiet_until(file, block)
            case _:
                return FAR

    def _quiet_until(self, file: File, block: Block) -> int:
        """Orders and seats change at any time: looked at ten times in a time of repair."""
        repair = self._parts.market.windows(at=block.hash).repair
        return min(file.leaves, block.timestamp + max(repair // 10, 1))

    def _call(self, kind: JobKind, file_id: bytes) -> TypedCall:
        market = self._parts.market
        match kind:
            case JobKind.PLACE_FILE:
                return market.place(file_id)
            case JobKind.REFUND_FILE:
                return market.refund(file_id)
            case JobKind.RENEW_FILE:
                return self._parts.orders.renew_due(file_id)
            case JobKind.CLOSE_FILE:
                return market.close(file_id)
            case JobKind.LOSE_FILE:
                return market.declare_lost(file_id)
            case _:
                raise AssertionError(kind)

    def _is_accepted(self, call: TypedCall, block: Block) -> bool:
        parts = self._parts
        return is_accepted(parts.reader, call, parts.sender_address, block.hash)


def candidates(file: File, block: Block) -> Sequence[JobKind]:
    """What a file of this state may need at this block, the likelier first. Pure."""
    match file.state:
        case FileState.SUBMITTED:
            if block.timestamp > file.deadline:
                return [JobKind.REFUND_FILE]
            is_known = block.number >= file.submitted_block + PLACE_AFTER_BLOCKS
            return [JobKind.PLACE_FILE] if is_known else []
        case FileState.PLACED:
            return [JobKind.REFUND_FILE] if block.timestamp > file.deadline else []
        case FileState.STORED:
            if block.timestamp >= file.leaves:
                return [JobKind.CLOSE_FILE, JobKind.LOSE_FILE]
            return [JobKind.LOSE_FILE, JobKind.RENEW_FILE]
        case _:
            return []
