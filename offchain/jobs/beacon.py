"""Serve the beacon: contribute own operators' seats, convict others' empty ones.

The subject is the epoch. Seats are added between the cut-off and the start of an epoch, once. An
operator of this home is never accused by it. Source: docs/protocol/staking.md#beacon.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from offchain.chain.due import execute_due
from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, Block, BlockHash
from offchain.chain.sender import TransactionSender
from offchain.core.bls import SecretKey
from offchain.core.errors import Conflict
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.staking.beacon import ALL_SEATS, Absence
from offchain.staking.contribute import (
    BeaconParts,
    TreeMismatch,
    absent,
    apply,
    decide,
    load,
    owed,
)
from offchain.staking.court_errors import DoneAlready
from offchain.staking.weight_book import WeightBook

LOOK_BACK_EPOCHS: Final = 42  # the evidence window: seven days of four hours
EPOCHS_A_LOOK: Final = 4

OwnKeys = Callable[[BlockHash], Mapping[int, SecretKey]]  # operator id -> key, at a block


@dataclass(frozen=True, slots=True)
class BeaconDuties:
    """What serving the beacon needs; `sender_address` is who would send."""

    parts: BeaconParts
    own_keys: OwnKeys
    sender_address: Address


class ServeBeacon:
    """Finds and does the beacon's jobs. Finding is one thread's; doing keeps nothing."""

    def __init__(self, duties: BeaconDuties) -> None:
        self._duties = duties
        self._parts = duties.parts
        self._book: WeightBook | None = None
        self._judged: set[int] = set()  # epochs without anything left to convict

    def find_due(self, block: Block) -> Iterator[Job]:
        """What is due at a block."""
        current = self._parts.stake.current_epoch(at=block.hash)
        keys = self._duties.own_keys(block.hash)
        if self._is_owed(current + 1, block, keys):
            yield Job(JobKind.CONTRIBUTE_BEACON, str(current + 1))
        begun = range(current, max(current - LOOK_BACK_EPOCHS, 0), -1)
        for epoch in [one for one in begun if one not in self._judged][:EPOCHS_A_LOOK]:
            if self._has_absent(epoch, block, keys):
                yield Job(JobKind.CONVICT_ABSENT, str(epoch))
            else:
                self._judged.add(epoch)

    def contribute(self, epoch: int, sender: TransactionSender) -> Outcome:
        """Add the seats of own operators. Raises: TreeMismatch, Rejected from the contract."""
        parts, book = self._parts, self._parts.open_book()
        try:
            block = parts.reader.block()
            if parts.stake.current_epoch(at=block.hash) + 1 != epoch:
                return Outcome.NOT_DUE
            view = load(parts, book, epoch=epoch, block=block)
            contribution = decide(view, self._duties.own_keys(block.hash))
        finally:
            book.close()
        if contribution is None:
            return Outcome.ALREADY if view.is_open else Outcome.NOT_DUE
        try:
            apply(parts.beacon, sender, contribution)
        except DoneAlready:
            return Outcome.ALREADY
        return Outcome.DONE

    def convict(self, epoch: int, sender: TransactionSender) -> Outcome:
        """Show every empty seat of others that the court still takes. Raises: TreeMismatch."""
        parts, book = self._parts, self._parts.open_book()
        try:
            block = parts.reader.block()
            if parts.stake.current_epoch(at=block.hash) < epoch:
                return Outcome.NOT_DUE
            found = list(self._absent(epoch, block, self._duties.own_keys(block.hash), book))
        finally:
            book.close()
        outcome = Outcome.ALREADY
        for one in found:
            try:
                call = parts.beacon.convict_absent(one)
                execute_due(sender, call, key=f"staking.absent:{epoch}:{one.stratum}")
            except Conflict:  # somebody else was faster
                continue
            outcome = Outcome.DONE
        return outcome

    def _is_owed(self, epoch: int, block: Block, keys: Mapping[int, SecretKey]) -> bool:
        parts = self._parts
        is_open = block.timestamp >= parts.stake.epoch_cutoff(epoch, at=block.hash)
        if not (keys and is_open) or parts.beacon.seats_of(epoch, at=block.hash) == ALL_SEATS:
            return False
        try:
            return bool(owed(load(parts, self._own_book(), epoch=epoch, block=block), keys))
        except TreeMismatch:
            return True  # the job itself will say so, and stop

    def _has_absent(self, epoch: int, block: Block, keys: Mapping[int, SecretKey]) -> bool:
        if self._parts.beacon.seats_of(epoch, at=block.hash) == ALL_SEATS:
            return False
        try:
            return any(self._absent(epoch, block, keys, self._own_book()))
        except TreeMismatch:
            return True

    def _absent(
        self, epoch: int, block: Block, keys: Mapping[int, SecretKey], book: WeightBook
    ) -> Iterator[Absence]:
        """Empty seats of others whose conviction the contracts would take at this block."""
        view = load(self._parts, book, epoch=epoch, block=block)
        for one in absent(view, spared=keys.keys()):
            call = self._parts.beacon.convict_absent(one)
            try:
                self._parts.reader.calls(
                    [call.call_from(self._duties.sender_address)], at=block.hash
                )
            except CallReverted:
                continue
            yield one

    def _own_book(self) -> WeightBook:
        if self._book is None:
            self._book = self._parts.open_book()
        return self._book
