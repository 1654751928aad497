"""What can be wrong with a header, a row, a leaf, an item or a blob, each with its stable code.

Rejected
  HeaderRejected   da.header.*   the header contradicts itself; nobody's row can be judged by it
  RowRejected      da.row.*      this row is not what the header promises
    PathMismatch                   the sender is at fault: the row is not under D
    EncodingFault                  if the path holds, the encoding is at fault and the row proves it
  LeafRejected     da.leaf.*     this leaf is not under D
  ItemInvalid      da.item.*     the shared matrix reads as invalid here, for everyone
Unavailable
  InsufficientRows               fewer than K rows could be had
Conflict
  Bottom                         D is no valid encoding; every honest reader answers this

Frame and layout errors (`da.frame.*`, `da.layout.*`, `da.payload.*`) come from `core`.
Source: docs/protocol/da.md#node-check.
"""

from offchain.core.errors import InvalidInput, NotFound, Rejected
from offchain.core.layout import (
    ColumnsMismatch,
    IndexOutOfRange,
    LayoutError,
    PayloadEmpty,
    PayloadTooLarge,
)
from offchain.core.matrix.errors import (
    Bottom,
    CombinationMismatch,
    CommitmentInvalid,
    CommitmentMismatch,
    CosetRootsMismatch,
    ElementNotCanonical,
    EncodingFault,
    HeaderCombinationNotCanonical,
    HeaderRejected,
    InsufficientRows,
    PaddingNotZero,
    PathMismatch,
    RowIndexOutOfRange,
    RowLength,
    RowRejected,
    TopByteNotZero,
)
from offchain.core.wire import (
    FrameColumns,
    FrameCount,
    FrameError,
    FrameIndex,
    FrameLength,
    FrameMagic,
)

__all__ = [
    "Bottom",
    "ColumnsMismatch",
    "CombinationMismatch",
    "CommitmentInvalid",
    "CommitmentMismatch",
    "CosetRootsMismatch",
    "ElementNotCanonical",
    "EncodingFault",
    "FrameColumns",
    "FrameCount",
    "FrameError",
    "FrameIndex",
    "FrameLength",
    "FrameMagic",
    "HeaderCombinationNotCanonical",
    "HeaderRejected",
    "IndexOutOfRange",
    "InsufficientRows",
    "ItemInvalid",
    "ItemMissing",
    "LayoutError",
    "LeafPathMismatch",
    "LeafRejected",
    "PaddingNotZero",
    "PathMismatch",
    "PayloadEmpty",
    "PayloadTooLarge",
    "RowIndexOutOfRange",
    "RowLength",
    "RowRejected",
    "SharedMatrixTooLarge",
    "TopByteNotZero",
]


class LeafRejected(Rejected):
    """A leaf is not what it is said to be."""

    code = "da.leaf.rejected"


class LeafPathMismatch(LeafRejected):
    """The leaf's path does not lead to D."""

    code = "da.leaf.path_mismatch"


class ItemInvalid(Rejected):
    """The shared matrix does not hold a valid item here."""

    code = "da.item.invalid"
    next_step = "Nobody can read this item; the matrix was packed wrongly by its disperser."


class ItemMissing(NotFound):
    """The shared matrix has no item of this number."""

    code = "da.item.missing"


class SharedMatrixTooLarge(InvalidInput):
    """The items do not fit one shared matrix."""

    code = "da.item.too_large"
    next_step = "Start another shared matrix."
