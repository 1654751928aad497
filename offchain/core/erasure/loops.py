"""The primitives as plain numba loops over eight lanes: no intrinsic, no IR, the last resort.

10 limbs of 26 bits, Montgomery's method, the same bounds as `vectors.py`. Loops over lanes are left
to LLVM's own vectoriser.
"""

from typing import Any

import numba
import numpy as np

from offchain.core.erasure.forms import LANES, NARROW_LIMBS
from offchain.core.erasure.lanes import ESTIMATE_BITS, ESTIMATE_FACTOR
from offchain.core.field import MODULUS

LIMBS = NARROW_LIMBS.limbs
BITS = NARROW_LIMBS.bits
MASK = (1 << BITS) - 1
_NEGATIVE_INVERSE = -pow(MODULUS, -1, 1 << BITS) & MASK
_MULTIPLES = np.array([NARROW_LIMBS.split(times * MODULUS) for times in range(9)], np.int64)
_R = tuple(NARROW_LIMBS.split(MODULUS))

Array = Any


@numba.njit(nogil=True)
def _carry(element: Array) -> None:
    for k in range(LIMBS - 1):
        for lane in range(LANES):
            element[k + 1, lane] += element[k, lane] >> BITS
            element[k, lane] &= MASK


@numba.njit(nogil=True)
def _multiply(a: Array, w: Array) -> Array:
    """Carry `a` in place; a times w, below 2r. w is (10, 8), or (10, 1) for all lanes."""
    total = np.zeros((LIMBS + 1, LANES), np.int64)
    times = np.empty(LANES, np.int64)
    _carry(a)
    for i in range(LIMBS):
        for k in range(LIMBS):
            for lane in range(LANES):
                total[k, lane] += a[k, lane] * w[i, lane]
        for lane in range(LANES):
            times[lane] = ((total[0, lane] & MASK) * _NEGATIVE_INVERSE) & MASK
            total[0, lane] = (total[0, lane] + times[lane] * _MULTIPLES[1, 0]) >> BITS
        for lane in range(LANES):
            total[0, lane] += total[1, lane] + times[lane] * _MULTIPLES[1, 1]
        for k in range(2, LIMBS):
            for lane in range(LANES):
                total[k - 1, lane] = total[k, lane] + times[lane] * _MULTIPLES[1, k]
        for lane in range(LANES):
            total[LIMBS - 1, lane] = 0
    _carry(total)
    return total


@numba.njit(nogil=True)
def _spread(table: Array, row: int) -> Array:
    out = np.empty((LIMBS, LANES), np.int64)
    for k in range(LIMBS):
        for lane in range(LANES):
            out[k, lane] = table[row, k]
    return out


@numba.njit(nogil=True)
def _lanes(table: Array, column: int) -> Array:
    out = np.empty((LIMBS, LANES), np.int64)
    for k in range(LIMBS):
        for lane in range(LANES):
            out[k, lane] = table[k, column + lane]
    return out


@numba.njit(nogil=True)
def _sum_and_difference(u: Array, v: Array, t: Array, bound: int) -> None:
    for k in range(LIMBS):
        for lane in range(LANES):
            left, right = u[k, lane], t[k, lane]
            u[k, lane] = left + right
            v[k, lane] = left - right + _MULTIPLES[bound, k]


@numba.njit(nogil=True)
def _butterfly(tile: Array, u: int, v: int, w: Array) -> None:
    _sum_and_difference(tile[u], tile[v], _multiply(tile[v], w), 2)


@numba.njit(nogil=True)
def _canonical(element: Array) -> None:
    """From below 2r, carried, to below r."""
    lower = np.empty((LIMBS, LANES), np.int64)
    for k in range(LIMBS):
        for lane in range(LANES):
            lower[k, lane] = element[k, lane] - _MULTIPLES[1, k]
    _carry(lower)
    for lane in range(LANES):
        if lower[LIMBS - 1, lane] >= 0:
            for k in range(LIMBS):
                element[k, lane] = lower[k, lane]


@numba.njit(nogil=True)
def _unpack(element: Array, source: Array, row: int, column: int) -> None:
    for lane in range(LANES):
        held, bits, k = np.uint64(0), 0, 0
        for byte in range(31, -1, -1):
            held |= np.uint64(source[row, column + lane, byte]) << np.uint64(bits)
            bits += 8
            if bits >= BITS:
                element[k, lane] = np.int64(held & np.uint64(MASK))
                held >>= np.uint64(BITS)
                bits -= BITS
                k += 1
        element[k, lane] = np.int64(held)


