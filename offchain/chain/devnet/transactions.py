"""Signed transactions: parse raw bytes once, recover the sender once, check what needs no state."""

from dataclasses import dataclass
from typing import Any, Final

from eth.exceptions import PyEVMError
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from offchain.chain.devnet.evm import MAX_INIT_CODE_BYTES, floor_gas, intrinsic_gas
from offchain.chain.devnet.faults import BadParameters, Refused
from offchain.chain.devnet.network import BLOCK_GAS_LIMIT

BLOB_TYPE: Final = 3
MAX_RAW_BYTES: Final = 131_072
REPLACEMENT_BUMP_PERCENT: Final = 10


# What py-evm's decoders let escape on bytes that are no transaction.
_MALFORMED: Final = (
    PyEVMError,
    RLPException,
    ValidationError,
    ValueError,
    TypeError,
    IndexError,
    RecursionError,
)


class RecoveredTransaction:
    """A py-evm transaction that remembers its sender.

    py-evm recovers the public key at every `.sender`, a dozen times for one execution.
    """

    def __init__(self, inner: Any, sender: bytes) -> None:
        self.inner = inner
        self.sender = sender

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A well-formed, correctly signed transaction for this chain."""

    raw: bytes
    hash: bytes
    evm: RecoveredTransaction

    @property
    def sender(self) -> bytes:
        return self.evm.sender

    @property
    def nonce(self) -> int:
        return int(self.evm.nonce)

    @property
    def gas(self) -> int:
        return int(self.evm.gas)

    @property
    def max_fee_wei(self) -> int:
        return int(self.evm.max_fee_per_gas)

    @property
    def max_tip_wei(self) -> int:
        return int(self.evm.max_priority_fee_per_gas)

    @property
    def cost_wei(self) -> int:
        """The most this transaction can take from its sender."""
        return self.gas * self.max_fee_wei + int(self.evm.value)

    @property
    def type_id(self) -> int:
        return int(self.evm.type_id or 0)

    def outbids(self, other: "Transaction") -> bool:
        """Whether it pays enough more to take the place of `other`."""
        factor = 100 + REPLACEMENT_BUMP_PERCENT
        return (
            self.max_fee_wei * 100 >= other.max_fee_wei * factor
            and self.max_tip_wei * 100 >= other.max_tip_wei * factor
        )


def parse_transaction(raw: bytes, chain_id: int) -> Transaction:
    """Decode, recover and check everything that does not depend on state.

    Raises: BadParameters for bytes that are no transaction, Refused for one that can never run.
    """
    if not raw or len(raw) > MAX_RAW_BYTES:
        raise BadParameters(f"transaction size {len(raw)}, limit {MAX_RAW_BYTES}")
    if raw[0] == BLOB_TYPE:
        raise Refused("transaction type not supported")
    try:
        inner = PragueTransactionBuilder.decode(raw)
        transaction_hash = bytes(inner.hash)
        signed_for = inner.chain_id
        is_canonical = inner.copy().encode() == raw  # a copy, as encodings are cached
    except _MALFORMED as error:
        raise BadParameters("rlp: the bytes are no transaction of a known type") from error
    if not is_canonical:  # py-evm reads an empty list as the number zero, for one
        raise BadParameters("rlp: the encoding is not canonical")
    if signed_for is not None and signed_for != chain_id:
        raise Refused(f"invalid chain id for signer: have {signed_for} want {chain_id}")
    try:
        inner.validate()
        sender = bytes(inner.sender)
    except (ValidationError, BadSignature, ValueError, TypeError) as error:
        _check_gas(inner)
        raise Refused("invalid sender: the signature or a field is out of range") from error
    transaction = Transaction(raw, transaction_hash, RecoveredTransaction(inner, sender))
    _check_gas(inner)
    if transaction.max_tip_wei > transaction.max_fee_wei:
        raise Refused(
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {transaction.max_tip_wei}, "
            f"maxFeePerGas: {transaction.max_fee_wei}"
        )
    return transaction


def _check_gas(inner: Any) -> None:
    creates = inner.to == b""
    if inner.gas > BLOCK_GAS_LIMIT:
        raise Refused(f"exceeds block gas limit: gas {inner.gas}, limit {BLOCK_GAS_LIMIT}")
    if creates and len(inner.data) > MAX_INIT_CODE_BYTES:
        raise Refused(
            f"max initcode size exceeded: code size {len(inner.data)}, limit {MAX_INIT_CODE_BYTES}"
        )
    needed = max(int(inner.intrinsic_gas), intrinsic_gas(inner.data, creates=creates))
    if inner.gas < needed:
        raise Refused(f"intrinsic gas too low: gas {inner.gas}, minimum needed {needed}")
    if inner.gas < floor_gas(inner.data):
        raise Refused(
            "insufficient gas for floor data gas cost: "
            f"gas {inner.gas}, minimum needed {floor_gas(inner.data)}"
        )
