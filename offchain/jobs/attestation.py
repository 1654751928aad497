"""Attestation's jobs: what moves on with time alone, done by whoever comes first.

Relayers are seated once an epoch; a demand for evidence that nobody answered in time is closed, and
whoever signed what was proven a lie is punished. An expired verdict needs no transaction, and a
subject renews its own. What is due is asked of the contract by trying the call. Subjects: an epoch,
`attestation/kind` or `attestation/court`. Source: docs/protocol/attestation.md#relayers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offchain.attestation.adapters.chain_court import ChainDemands
from offchain.attestation.adapters.chain_relay import RelayClients, draw_call
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.core.errors import InvalidInput
from offchain.jobs.model import Handlers, Job, JobKind, Outcome
from offchain.jobs.subjects import parse_id, parse_number
from offchain.jobs.tried_calls import Maker, Sending, TriedCalls

MAX_OPEN: Final = 256  # demands looked at in one round


@dataclass(frozen=True, slots=True)
class AttestationParts:
    """The contracts, the demands read from them, and the worker's account."""

    clients: RelayClients
    demands: ChainDemands
    sender_address: Address
    sending: Sending


class AttestationJobs:
    """Finds and does what attestation needs. Finding is one thread's; doing keeps nothing."""

    def __init__(self, parts: AttestationParts) -> None:
        self._parts = parts
        makers: dict[JobKind, Maker] = {
            JobKind.DRAW_RELAYERS: self._draw,
            JobKind.CLOSE_EVIDENCE: self._close,
            JobKind.PUNISH_RELAYERS: self._punish,
        }
        self._calls = TriedCalls(
            "attestation", parts.clients.node, parts.sender_address, parts.sending, makers
        )

    def find_due(self, block: Block) -> Iterator[Job]:
        """Everything due at a block."""
        clock = self._parts.clients.tree.registry.clock(at=block.hash)
        epoch = clock.current_epoch(block.timestamp)
        yield from self._calls.due(JobKind.DRAW_RELAYERS, str(epoch), block)
        for one in self._parts.demands.open_demands(block)[:MAX_OPEN]:
            if block.timestamp > one.deadline:
                subject = f"0x{one.attestation_id.hex()}/{int(one.kind)}"
                yield from self._calls.due(JobKind.CLOSE_EVIDENCE, subject, block)

        for attestation_id, court in self._parts.demands.unpunished(block)[:MAX_OPEN]:
            subject = f"0x{attestation_id.hex()}/{court}"
            yield from self._calls.due(JobKind.PUNISH_RELAYERS, subject, block)

    def handlers(self) -> Handlers:
        """One a kind."""
        return self._calls.handlers()

    def do(self, kind: JobKind, subject: str, sender: TransactionSender) -> Outcome:
        """Send what is due, unless the contract refuses it by now."""
        return self._calls.do(kind, subject, sender)

    def _draw(self, subject: str, block: Block) -> TypedCall | None:
        return draw_call(self._parts.clients, parse_number(subject), block)

    def _close(self, subject: str, block: Block) -> TypedCall:
        del block
        return self._parts.demands.close_call(*_two(subject))

    def _punish(self, subject: str, block: Block) -> TypedCall | None:
        del block
        return self._parts.demands.punish_call(*_two(subject))


def _two(subject: str) -> tuple[bytes, int]:
    attestation, _, number = subject.partition("/")
    if not number:
        raise InvalidInput("the subject of this job is attestation/number", subject=subject[:80])
    return parse_id(attestation), parse_number(number)
