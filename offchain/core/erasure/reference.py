"""The erasure code in Python integers, as a textbook has it: slow, and what the others must equal.

Interpolation and evaluation are recursive Fourier transforms; decoding is Lagrange's formula.
Source: docs/protocol/da.md#encoding.
"""

from collections.abc import Sequence

import numpy as np

from offchain.core.erasure.engine import PROTOCOL_GEOMETRY, Geometry
from offchain.core.field import (
    MODULUS,
    Elements,
    batch_inverse,
    bit_reverse,
    elements_of,
    integers_of,
    powers,
    root_of_unity,
)
from offchain.core.merkle import Digests, hash_each, row_root


class ReferenceEngine:
    """`ErasureEngine` in Python integers; `threads` is ignored."""

    def __init__(self, geometry: Geometry = PROTOCOL_GEOMETRY) -> None:
        self._geometry = geometry
        domain_powers = powers(root_of_unity(geometry.domain), geometry.domain)
        self._points = [domain_powers[geometry.exponent(row)] for row in range(geometry.domain)]

    @property
    def name(self) -> str:
        return "reference"

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    @property
    def uses_ifma(self) -> bool:
        return False

    def extend(self, data: Elements, *, threads: int = 1) -> Elements:
        rows = np.empty((self._geometry.total_rows, *data.shape[1:]), np.uint8)
        rows[: self._geometry.data_rows] = data
        self.extend_in_place(rows, threads=threads)
        return rows

    def extend_in_place(self, rows: Elements, *, threads: int = 1) -> None:
        del threads
        data_rows, total = self._geometry.data_rows, rows.shape[0]
        for column in range(rows.shape[1]):
            values = self._on_domain(integers_of(rows[:data_rows, column]))
            rows[data_rows:, column] = elements_of(values[data_rows:total])

    def extend_and_hash(self, rows: Elements, *, threads: int = 1) -> Digests:
        self.extend_in_place(rows, threads=threads)
        return self.row_roots(rows, threads=threads)

    def decode(self, indices: Sequence[int], rows: Elements, *, threads: int = 1) -> Elements:
        del threads
        self._geometry.require_indices(indices)
        data_rows = self._geometry.data_rows
        out = np.empty((data_rows, *rows.shape[1:]), np.uint8)
        known = {index: position for position, index in enumerate(indices)}
        for index, position in known.items():
            if index < data_rows:
                out[index] = rows[position]
        missing = [index for index in range(data_rows) if index not in known]
        if missing:
            weights = self._barycentric_weights(indices)
            for column in range(rows.shape[1]):
                values = integers_of(rows[:, column])
                weighted = [w * v % MODULUS for w, v in zip(weights, values, strict=True)]
                out[missing, column] = elements_of(self._lagrange(indices, weighted, missing))
        return out

    def combine(self, rows: Elements, challenge: int, *, threads: int = 1) -> Elements:
        del threads
        scale = powers(challenge, rows.shape[1])
        return elements_of(
            sum(s * x for s, x in zip(scale, integers_of(row), strict=True)) % MODULUS
            for row in rows
        )

    def extend_combinations(self, values: Elements) -> Elements:
        return elements_of(self._on_domain(integers_of(values)))

    def coefficients(self, values: Elements) -> Elements:
        return elements_of(self._interpolate(integers_of(values)))

    def row_roots(self, rows: Elements, *, threads: int = 1) -> Digests:
        del threads
        roots = [np.frombuffer(row_root(row.tobytes()), np.uint8) for row in rows]
        return np.stack(roots)

    def keccak_many(self, messages: Digests) -> Digests:
        return hash_each(messages)

    def _interpolate(self, values: list[int]) -> list[int]:
        bits, count = self._geometry.bits, self._geometry.data_rows
        natural = [values[bit_reverse(position, bits)] for position in range(count)]
        inverse_root = pow(root_of_unity(count), -1, MODULUS)
        scale = pow(count, -1, MODULUS)
        return [value * scale % MODULUS for value in _transform(natural, inverse_root)]

    def _on_domain(self, values: list[int]) -> list[int]:
        domain = self._geometry.domain
        coefficients = self._interpolate(values) + [0] * (domain - len(values))
        natural = _transform(coefficients, root_of_unity(domain))
        return [natural[self._geometry.exponent(row)] for row in range(domain)]

    def _barycentric_weights(self, indices: Sequence[int]) -> list[int]:
        points = [self._points[index] for index in indices]
        denominators = []
        for point in points:
            product = 1
            for other in points:
                if other != point:
                    product = product * (point - other) % MODULUS
            denominators.append(product)
        return batch_inverse(denominators)

    def _lagrange(
        self, indices: Sequence[int], weighted: list[int], targets: Sequence[int]
    ) -> list[int]:
        out = []
        for target in targets:
            differences = [(self._points[target] - self._points[i]) % MODULUS for i in indices]
            vanishing = 1
            for difference in differences:
                vanishing = vanishing * difference % MODULUS
            inverses = batch_inverse(differences)
            total = sum(w * d for w, d in zip(weighted, inverses, strict=True))
            out.append(vanishing * total % MODULUS)
        return out


def _transform(values: list[int], root: int) -> list[int]:
    """Values at 1, root, root^2 ... of the polynomial with these coefficients."""
    if len(values) == 1:
        return values
    even = _transform(values[::2], root * root % MODULUS)
    odd = _transform(values[1::2], root * root % MODULUS)
    half = len(even)
    out, twiddle = [0] * len(values), 1
    for position in range(half):
        term = twiddle * odd[position] % MODULUS
        out[position] = (even[position] + term) % MODULUS
        out[position + half] = (even[position] - term) % MODULUS
        twiddle = twiddle * root % MODULUS
    return out
