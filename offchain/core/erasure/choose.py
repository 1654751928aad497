"""Choose an erasure engine by what the machine has, and prove it against the integers before use.

cuda       a CUDA device       ifma       AVX-512 IFMA
vectors    any LLVM vector target
loops      plain numba loops   reference  Python integers
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from offchain.core.erasure.engine import (
    PROTOCOL_GEOMETRY,
    EngineMismatch,
    EngineUnknown,
    ErasureEngine,
    Geometry,
)
from offchain.core.erasure.reference import ReferenceEngine
from offchain.core.field import MODULUS, Elements, elements_of
from offchain.core.hashing import keccak

ENGINE_NAMES: Final = ("cuda", "ifma", "vectors", "loops", "reference")
DRIVER_FILES: Final = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # Linux; Linux under Windows
SELF_TEST_GEOMETRY: Final = Geometry(data_rows=16, total_rows=48)
_SELF_TEST_COLUMNS: Final = 24
_SELF_TEST_CHALLENGE: Final = MODULUS - 2


def available_engines() -> tuple[str, ...]:
    """Engines this machine runs, fastest first."""
    device = ("cuda",) if _has_device() else ()
    return (*device, *processor_engines())


def processor_engines() -> tuple[str, ...]:
    """Engines this processor runs, fastest first."""
    from llvmlite import binding

    has_ifma = bool(binding.get_host_cpu_features().get("avx512ifma"))
    return ENGINE_NAMES[1:] if has_ifma else ENGINE_NAMES[2:]


def choose_engine(name: str | None = None) -> ErasureEngine:
    """The fastest engine this machine runs, or the one named, proven before it is returned.

    Raises: EngineUnknown for a name this machine has no engine for; EngineMismatch when the
    engine and the integers disagree.
    """
    available = available_engines()
    chosen = available[0] if name is None else name
    if chosen not in available:
        raise EngineUnknown(name=chosen, available=", ".join(available))
    self_test(chosen, lambda geometry: _build(chosen, geometry))
    return _build(chosen, PROTOCOL_GEOMETRY)


def self_test(name: str, build: Callable[[Geometry], ErasureEngine]) -> None:
    """Compare every operation on a small matrix with the integers. Raises: EngineMismatch."""
    reference, engine = ReferenceEngine(SELF_TEST_GEOMETRY), build(SELF_TEST_GEOMETRY)
    data = _test_matrix()
    rows = reference.extend(data)
    values = rows[: SELF_TEST_GEOMETRY.data_rows, 0]
    lost = (*range(20, 28), *range(4, 8), *range(40, 44))
    pairs: dict[str, Callable[[ErasureEngine], Elements]] = {
        "extend": lambda e: e.extend(data),
        "decode": lambda e: e.decode(lost, rows[list(lost)]),
        "combine": lambda e: e.combine(rows, _SELF_TEST_CHALLENGE),
        "extend_combinations": lambda e: e.extend_combinations(values),
        "coefficients": lambda e: e.coefficients(values),
        "row_roots": lambda e: e.row_roots(rows[:11]),
        "extend_and_hash": lambda e: e.extend_and_hash(_with_room(data)),
        "keccak_many": lambda e: e.keccak_many(rows[:11, :2].reshape(11, 64)),
    }
    for operation, run in pairs.items():
        if not np.array_equal(run(reference), run(engine)):
            raise EngineMismatch(engine=name, operation=operation)


def _build(name: str, geometry: Geometry) -> ErasureEngine:
    if name == "reference":
        return ReferenceEngine(geometry)
    if name == "cuda":
        from offchain.core.erasure.cuda_engine import MANY_ROWS, CudaEngine

        processor = _build(processor_engines()[0], geometry)
        return CudaEngine(processor, many_rows=MANY_ROWS if geometry == PROTOCOL_GEOMETRY else 1)
    from offchain.core.erasure.forms import Form, Ifma, Loops, Vectors
    from offchain.core.erasure.kernel_engine import KernelEngine

    forms: dict[str, Form] = {"ifma": Ifma(), "vectors": Vectors(), "loops": Loops()}
    return KernelEngine(name, forms[name], geometry)


def _has_device() -> bool:
    """Whether a CUDA device answers; without a driver's file nothing is loaded to ask."""
    if not any(file.exists() for file in DRIVER_FILES):
        return False
    from offchain.core.erasure.cuda_engine import has_device

    return has_device()


def _with_room(data: Elements) -> Elements:
    rows = np.zeros((SELF_TEST_GEOMETRY.total_rows, *data.shape[1:]), np.uint8)
    rows[: len(data)] = data
    return rows


def _test_matrix() -> Elements:
    """Elements without pattern, and columns of r - 1 and of 0, where carries are longest."""
    count = SELF_TEST_GEOMETRY.data_rows * _SELF_TEST_COLUMNS
    mixed = [
        int.from_bytes(keccak(position.to_bytes(4, "big")), "big") % MODULUS
        for position in range(count)
    ]
    data = elements_of(mixed).reshape(-1, _SELF_TEST_COLUMNS, 32)
    data[:, 0] = elements_of([MODULUS - 1])
    data[:, 1] = 0
    data[::3, 2] = elements_of([MODULUS - 1])
    return data
