"""What a revert says, in words and as a typed error; never a bare `0x`.

  payload                         reason
  08c379a0 string                 the string: `module: what is wrong`
  4e487b71 uint256                `panic: ...` from the table below
  4 bytes of an error in our ABIs `Name(values)`
  4 bytes of nobody               `unknown error 0x........`
  nothing                         what the node said, or `no reason given`
Source: https://docs.soliditylang.org/en/latest/control-structures.html#panic-via-assert-and-error-via-require.
"""

from collections.abc import Mapping
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from offchain.chain.contract_abi import artifact, artifact_names, decode_values
from offchain.chain.errors import AnswerMalformed, CallReverted, ContractReverted
from offchain.core.errors import ApogeeError

ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")
PANIC_SELECTOR: Final = bytes.fromhex("4e487b71")
NO_REASON: Final = "no reason given"
OUT_OF_GAS: Final = "out of gas"
MAX_REASON_CHARACTERS: Final = 300
_PANICS: Final = {
    0x00: "generic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "no such enum member",
    0x22: "malformed storage bytes",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an uninitialised function",
}


def reason_of(payload: bytes, node_message: str = "") -> str:
    """The reason in words, at most MAX_REASON_CHARACTERS long."""
    reason = _from_payload(payload) or _from_message(node_message) or NO_REASON
    return reason[:MAX_REASON_CHARACTERS]


def typed_error(
    failure: CallReverted,
    contract: str,
    function: str,
    reverts: Mapping[str, type[ApogeeError]],
) -> ApogeeError:
    """The error class a domain has for this reason; ContractReverted for any other."""
    reason = reason_of(failure.payload, failure.node_message)
    return error_for(reason, contract, function, reverts)


def error_for(
    reason: str, contract: str, function: str, reverts: Mapping[str, type[ApogeeError]]
) -> ApogeeError:
    """As `typed_error`, for a reason that was read before."""
    kind = reverts.get(reason)
    if kind is None:
        return ContractReverted(contract=contract, function=function, reason=reason)
    return kind(contract=contract, function=function, reason=reason)


def _from_payload(payload: bytes) -> str:
    if not payload:
        return ""
    selector, arguments = payload[:4], payload[4:]
    try:
        if selector == ERROR_SELECTOR:
            return str(decode(["string"], arguments)[0]) or NO_REASON
        if selector == PANIC_SELECTOR:
            number = int(decode(["uint256"], arguments)[0])
            return f"panic: {_PANICS.get(number, hex(number))}"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return f"malformed reason 0x{payload[:36].hex()}"
    return _from_our_errors(selector, arguments) or f"unknown error 0x{selector.hex()}"


def _from_our_errors(selector: bytes, arguments: bytes) -> str:
    for name in artifact_names():
        known = artifact(name).abi.errors.get(selector)
        if known is None:
            continue
        try:
            values = decode_values(known.signature, known.inputs, arguments)
        except AnswerMalformed:
            continue
        shown = ", ".join(
            f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in values
        )
        return f"{known.name}({shown})"
    return ""


def _from_message(node_message: str) -> str:
    """Nodes that hide the payload often keep the words after `execution reverted: `."""
    _, found, rest = node_message.partition("execution reverted: ")
    if found and rest.strip():
        return rest.strip()
    message = node_message.strip()
    return "" if message.lower() in {"", "execution reverted", "revert"} else message
