"""The CUDA engine: in numba's simulator everywhere, on the device where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from offchain.core.erasure.choose import _build, available_engines, choose_engine
from offchain.core.erasure.engine import PROTOCOL_GEOMETRY, EngineUnknown
from offchain.core.layout import K
from tests.support.matrices import some_elements

PROJECT = Path(__file__).resolve().parents[4]
needs_device = pytest.mark.skipif(
    "cuda" not in available_engines(), reason="no GPU: the kernels ran in the simulator only"
)


def test_inv_da_1__cuda_kernels_in_the_simulator__same_bytes_as_the_integers():
    simulation = PROJECT / "tests" / "support" / "cuda_simulation.py"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(PROJECT)}

    done = subprocess.run(
        [sys.executable, str(simulation)],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout.split() == ["combine", "extend", "extend_and_hash", "row_roots"]


def test_choose_engine__cuda_without_a_device__refused_by_name():
    if "cuda" in available_engines():
        pytest.skip("this machine has a GPU")

    with pytest.raises(EngineUnknown):
        choose_engine("cuda")


@pytest.mark.gpu
@needs_device
@pytest.mark.parametrize("columns", [8, 24, 1_024])
def test_inv_da_1__cuda_device__same_bytes_as_the_fastest_processor_engine(columns):
    device = _build("cuda", PROTOCOL_GEOMETRY)
    processor = _build(available_engines()[1], PROTOCOL_GEOMETRY)
    data = some_elements(K, 8, seed=columns).repeat(columns // 8, axis=1)
    expected = processor.extend(data, threads=2)
    rows = np.zeros_like(expected)
    rows[:K] = data

    roots = device.extend_and_hash(rows)

    assert np.array_equal(expected, rows)
    assert np.array_equal(processor.row_roots(expected, threads=2), roots)
    assert np.array_equal(processor.combine(data, 12345), device.combine(data, 12345))
