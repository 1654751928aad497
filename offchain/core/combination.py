"""The challenge that folds every row of a matrix into one field element.

  rho = int(keccak(T_RLC || D || u32 m || u64 len || u32 K || u32 N)) mod r     84 bytes
  y_i = sum over j of rho^j * x[i,j]

D is final before rho exists, and every field that gives the bytes a meaning is bound: change one
and rho changes. Source: docs/protocol/da.md#combination.
"""

import struct
from typing import Final

from offchain.core.field import MODULUS
from offchain.core.hashing import TAG_RLC, keccak
from offchain.core.layout import K, N, Shape

_BOUND: Final = struct.Struct(">32s32sIQII")
assert _BOUND.size == 84


def challenge(data_root: bytes, shape: Shape) -> int:
    """The challenge rho of a matrix with root D."""
    bound = _BOUND.pack(TAG_RLC, data_root, shape.columns, shape.length, K, N)
    return int.from_bytes(keccak(bound), "big") % MODULUS
