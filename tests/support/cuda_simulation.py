"""Every kernel of the CUDA engine in numba's simulator against the integers; its own process.

Usage: NUMBA_ENABLE_CUDASIM=1 python cuda_simulation.py; the last line says which operations agree.
"""

import random
import sys
import warnings

import numpy as np

from offchain.core.erasure import Geometry
from offchain.core.erasure.cuda_engine import CudaEngine
from offchain.core.erasure.reference import ReferenceEngine
from offchain.core.field import MODULUS, Elements, elements_of

GEOMETRY = Geometry(data_rows=4, total_rows=12)
EDGES = (0, 1, MODULUS - 1, MODULUS - 2, MODULUS >> 1, 1 << 254, (1 << 224) - 1, 1 << 32)


def main() -> int:
    warnings.simplefilter("error")  # a 64-bit sum that overflows is one
    integers, device = ReferenceEngine(GEOMETRY), CudaEngine(ReferenceEngine(GEOMETRY), many_rows=1)
    data = a_matrix(8)
    rows = integers.extend(data)
    room = np.zeros_like(rows)
    room[: len(data)] = data
    wide = a_matrix(24)[:2]
    agree = {
        "extend": np.array_equal(rows, device.extend(data)),
        "combine": np.array_equal(
            integers.combine(wide, MODULUS - 2), device.combine(wide, MODULUS - 2)
        ),
        "row_roots": np.array_equal(integers.row_roots(wide), device.row_roots(wide)),
        "extend_and_hash": np.array_equal(integers.row_roots(rows), device.extend_and_hash(room))
        and np.array_equal(rows, room),
    }
    print(" ".join(sorted(name for name, same in agree.items() if same)))
    return 0 if all(agree.values()) else 1


def a_matrix(columns: int) -> Elements:
    """Data rows whose first columns are the values where carries are longest."""
    generator = random.Random(columns)
    values = [generator.randrange(MODULUS) for _ in range(GEOMETRY.data_rows * columns)]
    values[: len(EDGES)] = EDGES
    return elements_of(values).reshape(GEOMETRY.data_rows, columns, 32)


if __name__ == "__main__":
    sys.exit(main())
