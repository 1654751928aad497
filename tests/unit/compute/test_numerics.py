"""Classes and calibration: who checks whom, and limits that let measured honest answers pass."""

import pytest

from offchain.compute.model import Numerics
from offchain.compute.numerics import (
    BF16,
    FP32,
    Measured,
    NumericsUncheckable,
    calibrate,
    thresholds_of,
)


def test_thresholds_of__allowed_pairs__are_of_the_served_class() -> None:
    assert thresholds_of(Numerics.TORCH_FP32, Numerics.TORCH_FP32) == FP32
    assert thresholds_of(Numerics.TORCH_BF16, Numerics.TORCH_FP32) == BF16
    assert thresholds_of(Numerics.TORCH_BF16, Numerics.TORCH_BF16) == BF16


@pytest.mark.parametrize(
    ("served", "checked"),
    [
        (Numerics.TORCH_FP32, Numerics.TORCH_BF16),
        (Numerics.OPAQUE, Numerics.OPAQUE),
        (Numerics.GGUF, Numerics.TORCH_FP32),
        (Numerics.REFERENCE, Numerics.TORCH_FP32),
    ],
)
def test_thresholds_of__other_pairs__refused(served: Numerics, checked: Numerics) -> None:
    with pytest.raises(NumericsUncheckable):
        thresholds_of(served, checked)


def test_calibrate__honest_answers__pass_and_the_curve_falls() -> None:
    honest = [
        Measured(at % 3, at / 50, at % 5, at / 40, at / 80, at / 1_000, at / 9_000, 12)
        for at in range(100)
    ]

    found = calibrate(honest, FP32, model_hash=b"\x01" * 32, devices=("cpu", "cpu"))

    assert all(one.is_within(found.thresholds) for one in honest)
    shares = [point.flagged for point in found.curve]
    assert shares == sorted(shares, reverse=True)
    assert next(point.flagged for point in found.curve if point.scale == 1.0) == 0.0
    assert shares[0] > 0.9


def test_calibrate__no_distance_at_all__keeps_the_floor() -> None:
    honest = [Measured(0, 0.0, 0, 0.0, 0.0, 0.0, 0.0, 3)] * 10

    assert calibrate(honest, FP32, model_hash=bytes(32), devices=("a", "b")).thresholds == FP32


def test_is_within__mean_of_an_answer__counts_from_ten_chunks() -> None:
    far = BF16.answer_mantissa_mean + 0.1

    assert Measured(0, 0.0, 0, 3.0, far, 0.0, 0.0, 9).is_within(BF16)
    assert not Measured(0, 0.0, 0, 3.0, far, 0.0, 0.0, 10).is_within(BF16)
