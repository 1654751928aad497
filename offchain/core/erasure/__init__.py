"""The row code: any K of N rows of field elements restore the data, at memory speed.

Owns: the `ErasureEngine` port, bulk keccak, the engines cuda, ifma, vectors, loops, reference.
May import: numpy, numba and llvmlite, and the rest of `offchain.core`.
"""

from offchain.core.erasure.engine import (
    PROTOCOL_GEOMETRY,
    EngineMismatch,
    EngineUnknown,
    ErasureEngine,
    Geometry,
    RowsMissing,
)

__all__ = [
    "PROTOCOL_GEOMETRY",
    "EngineMismatch",
    "EngineUnknown",
    "ErasureEngine",
    "Geometry",
    "RowsMissing",
]
