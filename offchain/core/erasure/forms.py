"""The three machine forms of a field element, and the tables of constants each multiplies by.

  form     limbs        product with a constant w                   a factor holds
  Ifma     5 x 52 bit   Shoup: a w - floor(a w' / 2^260) r          w, w' = floor(w 2^260 / r)
  Vectors  10 x 26 bit  Montgomery: a (w 2^260) / 2^260             w 2^260 mod r
  Loops    10 x 26 bit  the same, without intrinsics                the same

Every product is below 2r when the element is below 35r; limbs between products are signed and not
normalised. A tile is an array (rows, limbs, 8) of int64: one field element a row and lane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from offchain.core.field import MODULUS

LANES: Final = 8
RADIX_BITS: Final = 260
FACTOR_WORDS: Final = 10

Limbs = npt.NDArray[np.int64]


class Ifma(NamedTuple):
    """AVX-512 IFMA; a marker that picks the emitter when a kernel is compiled."""

    limbs: int = 5


class Vectors(NamedTuple):
    """Portable LLVM vectors; a marker that picks the emitter when a kernel is compiled."""

    limbs: int = 10


class Loops(NamedTuple):
    """Plain numba loops; a marker that picks the functions when a kernel is compiled."""

    limbs: int = 10


Form = Ifma | Vectors | Loops


@dataclass(frozen=True, slots=True)
class LimbLayout:
    """How many limbs of how many bits; 260 bits in all."""

    limbs: int
    bits: int

    def split(self, value: int) -> list[int]:
        mask = (1 << self.bits) - 1
        return [value >> self.bits * position & mask for position in range(self.limbs)]


IFMA_LIMBS: Final = LimbLayout(5, 52)
NARROW_LIMBS: Final = LimbLayout(10, 26)


def factors(form: Form, values: Sequence[int]) -> Limbs:
    """Constants to multiply by, shape (n, 10)."""
    if isinstance(form, Ifma):
        quotients = [(value << RADIX_BITS) // MODULUS for value in values]
        return np.hstack([_split_all(values, IFMA_LIMBS), _split_all(quotients, IFMA_LIMBS)])
    radix = (1 << RADIX_BITS) % MODULUS
    return _split_all([value * radix % MODULUS for value in values], NARROW_LIMBS)


def lane_factors(form: Form, values: Sequence[int]) -> Limbs:
    """One constant a lane, limb by limb, shape (10, n): eight neighbours are one vector load."""
    return np.ascontiguousarray(factors(form, values).T)


def _split_all(values: Sequence[int], layout: LimbLayout) -> Limbs:
    raw = b"".join(value.to_bytes(40, "little") for value in values)
    words = np.frombuffer(raw, "<u8").reshape(-1, 5)
    out = np.empty((len(values), layout.limbs), np.uint64)
    for position in range(layout.limbs):
        word, shift = divmod(layout.bits * position, 64)
        limb = words[:, word] >> np.uint64(shift)
        if shift + layout.bits > 64 and word < 4:
            limb |= words[:, word + 1] << np.uint64(64 - shift)
        out[:, position] = limb & np.uint64((1 << layout.bits) - 1)
    return out.view(np.int64)
