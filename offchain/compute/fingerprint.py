"""A 258-byte fingerprint of activations, byte-compatible with TOPLOC 0.1.6.

  input    the last hidden states of some tokens, as bfloat16 bits, flattened
  points   the 128 largest magnitudes (all, when there are fewer); of equal ones the first
  x        position mod m, the largest m <= 65,497 under which all positions differ
  y        the 16 bits of the value, mod 65,497
  bytes    m u16 | coefficients u16, lowest first, of the polynomial through the points, over the
           prime field of 65,497; big-endian

A checker evaluates the polynomial at the positions of his own 128 largest values: sign and exponent
must be equal, the distance of the mantissas says how far two machines differ. Source: arXiv
2501.16007; docs/protocol/compute.md#commitment-and-fingerprints.
"""

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from offchain.core.errors import Rejected

Bits = npt.NDArray[np.uint16]
Words = npt.NDArray[np.int64]

PRIME: Final = 65_497
LEAST_MODULUS: Final = 1 << 15
TOP: Final = 128
CHUNK_TOKENS: Final = 32
FINGERPRINT_BYTES: Final = 2 + 2 * TOP
NO_DISTANCE: Final = 128.0  # beyond any distance of two 7-bit mantissas


class FingerprintMalformed(Rejected):
    """The bytes are no fingerprint."""

    code = "compute.fingerprint.malformed"


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a fingerprint is from activations: points that disagree in sign or exponent, and
    the mean distance of the mantissas of the others (0 to 127; NO_DISTANCE when none agree).
    """

    mismatches: int
    mantissa_mean: float
    points: int


def to_bfloat16(values: npt.NDArray[np.float32]) -> Bits:
    """The bits of each value rounded to the nearest bfloat16, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> 16).astype(
        np.uint16
    )


def fingerprint(activations: Bits) -> bytes:
    """The fingerprint of finite activations of any shape."""
    flat = np.ascontiguousarray(activations).reshape(-1)
    positions = _largest(flat)
    modulus = _modulus(positions)
    coefficients = _interpolate(
        (positions % modulus).astype(np.int64), flat[positions].astype(np.int64), _inverses()
    )
    return np.concatenate([[modulus], coefficients]).astype(">u2").tobytes()


def chunk_fingerprints(activations: Bits) -> tuple[bytes, ...]:
    """One fingerprint for every 32 tokens of (tokens, width), the last one perhaps shorter."""
    return tuple(
        fingerprint(activations[start : start + CHUNK_TOKENS])
        for start in range(0, len(activations), CHUNK_TOKENS)
    )


def distance(raw: bytes, activations: Bits) -> Distance:
    """Compare a fingerprint with activations of one's own. Raises: FingerprintMalformed."""
    flat = np.ascontiguousarray(activations).reshape(-1)
    positions = _largest(flat)
    words = np.frombuffer(raw, ">u2").astype(np.int64) if len(raw) % 2 == 0 else np.empty(0, int)
    if len(words) != len(positions) + 1:
        raise FingerprintMalformed(bytes=len(raw), expected=2 * len(positions) + 2)
    modulus = int(words[0])
    if not LEAST_MODULUS < modulus <= PRIME or words[1:].max() >= PRIME:
        raise FingerprintMalformed(modulus=modulus)
    theirs = _evaluate(words[1:], (positions % modulus).astype(np.int64))
    mine = flat[positions].astype(np.int64)
    agrees = theirs >> 7 == mine >> 7
    apart = np.abs((theirs & 127) - (mine & 127))[agrees]
    mean = float(apart.mean()) if apart.size else NO_DISTANCE
    return Distance(int((~agrees).sum()), mean, len(positions))


def _largest(flat: Bits) -> npt.NDArray[np.int64]:
    """Positions of the 128 largest magnitudes, ascending."""
    magnitudes = flat & np.uint16(0x7FFF)
    if flat.size <= TOP:
        return np.arange(flat.size, dtype=np.int64)
    border = np.partition(magnitudes, flat.size - TOP)[flat.size - TOP]
    above = np.flatnonzero(magnitudes > border)
    level = np.flatnonzero(magnitudes == border)[: TOP - above.size]
    return np.sort(np.concatenate([above, level]))


def _modulus(positions: npt.NDArray[np.int64]) -> int:
    """The largest modulus that keeps all positions apart."""
    if positions[-1] < PRIME:
        return PRIME
    for modulus in range(PRIME, LEAST_MODULUS, -1):
        if np.unique(positions % modulus).size == positions.size:
            return modulus
    raise FingerprintMalformed(positions=positions.size)


_INVERSES: list[Words] = []


def _inverses() -> Words:
    """The inverse of each element of the field, made once."""
    if not _INVERSES:
        _INVERSES.append(_invert_all())
    return _INVERSES[0]


@numba.njit(cache=True)
def _invert_all() -> Words:
    out = np.zeros(65_497, np.int64)
    out[1] = 1
    for value in range(2, 65_497):
        out[value] = (65_497 - (65_497 // value) * out[65_497 % value] % 65_497) % 65_497
    return out


@numba.njit(cache=True)
def _interpolate(x: Words, y: Words, inverses: Words) -> Words:
    """Newton's divided differences, then expanded to powers of x."""
    count, prime = x.size, 65_497
    slopes = y % prime
    for order in range(1, count):
        for at in range(count - 1, order - 1, -1):
            inverse = inverses[(x[at] - x[at - order]) % prime]
            slopes[at] = (slopes[at] - slopes[at - 1]) % prime * inverse % prime
    out = np.zeros(count, np.int64)
    for at in range(count - 1, -1, -1):
        for power in range(count - 1, 0, -1):
            out[power] = (out[power - 1] - out[power] * x[at]) % prime
        out[0] = (slopes[at] - out[0] * x[at]) % prime
    return out


@numba.njit(cache=True)
def _evaluate(coefficients: Words, x: Words) -> Words:
    """The polynomial at each x, by Horner's rule."""
    out = np.zeros(x.size, np.int64)
    for at in range(x.size):
        value = 0
        for power in range(coefficients.size - 1, -1, -1):
            value = (value * x[at] + coefficients[power]) % 65_497
        out[at] = value
    return out
