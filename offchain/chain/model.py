"""What a chain shows us, as values: blocks, calls, logs, receipts, addresses.

Addresses and hashes are raw bytes; amounts are wei; times are chain seconds.
Source: https://github.com/ethereum/execution-apis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NewType

from offchain.chain.errors import AddressInvalid
from offchain.chain.rlp_encoding import encode_rlp
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber

Address = NewType("Address", bytes)
BlockHash = NewType("BlockHash", bytes)
TransactionHash = NewType("TransactionHash", bytes)
BlockRef = BlockNumber | BlockHash

ADDRESS_BYTES: Final = 20
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed block; `at=block.hash` reads the state after it and fails once it left the chain."""

    number: BlockNumber
    hash: BlockHash
    parent_hash: BlockHash
    timestamp: int
    base_fee_wei: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Call:
    """A message to a contract; `to` None creates one."""

    to: Address | None
    data: bytes = field(repr=False)
    sender: Address | None = None
    value_wei: int = 0
    gas: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """One event entry at its place in the chain."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: BlockNumber
    block_hash: BlockHash
    transaction_hash: TransactionHash
    log_index: int
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs: inclusive block range, any of `addresses`, alternatives by topic position.

    An empty tuple at a position matches anything.
    """

    first_block: int
    last_block: int
    addresses: tuple[Address, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a mined transaction did."""

    transaction_hash: TransactionHash
    block_number: BlockNumber
    block_hash: BlockHash
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int
    contract_address: Address | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """What the next block asks: its base fee, and the tip that gets in soon."""

    base_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class TypedCall:
    """A call that a client built and a TransactionSender may send.

    `contract`, `function` and `reverts` name what a refusal means; they are no part of the effect.
    """

    to: Address | None
    data: bytes = field(repr=False)
    value_wei: int
    contract: str
    function: str
    gas_hint: int | None = None
    reverts: Mapping[str, type[ApogeeError]] = field(default_factory=dict, repr=False)

    def digest(self) -> bytes:
        """What the effect is: receiver, value and data."""
        return keccak(self.to or b"", self.value_wei.to_bytes(32, "big"), self.data)

    def call_from(self, sender: Address) -> Call:
        return Call(to=self.to, data=self.data, sender=sender, value_wei=self.value_wei)


def parse_address(value: str | bytes) -> Address:
    """An address from 20 bytes or hex text. Raises: AddressInvalid, also on a wrong checksum."""
    if isinstance(value, bytes):
        if len(value) != ADDRESS_BYTES:
            raise AddressInvalid(length=len(value))
        return Address(value)
    digits = value.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError as error:
        raise AddressInvalid(address=value[:64]) from error
    if len(raw) != ADDRESS_BYTES or len(digits) != 2 * ADDRESS_BYTES:
        raise AddressInvalid(address=value[:64])
    is_mixed = digits not in {digits.lower(), digits.upper()}
    if is_mixed and show_address(raw) != "0x" + digits:
        raise AddressInvalid(address=value)
    return Address(raw)


def show_address(address: bytes) -> str:
    """An address as people write it, with its checksum (EIP-55)."""
    digits = address.hex()
    checksum = keccak(digits.encode()).hex()
    shown = (
        letter.upper() if int(nibble, 16) >= 8 else letter
        for letter, nibble in zip(digits, checksum, strict=False)
    )
    return "0x" + "".join(shown)


def created_address(sender: Address, nonce: int) -> Address:
    """Where a contract created by `sender` with this nonce lies."""
    return Address(keccak(encode_rlp([sender, nonce]))[12:])
