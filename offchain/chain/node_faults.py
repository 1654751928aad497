"""Which error a node's refusal is: geth, Anvil and py-evm say the same things in different words.

Matching is by JSON-RPC code where one is reserved, by lower-case substring otherwise; the tests
feed the wording of each node. Source: EIP-1474, geth core/txpool/errors.go and core/error.go, Anvil
crates/anvil/src/eth/error.rs, offchain/chain/devnet/faults.py.
"""

from typing import Any, Final

from offchain.chain.errors import (
    AnswerMalformed,
    BlockUnknown,
    CallReverted,
    FeeTooLow,
    InsufficientFunds,
    NodeOverloaded,
    NonceTaken,
    TooManyResults,
    TransactionRefused,
)
from offchain.chain.ports import Fault
from offchain.core.errors import ApogeeError

REVERT_CODE: Final = 3
NOT_FOUND_CODE: Final = -32_001  # EIP-1474: the requested resource is not there
LIMIT_CODE: Final = -32_005
METHOD_UNKNOWN_CODE: Final = -32_601

# Checked in this order: the first group with a match decides.
_ALREADY_KNOWN: Final = ("already known", "already imported", "known transaction")
_WORDS: Final[tuple[tuple[type[ApogeeError], tuple[str, ...]], ...]] = (
    (NonceTaken, ("nonce too low", "nonce is too low", "invalid nonce")),
    (
        FeeTooLow,
        (
            "underpriced",
            "max fee per gas less than block base fee",
            "fee cap less than block base fee",
            "max fee per gas is less than",
        ),
    ),
    (InsufficientFunds, ("insufficient funds", "sender doesn't have enough funds")),
    (
        TooManyResults,
        (
            "query returned more than",
            "exceeds max block range",
            "block range",
            "too many results",
            "response size exceeded",
            "range is too large",
        ),
    ),
    (
        BlockUnknown,
        (
            "header not found",
            "unknown block",
            "block not found",
            "blockoutofrange",
            "block height is",
            "not currently canonical",
            "header for hash not found",
            "missing trie node",
            "block out of range",
        ),
    ),
    (
        NodeOverloaded,
        ("rate limit", "too many requests", "txpool is full", "request limit", "timed out"),
    ),
)
_REVERT_WORDS: Final = ("execution reverted", "vm exception", "invalid opcode", "reverted 0x")


def error_of(fault: Fault, *, index: int = 0) -> ApogeeError:
    """The typed error for a node's answer; TransactionRefused when nothing more is known."""
    message = fault.message.lower()
    if fault.code == REVERT_CODE or any(word in message for word in _REVERT_WORDS):
        return CallReverted(revert_payload(fault), fault.message, index=index)
    for kind, words in _WORDS:
        if any(word in message for word in words):
            return kind(node_message=fault.message)
    if fault.code == LIMIT_CODE:
        return TooManyResults(node_message=fault.message)
    if fault.code == NOT_FOUND_CODE:
        return BlockUnknown(node_message=fault.message)
    if message.startswith("block ") and message.endswith("not found"):
        return BlockUnknown(node_message=fault.message)
    if fault.code in {METHOD_UNKNOWN_CODE, -32_600, -32_700}:
        return AnswerMalformed(node_message=fault.message, code=fault.code)
    return TransactionRefused(node_message=fault.message, rpc_code=fault.code)


def is_already_known(fault: Fault) -> bool:
    """Whether the node refused a transaction only because it has it."""
    return any(words in fault.message.lower() for words in _ALREADY_KNOWN)


def revert_payload(fault: Fault) -> bytes:
    """What a contract reverted with, wherever this node puts it; empty when it hides it."""
    candidate: Any = fault.data
    if isinstance(candidate, dict):
        candidate = candidate.get("data")
    if isinstance(candidate, str):
        text = candidate.removeprefix("Reverted ")
        if text.startswith("0x"):
            try:
                return bytes.fromhex(text[2:])
            except ValueError:
                return b""
    return b""
