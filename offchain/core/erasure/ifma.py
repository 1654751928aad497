"""Products on AVX-512 IFMA: 5 limbs of 52 bits, Shoup's method for constant factors.

With w' = floor(w 2^260 / r) known, q = floor(a w' / 2^260) is the quotient of a w by r or one less,
and a w - q r lies in [0, 2r): 84 multiply-adds where Montgomery's method needs 105. Only the
columns of a w' from 2^208 on are summed; what is left out is below 2^-49 of a unit of q.
"""

from offchain.core.erasure.forms import IFMA_LIMBS, RADIX_BITS
from offchain.core.erasure.lanes import LANE, Element, Factor, LaneEmitter, Value, constant
from offchain.core.field import MODULUS

_LOW = "llvm.x86.avx512.vpmadd52l.uq.512"
_HIGH = "llvm.x86.avx512.vpmadd52h.uq.512"


class IfmaEmitter(LaneEmitter):
    """`LaneEmitter` for processors with avx512ifma."""

    layout = IFMA_LIMBS

    def multiply(self, element: Element, factor: Factor) -> Element:
        """Element times factor, below 2r; the top limb of the result is signed."""
        limbs, build = self.limbs, self.builder
        a = self.carry(element, mask=False)
        w, w_quotient = factor.words[:limbs], factor.words[limbs:]
        columns = self._columns([constant(0)] * (2 * limbs), a, w_quotient, lowest=limbs - 1)
        for position in range(limbs - 1, 2 * limbs - 1):
            up = build.lshr(columns[position], constant(self.layout.bits))
            columns[position + 1] = build.add(columns[position + 1], up)
        quotient = columns[limbs:]
        negative_r = [constant(x) for x in self.layout.split((1 << RADIX_BITS) - MODULUS)]
        product = self._columns([constant(0)] * limbs, a, w, lowest=0)
        product = self._columns(product, quotient, negative_r, lowest=0)
        unused = constant(64 - self.layout.bits)
        product[-1] = build.ashr(build.shl(product[-1], unused), unused)
        return product

    def _columns(self, columns: Element, a: Element, b: Element, *, lowest: int) -> Element:
        """Add the products a_i b_j to the columns they belong to, where those exist."""
        out = list(columns)
        for i, left in enumerate(a):
            for j, right in enumerate(b):
                if lowest <= i + j < len(out):
                    out[i + j] = self._multiply_add(_LOW, out[i + j], left, right)
                if lowest <= i + j + 1 < len(out):
                    out[i + j + 1] = self._multiply_add(_HIGH, out[i + j + 1], left, right)
        return out

    def _multiply_add(self, name: str, total: Value, left: Value, right: Value) -> Value:
        return self.call(name, LANE, [total, left, right])
