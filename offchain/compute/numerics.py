"""Which machines may check each other, and how far honest ones may differ; pure.

TORCH_FP32 is checked in fp32. TORCH_BF16 is checked in fp32 or bf16, with wider limits and a mean
over ten chunks. REFERENCE, GGUF and OPAQUE cannot be replayed by the torch auditor. Limits are
calibrated per model and device: honest pairs are measured, the largest value seen is multiplied by
HEADROOM, and never falls under the class's floor. Source:
docs/protocol/compute.md#numerics-classes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from offchain.compute.model import Numerics
from offchain.compute.sampler import Slack
from offchain.core.errors import InvalidInput

HEADROOM: Final = 2.0
MEAN_CHUNKS: Final = 10  # the mean over an answer counts from this many chunks on


class NumericsUncheckable(InvalidInput):
    """No auditor can replay this class."""

    code = "compute.numerics.uncheckable"
    next_step = "Serve with the torch engine in fp32 or bf16 to be audited."


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What one chunk and one answer of an honest provider stays within.

    `mismatches` per 128 points; `mantissa_mean` per chunk and, over MEAN_CHUNKS or more, per
    answer; `margin` per token and `margin_mean` per answer in score units.
    """

    mismatches: int
    mantissa_mean: float
    answer_mantissa_mean: float
    margin: float
    margin_mean: float
    slack: Slack
    embedding_distance: float


FP32: Final = Thresholds(
    mismatches=2,
    mantissa_mean=0.5,
    answer_mantissa_mean=0.25,
    margin=0.01,
    margin_mean=0.001,
    slack=Slack(probability=1e-4, score=1e-3),
    embedding_distance=1e-3,
)
BF16: Final = Thresholds(
    mismatches=10,
    mantissa_mean=3.5,
    answer_mantissa_mean=2.3,
    margin=2.0,
    margin_mean=0.1,
    slack=Slack(probability=0.05, score=0.5),
    embedding_distance=3e-2,
)
DEFAULTS: Final = {Numerics.TORCH_FP32: FP32, Numerics.TORCH_BF16: BF16}
CHECKERS: Final = {
    Numerics.TORCH_FP32: frozenset({Numerics.TORCH_FP32}),
    Numerics.TORCH_BF16: frozenset({Numerics.TORCH_FP32, Numerics.TORCH_BF16}),
}


def thresholds_of(served: Numerics, checked: Numerics) -> Thresholds:
    """The limits for an answer of one class under an auditor of another.

    Raises: NumericsUncheckable.
    """
    if checked not in CHECKERS.get(served, frozenset()):
        raise NumericsUncheckable(served=served.name, checked=checked.name)
    return DEFAULTS[served]


@dataclass(frozen=True, slots=True)
class Measured:
    """The largest distances of one answer from a replay; `chunks` counts the prompt as one."""

    prefill_mismatches: int
    prefill_mantissa_mean: float
    mismatches: int
    mantissa_mean: float
    answer_mantissa_mean: float
    margin: float
    margin_mean: float
    chunks: int

    def is_within(self, limits: Thresholds) -> bool:
        """Whether an auditor with these limits lets it pass."""
        return (
            self.margin <= limits.margin
            and self.margin_mean <= limits.margin_mean
            and self.is_prefill_within(limits)
            and self.are_chunks_within(limits)
        )

    def is_prefill_within(self, limits: Thresholds) -> bool:
        """Whether the prompt's states are near enough."""
        return (
            self.prefill_mismatches <= limits.mismatches
            and self.prefill_mantissa_mean <= limits.mantissa_mean
        )

    def are_chunks_within(self, limits: Thresholds) -> bool:
        """Whether every chunk's states are, and the mean of a long answer."""
        is_mean_ok = (
            self.chunks < MEAN_CHUNKS or self.answer_mantissa_mean <= limits.answer_mantissa_mean
        )
        return (
            self.mismatches <= limits.mismatches
            and self.mantissa_mean <= limits.mantissa_mean
            and is_mean_ok
        )


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """At limits of `scale` times the calibrated ones: the share of honest answers flagged."""

    scale: float
    flagged: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Limits for one model on one pair of devices, and how they were found."""

    model_hash: str
    served_on: str
    checked_on: str
    answers: int
    thresholds: Thresholds
    curve: tuple[CurvePoint, ...]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def calibrate(
    honest: Sequence[Measured], floor: Thresholds, *, model_hash: bytes, devices: tuple[str, str]
) -> Calibration:
    """Limits that let every measured honest answer pass with HEADROOM, and their curve."""
    limits = Thresholds(
        mismatches=int(
            _above(floor.mismatches, [max(m.mismatches, m.prefill_mismatches) for m in honest])
        ),
        mantissa_mean=_above(
            floor.mantissa_mean, [max(m.mantissa_mean, m.prefill_mantissa_mean) for m in honest]
        ),
        answer_mantissa_mean=_above(
            floor.answer_mantissa_mean, [m.answer_mantissa_mean for m in honest]
        ),
        margin=_above(floor.margin, [m.margin for m in honest]),
        margin_mean=_above(floor.margin_mean, [m.margin_mean for m in honest]),
        slack=floor.slack,
        embedding_distance=floor.embedding_distance,
    )
    scales = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    curve = tuple(CurvePoint(scale, _flagged(honest, limits, scale)) for scale in scales)
    return Calibration(model_hash.hex(), *devices, len(honest), limits, curve)


def _above(floor: float, seen: Sequence[float]) -> float:
    return max(floor, HEADROOM * max(seen))


def _flagged(honest: Sequence[Measured], limits: Thresholds, scale: float) -> float:
    scaled = Thresholds(
        mismatches=int(limits.mismatches * scale),
        mantissa_mean=limits.mantissa_mean * scale,
        answer_mantissa_mean=limits.answer_mantissa_mean * scale,
        margin=limits.margin * scale,
        margin_mean=limits.margin_mean * scale,
        slack=limits.slack,
        embedding_distance=limits.embedding_distance,
    )
    return sum(not one.is_within(scaled) for one in honest) / len(honest)
