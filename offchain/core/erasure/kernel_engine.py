"""`ErasureEngine` over the numba kernels: tables, threads and patterns of loss around one form.

Tables are built on first use, those for decoding only when something is decoded, so a process that
only checks headers and rows stays small.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from offchain.core.erasure import keccak8, transforms
from offchain.core.erasure.engine import PROTOCOL_GEOMETRY, Geometry
from offchain.core.erasure.forms import LANES, Form, Ifma, Limbs, factors, lane_factors
from offchain.core.erasure.pattern import LossPattern, PatternTables
from offchain.core.field import (
    FIELD_BYTES,
    MODULUS,
    Elements,
    bit_reverse,
    powers,
    root_of_unity,
)
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import LEAF_BYTES, LEAF_ELEMENTS
from offchain.core.merkle import Digests, hash_each, zero_subtrees

PATTERNS_KEPT = 8
CHALLENGES_KEPT = 16  # 80 KiB each; a node checks many shards of one matrix with one challenge
NODE_BYTES = 2 * DIGEST_BYTES
RATE_BYTES = 8 * keccak8.RATE_WORDS
BLOCK_BYTES = 8 * keccak8.BLOCK_WORDS
PADDED_AT_ONCE = 2_048  # 384 KiB: stays in a core's cache


class KernelEngine:
    """One form of the kernels for one geometry; K a power of four."""

    def __init__(self, name: str, form: Form, geometry: Geometry = PROTOCOL_GEOMETRY) -> None:
        assert geometry.bits % 2 == 0
        assert geometry.data_rows >= LANES
        self._name = name
        self._form = form
        self._geometry = geometry
        self._pattern = lru_cache(maxsize=PATTERNS_KEPT)(self._build_pattern)
        self._powers = lru_cache(maxsize=CHALLENGES_KEPT)(self._build_powers)

    @property
    def name(self) -> str:
        return self._name

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    @property
    def uses_ifma(self) -> bool:
        return isinstance(self._form, Ifma)

    def extend(self, data: Elements, *, threads: int = 1) -> Elements:
        rows = np.empty((self._geometry.total_rows, *data.shape[1:]), np.uint8)
        rows[: self._geometry.data_rows] = data
        self.extend_in_place(rows, threads=threads)
        return rows

    def extend_in_place(self, rows: Elements, *, threads: int = 1) -> None:
        tables = (self._inverse, self._forward, self._constants)
        _spread(
            lambda span: transforms.extend_columns(self._form, rows, tables, span),
            rows.shape[1],
            threads,
        )

    def extend_and_hash(self, rows: Elements, *, threads: int = 1) -> Digests:
        self.extend_in_place(rows, threads=threads)
        return self.row_roots(rows, threads=threads)

    def decode(self, indices: Sequence[int], rows: Elements, *, threads: int = 1) -> Elements:
        pattern = self._pattern(tuple(int(index) for index in indices))
        out = np.empty((self._geometry.data_rows, *rows.shape[1:]), np.uint8)
        out[pattern.present] = rows[pattern.present_order]
        if len(pattern.missing):
            in_order = bool((np.diff(pattern.order) > 0).all())
            ordered = np.ascontiguousarray(rows if in_order else rows[pattern.order])
            arrays = pattern.arrays
            _spread(
                lambda span: transforms.decode_columns(self._form, ordered, out, arrays, span),
                rows.shape[1],
                threads,
            )
        return out

    def combine(self, rows: Elements, challenge: int, *, threads: int = 1) -> Elements:
        count, columns = rows.shape[:2]
        width = -(-count // LANES) * LANES
        out = np.empty((1, width, FIELD_BYTES), np.uint8)
        tables = (self._powers(challenge % MODULUS, columns), self._constants)
        contiguous = np.ascontiguousarray(rows)
        _spread(
            lambda span: transforms.combine_rows(self._form, contiguous, out, tables, span),
            width,
            threads,
        )
        return out[0, :count]

    def extend_combinations(self, values: Elements) -> Elements:
        rows = np.zeros((self._geometry.domain, LANES, FIELD_BYTES), np.uint8)
        rows[: self._geometry.data_rows, 0] = values
        self.extend_in_place(rows)
        return np.ascontiguousarray(rows[:, 0])

    def coefficients(self, values: Elements) -> Elements:
        padded = np.zeros((self._geometry.data_rows, LANES, FIELD_BYTES), np.uint8)
        padded[:, 0] = values
        out = np.empty_like(padded)
        tables = (self._inverse, self._forward, self._constants)
        transforms.interpolate_columns(self._form, padded, out, tables)
        return np.ascontiguousarray(out[:, 0])

    def row_roots(self, rows: Elements, *, threads: int = 1) -> Digests:
        leaves = rows.shape[1] // LEAF_ELEMENTS
        words = np.ascontiguousarray(rows).reshape(rows.shape[0], -1).view(np.uint64)
        zeros = _words_of(zero_subtrees((leaves - 1).bit_length()))
        out = np.empty((rows.shape[0], DIGEST_BYTES // 8), np.uint64)

        def hash_span(span: tuple[int, int]) -> None:
            part = slice(*span)
            keccak8.row_roots(self._form, words[part], leaves, zeros, out[part])

        _spread(hash_span, rows.shape[0], threads)
        return out.view(np.uint8)

    def keccak_many(self, messages: Digests) -> Digests:
        count, length = messages.shape
        if length not in (NODE_BYTES, LEAF_BYTES):
            return self._hash_short(messages) if length < RATE_BYTES else hash_each(messages)
        hash_all = keccak8.hash_nodes if length == NODE_BYTES else keccak8.hash_leaves
        words = np.ascontiguousarray(messages).reshape(-1).view(np.uint64)
        out = np.empty((count, DIGEST_BYTES // 8), np.uint64)
        hash_all(self._form, words, count, out.reshape(-1))
        return out.view(np.uint8)

    def _hash_short(self, messages: Digests) -> Digests:
        """Messages that one permutation absorbs, padded some thousand at a time."""
        count, length = messages.shape
        out = np.empty((count, DIGEST_BYTES), np.uint8)
        blocks = np.zeros((min(-(-count // LANES) * LANES, PADDED_AT_ONCE), BLOCK_BYTES), np.uint8)
        blocks[:, length] = 1
        blocks[:, RATE_BYTES - 1] |= 0x80
        digests = np.empty((len(blocks), DIGEST_BYTES), np.uint8)
        words, found = blocks.reshape(-1).view(np.uint64), digests.reshape(-1).view(np.uint64)
        for start in range(0, count, PADDED_AT_ONCE):
            part = messages[start : start + PADDED_AT_ONCE]
            blocks[: len(part), :length] = part
            keccak8.hash_blocks(self._form, words, len(part), found)
            out[start : start + len(part)] = digests[: len(part)]
        return out

    def _build_powers(self, challenge: int, columns: int) -> Limbs:
        return lane_factors(self._form, powers(challenge, columns))

    def _build_pattern(self, indices: tuple[int, ...]) -> LossPattern:
        self._geometry.require_indices(indices)
        return self._pattern_tables.pattern(indices)

    @cached_property
    def _pattern_tables(self) -> PatternTables:
        return PatternTables(self._form, self._geometry, self._inverse, self._constants)

    @cached_property
    def _constants(self) -> Limbs:
        return factors(self._form, [1, pow(self._geometry.data_rows, -1, MODULUS)])

    @cached_property
    def _inverse(self) -> Limbs:
        """Level of half h from row h-1 on: root^-(K / 2h * j), j < h."""
        count = self._geometry.data_rows
        inverse_root = pow(root_of_unity(count), -1, MODULUS)
        table = powers(inverse_root, count)
        halves = [1 << level for level in range(self._geometry.bits)]
        return factors(
            self._form, [table[count // (2 * half) * j] for half in halves for j in range(half)]
        )

    @cached_property
    def _forward(self) -> Limbs:
        """Cosets 1 .. 3, (3, K, 10)."""
        return np.stack([forward_twiddles(self._form, self._geometry, q) for q in (1, 2, 3)])


def forward_twiddles(form: Form, geometry: Geometry, coset: int) -> Limbs:
    """Factors of the transform onto one coset: node j of depth d at row 2^d + j, row 0 unused.

    Node (d, j) reduces modulo x^2m - zeta^2 to x^m -+ zeta, m = K / 2^(d+1).
    """
    domain = powers(root_of_unity(geometry.domain), geometry.domain)
    shift = bit_reverse(coset, 2)
    values = [0]
    for depth in range(geometry.bits):
        span = geometry.data_rows >> depth + 1
        for j in range(1 << depth):
            exponent = span * (shift + 4 * bit_reverse(2 * j, depth + 1))
            values.append(domain[exponent % geometry.domain])
    return factors(form, values)


def _spread(work: Callable[[tuple[int, int]], None], count: int, threads: int) -> None:
    """Run `work` over spans of 0 .. count-1 whose bounds are multiples of eight."""
    spans = list(_spans(count, threads))
    if len(spans) == 1:
        work(spans[0])
        return
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(work, spans))


def _spans(count: int, threads: int) -> Iterator[tuple[int, int]]:
    groups = -(-count // LANES)
    step = -(-groups // max(1, threads)) * LANES
    for first in range(0, count, step):
        yield first, min(count, first + step)


def _words_of(digests: Sequence[bytes]) -> Any:
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, DIGEST_BYTES // 8)
