"""Kernels for a CUDA device, or its simulator: extend, combine and hash rows; 32-bit limbs.

  legend  K data rows, rows (n, m, 8) uint32 as stored: big-endian elements, word 0 most significant
  limb    32 bits, least significant first; a constant factor w is kept as w * 2^256 mod r, so that
          one Montgomery product of a plain element and a factor is plain again

One block extends one column in shared memory; one block hashes one row; one block combines one row.
No 64-bit sum here can overflow: a product of limbs and two more limbs fit exactly.
"""

from typing import Any, Final

import numpy as np
from numba import cuda, uint32, uint64

from offchain.core.erasure.keccak_loops import ROUND_CONSTANTS
from offchain.core.field import MODULUS

LIMBS: Final = 8
LIMB_BITS: Final = 32
RADIX_BITS: Final = LIMBS * LIMB_BITS
LEAF_WORDS: Final = 32  # of 64 bits
DIGEST_WORDS: Final = 4  # of 64 bits

Array = Any

_MASK: Final = np.uint64(2**LIMB_BITS - 1)
_BITS: Final = np.uint64(LIMB_BITS)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)
_FULL: Final = np.uint64(2**LIMB_BITS)
_NEGATIVE_INVERSE: Final = np.uint64(-pow(MODULUS, -1, 2**LIMB_BITS) % 2**LIMB_BITS)
_R: Final = np.array([MODULUS >> LIMB_BITS * k & 0xFFFFFFFF for k in range(LIMBS)], np.uint64)
_ROUNDS: Final = np.array(ROUND_CONSTANTS, np.uint64)
_LAST_PADDING: Final = np.uint64(1 << 63)


def limbs_of(values: list[int]) -> Array:
    """Factors for the kernels: (n, 8) uint32 of value * 2^256 mod r."""
    scaled = [(value << RADIX_BITS) % MODULUS for value in values]
    raw = b"".join(value.to_bytes(4 * LIMBS, "little") for value in scaled)
    return np.frombuffer(raw, "<u4").reshape(-1, LIMBS).copy()


@cuda.jit(device=True)
def _swapped(word: Array) -> Array:
    """The four bytes of a word in opposite order."""
    wide: Array = uint64(word)
    low = ((wide & uint64(0xFF)) << uint64(24)) | ((wide & uint64(0xFF00)) << uint64(8))
    high = ((wide >> uint64(8)) & uint64(0xFF00)) | (wide >> uint64(24))
    return uint32(low | high)


@cuda.jit(device=True)
def _load(element: Array, rows: Array, row: int, column: int) -> None:
    for k in range(LIMBS):
        element[k] = _swapped(rows[row, column, LIMBS - 1 - k])


@cuda.jit(device=True)
def _store(rows: Array, row: int, column: int, element: Array) -> None:
    for k in range(LIMBS):
        rows[row, column, LIMBS - 1 - k] = _swapped(element[k])


@cuda.jit(device=True)
def _reduce_once(element: Array) -> None:
    """From below 2r to below r."""
    modulus = cuda.const.array_like(_R)
    lower = cuda.local.array(LIMBS, uint32)
    borrow = _ZERO
    for k in range(LIMBS):
        difference = _FULL + uint64(element[k]) - modulus[k] - borrow
        lower[k] = uint32(difference & _MASK)
        borrow = _ONE - (difference >> _BITS)
    if borrow == _ZERO:
        for k in range(LIMBS):
            element[k] = lower[k]


@cuda.jit(device=True)
def _multiply(element: Array, factors: Array, at: int) -> None:
    """Multiply in place by factor `at`; both below r, and so is the product.

    Montgomery's method, one limb of the factor at a time; r's top limb leaves room for one carry.
    """
    modulus = cuda.const.array_like(_R)
    total = cuda.local.array(LIMBS, uint32)
    for k in range(LIMBS):
        total[k] = uint32(0)
    for i in range(LIMBS):
        w = uint64(factors[at, i])
        product = uint64(total[0]) + uint64(element[0]) * w
        carry = product >> _BITS
        low = product & _MASK
        times = (low * _NEGATIVE_INVERSE) & _MASK
        reduced = (low + times * modulus[0]) >> _BITS
        for k in range(1, LIMBS):
            product = uint64(total[k]) + uint64(element[k]) * w + carry
            carry = product >> _BITS
            partial = (product & _MASK) + times * modulus[k] + reduced
            total[k - 1] = uint32(partial & _MASK)
            reduced = partial >> _BITS
        total[LIMBS - 1] = uint32(carry + reduced)
    for k in range(LIMBS):
        element[k] = total[k]
    _reduce_once(element)


