"""The scalar field of BLS12-381 as Python integers and as arrays of 32-byte big-endian elements.

`r` is the field that the EVM opens with the precompile 0x0a; EIP-4844 evaluates its
polynomials on the 4,096 powers of `w = 7^((r-1)/4096)`. Source: docs/protocol/da.md.

  legend  E  array of elements, shape (..., 32) uint8, big-endian, canonical when < r
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

MODULUS: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
GENERATOR: Final = 7
TWO_ADICITY: Final = 32
FIELD_BYTES: Final = 32
DOMAIN_POINTS: Final = 4_096

Elements = npt.NDArray[np.uint8]

_TOP_WORD: Final = MODULUS >> 192


def root_of_unity(order: int) -> int:
    """A primitive `order`-th root of unity, `order` a power of two up to 2^32."""
    assert order & (order - 1) == 0
    assert order <= 1 << TWO_ADICITY
    return pow(GENERATOR, (MODULUS - 1) // order, MODULUS)


def bit_reverse(value: int, bits: int) -> int:
    """`value` with its lowest `bits` bits in opposite order."""
    reversed_value = 0
    for _ in range(bits):
        reversed_value = reversed_value << 1 | value & 1
        value >>= 1
    return reversed_value


def powers(base: int, count: int) -> list[int]:
    """1, base, base^2, ... : `count` of them."""
    out = [1] * count
    for position in range(1, count):
        out[position] = out[position - 1] * base % MODULUS
    return out


def batch_inverse(values: Sequence[int]) -> list[int]:
    """The inverse of every value, none of them zero, for one inversion and three products each."""
    prefix = [1]
    for value in values:
        prefix.append(prefix[-1] * value % MODULUS)
    running = pow(prefix[-1], -1, MODULUS)
    out = [0] * len(values)
    for position in range(len(values) - 1, -1, -1):
        out[position] = running * prefix[position] % MODULUS
        running = running * values[position] % MODULUS
    return out


def elements_of(values: Iterable[int]) -> Elements:
    """Integers below 2^256 as an array (n, 32)."""
    raw = b"".join(value.to_bytes(FIELD_BYTES, "big") for value in values)
    return np.frombuffer(raw, np.uint8).reshape(-1, FIELD_BYTES).copy()


def integers_of(elements: Elements) -> list[int]:
    """The integers of an array of elements, in memory order."""
    raw = np.ascontiguousarray(elements).tobytes()
    return [
        int.from_bytes(raw[start : start + FIELD_BYTES], "big")
        for start in range(0, len(raw), FIELD_BYTES)
    ]


def first_not_canonical(elements: Elements) -> int | None:
    """Position, in memory order, of the first element >= r; None when all are canonical."""
    flat = np.ascontiguousarray(elements).reshape(-1, FIELD_BYTES)
    top = flat.view(">u8")[:, 0]
    for position in np.flatnonzero(top >= _TOP_WORD):
        if int.from_bytes(flat[position].tobytes(), "big") >= MODULUS:
            return int(position)
    return None
