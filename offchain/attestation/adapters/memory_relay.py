"""A registry, and subjects, that live in one process: relaying without a chain or sockets.

It keeps the rules that AttestationRegistry keeps of verdicts and seats; it holds no stake and no
measurements. Source: docs/protocol/attestation.md#relayers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from offchain.attestation.bundle import Bundle
from offchain.attestation.collect import Collect, account_of
from offchain.attestation.draw import QUORUM
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.model import MeasurementClass
from offchain.attestation.reasons import Reason
from offchain.attestation.relay_errors import SubjectUnreachable, refused
from offchain.attestation.relay_ports import (
    Bench,
    Committee,
    Offer,
    Posting,
    Registered,
    SignedVerdict,
    SubjectPlace,
    VerdictState,
)
from offchain.attestation.report_data import Domain, epoch_nonce
from offchain.chain.model import Block, BlockHash
from offchain.core.ecdsa import signer_of
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber


@dataclass(slots=True)
class MemoryRegistry:
    """A `RelayLedger` and its `RegistryActs`; `now` is its block's time.

    `of`: the registry it stands for. `accounts`: operator ids by the account that signs for them.
    `drawn`: members by epoch.
    """

    of: Domain
    accounts: Mapping[bytes, int]
    epoch_seconds: int = 14_400
    life: int = 86_400
    now: int = 1_800_000_000
    drawn: dict[int, tuple[int, ...]] = field(default_factory=dict)
    places: list[SubjectPlace] = field(default_factory=list)
    verdicts: dict[bytes, Registered] = field(default_factory=dict)  # by evidence id
    live_by_signer: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        return self.now // self.epoch_seconds

    def head(self) -> Block:
        zero = BlockHash(bytes(32))
        return Block(BlockNumber(1), zero, zero, self.now, 0, 0)

    def domain(self) -> Domain:
        return self.of

    def bench(self, block: Block) -> Bench:
        epochs = range(self.epoch - 1, self.epoch + 1)
        seated = [Committee(one, self.drawn[one]) for one in epochs if one in self.drawn]
        return Bench(
            block=block,
            domain=self.of,
            committees=tuple(seated),
            nonces={one: self.nonce(one) for one in epochs},
            epoch_starts={one: one * self.epoch_seconds for one in epochs},
            life=self.life,
        )

    def nonce(self, epoch: int) -> bytes:
        return epoch_nonce(epoch, keccak(epoch.to_bytes(8, "big")))

    def operator_of(self, account: bytes, block: Block) -> int:
        del block
        return self.accounts.get(account, 0)

    def subjects(self, block: Block) -> Sequence[SubjectPlace]:
        del block
        return list(self.places)

    def live(self, signer: bytes, block: Block) -> Registered | None:
        evidence = self.live_by_signer.get(signer)
        found = None if evidence is None else self.registered(evidence, block)
        return found if found is not None and found.state.counts else None

    def registered(self, evidence_id: bytes, block: Block) -> Registered | None:
        found = self.verdicts.get(evidence_id)
        if found is not None and found.state.counts and block.timestamp > found.verdict.not_after:
            return replace(found, state=VerdictState.EXPIRED)
        return found

    def draw(self, epoch: int) -> bool:
        """Everybody sits."""
        if epoch in self.drawn:
            return False
        self.drawn[epoch] = tuple(sorted(set(self.accounts.values())))[:5]
        return True

    def register(self, posting: Posting) -> None:
        """Raises: EvidenceRefused, with the registry's reasons."""
        verdict, members = posting.verdict, self.drawn.get(posting.epoch, ())
        seats = [seat for seat in range(len(members)) if posting.seats >> seat & 1]
        if len(seats) < QUORUM or len(seats) != len(posting.signatures):
            raise refused(Reason.QUORUM_NOT_REACHED, f"{len(seats)} seats")
        if verdict.nonce != self.nonce(posting.epoch) or posting.epoch < self.epoch - 1:
            raise refused(Reason.NONCE_STALE, f"epoch {posting.epoch}")
        if not self.now < verdict.not_after <= self.now + self.life:
            raise refused(Reason.VERDICT_TIME_INVALID, f"{verdict.not_after - self.now} s")
        if verdict.evidence_id in self.verdicts:
            raise refused(Reason.VERDICT_SIGNATURE_INVALID, "known evidence")
        digest = verdict.digest(self.of)
        for seat, signature in zip(seats, posting.signatures, strict=True):
            account = signer_of(digest, signature)
            if account is None or self.accounts.get(account) != members[seat]:
                raise refused(Reason.RELAYER_NOT_ELIGIBLE, f"seat {seat}")
        self.verdicts[verdict.evidence_id] = Registered(
            attestation_id=digest,
            verdict=verdict,
            state=VerdictState.LIVE,
            measurement_class=MeasurementClass.BROKER,
            signers=tuple(members[seat] for seat in seats),
            block=1,
        )
        self.live_by_signer[verdict.signer] = verdict.evidence_id

    def end(self, evidence_id: bytes, state: VerdictState) -> None:
        """A revocation, a suspension, or an upheld proof of fraud."""
        self.verdicts[evidence_id] = replace(self.verdicts[evidence_id], state=state)


@dataclass(slots=True)
class DirectSubjects:
    """`Subjects` that are desks of this process, by endpoint; `change` is what the way does."""

    registry: MemoryRegistry
    desks: Mapping[str, tuple[Collect, EvidenceShelf]]
    down: set[str] = field(default_factory=set)
    change: Callable[[Bundle], Bundle] = lambda bundle: bundle

    async def offers(self, place: SubjectPlace) -> list[Offer]:
        desk, _ = self._desk(place)
        return [replace(one, bundle=self.change(one.bundle)) for one in desk.offers()]

    async def deliver(self, place: SubjectPlace, signed: SignedVerdict) -> None:
        desk, _ = self._desk(place)
        head = self.registry.head()
        bench = self.registry.bench(head)
        operator = self.registry.operator_of(account_of(signed, bench), head)
        desk.accept(signed, operator, bench)

    async def bundle(self, place: SubjectPlace, evidence_id: bytes) -> Bundle:
        _, shelf = self._desk(place)
        return shelf.show(evidence_id)

    def _desk(self, place: SubjectPlace) -> tuple[Collect, EvidenceShelf]:
        if place.endpoint in self.down:
            raise SubjectUnreachable(endpoint=place.endpoint)
        return self.desks[place.endpoint]