@cuda.jit(device=True)
def _add(element: Array, other: Array) -> None:
    """Add in place, below r."""
    carry = _ZERO
    for k in range(LIMBS):
        carry += uint64(element[k]) + uint64(other[k])
        element[k] = uint32(carry & _MASK)
        carry >>= _BITS
    _reduce_once(element)


@cuda.jit(device=True)
def _subtract(element: Array, other: Array) -> None:
    """Subtract in place, below r."""
    modulus = cuda.const.array_like(_R)
    borrow = _ZERO
    for k in range(LIMBS):
        difference = _FULL + uint64(element[k]) - uint64(other[k]) - borrow
        element[k] = uint32(difference & _MASK)
        borrow = _ONE - (difference >> _BITS)
    if borrow != _ZERO:
        carry = _ZERO
        for k in range(LIMBS):
            carry += uint64(element[k]) + modulus[k]
            element[k] = uint32(carry & _MASK)
            carry >>= _BITS


@cuda.jit(device=True)
def _fetch(element: Array, tile: Array, size: int, position: int) -> None:
    """Limb k of element i lies at k * size + i: neighbours read neighbouring banks."""
    for k in range(LIMBS):
        element[k] = tile[k * size + position]


@cuda.jit(device=True)
def _keep(tile: Array, size: int, position: int, element: Array) -> None:
    for k in range(LIMBS):
        tile[k * size + position] = element[k]


