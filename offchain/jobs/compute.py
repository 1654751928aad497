"""The compute market's jobs: what moves on with time alone, done by whoever comes first.

Committees are drawn, audits moved past their deadlines, idle auditors punished and busy ones paid,
batches released. What is due is asked of the contract by trying the call at the block looked at.
Subjects: an audit as 32 bytes, `audit/round/seat` with it, or a batch's number.
Source: docs/protocol/compute.md#audits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.compute.adapters.chain_audits import AuditClients, ChainAudits
from offchain.compute.audit_draw import FIRST_SEATS, SECOND_SEATS
from offchain.compute.ports import BatchState
from offchain.core.errors import InvalidInput
from offchain.core.units import BlockNumber
from offchain.jobs.model import Handlers, Job, JobKind, Outcome
from offchain.jobs.subjects import parse_id, parse_number
from offchain.jobs.tried_calls import Maker, Sending, TriedCalls

MAX_OPEN: Final = 512  # audits and batches looked at in one round, oldest first


@dataclass(frozen=True, slots=True)
class ComputeParts:
    """The contracts, the audits that are read from them, and the worker's account."""

    clients: AuditClients
    audits: ChainAudits
    sender_address: Address
    sending: Sending


class ComputeJobs:
    """Finds and does what the market needs. Finding is one thread's; doing keeps nothing."""

    def __init__(self, parts: ComputeParts) -> None:
        self._parts = parts
        self._released_upto = 0  # every batch up to here was released, at a settled block
        makers: dict[JobKind, Maker] = {
            JobKind.DRAW_AUDIT: self._draw,
            JobKind.ADVANCE_AUDIT: self._advance,
            JobKind.PUNISH_AUDITOR: self._punish,
            JobKind.RELEASE_BATCH: self._release,
            JobKind.PAY_AUDIT: self._pay,
        }
        self._calls = TriedCalls(
            "compute", parts.clients.node, parts.sender_address, parts.sending, makers
        )

    def find_due(self, block: Block) -> Iterator[Job]:
        """Everything due at a block."""
        audits = self._parts.audits
        for audit in audits.undrawn(block)[:MAX_OPEN]:
            yield from self._calls.due(JobKind.DRAW_AUDIT, _hex(audit), block)
        for audit in audits.open_audits(block)[:MAX_OPEN]:
            yield from self._calls.due(JobKind.ADVANCE_AUDIT, _hex(audit), block)
        for audit in audits.unpaid(block)[:MAX_OPEN]:
            for rnd, seats in ((1, FIRST_SEATS), (2, SECOND_SEATS)):
                for seat in range(seats):
                    subject = f"{_hex(audit)}/{rnd}/{seat}"
                    yield from self._calls.due(JobKind.PUNISH_AUDITOR, subject, block)
            yield from self._calls.due(JobKind.PAY_AUDIT, _hex(audit), block)
        for batch in self._unreleased(block):
            yield from self._calls.due(JobKind.RELEASE_BATCH, str(batch), block)

    def handlers(self) -> Handlers:
        """One a kind."""
        return self._calls.handlers()

    def do(self, kind: JobKind, subject: str, sender: TransactionSender) -> Outcome:
        """Send what is due, unless the contract refuses it by now."""
        return self._calls.do(kind, subject, sender)

    def _unreleased(self, block: Block) -> Iterator[int]:
        """Batches whose window is over, oldest first."""
        escrow = self._parts.clients.escrow
        deep = BlockNumber(max(0, block.number - self._parts.clients.depth))
        last, is_row = escrow.batch_count(at=block.hash), True
        first = self._released_upto + 1
        for batch in range(first, min(last, first + MAX_OPEN) + 1):
            found = escrow.batch(batch, at=block.hash)
            is_released = found.state is BatchState.RELEASED
            is_row = is_row and is_released
            if is_row and escrow.batch(batch, at=deep).state is BatchState.RELEASED:
                self._released_upto = batch
            else:
                is_row = False
            if not is_released and block.timestamp >= found.release_at:
                yield batch

    def _draw(self, subject: str, block: Block) -> TypedCall | None:
        return self._parts.audits.draw_call(_audit(subject), block)

    def _advance(self, subject: str, block: Block) -> TypedCall:
        del block
        return self._parts.clients.court.advance(_audit(subject))

    def _punish(self, subject: str, block: Block) -> TypedCall:
        del block
        audit, rnd, seat = _three(subject)
        return self._parts.clients.court.punish(audit, rnd, seat)

    def _pay(self, subject: str, block: Block) -> TypedCall:
        del block
        return self._parts.clients.court.pay(_audit(subject))

    def _release(self, subject: str, block: Block) -> TypedCall:
        del block
        return self._parts.clients.escrow.release(parse_number(subject))


def _hex(audit: int) -> str:
    return "0x" + audit.to_bytes(32, "big").hex()


def _audit(subject: str) -> int:
    return int.from_bytes(parse_id(subject), "big")


def _three(subject: str) -> tuple[int, int, int]:
    audit, *rest = subject.split("/")
    if len(rest) != 2:
        raise InvalidInput("the subject of this job is audit/round/seat", subject=subject[:80])
    return _audit(audit), parse_number(rest[0]), parse_number(rest[1])
