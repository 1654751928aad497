"""What we accept: which roots, which platform states, which measured code, how old; pure data.

Source: docs/protocol/attestation.md#policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offchain.attestation.model import MeasurementClass, TcbStatus
from offchain.attestation.report_data import Domain
from offchain.core.units import DAY

SEPT_VE_DISABLE: Final = 1 << 28
USUAL_XFAM: Final = 0x602E7  # x87, SSE, AVX, AVX-512, PKRU, AMX
MAX_COLLATERAL_AGE_SECONDS: Final = 30 * DAY
NO_END: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class GpuRequirement:
    """The GPUs that an entry asks for; an empty set of versions allows none."""

    model: str
    count: int
    drivers: frozenset[str]
    vbioses: frozenset[str]


@dataclass(frozen=True, slots=True)
class MeasurementEntry:
    """Measured code that is accepted, with the exact attributes it must run under.

    `hardening_advisories`: with these named advisories, and no others, SWHardeningNeeded passes.
    """

    measurement_id: bytes
    measurement_class: MeasurementClass
    valid_until: int
    td_attributes: int = SEPT_VE_DISABLE
    xfam: int = USUAL_XFAM
    hardening_advisories: frozenset[str] = frozenset()
    gpu: GpuRequirement | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What makes evidence acceptable to whoever holds this policy.

    `allow_simulated` false refuses every root but the vendor's. `gpu_roots` are certificates, DER.
    """

    measurements: tuple[MeasurementEntry, ...]
    allow_simulated: bool = False
    statuses: frozenset[TcbStatus] = frozenset({TcbStatus.UP_TO_DATE})
    denied_advisories: frozenset[str] = frozenset()
    min_eval_number: int = 0
    max_collateral_age_seconds: int = MAX_COLLATERAL_AGE_SECONDS
    td_attributes: int = SEPT_VE_DISABLE  # of a quote whose code is not judged
    xfam: int = USUAL_XFAM
    gpu_roots: frozenset[bytes] = frozenset()

    def entry_of(self, measurement_id: bytes) -> MeasurementEntry | None:
        """The entry of measured code, None when it is not listed."""
        found = (one for one in self.measurements if one.measurement_id == measurement_id)
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when evidence is judged.

    `nonces` are the accepted epochs with their nonces, this and the last; `service_id` is the
    service that was asked for, None when any will do.
    """

    domain: Domain
    nonces: Mapping[int, bytes]
    now: int
    service_id: bytes | None = None
