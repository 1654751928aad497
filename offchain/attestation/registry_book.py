"""What AttestationRegistry says of verdicts: the model that the contract is held against.

Everything is computed when read, from times alone. Source: docs/protocol/attestation.md#registry.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.attestation.onchain_registry import AttestationState

NEVER: Final = (1 << 256) - 1


@dataclass(slots=True)
class Entry:
    """Measured code on the list."""

    valid_until: int
    delisted_at: int = NEVER


@dataclass(slots=True)
class Verdicted:
    """One registered verdict."""

    signer: bytes
    entry: Entry
    evaluation: int
    collateral: bytes
    registered_at: int
    not_after: int
    is_revoked: bool = False
    is_void: bool = False


@dataclass(slots=True)
class RegistryBook:
    """Records by attestation id; `grace` is seconds."""

    grace: int
    records: dict[bytes, Verdicted] = field(default_factory=dict)
    newest: dict[bytes, bytes] = field(default_factory=dict)
    revoked: dict[bytes, int] = field(default_factory=dict)
    in_force: int = 0
    announced: int = 0
    binds_from: int = 0
    past: list[tuple[int, int]] = field(default_factory=list)  # binds from, number; rising

    def register(self, attestation_id: bytes, record: Verdicted) -> None:
        self.records[attestation_id] = record
        self.newest[record.signer] = attestation_id

    def revoke(self, attestation_id: bytes, *, now: int) -> None:
        record = self.records[attestation_id]
        record.is_revoked = True
        record.not_after = min(record.not_after, now - 1)

    def raise_evaluation(self, number: int, *, now: int) -> None:
        """Only while none waits."""
        self.in_force, self.announced = self.announced, number
        self.binds_from = now + self.grace
        self.past.append((self.binds_from, number))

    def least(self, time: int) -> int:
        """The evaluation number that a platform needed at a time, whatever was announced since."""
        return max((number for binds, number in self.past if binds <= time), default=0)

    def stood(self, attestation_id: bytes, time: int) -> bool:
        """Whether it was live at a time, renewed since or not."""
        record = self.records[attestation_id]
        return (
            not record.is_void
            and record.registered_at <= time <= record.not_after
            and time < record.entry.delisted_at
            and time < self.revoked.get(record.collateral, NEVER)
            and record.evaluation >= self.least(time)
        )

    def state(self, attestation_id: bytes, *, now: int) -> AttestationState:
        """What ended it first in this order: void, revoked, expired, suspended."""
        record = self.records[attestation_id]
        if record.is_void:
            return AttestationState.VOID
        ended = record.entry.delisted_at != NEVER or record.collateral in self.revoked
        if record.is_revoked or ended:
            return AttestationState.REVOKED
        if now > record.not_after:
            return AttestationState.EXPIRED
        if record.evaluation >= self.announced:
            return AttestationState.LIVE
        return AttestationState.SUSPENDED if now >= self.binds_from else AttestationState.GRACE

    def live(self, signer: bytes, *, now: int) -> bytes:
        """The attestation that a key rests on; empty for none."""
        found = self.newest.get(signer)
        return found if found is not None and self.stood(found, now) else b""
