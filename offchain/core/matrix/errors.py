"""What can be wrong with a header or a row, and with what comes of them.

Rejected
  HeaderRejected   da.header.*   the header contradicts itself; nobody's row can be judged by it
  RowRejected      da.row.*      this row is not what the header promises
    PathMismatch                   the sender is at fault: the row is not under D
    EncodingFault                  if the path holds, the encoding is at fault and the row proves it
Unavailable
  InsufficientRows               fewer than K rows could be had
Conflict
  Bottom                         D is no valid encoding; every honest reader answers this

Source: docs/protocol/da.md#node-check.
"""

from offchain.core.errors import Conflict, Rejected, Unavailable


class HeaderRejected(Rejected):
    """The header contradicts itself."""

    code = "da.header.rejected"
    next_step = "Drop the header; ask another owner, or tell the disperser to encode again."


class HeaderCombinationNotCanonical(HeaderRejected):
    """A combination y_i is not below the field's modulus."""

    code = "da.header.combination_not_canonical"


class CosetRootsMismatch(HeaderRejected):
    """The coset roots do not fold to D."""

    code = "da.header.roots_mismatch"


class CommitmentInvalid(HeaderRejected):
    """C is no point of the subgroup in its compressed form."""

    code = "da.header.commitment_invalid"


class CommitmentMismatch(HeaderRejected):
    """C is not the commitment to the header's combinations."""

    code = "da.header.commitment_mismatch"


class RowRejected(Rejected):
    """A row is not what its header promises."""

    code = "da.row.rejected"
    next_step = "Drop the row and ask its owner again, or another owner."


class RowLength(RowRejected):
    """A row has 32 bytes a column."""

    code = "da.row.length"


class RowIndexOutOfRange(RowRejected):
    """A row index lies below 3,072."""

    code = "da.row.index_out_of_range"


class PathMismatch(RowRejected):
    """The row's path does not lead to its coset root."""

    code = "da.row.path_mismatch"


class EncodingFault(RowRejected):
    """The row breaks the code; under a path that holds, it proves the encoding bad."""

    code = "da.row.encoding_fault"
    next_step = "Keep the row: with a path to D it is proof against the disperser."


class ElementNotCanonical(EncodingFault):
    """An element of the row is not below the field's modulus."""

    code = "da.row.element_not_canonical"


class TopByteNotZero(EncodingFault):
    """An element of a data row does not start with a zero byte."""

    code = "da.row.top_byte_not_zero"


class PaddingNotZero(EncodingFault):
    """A data row is not zero past the payload's end."""

    code = "da.row.padding_not_zero"


class CombinationMismatch(EncodingFault):
    """The row's combination is not the value of q at its point."""

    code = "da.row.combination_mismatch"


class InsufficientRows(Unavailable):
    """Fewer rows than the code needs could be had."""

    code = "da.insufficient_rows"
    next_step = "Try again later; `apogee status` shows which owners do not answer."


class Bottom(Conflict):
    """D is no valid encoding: there are no bytes, and every honest reader says so."""

    code = "da.bottom"
    next_step = "The disperser published a bad encoding; its stake answers for it."
