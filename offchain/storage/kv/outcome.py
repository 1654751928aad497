"""What becomes of operations. Source: docs/protocol/storage.md#key-value-streams."""

from enum import Enum


class Outcome(Enum):
    """What became of an operation, or of a whole batch (VOID, MALFORMED)."""

    APPLIED = "APPLIED"
    STALE = "STALE"
    WRONG_KIND = "WRONG_KIND"
    OVERFLOW = "OVERFLOW"
    OVER_QUOTA = "OVER_QUOTA"
    GROUP_FAILED = "GROUP_FAILED"
    BROKEN_GROUP = "BROKEN_GROUP"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    REPLAYED = "REPLAYED"
    NO_RIGHT = "NO_RIGHT"
    EXPIRED = "EXPIRED"
    OLD_GENERATION = "OLD_GENERATION"
    NO_STREAM = "NO_STREAM"
    UNTAGGED = "UNTAGGED"
    MALFORMED = "MALFORMED"
    VOID = "VOID"
