"""What stands under a key: its version, its kind and its value, as the store keeps them.

  cell     0 u64 version | 8 u8 kind | 9 value
  version  u48 seq || u16 index of the operation in its entry: later in the log is greater

Spaces of the tree (the byte before a key): 0 the user's keys, 1 elements of lists (key || u64
index), 2 rights (u8 subject kind || subject 32), 3 accounts (the same key): u64 last nonce || u64
bytes used. Source: docs/protocol/storage.md#key-value-streams.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.core.hashing import Digest, keccak
from offchain.storage.kv.errors import KeyInvalid, StateCorrupt
from offchain.storage.kv.proof import Leaf, key_hash

MAX_KEY_BYTES: Final = 1_024
MAX_VALUE_BYTES: Final = 65_536
FILE_VALUE_BYTES: Final = 40
COUNTER_BYTES: Final = 16
ABSENT: Final = (1 << 64) - 1  # as an expected version: the key must not be there
ANY: Final = 0  # as an expected version: whatever is there
_INDEX_BITS: Final = 16
_HEAD: Final = 9


class Space(IntEnum):
    """Which keys; only operations of users reach USER, and through lists ELEMENT."""

    USER = 0
    ELEMENT = 1
    RIGHT = 2
    ACCOUNT = 3


class Kind(IntEnum):
    """What the value is."""

    BYTES = 1
    FILE = 2  # root 32, u64 length of a stored file
    COUNTER = 3  # signed, 16 bytes
    LIST = 4  # u64 number of elements
    RIGHT = 5
    ACCOUNT = 6


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with its version; `version` names the operation that wrote it."""

    version: int
    kind: Kind
    value: bytes

    def to_bytes(self) -> bytes:
        return self.version.to_bytes(8, "big") + bytes((self.kind,)) + self.value

    @classmethod
    def parse(cls, raw: bytes) -> "Cell":
        """Read a stored cell. Raises: StateCorrupt."""
        try:
            return cls(int.from_bytes(raw[:8], "big"), Kind(raw[8]), raw[_HEAD:])
        except (IndexError, ValueError) as error:
            raise StateCorrupt(bytes=len(raw)) from error

    def leaf(self, space: int, key: bytes) -> Leaf:
        return Leaf(key_hash(space, key), self.version, self.kind, self.value_hash)

    @property
    def value_hash(self) -> Digest:
        return keccak(self.value)


def version_of(seq: int, index: int) -> int:
    return seq << _INDEX_BITS | index


def seq_of(version: int) -> int:
    return version >> _INDEX_BITS


def element_key(key: bytes, index: int) -> bytes:
    return key + index.to_bytes(8, "big")


def require_key(key: bytes) -> None:
    """Raises: KeyInvalid."""
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise KeyInvalid(bytes=len(key), maximum=MAX_KEY_BYTES)


def counter_value(number: int) -> bytes:
    """Raises: KeyInvalid beyond 127 bits and a sign."""
    try:
        return number.to_bytes(COUNTER_BYTES, "big", signed=True)
    except OverflowError as error:
        raise KeyInvalid(counter=number) from error


def counter_of(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)
