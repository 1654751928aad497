"""What a decoder has to know about one pattern of loss: which rows came, and constants for them.

With h(k) = 1 / (w^k - 1) and P_t = product over known exponents j != t of (w^(t-j) - 1), a lost
value is f(x_e) = P_e * sum over known i of (f_i / P_i) h(e - i): Lagrange's formula, in which the
product of all known points cancels. The sum is a convolution for each coset, so it is done by
transforms of length K.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from offchain.core.erasure import transforms
from offchain.core.erasure.engine import Geometry
from offchain.core.erasure.forms import Form, Limbs, factors, lane_factors
from offchain.core.field import (
    FIELD_BYTES,
    MODULUS,
    batch_inverse,
    bit_reverse,
    elements_of,
    integers_of,
    powers,
    root_of_unity,
)

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LossPattern:
    """One set of K known rows, prepared for `decode_columns`.

    `order` sorts the caller's rows by index; `present` are the data rows among them.
    """

    order: Positions
    present: Positions
    present_order: Positions
    missing: Positions
    arrays: tuple[Any, ...]


class PatternTables:
    """Constants of one geometry that every pattern shares, built on first use."""

    def __init__(self, form: Form, geometry: Geometry, inverse: Limbs, constants: Limbs) -> None:
        self._form = form
        self._geometry = geometry
        self._inverse = inverse
        self._constants = constants

    def pattern(self, indices: tuple[int, ...]) -> LossPattern:
        """Prepare K distinct row indices in the caller's order."""
        count = self._geometry.data_rows
        order = np.argsort(np.array(indices, np.int64))
        known = np.array(indices, np.int64)[order]
        present = known[known < count]
        missing = np.setdiff1d(np.arange(count, dtype=np.int64), present)
        arrays = self._arrays(known, missing) if len(missing) else ()
        return LossPattern(order, present, order[: len(present)], missing, arrays)

    def _arrays(self, known: Positions, missing: Positions) -> tuple[Any, ...]:
        geometry = self._geometry
        count, bits = geometry.data_rows, geometry.bits
        exponents = np.array([geometry.exponent(int(row)) for row in known], np.int64)
        out = np.empty((4, count, FIELD_BYTES), np.uint8)
        transforms.vanishing_products(self._form, out, self._differences, exponents)
        at_known = integers_of(out[exponents % 4, exponents // 4])
        inside = np.array([bit_reverse(int(row), bits) for row in missing], np.int64)
        at_missing = integers_of(out[0, inside])
        starts = np.searchsorted(known, np.arange(5) * count).astype(np.int64)
        return (
            starts,
            known % count,
            factors(self._form, batch_inverse(at_known)),
            self._spectra,
            missing,
            factors(self._form, at_missing),
            self._inverse,
            self._cyclic,
        )

    @cached_property
    def _domain(self) -> list[int]:
        return powers(root_of_unity(self._geometry.domain), self._geometry.domain)

    @cached_property
    def _differences(self) -> Limbs:
        """w^(4b+d) - 1 at [d, :, b] and again at b + K; one in place of zero."""
        values = [(point - 1) % MODULUS or 1 for point in self._domain]
        return np.stack([lane_factors(self._form, values[d::4] * 2) for d in range(4)])

    @cached_property
    def _spectra(self) -> Limbs:
        """Transform of b -> h(4b - c) over K, c the exponent of the coset, (4, K, 10)."""
        domain, bits = self._geometry.domain, self._geometry.bits
        count = self._geometry.data_rows
        inverses = [0, *batch_inverse([point - 1 for point in self._domain[1:]])]
        columns = []
        for coset in range(4):
            shift = bit_reverse(coset, 2)
            column = [inverses[(4 * b - shift) % domain] for b in range(count)]
            columns.append([column[bit_reverse(row, bits)] for row in range(count)])
        values = np.zeros((count, 8, FIELD_BYTES), np.uint8)
        for coset, column in enumerate(columns):
            values[:, coset] = elements_of(column)
        spectra = np.empty_like(values)
        tables = (self._inverse, self._inverse[np.newaxis], self._constants)
        transforms.interpolate_columns(self._form, values, spectra, tables)
        return np.stack([factors(self._form, integers_of(spectra[:, coset])) for coset in range(4)])

    @cached_property
    def _cyclic(self) -> Limbs:
        from offchain.core.erasure.kernel_engine import forward_twiddles

        return forward_twiddles(self._form, self._geometry, 0)
