"""Storage's jobs in one place: found from the chain's state at a block, done by their handlers.

Source: docs/protocol/storage.md#keeping.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from offchain.chain.model import Block
from offchain.chain.sender import TransactionSender
from offchain.core.errors import InvalidInput
from offchain.jobs.model import Handlers, Job, JobKind, Outcome
from offchain.jobs.open_matters import OpenMatters
from offchain.jobs.storage_files import KINDS, MoveFiles
from offchain.jobs.storage_groups import ServeGroups
from offchain.jobs.storage_proofs import WatchProofs
from offchain.jobs.subjects import parse_id, parse_number, parse_numbers
from offchain.storage.model import profile_of

Sending = Callable[[Callable[[TransactionSender], Outcome]], Outcome]


@dataclass(frozen=True, slots=True)
class StorageJobs:
    """Files, groups and proofs; `sending` lends the worker's account."""

    files: MoveFiles
    groups: ServeGroups
    proofs: WatchProofs
    sending: Sending

    def find_due(self, matters: OpenMatters, block: Block) -> Iterator[Job]:
        """Everything due at a block."""
        yield from self.files.find_due(frozenset(matters.files), block)
        yield from self.groups.find_due(matters.groups, block)
        yield from self.proofs.find_due(matters.groups, block)

    def handlers(self) -> Handlers:
        found = {kind: partial(self._move, kind) for kind in KINDS}
        settled = (
            JobKind.LAPSE_SUCCESSOR,
            JobKind.LET_GO,
            JobKind.PUSH_OUT,
            JobKind.FILL_GROUP,
            JobKind.DRAIN_GROUP,
        )
        found |= {kind: partial(self._settle, kind) for kind in settled}
        return {
            **found,
            JobKind.REQUEST_GROUP: self._request,
            JobKind.DRAW_GROUP: self._draw,
            JobKind.ADVANCE_GROUP: self._advance,
            JobKind.DRAW_SUCCESSOR: self._draw_successor,
            JobKind.DEFAULT_PROOF: self._default,
            JobKind.CLOSE_DEMAND: self._close,
            JobKind.MEASURE_BYTES: self._measure,
            JobKind.COLLECT_PAY: self._collect,
        }

    def _move(self, kind: JobKind, subject: str) -> Outcome:
        file_id = parse_id(subject)
        return self.sending(lambda sender: self.files.move(kind, file_id, sender))

    def _settle(self, kind: JobKind, subject: str) -> Outcome:
        group, *rest = parse_numbers(subject, most=2)
        seat = rest[0] if rest else 0
        return self.sending(lambda sender: self.groups.settle(kind, group, seat, sender))

    def _request(self, subject: str) -> Outcome:
        profile = profile_of(parse_number(subject))
        return self.sending(lambda sender: self.groups.request(profile, sender))

    def _draw(self, subject: str) -> Outcome:
        group = parse_number(subject)
        return self.sending(lambda sender: self.groups.draw(group, sender))

    def _advance(self, subject: str) -> Outcome:
        group = parse_number(subject)
        return self.sending(lambda sender: self.groups.advance(group, sender))

    def _draw_successor(self, subject: str) -> Outcome:
        group, seat = _several(subject, 2)
        return self.sending(lambda sender: self.groups.draw_successor(group, seat, sender))

    def _default(self, subject: str) -> Outcome:
        epoch, group, seat = _several(subject, 3)
        return self.sending(lambda sender: self.proofs.default(epoch, group, seat, sender))

    def _close(self, subject: str) -> Outcome:
        demand_id = parse_id(subject)
        return self.sending(lambda sender: self.proofs.close(demand_id, sender))

    def _measure(self, subject: str) -> Outcome:
        epoch = parse_number(subject)
        return self.sending(lambda sender: self.proofs.measure(epoch, sender))

    def _collect(self, subject: str) -> Outcome:
        group, seat = _several(subject, 2)
        return self.sending(lambda sender: self.proofs.collect(group, seat, sender))


def _several(subject: str, count: int) -> list[int]:
    numbers = parse_numbers(subject, most=count)
    if len(numbers) != count:
        raise InvalidInput("the subject of this job is numbers", subject=subject[:40], count=count)
    return numbers
