"""What subjects and relayers show: offers to relayers that were drawn, evidence to everybody.

Whoever wants to check a verdict, or to prove that it is a lie, finds the bytes with its subject and
with each relayer that signed it. Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
from collections.abc import Mapping, Sequence

from offchain.attestation.collect import Collect, account_of
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.relay_errors import AskRefused, EvidenceUnknown
from offchain.attestation.relay_forms import asker_of, offers_json, parse_signed, verdict_json
from offchain.attestation.relay_ports import Offer, RelayLedger
from offchain.attestation.report_data import Domain


class EvidenceDesk:
    """Evidence of some shelves, by its id or by that of the attestation it carries."""

    def __init__(self, shelves: Sequence[EvidenceShelf], domain: Domain) -> None:
        self._shelves = tuple(shelves)
        self._domain = domain
        self._by_attestation: dict[bytes, bytes] = {}

    async def bundle(self, evidence_id: bytes) -> bytes:
        """Raises: EvidenceUnknown, StoreBroken."""
        return await asyncio.to_thread(self._bundle, evidence_id)

    async def verdict(self, attestation_id: bytes) -> bytes:
        """Raises: EvidenceUnknown, StoreBroken."""
        return await asyncio.to_thread(self._verdict, attestation_id)

    def _bundle(self, evidence_id: bytes) -> bytes:
        for shelf in self._shelves:
            found = shelf.find(evidence_id)
            if found is not None:
                return found.to_json()
        raise EvidenceUnknown(evidence=evidence_id.hex())

    def _verdict(self, attestation_id: bytes) -> bytes:
        if attestation_id not in self._by_attestation:
            self._look()
        evidence_id = self._by_attestation.get(attestation_id)
        for shelf in self._shelves if evidence_id is not None else ():
            assert evidence_id is not None
            signed = shelf.signed(evidence_id)
            if signed and signed[0].verdict.digest(self._domain) == attestation_id:
                signatures = [one.signature for one in signed]
                return verdict_json(signed[0].verdict, signatures, attestation_id)
        raise EvidenceUnknown(attestation=attestation_id.hex())

    def _look(self) -> None:
        self._by_attestation = {
            signed[0].verdict.digest(self._domain): evidence_id
            for shelf in self._shelves
            for evidence_id in shelf.known()
            if (signed := shelf.signed(evidence_id))
        }


class SubjectDesk(EvidenceDesk):
    """A subject's desk, which takes relayers' signatures too."""

    def __init__(
        self, provider: bytes, ledger: RelayLedger, collect: Collect, shelf: EvidenceShelf
    ) -> None:
        super().__init__([shelf], ledger.domain())
        self._provider = provider
        self._ledger = ledger
        self._collect = collect

    def subject(self, named: bytes) -> tuple[bytes, list[Offer]]:
        """Whom a question that names this subject is to, and what lies there. Raises: AskRefused.

        A question that names nobody is to whoever answers here, if that is one.
        """
        if named not in (b"", self._provider):
            raise AskRefused(reason="subject", subject=named.hex())
        return self._provider, self._collect.offers()

    async def offers(self, header: str | None, target: str, named: bytes = b"") -> bytes:
        """What is laid out, for a relayer of this epoch or the last. Raises: AskRefused."""
        ledger = self._ledger
        subject, offers = self.subject(named)
        head = await asyncio.to_thread(ledger.head)
        asker = asker_of(header, subject, head.timestamp, target)
        bench = await asyncio.to_thread(ledger.bench, head)
        operator = await asyncio.to_thread(ledger.operator_of, asker, head)
        if not operator or not bench.seats(operator):
            raise AskRefused(reason="committee")
        return offers_json(offers)

    async def accept(self, raw: bytes) -> None:
        """Take a signature. Raises: FormMalformed, OfferUnknown, EvidenceRefused."""
        signed = parse_signed(raw)
        ledger = self._ledger
        head = await asyncio.to_thread(ledger.head)
        bench = await asyncio.to_thread(ledger.bench, head)
        account = account_of(signed, bench)
        operator = await asyncio.to_thread(ledger.operator_of, account, head)
        self._collect.accept(signed, operator, bench)


class SharedDesk(SubjectDesk):
    """The desk of several services that one process serves; a question names the one it is to.

    `services`: service ids by the subjects that relayers' questions are to.
    """

    def __init__(
        self,
        services: Mapping[bytes, bytes],
        ledger: RelayLedger,
        collect: Collect,
        shelves: Sequence[EvidenceShelf],
    ) -> None:
        super().__init__(b"", ledger, collect, shelves[0])
        self._shelves = tuple(shelves)
        self._services = dict(services)

    def subject(self, named: bytes) -> tuple[bytes, list[Offer]]:
        service = self._services.get(named)
        if service is None:
            raise AskRefused(reason="subject", subject=named.hex())
        laid_out = self._collect.offers()
        return named, [one for one in laid_out if one.bundle.service_id == service]
