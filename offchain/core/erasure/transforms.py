"""The kernels: extend, decode and combine, written in primitives, one compilation for each form.

  legend  K data rows (a power of four), tile (rows, limbs, 8), eight columns at a time
  tables  inverse (K-1, 10), forward (cosets, K, 10), constants (2, 10): one, 1/K

A transform is radix 4: two levels for one pass over the tile. The inverse one reads rows in
bit-reversed order, as the code's rows are, and its first four levels skip the factors that are one;
values stay below 28r. The forward one evaluates on a coset and leaves bit-reversed order.
"""

from typing import Any

import numpy as np

from offchain.core.erasure.compile import kernel
from offchain.core.erasure.primitives import (
    accumulate,
    accumulate_lanes,
    butterfly4,
    load_elements,
    load_scaled,
    scale,
    scale_lanes,
    store_reduced,
    store_scaled,
    unit_butterfly4_first,
    unit_butterfly4_second,
)

LANES = 8
ONE, INVERSE_COUNT = 0, 1
REDUCE_EVERY = 8

Array = Any


@kernel
def inverse_transform(form: Any, tile: Array, twiddles: Array) -> None:
    """Sum over a of x_a root^-(a k): rows in bit-reversed order to k in natural order."""
    size = tile.shape[0]
    for a in range(0, size, 4):
        unit_butterfly4_first(form, tile, (a, a + 2, a + 1, a + 3), twiddles, 2)
    half = 4
    while half < size:
        wide = 2 * half - 1
        for group in range(0, size, 4 * half):
            for j in range(half):
                a = group + j
                rows = (a, a + 2 * half, a + half, a + 3 * half)
                if j == 0 and half == 4:
                    unit_butterfly4_second(form, tile, rows, twiddles, wide + half)
                else:
                    factors = (half - 1 + j, wide + j, wide + half + j)
                    butterfly4(form, tile, tile, rows, twiddles, factors)
        half *= 4


@kernel
def forward_transform(form: Any, tile: Array, coefficients: Array, twiddles: Array) -> None:
    """Values on a coset, bit-reversed, of the polynomial with coefficients in natural order."""
    half = tile.shape[0] // 2
    nodes = 1
    source = coefficients
    while half >= 2:
        quarter = half // 2
        for j in range(nodes):
            factors = (nodes + j, 2 * nodes + 2 * j, 2 * nodes + 2 * j + 1)
            for i in range(quarter):
                a = 2 * j * half + i
                rows = (a, a + quarter, a + half, a + half + quarter)
                butterfly4(form, tile, source, rows, twiddles, factors)
        source = tile
        half //= 4
        nodes *= 4


@kernel
def extend_columns(form: Any, rows: Array, tables: Any, span: Any) -> None:
    """Write the parity rows of columns span[0] .. span[1]-1 of (N, m, 32)."""
    inverse, forward, constants = tables
    size = forward.shape[1]
    tile = np.empty((size, form.limbs, LANES), np.int64)
    coset_tile = np.empty((size, form.limbs, LANES), np.int64)
    cosets = rows.shape[0] // size - 1
    for column in range(span[0], span[1], LANES):
        for row in range(size):
            load_elements(form, tile, row, rows, (row, column))
        inverse_transform(form, tile, inverse)
        for row in range(size):
            scale(form, tile, row, constants, INVERSE_COUNT)
        for coset in range(cosets):
            forward_transform(form, coset_tile, tile, forward[coset])
            base = (coset + 1) * size
            for row in range(size):
                store_reduced(form, rows, (base + row, column), coset_tile, row)


@kernel
def interpolate_columns(form: Any, values: Array, out: Array, tables: Any) -> None:
    """Coefficients, lowest first, of the polynomials through the rows: (K, m, 32) both."""
    inverse, _, constants = tables
    size = values.shape[0]
    tile = np.empty((size, form.limbs, LANES), np.int64)
    for column in range(0, values.shape[1], LANES):
        for row in range(size):
            load_elements(form, tile, row, values, (row, column))
        inverse_transform(form, tile, inverse)
        for row in range(size):
            store_scaled(form, out, (row, column), tile, row, constants, INVERSE_COUNT)


@kernel
def combine_rows(form: Any, rows: Array, out: Array, tables: Any, span: Any) -> None:
    """Sum over j of power_j x_j for rows span[0] .. span[1]-1; out (1, n rounded up to 8, 32)."""
    lane_powers, constants = tables
    total = np.empty((1, form.limbs, LANES), np.int64)
    gathered = np.zeros((1, form.limbs, LANES), np.int64)
    for first in range(span[0], span[1], LANES):
        for lane in range(LANES):
            row = first + lane
            total[:] = 0
            if row < rows.shape[0]:
                for column in range(0, rows.shape[1], LANES):
                    at = (row, column)
                    accumulate_lanes(form, total, 0, rows, at, lane_powers, column)
                    if column // LANES % REDUCE_EVERY == REDUCE_EVERY - 1:
                        scale(form, total, 0, constants, ONE)
                scale(form, total, 0, constants, ONE)
            for limb in range(form.limbs):
                gathered[0, limb, lane] = total[0, limb].sum()
        store_reduced(form, out, (0, first), gathered, 0)


@kernel
def vanishing_products(form: Any, out: Array, differences: Array, known: Array) -> None:
    """For every point of the domain the product of (w^(t - j) - 1) over the known points j != t.

    `known` holds exponents j; `differences` (4, 10, 2K) holds w^(4b+d) - 1 twice over b, one where
    it is zero. out (4, K, 32): points t = 4b + c at [c, b].
    """
    size = out.shape[1]
    tile = np.zeros((size // LANES, form.limbs, LANES), np.int64)
    for coset in range(4):
        tile[:] = 0
        for row in range(tile.shape[0]):
            for lane in range(LANES):
                tile[row, 0, lane] = 1
        for position in range(known.shape[0]):
            distance = coset - known[position]
            table = differences[distance % 4]
            start = (distance // 4) % size
            for row in range(tile.shape[0]):
                scale_lanes(form, tile, row, table, start + row * LANES)
        for row in range(tile.shape[0]):
            store_reduced(form, out, (coset, row * LANES), tile, row)


@kernel
def decode_columns(form: Any, rows: Array, out: Array, pattern: Any, span: Any) -> None:
    """Write the missing data rows of columns span[0] .. span[1]-1 into out (K, m, 32).

    f(x_e) = P_e * sum over known i of (f_i / P_i) h(e - i), h(k) = 1 / (w^k - 1): for each coset a
    cyclic convolution of length K, summed as spectra and transformed back once.
    """
    starts, positions, known, spectra, missing, finish, inverse, forward = pattern
    size = out.shape[0]
    tile = np.empty((size, form.limbs, LANES), np.int64)
    total = np.empty((size, form.limbs, LANES), np.int64)
    for column in range(span[0], span[1], LANES):
        total[:] = 0
        for coset in range(starts.shape[0] - 1):
            if starts[coset] == starts[coset + 1]:
                continue
            tile[:] = 0
            for order in range(starts[coset], starts[coset + 1]):
                at = (order, column)
                load_scaled(form, tile, positions[order], rows, at, known, order)
            inverse_transform(form, tile, inverse)
            for row in range(size):
                accumulate(form, total, row, tile, row, spectra[coset], row)
        forward_transform(form, total, total, forward)
        for order in range(missing.shape[0]):
            row = missing[order]
            store_scaled(form, out, (row, column), total, row, finish, order)
