"""A subject's own evidence while relayers judge it: what is offered, and who has signed what.

Kept in memory: relayers that see their signature missing give it again, and a subject that starts
anew makes a new quote. Signatures are of drawn relayers only, one each; a relayer that gives two
verdicts over one piece of evidence is remembered with both, which is what convicts it.
Source: docs/protocol/attestation.md#relayers.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from offchain.attestation.bundle import Bundle
from offchain.attestation.model import Verdict
from offchain.attestation.post import posting_of
from offchain.attestation.reasons import Reason
from offchain.attestation.relay_errors import OfferUnknown, refused
from offchain.attestation.relay_ports import Bench, Offer, Posting, SignedVerdict
from offchain.core.ecdsa import signer_of
from offchain.core.hashing import keccak

MAX_OFFERS: Final = 16  # of one subject at a time: one a service
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two verdicts of one relayer over one piece of evidence; `epoch`: of the first one's nonce."""

    operator_id: int
    epoch: int
    first: SignedVerdict
    second: SignedVerdict


@dataclass(slots=True)
class _Waiting:
    """One piece of evidence and its signatures by operator."""

    bundle: Bundle
    evidence_id: bytes
    by_operator: dict[int, SignedVerdict] = field(default_factory=dict)


class Collect:
    """The desk where a subject lays out evidence and takes signatures; any thread may call."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, _Waiting] = {}
        self._lock = Lock()
        self.equivocations: list[Equivocation] = []

    def offer(self, bundle: Bundle, evidence_id: bytes) -> None:
        """Lay out evidence, instead of what the same service laid out before."""
        with self._lock:
            for known, one in list(self._waiting.items()):
                if one.bundle.service_id == bundle.service_id:
                    del self._waiting[known]
            assert len(self._waiting) < MAX_OFFERS, "a subject offers for at most 16 services"
            self._waiting[evidence_id] = _Waiting(bundle, evidence_id)

    def withdraw(self, service_id: bytes) -> None:
        """Lay nothing out for a service any more."""
        with self._lock:
            for known, one in list(self._waiting.items()):
                if one.bundle.service_id == service_id:
                    del self._waiting[known]

    def offers(self) -> list[Offer]:
        """What relayers see."""
        with self._lock:
            return [
                Offer(one.bundle, tuple(one.by_operator.values())) for one in self._waiting.values()
            ]

    def laid_out(self, service_id: bytes) -> Bundle | None:
        """What a service lays out now."""
        with self._lock:
            waiting = self._of_service(service_id)
            return None if waiting is None else waiting.bundle

    def accept(self, signed: SignedVerdict, operator_id: int, bench: Bench) -> None:
        """Take a relayer's signature; taking it again changes nothing.

        `operator_id`: whose account signed. Raises: OfferUnknown, EvidenceRefused.
        """
        verdict = signed.verdict
        with self._lock:
            waiting = self._waiting.get(verdict.evidence_id)
            if waiting is None:
                raise OfferUnknown(evidence=verdict.evidence_id.hex())
            _require_own(verdict, waiting, bench)
            judges = bench.judges_of(verdict.nonce)
            if judges is None or operator_id not in judges.members:
                raise refused(Reason.RELAYER_NOT_ELIGIBLE, f"operator {operator_id}")
            before = waiting.by_operator.get(operator_id)
            if before is not None and before.verdict != verdict:
                epoch = waiting.bundle.epoch
                self.equivocations.append(Equivocation(operator_id, epoch, before, signed))
                log.critical("relayer_equivocates", extra={"operator": operator_id})
                raise refused(Reason.VERDICT_SIGNATURE_INVALID, "a second verdict")
            waiting.by_operator[operator_id] = signed

    def take_equivocations(self) -> list[Equivocation]:
        """What convicts relayers, once; whoever cannot use it gives it back."""
        with self._lock:
            found, self.equivocations = self.equivocations, []
        return found

    def complete(self, service_id: bytes, bench: Bench) -> Posting | None:
        """What the registry takes, once enough relayers agree."""
        with self._lock:
            waiting = self._of_service(service_id)
            held = {} if waiting is None else dict(waiting.by_operator)
        return posting_of(held, bench)

    def _of_service(self, service_id: bytes) -> _Waiting | None:
        found = (one for one in self._waiting.values() if one.bundle.service_id == service_id)
        return next(found, None)


def account_of(signed: SignedVerdict, bench: Bench) -> bytes:
    """Who signed. Raises: EvidenceRefused."""
    account = signer_of(signed.verdict.digest(bench.domain), signed.signature)
    if account is None:
        raise refused(Reason.VERDICT_SIGNATURE_INVALID, "not of this registry and chain")
    return account


def _require_own(verdict: Verdict, waiting: _Waiting, bench: Bench) -> None:
    """What a verdict says of the offer, as far as its subject knows it by itself."""
    bundle = waiting.bundle
    said: Sequence[object] = (
        verdict.quote_hash,
        verdict.bundle_root,
        verdict.service_id,
        verdict.signer,
        verdict.nonce,
    )
    known: Sequence[object] = (
        keccak(bundle.quote),
        bundle.root(),
        bundle.service_id,
        bundle.signer,
        bench.nonces.get(bundle.epoch),
    )
    if said != known:
        raise refused(Reason.VERDICT_SIGNATURE_INVALID, "a verdict over other evidence")
    now = bench.block.timestamp
    if not now < verdict.not_after <= now + bench.life:
        raise refused(Reason.VERDICT_TIME_INVALID, f"{verdict.not_after - now} s from now")