@cuda.jit(device=True)
def _interpolate(tile: Array, size: int, inverse: Array) -> None:
    """Rows in bit-reversed order to K times the coefficients in natural order; K/2 threads."""
    thread = cuda.threadIdx.x
    left = cuda.local.array(LIMBS, uint32)
    right = cuda.local.array(LIMBS, uint32)
    half = 1
    while half < size:
        place = thread % half
        a = 2 * thread - place
        _fetch(left, tile, size, a + half)
        _multiply(left, inverse, (size // (2 * half)) * place)
        _fetch(right, tile, size, a)
        _subtract(right, left)
        _keep(tile, size, a + half, right)
        _fetch(right, tile, size, a)
        _add(right, left)
        _keep(tile, size, a, right)
        cuda.syncthreads()
        half *= 2


@cuda.jit(device=True)
def _evaluate(tile: Array, size: int, forward: Array) -> None:
    """Coefficients in natural order to values in bit-reversed order; K/2 threads."""
    thread = cuda.threadIdx.x
    left = cuda.local.array(LIMBS, uint32)
    right = cuda.local.array(LIMBS, uint32)
    half = size // 2
    while half > 0:
        place = thread % half
        a = 2 * thread - place
        _fetch(left, tile, size, a)
        _fetch(right, tile, size, a + half)
        _subtract(left, right)
        _multiply(left, forward, (size // (2 * half)) * place)
        _keep(tile, size, a + half, left)
        _fetch(left, tile, size, a)
        _add(left, right)
        _keep(tile, size, a, left)
        cuda.syncthreads()
        half //= 2


@cuda.jit
def extend_columns(rows: Array, inverse: Array, forward: Array, shifts: Array) -> None:
    """Write rows K .. N-1 of column `block` from rows 0 .. K-1.

    shifts (cosets, K, 8): of coset q the factors g_q^i / K, which move the polynomial onto it.
    """
    size = 2 * cuda.blockDim.x
    column, thread = cuda.blockIdx.x, cuda.threadIdx.x
    tile = cuda.shared.array(0, uint32)
    element = cuda.local.array(LIMBS, uint32)
    lower = cuda.local.array(LIMBS, uint32)
    upper = cuda.local.array(LIMBS, uint32)
    _load(element, rows, thread, column)
    _keep(tile, size, thread, element)
    _load(element, rows, thread + size // 2, column)
    _keep(tile, size, thread + size // 2, element)
    cuda.syncthreads()
    _interpolate(tile, size, inverse)
    _fetch(lower, tile, size, thread)
    _fetch(upper, tile, size, thread + size // 2)
    for coset in range(shifts.shape[0]):
        for k in range(LIMBS):
            element[k] = lower[k]
        _multiply(element, shifts[coset], thread)
        _keep(tile, size, thread, element)
        for k in range(LIMBS):
            element[k] = upper[k]
        _multiply(element, shifts[coset], thread + size // 2)
        _keep(tile, size, thread + size // 2, element)
        cuda.syncthreads()
        _evaluate(tile, size, forward)
        first = (coset + 1) * size
        _fetch(element, tile, size, thread)
        _store(rows, first + thread, column, element)
        _fetch(element, tile, size, thread + size // 2)
        _store(rows, first + thread + size // 2, column, element)
        cuda.syncthreads()


@cuda.jit
def combine_rows(rows: Array, factors: Array, out: Array) -> None:
    """out[block] = sum over j of factor j times element j of row `block`; 2^t threads."""
    row, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    tile = cuda.shared.array(0, uint32)
    total = cuda.local.array(LIMBS, uint32)
    element = cuda.local.array(LIMBS, uint32)
    for k in range(LIMBS):
        total[k] = uint32(0)
    for column in range(thread, rows.shape[1], threads):
        _load(element, rows, row, column)
        _multiply(element, factors, column)
        _add(total, element)
    _keep(tile, threads, thread, total)
    cuda.syncthreads()
    half = threads // 2
    while half > 0:
        if thread < half:
            _fetch(element, tile, threads, thread + half)
            _add(total, element)
            _keep(tile, threads, thread, total)
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        _store(out, row, 0, total)


@cuda.jit(device=True)
def _turned(lane: Array, bits: int) -> Array:
    return (lane << uint64(bits)) | (lane >> uint64(64 - bits))


@cuda.jit(device=True)
def _round(a: Array, constant: Array) -> Array:
    """A round of Keccak-f[1600], written out so that the lanes a[x + 5y] stay in registers."""
    c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20]
    c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21]
    c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22]
    c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23]
    c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24]
    d0, d1, d2 = c4 ^ _turned(c1, 1), c0 ^ _turned(c2, 1), c1 ^ _turned(c3, 1)
    d3, d4 = c2 ^ _turned(c4, 1), c3 ^ _turned(c0, 1)
    b0, b10, b20 = a[0] ^ d0, _turned(a[1] ^ d1, 1), _turned(a[2] ^ d2, 62)
    b5, b15 = _turned(a[3] ^ d3, 28), _turned(a[4] ^ d4, 27)
    b16, b1, b11 = _turned(a[5] ^ d0, 36), _turned(a[6] ^ d1, 44), _turned(a[7] ^ d2, 6)
    b21, b6 = _turned(a[8] ^ d3, 55), _turned(a[9] ^ d4, 20)
    b7, b17, b2 = _turned(a[10] ^ d0, 3), _turned(a[11] ^ d1, 10), _turned(a[12] ^ d2, 43)
    b12, b22 = _turned(a[13] ^ d3, 25), _turned(a[14] ^ d4, 39)
    b23, b8, b18 = _turned(a[15] ^ d0, 41), _turned(a[16] ^ d1, 45), _turned(a[17] ^ d2, 15)
    b3, b13 = _turned(a[18] ^ d3, 21), _turned(a[19] ^ d4, 8)
    b14, b24, b9 = _turned(a[20] ^ d0, 18), _turned(a[21] ^ d1, 2), _turned(a[22] ^ d2, 61)
    b19, b4 = _turned(a[23] ^ d3, 56), _turned(a[24] ^ d4, 14)
    return (
        b0 ^ (~b1 & b2) ^ constant, b1 ^ (~b2 & b3), b2 ^ (~b3 & b4), b3 ^ (~b4 & b0),
        b4 ^ (~b0 & b1), b5 ^ (~b6 & b7), b6 ^ (~b7 & b8), b7 ^ (~b8 & b9), b8 ^ (~b9 & b5),
        b9 ^ (~b5 & b6), b10 ^ (~b11 & b12), b11 ^ (~b12 & b13), b12 ^ (~b13 & b14),
        b13 ^ (~b14 & b10), b14 ^ (~b10 & b11), b15 ^ (~b16 & b17), b16 ^ (~b17 & b18),
        b17 ^ (~b18 & b19), b18 ^ (~b19 & b15), b19 ^ (~b15 & b16), b20 ^ (~b21 & b22),
        b21 ^ (~b22 & b23), b22 ^ (~b23 & b24), b23 ^ (~b24 & b20), b24 ^ (~b20 & b21),
    )  # fmt: skip


@cuda.jit(device=True)
def _permuted(state: Array) -> Array:
    constants = cuda.const.array_like(_ROUNDS)
    for step in range(24):
        state = _round(state, constants[step])
    return state


@cuda.jit(device=True)
def _leaf_digest(m: Array, at: int) -> Array:
    """Keccak-256 of 32 words from word `at` on: 17 absorbed, then 15 and the padding."""
    z = _ZERO
    s = _permuted((
        m[at], m[at + 1], m[at + 2], m[at + 3], m[at + 4], m[at + 5], m[at + 6], m[at + 7],
        m[at + 8], m[at + 9], m[at + 10], m[at + 11], m[at + 12], m[at + 13], m[at + 14],
        m[at + 15], m[at + 16], z, z, z, z, z, z, z, z,
    ))  # fmt: skip
    b = at + 17
    return _permuted((
        s[0] ^ m[b], s[1] ^ m[b + 1], s[2] ^ m[b + 2], s[3] ^ m[b + 3], s[4] ^ m[b + 4],
        s[5] ^ m[b + 5], s[6] ^ m[b + 6], s[7] ^ m[b + 7], s[8] ^ m[b + 8], s[9] ^ m[b + 9],
        s[10] ^ m[b + 10], s[11] ^ m[b + 11], s[12] ^ m[b + 12], s[13] ^ m[b + 13],
        s[14] ^ m[b + 14], s[15] ^ _ONE, s[16] ^ _LAST_PADDING, s[17], s[18], s[19], s[20],
        s[21], s[22], s[23], s[24],
    ))  # fmt: skip


@cuda.jit(device=True)
def _node_digest(t: Array, a: int, b: int) -> Array:
    """Keccak-256 of two digests of four words, from words `a` and `b` on."""
    z = _ZERO
    return _permuted((
        t[a], t[a + 1], t[a + 2], t[a + 3], t[b], t[b + 1], t[b + 2], t[b + 3], _ONE,
        z, z, z, z, z, z, z, _LAST_PADDING, z, z, z, z, z, z, z, z,
    ))  # fmt: skip


@cuda.jit
def hash_rows(words: Array, leaves: int, out: Array) -> None:
    """out[block] = the root of row `block`, (n, 32 * leaves) words; a thread a leaf of the tree."""
    row, thread, width = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    tile = cuda.shared.array(0, uint64)
    for word in range(DIGEST_WORDS):
        tile[DIGEST_WORDS * thread + word] = _ZERO
    if thread < leaves:
        digest = _leaf_digest(words[row], LEAF_WORDS * thread)
        for word in range(DIGEST_WORDS):
            tile[DIGEST_WORDS * thread + word] = digest[word]
    cuda.syncthreads()
    width //= 2
    while width > 0:
        left = 2 * DIGEST_WORDS * (thread % width)
        node = _node_digest(tile, left, left + DIGEST_WORDS)
        cuda.syncthreads()
        if thread < width:
            for word in range(DIGEST_WORDS):
                tile[DIGEST_WORDS * thread + word] = node[word]
        cuda.syncthreads()
        width //= 2
    if thread < DIGEST_WORDS:
        out[row, thread] = tile[thread]
    if cuda.blockDim.x < DIGEST_WORDS and thread == 0:
        for word in range(DIGEST_WORDS):
            out[row, word] = tile[word]
