"""One relayer's duty: fetch what subjects offer, judge it alone, sign it once, give it back.

  relayer.journal  SIGNED  17 words of the verdict

A verdict is durable before it is signed, so a killed relayer that comes back signs the same again:
one piece of evidence never has two verdicts of one key. What ended long ago is cut out of the
journal, whole or not at all, once its bytes are gone. All times are the chain's: a machine whose
clock is wrong by an hour judges as any other. Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.attestation.bundle import Bundle
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.model import Claims, Verdict, parse_verdict, verdict_of
from offchain.attestation.post import post, posting_of
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.attestation.relay_errors import VerdictGiven, refused
from offchain.attestation.relay_ports import (
    Bench,
    Judge,
    Offer,
    RegistryActs,
    RelayLedger,
    SignedVerdict,
    SubjectPlace,
    Subjects,
)
from offchain.core.ecdsa import DigestSigner, signer_of
from offchain.core.errors import ApogeeError, Conflict, InvalidInput, NotFound, Rejected
from offchain.node.journal import Entry, Journal, JournalBroken

SIGNED: Final = 1
AT_ONCE: Final = 16  # subjects asked at the same time
MAX_OFFERS: Final = 16  # looked at of one subject in one round
POST_SECONDS: Final = 6  # chain time that a subject, and each seat after it, has to post
PATIENCE: Final = 6  # rounds passed over at most after a subject that did not answer
MAX_REFUSED: Final = 4_096  # refusals remembered
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RelayParts:
    """The chain, the way to subjects, and what one relayer keeps."""

    ledger: RelayLedger
    acts: RegistryActs
    subjects: Subjects
    judge: Judge
    signer: DigestSigner
    journal: Journal
    shelf: EvidenceShelf
    operator_id: int


class Relay:
    """One relayer."""

    def __init__(self, parts: RelayParts) -> None:
        self._parts = parts
        self._given: dict[bytes, Verdict] = {}
        self._refused: dict[tuple[bytes, int], None] = {}
        self._complete_since: dict[bytes, int] = {}
        self._silent: dict[bytes, tuple[int, int]] = {}  # service: rounds to pass over, misses
        self._writing = asyncio.Lock()

    def open(self) -> None:
        """Take up the verdicts of earlier runs. Raises: JournalBroken."""
        for entry in self._parts.journal.entries():
            verdict = _verdict_in(entry)
            self._given[verdict.evidence_id] = verdict

    async def round(self) -> int:
        """Judge what is offered; how many signatures were given. Raises: Unavailable."""
        ledger = self._parts.ledger
        head = await asyncio.to_thread(ledger.head)
        bench = await asyncio.to_thread(ledger.bench, head)
        if not bench.seats(self._parts.operator_id):
            return 0
        places = await asyncio.to_thread(ledger.subjects, head)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(place: SubjectPlace) -> int:
            async with room:
                return await self._visit(place, bench)

        due = [place for place in places if self._is_due(place)]
        return sum(await asyncio.gather(*map(one, due)))

    def given(self, evidence_id: bytes) -> Verdict | None:
        """What this relayer has said of evidence."""
        return self._given.get(evidence_id)

    async def forget(self, lives: int) -> int:
        """Drop evidence whose verdict ended so many lives ago; its nonce is too old to sign again.

        Raises: Unavailable, StoreFull, StoreBroken.
        """
        ledger = self._parts.ledger
        head = await asyncio.to_thread(ledger.head)
        bench = await asyncio.to_thread(ledger.bench, head)
        before = head.timestamp - lives * bench.life
        async with self._writing:
            over = [name for name, given in self._given.items() if given.not_after < before]
            for name in over:
                await asyncio.to_thread(self._parts.shelf.forget, name)
                self._complete_since.pop(name, None)
            if over:
                gone = set(over)
                left = {name: one for name, one in self._given.items() if name not in gone}
                entries = [_entry_of(verdict) for verdict in left.values()]
                await asyncio.to_thread(self._parts.journal.replace, entries)
                self._given = left
        return len(over)

    async def sign(self, bundle: Bundle, bench: Bench) -> SignedVerdict:
        """Judge evidence, write the verdict down, sign it.

        Raises: EvidenceRefused, VerdictGiven, StoreFull, StoreBroken.
        """
        claims = await asyncio.to_thread(self._parts.judge, bundle, bench)
        verdict = verdict_of(claims, not_after=bench.ends(claims.epoch))
        judges = bench.judges_of(verdict.nonce)
        if judges is None or self._parts.operator_id not in judges.members:
            raise refused(Reason.RELAYER_NOT_ELIGIBLE, f"not drawn for epoch {claims.epoch}")
        await self._write_down(bundle, claims, verdict)
        signature = self._parts.signer.sign_digest(verdict.digest(bench.domain))
        return SignedVerdict(verdict, signature)

    async def _write_down(self, bundle: Bundle, claims: Claims, verdict: Verdict) -> None:
        async with self._writing:  # two offers of one quote are judged beside each other
            before = self._given.get(claims.evidence_id)
            if before is None:
                await asyncio.to_thread(self._parts.shelf.keep, claims.evidence_id, bundle)
                await self._parts.journal.append(_entry_of(verdict))
                self._given[claims.evidence_id] = verdict
            elif before != verdict:
                raise VerdictGiven(evidence=claims.evidence_id.hex())

    def _is_due(self, place: SubjectPlace) -> bool:
        """Whoever did not answer is passed over for some rounds, more each time."""
        rounds, misses = self._silent.get(place.service_id, (0, 0))
        if rounds > 0:
            self._silent[place.service_id] = (rounds - 1, misses)
        return rounds == 0

    async def _visit(self, place: SubjectPlace, bench: Bench) -> int:
        try:
            offers = await self._parts.subjects.offers(place)
        except ApogeeError as error:
            misses = self._silent.get(place.service_id, (0, 0))[1] + 1
            self._silent[place.service_id] = (min(misses, PATIENCE), misses)
            log.info("subject_silent", extra={"subject": place.endpoint, "code": error.code})
            return 0
        self._silent.pop(place.service_id, None)
        given = 0
        for offer in offers[:MAX_OFFERS]:
            try:
                given += await self._serve(place, offer, bench)
            except (Rejected, Conflict, NotFound, InvalidInput) as error:
                self._tell_refusal(place, offer, bench, error)
        return given

    async def _serve(self, place: SubjectPlace, offer: Offer, bench: Bench) -> int:
        """Sign an offer unless that is done, and see that it gets on chain."""
        if (offer.bundle.root(), max(bench.nonces)) in self._refused:
            return 0
        if not _speaks_for(place, offer.bundle):
            # of another subject of the same process, which is visited for it, or of nobody
            log.debug("evidence_of_another", extra={"service": offer.bundle.service_id.hex()})
            return 0
        own = [one for one in offer.signed if self._is_own(one, bench)]
        if not own:
            signed = await self.sign(offer.bundle, bench)
            await self._parts.subjects.deliver(place, signed)
            extra = {"service": place.service_id.hex(), "simulated": signed.verdict.simulated}
            log.info("verdict_signed", extra=extra)
            return 1
        await self._post_if_left(offer, own[0].verdict, bench)
        return 0

    def _is_own(self, one: SignedVerdict, bench: Bench) -> bool:
        before = self._given.get(one.verdict.evidence_id)
        signer = signer_of(one.verdict.digest(bench.domain), one.signature)
        return before == one.verdict and signer == self._parts.signer.address

    async def _post_if_left(self, offer: Offer, verdict: Verdict, bench: Bench) -> None:
        """What is complete and not on chain after a while is posted for its subject."""
        agreed = [one for one in offer.signed if one.verdict == verdict]
        held = await asyncio.to_thread(self._by_operator, agreed, bench)
        posting = posting_of(held, bench)
        if posting is None:
            return
        now = bench.block.timestamp
        patience = POST_SECONDS * (1 + _seat_of(self._parts.operator_id, verdict, bench))
        if now < self._complete_since.setdefault(verdict.evidence_id, now) + patience:
            return
        if await asyncio.to_thread(post, posting, self._parts.ledger, self._parts.acts):
            log.info("verdict_posted", extra={"service": verdict.service_id.hex()})

    def _by_operator(
        self, signed: Sequence[SignedVerdict], bench: Bench
    ) -> dict[int, SignedVerdict]:
        found = {}
        for one in signed:
            account = signer_of(one.verdict.digest(bench.domain), one.signature)
            operator = account and self._parts.ledger.operator_of(account, bench.block)
            if operator:
                found[operator] = one
        return found

    def _tell_refusal(
        self, place: SubjectPlace, offer: Offer, bench: Bench, error: ApogeeError
    ) -> None:
        """Refused evidence is not judged again in the same epoch."""
        if isinstance(error, EvidenceRefused | VerdictGiven):
            while len(self._refused) >= MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
            self._refused[offer.bundle.root(), max(bench.nonces)] = None
        extra = {"service": place.service_id.hex(), "code": error.code, "error": str(error)}
        log.warning("evidence_refused", extra=extra)


def _seat_of(operator_id: int, verdict: Verdict, bench: Bench) -> int:
    judges = bench.judges_of(verdict.nonce)
    return judges.members.index(operator_id) if judges and operator_id in judges.members else 0


def _speaks_for(place: SubjectPlace, bundle: Bundle) -> bool:
    """Whether evidence is of the service that offers it."""
    signer = place.signer or bundle.signer  # the registry knows no key of a subject that has none
    return (bundle.service_id, bundle.signer) == (place.service_id, signer)


def _entry_of(verdict: Verdict) -> Entry:
    return Entry(SIGNED, verdict.struct_words())


def _verdict_in(entry: Entry) -> Verdict:
    """Raises: JournalBroken."""
    if entry.kind != SIGNED:
        raise JournalBroken(reason="entry", kind=entry.kind)
    try:
        return parse_verdict(entry.body)
    except InvalidInput as error:
        raise JournalBroken(reason="verdict") from error
