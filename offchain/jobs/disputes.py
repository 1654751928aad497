"""Disputes of a home: answers it paid for whose evidence was a lie, or never stood at their time.

The payer of an answer over void or dead evidence has its price back, once somebody shows the
settled receipt in ReceiptCourt; for void evidence those pay who vouched for it, for dead the
provider. Whose payer is at home has it shown by the worker. Where a receipt lies in its batch is
kept, so that from then on the chain alone says whether it was shown. Subjects: a request.
Source: docs/protocol/compute.md#receipt-court.

  <folder>/<request id>.json   {"batch", "index", "leaf"}
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from offchain.attestation.onchain_registry import (
    AttestationRegistryClient,
    AttestationState,
    Voided,
)
from offchain.chain.followed import Followed
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.ports import ChainReader
from offchain.compute.audit_draw import leaf_key
from offchain.compute.dispute import is_disputable
from offchain.compute.model import Receipt
from offchain.compute.onchain_receipt_court import ComputeOffence, ReceiptCourtClient
from offchain.compute.shown import ShownItem, ShownLeaf
from offchain.core.errors import Unavailable
from offchain.jobs.dead_evidence import (
    AGAIN_SECONDS,
    HEARD_SECONDS,
    LOOK_SECONDS,
    AttestedAnswers,
    DeadEvidence,
)
from offchain.jobs.model import Handlers, Job, JobKind
from offchain.jobs.subjects import parse_id
from offchain.jobs.tried_calls import Sending, TriedCalls
from offchain.node.disk import Disk, remove_durably, write_durably

MAX_VOID: Final = 64  # attestations looked at in one round, the newest

log = logging.getLogger(__name__)


class OwnAnswers(AttestedAnswers, Protocol):
    """Answers that this home paid for. Raises: Unavailable."""

    def resting_on(self, attestation_id: bytes) -> Sequence[Receipt]:
        """Receipts that name this evidence."""
        ...

    def find(self, request_id: bytes) -> Receipt | None: ...

    def opening(self, receipt: Receipt, block: Block) -> tuple[ShownItem, ShownLeaf] | None:
        """How the batch that settled a receipt is opened; None until one has.

        Raises: LeavesBroken, ProviderUnreachable.
        """
        ...


@dataclass(frozen=True, slots=True)
class DisputeParts:
    """The chain, what the home bought, a folder for places, and the worker's account."""

    node: ChainReader
    registry: AttestationRegistryClient
    voided: Followed[Voided]
    court: ReceiptCourtClient
    answers: OwnAnswers
    disk: Disk
    folder: Path
    sender_address: Address
    sending: Sending


class DisputeJobs:
    """Finds and does the disputes of a home. Finding is one thread's."""

    def __init__(self, parts: DisputeParts) -> None:
        parts.disk.names(parts.folder)  # makes the folder
        self._parts = parts
        self._read: dict[bytes, tuple[int, Sequence[Receipt]]] = {}  # attestation: when, what
        registry = parts.registry
        self._dead = DeadEvidence(
            lambda named, time, at: registry.stood(named, time, at=at), parts.answers
        )
        self._calls = TriedCalls(
            "disputes",
            parts.node,
            parts.sender_address,
            parts.sending,
            {JobKind.DISPUTE_ANSWER: self._call},
        )

    def find_due(self, block: Block) -> Iterator[Job]:
        """Receipts over void or dead evidence that nobody has shown yet."""
        void = list(dict.fromkeys(one.attestation_id for one in self._parts.voided.upto(block)))
        found = {one.request_id: one for one in self._dead.upto(block)}
        for attestation_id in void[-MAX_VOID:]:
            found |= {one.request_id: one for one in self._receipts(attestation_id, block)}
        for receipt in found.values():
            if receipt.time + HEARD_SECONDS < block.timestamp:
                remove_durably(self._parts.disk, self._path(receipt.request_id))
            elif not self._is_proven(receipt, block):
                yield Job(JobKind.DISPUTE_ANSWER, "0x" + receipt.request_id.hex())

    def handlers(self) -> Handlers:
        """One."""
        return self._calls.handlers()

    def _receipts(self, attestation_id: bytes, block: Block) -> Sequence[Receipt]:
        read_at, found = self._read.get(attestation_id, (-LOOK_SECONDS, ()))
        if block.timestamp < read_at + LOOK_SECONDS:
            return found
        read_at = block.timestamp
        try:
            found = self._parts.answers.resting_on(attestation_id)
        except Unavailable as error:  # the other jobs do not wait for a book
            log.warning("own_answers_unread", extra={"code": error.code})
            read_at += AGAIN_SECONDS - LOOK_SECONDS
        self._read[attestation_id] = (read_at, found)
        return found

    def _is_proven(self, receipt: Receipt, block: Block) -> bool:
        place = self._place(receipt.request_id)
        if place is None:
            return False
        court, key = self._parts.court, leaf_key(*place)
        fact = court.fact_of(ComputeOffence.BAD_SIGNER, key, at=block.hash)
        return court.is_proven(fact, at=block.hash)

    def _call(self, subject: str, block: Block) -> TypedCall | None:
        """What shows a receipt to the court; None while that would prove nothing."""
        parts = self._parts
        receipt = parts.answers.find(parse_id(subject))
        if receipt is None or not self._is_disputable(receipt, block):
            return None
        opening = parts.answers.opening(receipt, block)
        if opening is None:
            return None
        item, leaf = opening
        place = {"batch": item.batch, "index": item.index, "leaf": leaf.index}
        raw = json.dumps(place).encode()
        write_durably(parts.disk, self._path(receipt.request_id), [raw])
        return parts.court.prove(ComputeOffence.BAD_SIGNER, item, leaf)

    def _is_disputable(self, receipt: Receipt, block: Block) -> bool:
        if not any(receipt.attestation_id):
            return False
        registry, at = self._parts.registry, block.hash
        is_void = registry.verdict(receipt.attestation_id, at=at).state is AttestationState.VOID

        def stood(attestation_id: bytes, time: int) -> bool:
            return registry.stood(attestation_id, time, at=at)

        return is_disputable(receipt, stood, is_void=is_void)

    def _place(self, request_id: bytes) -> tuple[int, int, int] | None:
        """Batch, item and leaf; a file that cannot be read is written anew."""
        try:
            kept = json.loads(self._parts.disk.read(self._path(request_id)))
            return int(kept["batch"]), int(kept["index"]), int(kept["leaf"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _path(self, request_id: bytes) -> Path:
        return self._parts.folder / f"{request_id.hex()}.json"
