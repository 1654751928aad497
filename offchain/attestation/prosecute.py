"""What honest relayers do about others: show that a verdict is a lie, and show the bytes of truth.

Every verdict that counts is looked at once its bytes are had, from its subject or from a relayer.
What contradicts it is announced, so that nobody copies the proof, and shown in a later block. Bytes
that nobody gives are demanded on chain, against a bond, after a while. Demands for evidence that is
on a shelf here are answered. Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from offchain.attestation.bundle import Bundle
from offchain.attestation.collect import Collect, Equivocation
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.faults import Fault, ShownChain, chain_of, fault_of
from offchain.attestation.model import Verdict
from offchain.attestation.onchain_registry import Measurement
from offchain.attestation.relay_ports import Registered, SubjectPlace, Subjects
from offchain.chain.model import Block
from offchain.core.errors import ApogeeError, Conflict, Rejected
from offchain.core.hashing import keccak

PATIENCE_SECONDS: Final = 600
MAX_LOOKED: Final = 32  # verdicts looked at in one round
log = logging.getLogger(__name__)


class DemandKind(IntEnum):
    """Flag values of AttestationFraudProofs."""

    BYTES = 1
    PATH = 2


@dataclass(frozen=True, slots=True)
class OpenDemand:
    """Somebody's bonded question about a verdict; `deadline`: the last second of an answer."""

    attestation_id: bytes
    kind: DemandKind
    deadline: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A fault, and what shows it."""

    fault: Fault
    verdict: Verdict
    quote: bytes
    chain: ShownChain


class ProofDesk(Protocol):
    """The registry's past, and the court; blocking. Raises: Rejected, Unavailable."""

    def head(self) -> Block: ...

    def all_registered(self, block: Block) -> Sequence[tuple[bytes, Verdict]]:
        """Every verdict that was ever registered, by its attestation id, oldest first."""
        ...

    def registered(self, evidence_id: bytes, block: Block) -> Registered | None: ...

    def entry_of(self, attestation_id: bytes, block: Block) -> Measurement:
        """What the registry listed as the verdict's measurement."""
        ...

    def place_of(self, verdict: Verdict, block: Block) -> SubjectPlace | None:
        """Where the subject of a verdict answers."""
        ...

    def prove(self, attestation_id: bytes, proof: Proof) -> None:
        """Announce a proof and show it."""
        ...

    def demand(self, attestation_id: bytes, kind: DemandKind) -> None:
        """Ask on chain, against a bond."""
        ...

    def was_demanded(self, attestation_id: bytes, block: Block) -> bool:
        """Whether anybody has asked for these bytes before."""
        ...

    def open_demands(self, block: Block) -> Sequence[OpenDemand]: ...

    def answer(
        self, kind: DemandKind, verdict: Verdict, quote: bytes, chain: ShownChain
    ) -> None: ...


class EquivocationDesk(Protocol):
    """The court for two verdicts of one relayer; blocking. Raises: Rejected, Unavailable."""

    def prove_equivocation(self, found: Equivocation) -> None:
        """Announce both signatures and show them."""
        ...


async def accuse(collect: Collect, desk: EquivocationDesk) -> int:
    """Bring relayers to court that told a subject two stories; how many. Raises: Unavailable."""
    waiting, accused = collect.take_equivocations(), 0
    try:
        while waiting:
            try:
                await asyncio.to_thread(desk.prove_equivocation, waiting[0])
                accused += 1
            except (Conflict, Rejected) as error:  # somebody was first, or the time is over
                log.warning("equivocation_refused", extra={"code": error.code})
            del waiting[0]
    finally:
        collect.equivocations += waiting
    return accused


@dataclass(frozen=True, slots=True)
class ProsecuteParts:
    """The court, the way to subjects, and what lies on own shelves.

    `demands`: whether bonds are put; `patience`: chain time that bytes may be missing before.
    """

    desk: ProofDesk
    subjects: Subjects
    shelves: Sequence[EvidenceShelf]
    demands: bool = True
    patience: int = PATIENCE_SECONDS


