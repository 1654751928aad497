"""Products on portable LLVM vectors: 10 limbs of 26 bits, Montgomery's method word by word.

A 26-bit limb times another leaves room to add ten products and carries in 64 bits, on any machine
whose vectors multiply 32-bit halves: AVX-512, AVX2, SSE, NEON.
"""

from offchain.core.erasure.forms import NARROW_LIMBS
from offchain.core.erasure.lanes import Element, Factor, LaneEmitter, constant
from offchain.core.field import MODULUS

_MASK = (1 << NARROW_LIMBS.bits) - 1
_NEGATIVE_INVERSE = -pow(MODULUS, -1, 1 << NARROW_LIMBS.bits) & _MASK


class VectorEmitter(LaneEmitter):
    """`LaneEmitter` for every LLVM target."""

    layout = NARROW_LIMBS

    def multiply(self, element: Element, factor: Factor) -> Element:
        """Element times factor, below 2r, carried and masked."""
        build = self.builder
        a = self.carry(element, mask=True)
        modulus = self._multiple(1)
        total = [constant(0)] * self.limbs
        for word in factor.words:
            total = [build.add(t, build.mul(x, word)) for t, x in zip(total, a, strict=True)]
            low = build.and_(total[0], constant(_MASK))
            times = build.and_(build.mul(low, constant(_NEGATIVE_INVERSE)), constant(_MASK))
            total = [build.add(t, build.mul(times, p)) for t, p in zip(total, modulus, strict=True)]
            up = build.lshr(total[0], constant(self.layout.bits))
            total = [build.add(total[1], up), *total[2:], constant(0)]
        return self.carry(total, mask=True)
