"""`ErasureEngine` on a CUDA device: rows are extended, hashed and combined there, many at a time.

What is small (one column, a few rows, decoding after loss) stays with a processor's engine. Each
thread has a stream of its own, so several matrices are under way at once. Host rows that lie in
`pinned_rows` move at the full speed of the bus.
"""

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numba import cuda

from offchain.core.erasure import cuda_kernels as kernels
from offchain.core.erasure.engine import ErasureEngine, Geometry
from offchain.core.field import FIELD_BYTES, MODULUS, Elements, bit_reverse, powers, root_of_unity
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import LEAF_ELEMENTS
from offchain.core.merkle import Digests

MANY_ROWS: Final = 256  # fewer are done sooner by the processor than sent to the device
MOST_COMBINING_THREADS: Final = 128
LIMB_BYTES: Final = 4


def has_device() -> bool:
    """Whether a real CUDA device answers; the simulator is none."""
    from numba.core import config

    return not config.ENABLE_CUDASIM and bool(cuda.is_available())


class CudaEngine:
    """The device for whole matrices, `processor` for the rest. `many_rows`: fewest rows sent."""

    def __init__(self, processor: ErasureEngine, *, many_rows: int = MANY_ROWS) -> None:
        self._processor = processor
        self._geometry = processor.geometry
        self._many_rows = many_rows
        self._own = threading.local()

    @property
    def name(self) -> str:
        return "cuda"

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    @property
    def uses_ifma(self) -> bool:
        return self._processor.uses_ifma

    def pinned_rows(self, columns: int) -> Elements:
        """Page-locked room for all rows of one matrix, for `encode`'s `buffer`."""
        shape = (self._geometry.total_rows, columns, FIELD_BYTES)
        rows: Elements = cuda.pinned_array(shape, np.uint8)
        return rows

    def extend(self, data: Elements, *, threads: int = 1) -> Elements:
        rows = np.empty((self._geometry.total_rows, *data.shape[1:]), np.uint8)
        rows[: self._geometry.data_rows] = data
        self.extend_in_place(rows, threads=threads)
        return rows

    def extend_in_place(self, rows: Elements, *, threads: int = 1) -> None:
        del threads
        self._extend(rows, hashed=False)

    def extend_and_hash(self, rows: Elements, *, threads: int = 1) -> Digests:
        del threads
        roots = self._extend(rows, hashed=True)
        assert roots is not None
        return roots

    def decode(self, indices: Sequence[int], rows: Elements, *, threads: int = 1) -> Elements:
        return self._processor.decode(indices, rows, threads=threads)

    def combine(self, rows: Elements, challenge: int, *, threads: int = 1) -> Elements:
        count, columns = rows.shape[:2]
        if count < self._many_rows:
            return self._processor.combine(rows, challenge, threads=threads)
        stream = self._stream
        factors = cuda.to_device(kernels.limbs_of(powers(challenge % MODULUS, columns)), stream)
        device = cuda.to_device(_words32(rows), stream)
        sums = cuda.device_array((count, 1, kernels.LIMBS), np.uint32, stream=stream)
        width = min(MOST_COMBINING_THREADS, 1 << columns.bit_length() - 1)
        kernels.combine_rows[count, width, stream, width * FIELD_BYTES](device, factors, sums)
        out = sums.copy_to_host(stream=stream)
        stream.synchronize()
        combined: Elements = out.view(np.uint8).reshape(count, FIELD_BYTES)
        return combined

    def extend_combinations(self, values: Elements) -> Elements:
        return self._processor.extend_combinations(values)

    def coefficients(self, values: Elements) -> Elements:
        return self._processor.coefficients(values)

    def row_roots(self, rows: Elements, *, threads: int = 1) -> Digests:
        if rows.shape[0] < self._many_rows:
            return self._processor.row_roots(rows, threads=threads)
        stream = self._stream
        device = cuda.to_device(_words64(rows), stream)
        return self._hash(device, rows.shape[1], stream)

    def keccak_many(self, messages: Digests) -> Digests:
        return self._processor.keccak_many(messages)

    def _extend(self, rows: Elements, *, hashed: bool) -> Digests | None:
        """Rows from K on from the first K; `hashed`: the roots of all, without a second trip."""
        assert rows.flags.c_contiguous
        count, columns = self._geometry.data_rows, rows.shape[1]
        parity = rows.shape[0] // count - 1
        stream, words = self._stream, _words32(rows)
        device = cuda.device_array(words.shape, np.uint32, stream=stream)
        device[:count].copy_to_device(words[:count], stream)
        inverse, forward, shifts = self._tables
        kernels.extend_columns[columns, count // 2, stream, count * FIELD_BYTES](
            device, inverse, forward, shifts[:parity]
        )
        device[count:].copy_to_host(words[count:], stream)
        if not hashed:
            stream.synchronize()
            return None
        return self._hash(device.view(np.uint64).reshape(len(rows), -1), columns, stream)

    def _hash(self, words: Any, columns: int, stream: Any) -> Digests:
        leaves = columns // LEAF_ELEMENTS
        width = 1 << (leaves - 1).bit_length()
        count = words.shape[0]
        roots = cuda.device_array((count, kernels.DIGEST_WORDS), np.uint64, stream=stream)
        kernels.hash_rows[count, width, stream, width * DIGEST_BYTES](words, leaves, roots)
        out = roots.copy_to_host(stream=stream)
        stream.synchronize()
        digests: Digests = out.view(np.uint8).reshape(count, DIGEST_BYTES)
        return digests

    @property
    def _stream(self) -> Any:
        if not hasattr(self._own, "stream"):
            self._own.stream = cuda.stream()
        return self._own.stream

    @cached_property
    def _tables(self) -> tuple[Any, Any, Any]:
        """Factors of the transforms, (K/2, 8) each, and of the cosets, (3, K, 8), on the device."""
        count = self._geometry.data_rows
        root = root_of_unity(count)
        shift = root_of_unity(self._geometry.domain)
        scale = pow(count, -1, MODULUS)
        shifts = [
            kernels.limbs_of(
                [
                    scale * power % MODULUS
                    for power in powers(pow(shift, bit_reverse(q, 2), MODULUS), count)
                ]
            )
            for q in (1, 2, 3)
        ]
        inverse = kernels.limbs_of(powers(pow(root, -1, MODULUS), count // 2))
        forward = kernels.limbs_of(powers(root, count // 2))
        return cuda.to_device(inverse), cuda.to_device(forward), cuda.to_device(np.stack(shifts))


def _words32(rows: Elements) -> Any:
    whole = np.ascontiguousarray(rows)
    return whole.view(np.uint32).reshape(*rows.shape[:2], FIELD_BYTES // LIMB_BYTES)


def _words64(rows: Elements) -> Any:
    return np.ascontiguousarray(rows).reshape(rows.shape[0], -1).view(np.uint64)
