"""What a provider's own services say on chain, read at one block now and then, kept in memory.

No request waits for a node: prices change an hour ahead, withdrawals take two, and what is read
here is seconds old. Chain time is the machine's clock, put forward when the chain is ahead of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.chain.model import BlockHash
from offchain.compute.errors import PriceRetired, ServiceNotServing, VoucherRejected
from offchain.compute.model import NO_ATTESTATION, PriceRow, Service, Verifiability
from offchain.compute.ports import EscrowLedger, ServiceLedger
from offchain.compute.private_keys import EvidenceLedger, NoEvidence, attestation_of
from offchain.core.errors import Unavailable

OLD_ROWS: Final = 8  # versions before the newest that may still be in their grace


class TermsUnread(Unavailable):
    """The services' terms were not read from the chain yet, or too long ago."""

    code = "compute.terms.unread"
    next_step = "Wait until the provider reaches its chain node again."


class ChainTime:
    """Seconds as the chain counts them, from the machine's clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ahead = 0.0

    def observe(self, timestamp: int) -> None:
        """The newest block's time."""
        self._ahead = max(0.0, timestamp - self._clock())

    def now(self) -> int:
        return int(self._clock() + self._ahead)


@dataclass(frozen=True, slots=True)
class Terms:
    """One service at one block. `rows`: those that may be payable, by version; `attestation_id`:
    the live evidence bound to the signer, zero bytes without any.
    """

    service: Service
    rows: Mapping[int, PriceRow]
    signer: bytes
    verifiability: Verifiability
    is_serving: bool
    attestation_id: bytes = NO_ATTESTATION

    def row(self, version: int, *, now: int, grace_seconds: int) -> PriceRow:
        """The row a voucher names. Raises: PriceRetired."""
        row = self.rows.get(version)
        if row is None or not row.is_payable(now, grace_seconds):
            raise PriceRetired(named=version, current=self.service.price_version)
        return row

    @property
    def newest(self) -> PriceRow | None:
        """The row that applies now."""
        return self.rows.get(self.service.price_version)


@dataclass(frozen=True, slots=True)
class Reading:
    """All services of one provider at one block. `rooms`: what may still be held, by token."""

    block: int
    at: BlockHash
    grace_seconds: int
    terms: Mapping[bytes, Terms]
    rooms: Mapping[bytes, int] = field(default_factory=dict)


class TermsWatch:
    """Reads the terms of some services again and again."""

    def __init__(
        self,
        services: ServiceLedger,
        escrow: EscrowLedger,
        ids: Sequence[bytes],
        time: ChainTime,
        *,
        stale_seconds: float = 120.0,
        evidence: EvidenceLedger | None = None,
    ) -> None:
        self._evidence = evidence or NoEvidence()
        self._services = services
        self._escrow = escrow
        self._ids = tuple(ids)
        self.time = time
        self._stale_seconds = stale_seconds
        self._reading: Reading | None = None
        self._read_at = 0

    async def refresh(self) -> int:
        """Read everything at the newest block; its number. Raises: Unavailable, NotFound."""
        reading, timestamp = await asyncio.to_thread(self._read)
        self.time.observe(timestamp)
        self._reading, self._read_at = reading, self.time.now()
        return reading.block

    def reading(self) -> Reading:
        """What was read last. Raises: TermsUnread."""
        if self._reading is None:
            raise TermsUnread
        age = self.time.now() - self._read_at
        if age > self._stale_seconds:
            raise TermsUnread(age_seconds=age)
        return self._reading

    def terms(self, service: bytes) -> Terms:
        """The terms of one of our services. Raises: TermsUnread, VoucherRejected."""
        terms = self.reading().terms.get(service)
        if terms is None:
            raise VoucherRejected(reason="service", service=service.hex())
        return terms

    def serving(self, service: bytes) -> Terms:
        """The terms of a service that takes requests. Raises: ServiceNotServing as well."""
        terms = self.terms(service)
        if not terms.is_serving:
            raise ServiceNotServing(state=terms.service.state.name)
        return terms

    def _read(self) -> tuple[Reading, int]:
        head = self._services.head()
        terms = {one: self._terms(one, head.hash, head.timestamp) for one in self._ids}
        pairs = {
            (one.service.provider, row.token) for one in terms.values() for row in one.rows.values()
        }
        rooms = {
            token: self._escrow.room(provider, token, at=head.hash) for provider, token in pairs
        }
        grace = self._escrow.price_grace_seconds()
        return Reading(head.number, head.hash, grace, terms, rooms), head.timestamp

    def _terms(self, service_id: bytes, at: BlockHash, timestamp: int) -> Terms:
        ledger = self._services
        service = ledger.service(service_id, at=at)
        newest = service.price_version
        versions = range(max(1, newest - OLD_ROWS), newest + 1)
        signer = ledger.signer_at(service_id, timestamp, at=at)
        live = self._evidence.live(signer, timestamp, at=at)
        return Terms(
            service=service,
            rows={one: ledger.price_row(service_id, one, at=at) for one in versions},
            signer=signer,
            verifiability=ledger.verifiability_of(service_id, at=at),
            is_serving=ledger.is_serving(service_id, at=at),
            attestation_id=attestation_of(live, service_id),
        )
