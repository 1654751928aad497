"""Keccak-256 as plain numba loops, one message after the other. Source: FIPS 202."""

from typing import Any, Final

import numba
import numpy as np

ROUND_CONSTANTS: Final = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip
ROTATIONS: Final = (
    (0, 36, 3, 41, 18),
    (1, 44, 10, 45, 2),
    (62, 6, 43, 15, 61),
    (28, 55, 25, 21, 56),
    (27, 20, 39, 8, 14),
)
_CONSTANTS = np.array(ROUND_CONSTANTS, np.uint64)
_ROTATIONS = np.array(ROTATIONS, np.uint64)
_RATE_WORDS = 17

Array = Any


@numba.njit(nogil=True)
def _permute(state: Array) -> None:
    """Keccak-f[1600] in place; state[x + 5 y]."""
    moved = np.empty(25, np.uint64)
    parity = np.empty(5, np.uint64)
    for constant in _CONSTANTS:
        for x in range(5):
            parity[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
        for x in range(5):
            beside = parity[(x + 1) % 5]
            theta = parity[(x + 4) % 5] ^ (beside << np.uint64(1) | beside >> np.uint64(63))
            for y in range(5):
                lane, bits = state[x + 5 * y] ^ theta, _ROTATIONS[x, y]
                back = (np.uint64(64) - bits) & np.uint64(63)
                moved[y + 5 * ((2 * x + 3 * y) % 5)] = lane << bits | (
                    lane >> back if bits else np.uint64(0)
                )
        for y in range(0, 25, 5):
            for x in range(5):
                state[y + x] = moved[y + x] ^ (~moved[y + (x + 1) % 5] & moved[y + (x + 2) % 5])
        state[0] ^= constant


@numba.njit(nogil=True)
def _hash(messages: Array, start: int, words: int, out: Array, out_start: int) -> None:
    state = np.zeros(25, np.uint64)
    filled = 0
    for word in range(words):
        state[filled] ^= messages[start + word]
        filled += 1
        if filled == _RATE_WORDS:
            _permute(state)
            filled = 0
    state[filled] ^= np.uint64(1)
    state[_RATE_WORDS - 1] ^= np.uint64(1 << 63)
    _permute(state)
    for word in range(4):
        out[out_start + word] = state[word]


def hash_eight_nodes(messages: Array, start: int, out: Array, out_start: int) -> None:
    """Eight messages of 8 words from word `start` on, eight digests from word `out_start` on."""
    for message in range(8):
        _hash(messages, start + 8 * message, 8, out, out_start + 4 * message)


def hash_eight_leaves(messages: Array, start: int, out: Array, out_start: int) -> None:
    """Eight messages of 32 words from word `start` on, eight digests from word `out_start` on."""
    for message in range(8):
        _hash(messages, start + 32 * message, 32, out, out_start + 4 * message)


def hash_eight_blocks(messages: Array, start: int, out: Array, out_start: int) -> None:
    """Eight padded blocks of 17 words, 24 words apart, from word `start` on; as above."""
    state = np.empty(25, np.uint64)
    for message in range(8):
        state[:] = np.uint64(0)
        for word in range(_RATE_WORDS):
            state[word] = messages[start + 24 * message + word]
        _permute(state)
        for word in range(4):
            out[out_start + 4 * message + word] = state[word]
