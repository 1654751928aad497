"""Client of AttestationRegistry, and the events it writes.

Method and field names are the contract's; addresses are 20 raw bytes, times seconds. An
attestation's id is the EIP-712 digest of its verdict.
Source: docs/protocol/attestation.md#relayers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from offchain.attestation.model import Verdict
from offchain.attestation.reverts_attestation import REGISTRY
from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall


class AttestationState(IntEnum):
    """Flag values of the contract; NONE: no such attestation."""

    NONE = 0
    LIVE = 1
    GRACE = 2
    SUSPENDED = 4
    EXPIRED = 8
    REVOKED = 16
    VOID = 32


@dataclass(frozen=True, slots=True)
class Record:
    """What the registry keeps of one attestation; `measurement` is its entry's number."""

    state: AttestationState
    measurement: int
    measurement_class: int
    simulated: bool
    tcb_status: int
    tcb_eval_number: int
    epoch: int
    seats: int
    registered_at: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Live:
    """What a signing key rests on at a time; all zero: on nothing."""

    attestation_id: bytes
    measurement_class: int
    simulated: bool
    until: int
    service: bytes


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measured code that may be vouched for; `delisted_at` 0: listed."""

    measurement_id: bytes
    os_image: bytes
    compose_hash: bytes
    measurement_class: int
    td_attributes: bytes
    xfam: bytes
    max_status: int
    needs_gpu: bool
    valid_until: int
    listed_at: int
    delisted_at: int


@dataclass(frozen=True, slots=True)
class CommitteeDrawn:
    """`members` are operator ids by seat."""

    epoch: int
    nonce: bytes
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """A verdict counts from here on; bit i of `seats`: seat i signed."""

    attestation_id: bytes
    service: bytes
    signer: bytes
    epoch: int
    seats: int
    simulated: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Voided:
    """A verdict was a lie; `guilty` are operator ids."""

    attestation_id: bytes
    epoch: int
    guilty: tuple[int, ...]


class AttestationRegistryClient(ContractClient):
    """Anyone draws and registers; governance lists measured code."""

    contract = "AttestationRegistry"
    reverts = REGISTRY

    def live(self, signer: bytes, time: int, *, at: BlockRef) -> Live:
        return self._read(Live, "live", signer, time, at=at)

    def stood(self, attestation_id: bytes, time: int, *, at: BlockRef) -> bool:
        return self._read(bool, "stood", attestation_id, time, at=at)

    def verdict(self, attestation_id: bytes, *, at: BlockRef) -> Record:
        return self._read(Record, "verdict", attestation_id, at=at)

    def relayers_of(self, attestation_id: bytes, *, at: BlockRef) -> list[int]:
        return self._read(list[int], "relayers_of", attestation_id, at=at)

    def attestation_of(self, evidence_id: bytes, *, at: BlockRef) -> bytes:
        return self._read(bytes, "attestation_of", evidence_id, at=at)

    def committee(self, epoch: int, *, at: BlockRef) -> list[int]:
        """Operator ids by seat; empty before the draw."""
        return self._read(list[int], "committee", epoch, at=at)

    def nonce_of(self, epoch: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "nonce_of", epoch, at=at)

    def life(self, *, at: BlockRef) -> int:
        return self._read(int, "life", at=at)

    def allow_simulated(self, *, at: BlockRef) -> bool:
        return self._read(bool, "allow_simulated", at=at)

    def measurement(self, measurement_id: bytes, *, at: BlockRef) -> Measurement:
        return self._read(Measurement, "measurement", measurement_id, at=at)

    def measurement_at(self, number: int, *, at: BlockRef) -> Measurement:
        return self._read(Measurement, "measurement_at", number, at=at)

    def measurement_count(self, *, at: BlockRef) -> int:
        return self._read(int, "measurement_count", at=at)

    def min_eval_number(self, *, at: BlockRef) -> tuple[int, int, int]:
        """In force, announced, and when that binds."""
        return self._read(tuple[int, int, int], "min_eval_number", at=at)

    def is_collateral_revoked(self, collateral_hash: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_collateral_revoked", collateral_hash, at=at)

    def draw(self, epoch: int, shown: Sequence[tuple[object, ...]]) -> TypedCall:
        """`shown` as draw.candidates_of makes it."""
        return self._build("draw", epoch, list(shown))

    def register(self, verdict: Verdict, epoch: int, seats: int, signatures: bytes) -> TypedCall:
        """`signatures`: 65 bytes of each seat that signed, lowest first."""
        return self._build("register", verdict.fields(), epoch, seats, signatures)

    def revoke(self, attestation_id: bytes) -> TypedCall:
        """By the key that the verdict is about."""
        return self._build("revoke", attestation_id)

    def raise_evaluation(self, number: int, epoch: int, seats: int, signatures: bytes) -> TypedCall:
        return self._build("raise_evaluation", number, epoch, seats, signatures)

    def revoke_collateral(
        self, collateral_hash: bytes, epoch: int, seats: int, signatures: bytes
    ) -> TypedCall:
        return self._build("revoke_collateral", collateral_hash, epoch, seats, signatures)

    def list_measurement(self, entry: Measurement, registers: bytes) -> TypedCall:
        """By governance; `registers`: mr_td and the first three RTMRs."""
        return self._build(
            "list_measurement",
            registers,
            entry.os_image,
            entry.compose_hash,
            entry.measurement_class,
            entry.td_attributes,
            entry.xfam,
            entry.max_status,
            entry.needs_gpu,
            entry.valid_until,
        )

    def delist_measurement(self, measurement_id: bytes) -> TypedCall:
        """By governance or the guardian."""
        return self._build("delist_measurement", measurement_id)
