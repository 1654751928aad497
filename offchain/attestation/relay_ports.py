"""What relayers, and the subjects that they judge, need from the chain and from each other.

Chain ports are synchronous and called in a thread; asking a subject is asynchronous. All of a view
was read at one block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from offchain.attestation.bundle import Bundle
from offchain.attestation.draw import QUORUM
from offchain.attestation.model import Claims, MeasurementClass, Verdict
from offchain.attestation.report_data import Domain
from offchain.chain.model import Block


class VerdictState(IntEnum):
    """How a registered verdict stands; the numbers are those of the registry's flags."""

    NONE = 0
    LIVE = 1
    GRACE = 2  # its evaluation number was outdated; it counts until the notice binds
    SUSPENDED = 4
    EXPIRED = 8
    REVOKED = 16
    VOID = 32

    @property
    def counts(self) -> bool:
        """Whether it carries a level."""
        return self in (VerdictState.LIVE, VerdictState.GRACE)


@dataclass(frozen=True, slots=True)
class Committee:
    """The relayers of one epoch; `members` are operator ids by seat."""

    epoch: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """Who may sign at a block: the relayers of this epoch and, for a while, of the one before.

    `nonces`: the epoch nonces that evidence may carry, by epoch. `life`: seconds from the start of
    a nonce's epoch to the end of the verdict over it.
    """

    block: Block
    domain: Domain
    committees: tuple[Committee, ...]
    nonces: Mapping[int, bytes]
    epoch_starts: Mapping[int, int]
    life: int
    quorum: int = QUORUM

    def seats(self, operator_id: int) -> bool:
        """Whether an operator may sign anything now."""
        return any(operator_id in one.members for one in self.committees)

    def epoch_of(self, nonce: bytes) -> int | None:
        """The epoch of a nonce; None: too old, of the future, or of nobody's."""
        return next((epoch for epoch, one in self.nonces.items() if one == nonce), None)

    def judges_of(self, nonce: bytes) -> Committee | None:
        """Whose signatures count for evidence with this nonce: the committee of its epoch."""
        epoch = self.epoch_of(nonce)
        return next((one for one in self.committees if one.epoch == epoch), None)

    @property
    def open_epoch(self) -> int:
        """The newest epoch whose relayers are known; the newest of all where none are."""
        return max((one.epoch for one in self.committees), default=max(self.nonces))

    def ends(self, epoch: int) -> int:
        """The last second of a verdict over a nonce of this epoch: the same for every relayer."""
        return self.epoch_starts[epoch] + self.life


@dataclass(frozen=True, slots=True)
class SubjectPlace:
    """A service that may want evidence judged, and where its owner's process answers.

    `signer` empty: whatever key its evidence is about; who uses the verdict says whose it is.
    """

    service_id: bytes
    signer: bytes
    provider: bytes
    endpoint: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A verdict that is on chain. `signers`: operator ids whose stake answers for it."""

    attestation_id: bytes
    verdict: Verdict
    state: VerdictState
    measurement_class: MeasurementClass
    signers: tuple[int, ...]
    block: int

    @property
    def simulated(self) -> bool:
        return self.verdict.simulated


@dataclass(frozen=True, slots=True)
class SignedVerdict:
    """A verdict and one relayer's signature of it."""

    verdict: Verdict
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Posting:
    """What the registry takes: bit i of `seats`: seat i of the epoch's committee has signed.

    `signatures` in the order of the seats.
    """

    verdict: Verdict
    epoch: int
    seats: int
    signatures: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """Evidence that a subject wants judged, and what it has of relayers' signatures."""

    bundle: Bundle
    signed: tuple[SignedVerdict, ...] = ()


class RelayLedger(Protocol):
    """What the chain says. Raises: Unavailable when no node answers."""

    def head(self) -> Block: ...

    def domain(self) -> Domain:
        """The chain and the registry that verdicts are for."""
        ...

    def bench(self, block: Block) -> Bench:
        """Who may sign; a committee that nobody has drawn yet is left out."""
        ...

    def operator_of(self, account: bytes, block: Block) -> int:
        """Whose owner or signer this account is; 0: nobody's."""
        ...

    def subjects(self, block: Block) -> Sequence[SubjectPlace]:
        """Every service that sells, with its signer of this block."""
        ...

    def live(self, signer: bytes, block: Block) -> Registered | None:
        """The verdict that carries this key's level now."""
        ...

    def registered(self, evidence_id: bytes, block: Block) -> Registered | None:
        """The verdict over this evidence, whatever became of it."""
        ...


class RegistryActs(Protocol):
    """Transactions around a verdict; each is sent once, and blocks until it is mined.

    Raises: Rejected when the registry refuses, Unavailable when no node answers.
    """

    def register(self, posting: Posting) -> None:
        """Make a verdict count."""
        ...

    def draw(self, epoch: int) -> bool:
        """Seat the relayers of an epoch; False where somebody had, or nobody can yet."""
        ...


class Judge(Protocol):
    """Whether evidence satisfies this relayer's policy; a function of its inputs."""

    def __call__(self, bundle: Bundle, bench: Bench) -> Claims:
        """Raises: EvidenceRefused with every reason."""
        ...


class Subjects(Protocol):
    """The way to subjects. Raises: SubjectUnreachable, SubjectRefused, SubjectInvalid."""

    async def offers(self, place: SubjectPlace) -> Sequence[Offer]:
        """What a subject wants judged now."""
        ...

    async def deliver(self, place: SubjectPlace, signed: SignedVerdict) -> None:
        """Give a subject a signature over its evidence."""
        ...

    async def bundle(self, place: SubjectPlace, evidence_id: bytes) -> Bundle:
        """What a verdict rests on. Raises: NotFound as well."""
        ...