class Prosecute:
    """One reporter, who may be any account."""

    def __init__(self, parts: ProsecuteParts) -> None:
        self._parts = parts
        self._looked: set[bytes] = set()  # verdicts that nothing is to be done about
        self._missing: dict[bytes, int] = {}  # attestation id: since when its bytes are

    async def round(self) -> int:
        """Look at new verdicts, and answer demands; how much was sent. Raises: Unavailable."""
        desk = self._parts.desk
        head = await asyncio.to_thread(desk.head)
        known = await asyncio.to_thread(desk.all_registered, head)
        fresh = [one for one in known if one[0] not in self._looked][:MAX_LOOKED]
        sent = 0
        for attestation_id, verdict in fresh:
            sent += await self._look(attestation_id, verdict, head)
        return sent + await self._answer(dict(known), head)

    async def prosecute(
        self, attestation_id: bytes, verdict: Verdict, quote: bytes, head: Block
    ) -> Fault | None:
        """Show what is wrong with a verdict whose bytes these are; None: nothing that can be shown.

        Raises: Rejected when the court sees it otherwise.
        """
        desk = self._parts.desk
        entry = await asyncio.to_thread(desk.entry_of, attestation_id, head)
        fault = fault_of(verdict, quote, entry)
        if fault is None:
            return None
        proof = Proof(fault, verdict, quote, chain_of(quote))
        await asyncio.to_thread(desk.prove, attestation_id, proof)
        told = {"attestation": attestation_id.hex(), "fault": fault.name}
        log.critical("false_verdict_proven", extra=told)
        return fault

    async def _look(self, attestation_id: bytes, verdict: Verdict, head: Block) -> int:
        desk = self._parts.desk
        found = await asyncio.to_thread(desk.registered, verdict.evidence_id, head)
        if found is None or found.attestation_id != attestation_id or not found.state.counts:
            self._looked.add(attestation_id)
            return 0
        quote = await self._quote_of(verdict, head)
        if quote is None:
            return await self._demand(attestation_id, head)
        self._missing.pop(attestation_id, None)
        try:
            fault = await self.prosecute(attestation_id, verdict, quote, head)
        finally:
            self._looked.add(attestation_id)
        return int(fault is not None)

    async def _quote_of(self, verdict: Verdict, head: Block) -> bytes | None:
        """The quote with the verdict's hash, from a shelf here or from the subject."""
        for shelf in self._parts.shelves:
            kept = await asyncio.to_thread(shelf.find, verdict.evidence_id)
            if kept is not None and keccak(kept.quote) == verdict.quote_hash:
                return kept.quote
        place = await asyncio.to_thread(self._parts.desk.place_of, verdict, head)
        if place is None:
            return None
        try:
            bundle: Bundle = await self._parts.subjects.bundle(place, verdict.evidence_id)
        except ApogeeError as error:
            log.info("evidence_not_given", extra={"code": error.code, "subject": place.endpoint})
            return None
        return bundle.quote if keccak(bundle.quote) == verdict.quote_hash else None

    async def _demand(self, attestation_id: bytes, head: Block) -> int:
        since = self._missing.setdefault(attestation_id, head.timestamp)
        if not self._parts.demands or head.timestamp < since + self._parts.patience:
            return 0
        self._looked.add(attestation_id)
        if await asyncio.to_thread(self._parts.desk.was_demanded, attestation_id, head):
            return 0
        await asyncio.to_thread(self._parts.desk.demand, attestation_id, DemandKind.BYTES)
        log.warning("bytes_demanded", extra={"attestation": attestation_id.hex()})
        return 1

    async def _answer(self, verdicts: dict[bytes, Verdict], head: Block) -> int:
        answered = 0
        for one in await asyncio.to_thread(self._parts.desk.open_demands, head):
            verdict = verdicts.get(one.attestation_id)
            if verdict is None or head.timestamp > one.deadline:
                continue
            for shelf in self._parts.shelves:
                kept = await asyncio.to_thread(shelf.find, verdict.evidence_id)
                if kept is None or keccak(kept.quote) != verdict.quote_hash:
                    continue
                chain = chain_of(kept.quote) if one.kind is DemandKind.PATH else ShownChain()
                answer = self._parts.desk.answer
                await asyncio.to_thread(answer, one.kind, verdict, kept.quote, chain)
                log.info("demand_answered", extra={"attestation": one.attestation_id.hex()})
                answered += 1
                break
        return answered
