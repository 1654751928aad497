"""The port every erasure engine implements, and the geometry of the code they share.

Row i of a column is the value at `w^brev(i)` of the polynomial of degree < K through the first K
rows: a Reed-Solomon code over the scalar field, systematic, in EIP-4844 order. All engines return
the same bytes for the same input; `choose.py` refuses one that does not.

  legend  K data rows, N rows, m columns (a multiple of 8), rows (n, m, 32) uint8 big-endian
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from offchain.core.errors import ApogeeError, InvalidInput
from offchain.core.field import Elements, bit_reverse
from offchain.core.layout import K, N
from offchain.core.merkle import Digests


class EngineMismatch(ApogeeError):
    """An erasure engine does not compute what the integers say; it must not be used."""

    code = "erasure.engine_mismatch"
    next_step = "Start with the engine `loops` or `reference` and report the processor model."


class EngineUnknown(InvalidInput):
    """There is no erasure engine of this name, or this processor cannot run it."""

    code = "erasure.engine_unknown"
    next_step = "Choose cuda, ifma, vectors, loops or reference, or leave the choice open."


class RowsMissing(InvalidInput):
    """A decoder needs exactly K rows with distinct indices below N."""

    code = "erasure.rows_missing"


@dataclass(frozen=True, slots=True)
class Geometry:
    """K data rows of N; K a power of two, N a multiple of K up to 4K."""

    data_rows: int = K
    total_rows: int = N

    def __post_init__(self) -> None:
        assert self.data_rows & (self.data_rows - 1) == 0
        assert self.total_rows % self.data_rows == 0
        assert self.data_rows <= self.total_rows <= 4 * self.data_rows

    @property
    def bits(self) -> int:
        return self.data_rows.bit_length() - 1

    @property
    def domain(self) -> int:
        """Points of the whole domain, 4K."""
        return 4 * self.data_rows

    def exponent(self, row: int) -> int:
        """Row i sits at w^exponent(i), w of order 4K."""
        return bit_reverse(row, self.bits + 2)

    def require_indices(self, indices: Sequence[int]) -> None:
        """Raises: RowsMissing unless these are K distinct rows."""
        distinct = set(indices)
        valid = all(0 <= index < self.total_rows for index in distinct)
        if len(indices) != self.data_rows or len(distinct) != self.data_rows or not valid:
            raise RowsMissing(rows=len(distinct), needed=self.data_rows)


PROTOCOL_GEOMETRY = Geometry()


class ErasureEngine(Protocol):
    """Arithmetic in bulk over rows of field elements; thread-safe, every input canonical."""

    @property
    def name(self) -> str: ...

    @property
    def geometry(self) -> Geometry: ...

    @property
    def uses_ifma(self) -> bool:
        """Whether commitments may use AVX-512 IFMA too (`kzg.commit`)."""
        ...

    def extend(self, data: Elements, *, threads: int = 1) -> Elements:
        """All N rows from the data rows: (K, m, 32) -> (N, m, 32)."""
        ...

    def extend_in_place(self, rows: Elements, *, threads: int = 1) -> None:
        """Write the rows from K on of (n, m, 32) from its rows 0 .. K-1; n = K, 2K ... N.

        Only cosets that there is room for are made.
        """
        ...

    def extend_and_hash(self, rows: Elements, *, threads: int = 1) -> Digests:
        """`extend_in_place`, then `row_roots` of all rows: (n, m, 32) -> (n, 32)."""
        ...

    def decode(self, indices: Sequence[int], rows: Elements, *, threads: int = 1) -> Elements:
        """The data rows from any K rows: rows (K, m, 32) in the order of `indices`.

        Raises: RowsMissing when the indices are not K distinct rows.
        """
        ...

    def combine(self, rows: Elements, challenge: int, *, threads: int = 1) -> Elements:
        """Per row the sum over j of challenge^j * x_j: (n, m, 32) -> (n, 32), canonical."""
        ...

    def extend_combinations(self, values: Elements) -> Elements:
        """Values of q on the whole domain from those at the data rows: (K, 32) -> (4K, 32)."""
        ...

    def coefficients(self, values: Elements) -> Elements:
        """Monomial coefficients of q, lowest first, from its values: (K, 32) -> (K, 32)."""
        ...

    def row_roots(self, rows: Elements, *, threads: int = 1) -> Digests:
        """The Merkle root R_i of every row: (n, m, 32) -> (n, 32)."""
        ...

    def keccak_many(self, messages: Digests) -> Digests:
        """Hash each of n messages of equal length: (n, b) -> (n, 32).

        Fast for 64, for 256 and for less than 136 bytes.
        """
        ...