@numba.njit(nogil=True)
def _pack(target: Array, row: int, column: int, element: Array) -> None:
    for lane in range(LANES):
        held, bits, k = np.uint64(0), 0, 0
        for byte in range(31, -1, -1):
            if bits < 8 and k < LIMBS:
                held |= np.uint64(element[k, lane]) << np.uint64(bits)
                bits += BITS
                k += 1
            target[row, column + lane, byte] = np.uint8(held & np.uint64(255))
            held >>= np.uint64(8)
            bits -= 8


@numba.njit(nogil=True)
def _add(total: Array, element: Array) -> None:
    for k in range(LIMBS):
        for lane in range(LANES):
            total[k, lane] += element[k, lane]


def butterfly4(tile: Array, source: Array, rows: Any, table: Array, at: Any) -> None:
    for row in rows:
        for k in range(LIMBS):
            for lane in range(LANES):
                tile[row, k, lane] = source[row, k, lane]
    first = _spread(table, at[0])
    _butterfly(tile, rows[0], rows[2], first)
    _butterfly(tile, rows[1], rows[3], first)
    _butterfly(tile, rows[0], rows[1], _spread(table, at[1]))
    _butterfly(tile, rows[2], rows[3], _spread(table, at[2]))


@numba.njit(nogil=True)
def _unit_butterfly4(tile: Array, rows: Any, table: Array, at: int, bound: int) -> None:
    _sum_and_difference(tile[rows[0]], tile[rows[2]], tile[rows[2]].copy(), bound)
    _sum_and_difference(tile[rows[1]], tile[rows[3]], tile[rows[3]].copy(), bound)
    _sum_and_difference(tile[rows[0]], tile[rows[1]], tile[rows[1]].copy(), 2 * bound)
    _butterfly(tile, rows[2], rows[3], _spread(table, at))


def unit_butterfly4_first(tile: Array, rows: Any, table: Array, at: int) -> None:
    _unit_butterfly4(tile, rows, table, at, 1)


def unit_butterfly4_second(tile: Array, rows: Any, table: Array, at: int) -> None:
    _unit_butterfly4(tile, rows, table, at, 4)


def load_elements(tile: Array, row: int, source: Array, at: Any) -> None:
    _unpack(tile[row], source, at[0], at[1])


def load_scaled(tile: Array, row: int, source: Array, at: Any, table: Array, factor: int) -> None:
    _unpack(tile[row], source, at[0], at[1])
    product = _multiply(tile[row], _spread(table, factor))
    _canonical(product)
    for k in range(LIMBS):
        for lane in range(LANES):
            tile[row, k, lane] = product[k, lane]


def store_scaled(target: Array, at: Any, tile: Array, row: int, table: Array, factor: int) -> None:
    product = _multiply(tile[row], _spread(table, factor))
    _canonical(product)
    _pack(target, at[0], at[1], product)


def store_reduced(target: Array, at: Any, tile: Array, row: int) -> None:
    element = tile[row]
    _carry(element)
    for lane in range(LANES):
        estimate = element[LIMBS - 1, lane] >> (ESTIMATE_BITS - BITS * (LIMBS - 1))
        quotient = (estimate * ESTIMATE_FACTOR) >> 20
        for k in range(LIMBS):
            element[k, lane] -= quotient * _MULTIPLES[1, k]
    _carry(element)
    _canonical(element)
    _pack(target, at[0], at[1], element)


@numba.njit(nogil=True)
def _scale(tile: Array, row: int, w: Array) -> None:
    product = _multiply(tile[row], w)
    for k in range(LIMBS):
        for lane in range(LANES):
            tile[row, k, lane] = product[k, lane]


def scale(tile: Array, row: int, table: Array, factor: int) -> None:
    _scale(tile, row, _spread(table, factor))


def scale_lanes(tile: Array, row: int, table: Array, column: int) -> None:
    _scale(tile, row, _lanes(table, column))


def accumulate(total: Array, row: int, tile: Array, source: int, table: Array, factor: int) -> None:
    _add(total[row], _multiply(tile[source], _spread(table, factor)))


def accumulate_lanes(
    total: Array, row: int, source: Array, at: Any, table: Array, column: int
) -> None:
    element = np.empty((LIMBS, LANES), np.int64)
    _unpack(element, source, at[0], at[1])
    _add(total[row], _multiply(element, _lanes(table, column)))
