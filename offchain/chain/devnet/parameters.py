"""JSON-RPC parameters: read them strictly into trusted values, or say which one is wrong.

Source: https://ethereum.org/en/developers/docs/apis/json-rpc (hex quantities and data).
"""

from dataclasses import dataclass
from typing import Any, Final

from offchain.chain.devnet.faults import BadParameters

MAX_ADDRESSES: Final = 1_000
MAX_TOPICS: Final = 4
MAX_ALTERNATIVES: Final = 1_000
LATEST_TAGS: Final = frozenset({"latest", "safe", "finalized"})
_HEX: Final = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class BlockReference:
    """A block as a client names it: exactly one of the three is set, or `is_pending`."""

    number: int | None = None
    hash: bytes | None = None
    is_latest: bool = False
    is_pending: bool = False


LATEST: Final = BlockReference(is_latest=True)
PENDING: Final = BlockReference(is_pending=True)


class Parameters:
    """The positional parameters of one request."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def value(self, index: int) -> Any:
        """The raw value; None when it is missing or null."""
        return self._values[index] if index < len(self._values) else None

    def quantity(self, index: int, default: int | None = None) -> int:
        value = self.value(index)
        if value is None and default is not None:
            return default
        return quantity(value, f"argument {index}")

    def data(self, index: int, size: int | None = None) -> bytes:
        return data(self.value(index), f"argument {index}", size)

    def address(self, index: int) -> bytes:
        return self.data(index, 20)

    def flag(self, index: int, *, default: bool = False) -> bool:
        value = self.value(index)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadParameters(f"invalid argument {index}: not a boolean")
        return value

    def mapping(self, index: int) -> dict[str, Any]:
        value = self.value(index)
        if not isinstance(value, dict):
            raise BadParameters(f"invalid argument {index}: not an object")
        return value

    def block(self, index: int, default: BlockReference = LATEST) -> BlockReference:
        value = self.value(index)
        return default if value is None else block_reference(value, f"argument {index}")


def quantity(value: Any, name: str) -> int:
    """A non-negative number of at most 256 bits: hex, or a plain JSON integer."""
    if isinstance(value, bool):
        raise BadParameters(f"invalid {name}: not a quantity")
    if isinstance(value, int):
        number = value
    elif isinstance(value, str) and value[:2] == "0x" and 2 < len(value) <= 66:
        if not _HEX.issuperset(value[2:]):
            raise BadParameters(f"invalid {name}: invalid hex string")
        number = int(value, 16)
    else:
        raise BadParameters(f"invalid {name}: not a 0x-prefixed quantity")
    if not 0 <= number < 2**256:
        raise BadParameters(f"invalid {name}: out of range")
    return number


def data(value: Any, name: str, size: int | None = None) -> bytes:
    """Bytes as 0x-prefixed hex; exactly `size` of them when given."""
    if not isinstance(value, str) or value[:2] not in {"0x", "0X"}:
        raise BadParameters(f"invalid {name}: hex string without 0x prefix")
    digits = value[2:]
    if len(digits) % 2:
        raise BadParameters(f"invalid {name}: hex string of odd length")
    if not _HEX.issuperset(digits):
        raise BadParameters(f"invalid {name}: invalid hex string")
    raw = bytes.fromhex(digits)
    if size is not None and len(raw) != size:
        raise BadParameters(f"invalid {name}: want {size} bytes, have {len(raw)}")
    return raw


def block_reference(value: Any, name: str) -> BlockReference:
    """A tag, a number, or an EIP-1898 object with a number or a hash."""
    if isinstance(value, dict):
        if "blockHash" in value:
            return BlockReference(hash=data(value["blockHash"], f"{name}.blockHash", 32))
        return BlockReference(number=quantity(value.get("blockNumber"), f"{name}.blockNumber"))
    if value in LATEST_TAGS:
        return LATEST
    if value == "pending":
        return PENDING
    if value == "earliest":
        return BlockReference(number=0)
    if isinstance(value, str) and len(value) == 66:
        return BlockReference(hash=data(value, name, 32))
    return BlockReference(number=quantity(value, name))


def log_addresses(value: Any) -> tuple[bytes, ...]:
    """The `address` member of a filter: nothing, one, or a list."""
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_ADDRESSES:
        raise BadParameters(f"invalid address: at most {MAX_ADDRESSES} addresses")
    return tuple(data(one, "address", 20) for one in listed)


def log_topics(value: Any) -> tuple[tuple[bytes, ...], ...]:
    """The `topics` member of a filter: per position nothing, one, or alternatives."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_TOPICS:
        raise BadParameters(f"invalid topics: a list of at most {MAX_TOPICS} positions")
    positions: list[tuple[bytes, ...]] = []
    for position in value:
        if position is None:
            positions.append(())
            continue
        listed = position if isinstance(position, list) else [position]
        if len(listed) > MAX_ALTERNATIVES:
            raise BadParameters(f"invalid topics: at most {MAX_ALTERNATIVES} alternatives")
        if None in listed:
            positions.append(())
            continue
        positions.append(tuple(data(one, "topic", 32) for one in listed))
    return tuple(positions)
