"""What the chain says is due, and how each kind of job is done; thin over the domains.

Load: open matters and their records at one block. Decide: pure. Apply: one use case or one call,
keyed by its on-chain id, so that doing it again does nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.chain.due import execute_due, is_accepted
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.da.model import BlobState, Record
from offchain.da.onchain import DAEntranceClient
from offchain.jobs.beacon import ServeBeacon
from offchain.jobs.draw import DrawTable
from offchain.jobs.model import Handlers, Job, JobKind, Outcome
from offchain.jobs.open_matters import MatterWatch
from offchain.jobs.reweigh import ReweighPools
from offchain.jobs.storage import StorageJobs
from offchain.jobs.subjects import parse_id, parse_number
from offchain.staking.court import WAITING, CaseState
from offchain.staking.onchain import SlashingCourtClient

# A disperser that is alive confirms within seconds; only what it left behind is a job.
QUIET_SECONDS: Final = 15

OpenSender = Callable[[], AbstractContextManager[TransactionSender]]


class DomainJobs(Protocol):
    """The jobs of one domain, which share no kind with another's."""

    def find_due(self, block: Block) -> Iterable[Job]: ...

    def handlers(self) -> Handlers: ...


@dataclass(frozen=True, slots=True)
class WorkParts:
    """What jobs work with. `resume` finishes a dispersal that a dead process left behind."""

    reader: ChainReader
    entrance: DAEntranceClient
    court: SlashingCourtClient
    table: Callable[[TransactionSender | None], DrawTable]
    beacon: ServeBeacon
    weights: ReweighPools
    storage: StorageJobs
    domains: Sequence[DomainJobs]
    open_sender: OpenSender
    sender_address: Address
    resume: Callable[[bytes], None]


class Work:
    """Finds and does the jobs of one home."""

    def __init__(self, parts: WorkParts, open_watch: Callable[[], MatterWatch]) -> None:
        self._parts = parts
        self._open_watch = open_watch
        self._watch: MatterWatch | None = None

    def handlers(self) -> Handlers:
        domains = (one.handlers() for one in self._parts.domains)
        return {
            JobKind.CONFIRM_BLOB: self.confirm_blob,
            JobKind.REFUND_BLOB: self.refund_blob,
            JobKind.DRAW_EPOCH: self.draw_epoch,
            JobKind.SETTLE_SLASH: self.settle_slash,
            JobKind.CONTRIBUTE_BEACON: self.contribute_beacon,
            JobKind.CONVICT_ABSENT: self.convict_absent,
            JobKind.REWEIGH_POOL: self.reweigh_pool,
            **self._parts.storage.handlers(),
            **{kind: handler for each in domains for kind, handler in each.items()},
        }

    def find_due(self) -> Iterable[Job]:
        """Everything due at the newest block. Called from one thread only."""
        if self._watch is None:
            self._watch = self._open_watch()
        matters, block = self._watch.look(), self._parts.reader.block()
        for blob_id in sorted(matters.blobs):
            kind = job_for_blob(self._parts.entrance.record(blob_id, at=block.hash), block)
            if kind:
                yield Job(kind, "0x" + blob_id.hex())
        for offence_id in sorted(matters.cases):
            if self._settlement(offence_id, block):
                yield Job(JobKind.SETTLE_SLASH, "0x" + offence_id.hex())
        table = self._parts.table(None)
        epoch = table.current_epoch()
        if table.is_due(epoch):
            yield Job(JobKind.DRAW_EPOCH, str(epoch))
        yield from self._parts.beacon.find_due(block)
        yield from self._parts.weights.find_due(block)
        yield from self._parts.storage.find_due(matters, block)
        for domain in self._parts.domains:
            yield from domain.find_due(block)

    def confirm_blob(self, subject: str) -> Outcome:
        blob_id = parse_id(subject)
        block = self._parts.reader.block()
        record = self._parts.entrance.record(blob_id, at=block.hash)
        if record.state is not BlobState.PAID:
            return Outcome.ALREADY
        if block.timestamp > record.deadline:
            return Outcome.NOT_DUE
        self._parts.resume(blob_id)
        return Outcome.DONE

    def refund_blob(self, subject: str) -> Outcome:
        blob_id = parse_id(subject)
        block, entrance = self._parts.reader.block(), self._parts.entrance
        record = entrance.record(blob_id, at=block.hash)
        if record.state is not BlobState.PAID:
            return Outcome.ALREADY
        if block.timestamp <= record.deadline:
            return Outcome.NOT_DUE
        call = entrance.refund(entrance.payment_of(blob_id, at=block.hash).blob())
        return self._apply(call, f"da.refund:{blob_id.hex()}")

    def draw_epoch(self, subject: str) -> Outcome:
        epoch = parse_number(subject)
        with self._parts.open_sender() as sender:
            return self._parts.table(sender).draw(epoch)

    def contribute_beacon(self, subject: str) -> Outcome:
        epoch = parse_number(subject)
        with self._parts.open_sender() as sender:
            return self._parts.beacon.contribute(epoch, sender)

    def convict_absent(self, subject: str) -> Outcome:
        epoch = parse_number(subject)
        with self._parts.open_sender() as sender:
            return self._parts.beacon.convict(epoch, sender)

    def reweigh_pool(self, subject: str) -> Outcome:
        pool = parse_number(subject)
        with self._parts.open_sender() as sender:
            return self._parts.weights.reweigh(pool, sender)

    def settle_slash(self, subject: str) -> Outcome:
        offence_id = parse_id(subject)
        call = self._settlement(offence_id, self._parts.reader.block())
        if call is None:
            return Outcome.NOT_DUE
        # A waiting case may be executed in parts, one for each epoch's room under the cap.
        block = self._parts.reader.block()
        part = self._parts.court.case_of(offence_id, at=block.hash).taken
        return self._apply(call, f"court.{call.function}:{offence_id.hex()}:{part}")

    def _settlement(self, offence_id: bytes, block: Block) -> TypedCall | None:
        """The call that moves a case on, when the contract would accept it now."""
        court = self._parts.court
        state = court.case_of(offence_id, at=block.hash).state
        if state in WAITING:
            call = court.execute(offence_id)
        elif state is CaseState.EXECUTED:
            call = court.settle_correlation(offence_id)
        else:
            return None
        parts = self._parts
        is_due = is_accepted(parts.reader, call, parts.sender_address, block.hash)
        return call if is_due else None

    def _apply(self, call: TypedCall, key: str) -> Outcome:
        with self._parts.open_sender() as sender:
            execute_due(sender, call, key=key)
        return Outcome.DONE


def job_for_blob(record: Record, block: Block) -> JobKind | None:
    """What a paid blob needs now; None while its disperser may be at it, or when it is over."""
    if record.state is not BlobState.PAID:
        return None
    if block.timestamp > record.deadline:
        return JobKind.REFUND_BLOB
    is_quiet = block.timestamp >= record.paid_at + QUIET_SECONDS
    return JobKind.CONFIRM_BLOB if is_quiet else None
