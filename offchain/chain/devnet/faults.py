"""What the node answers when it cannot answer: JSON-RPC error objects, worded as geth words them.

Clients classify these by code and by the start of the message, so both are part of the interface.

  code     class               when
  -32700   NotJson             the body is no JSON
  -32600   BadRequest          JSON, but no request object
  -32601   UnknownMethod       not on the method list of this backend
  -32602   BadParameters       a parameter is missing or of the wrong form
  -32005   LimitExceeded       batch, range, result or filter bound
  -32000   Refused             a transaction or question the chain refuses
  3        ExecutionReverted   the EVM reverted; `data` is the revert payload
  -32603   BackendGone         the node behind this face does not answer
"""

from typing import ClassVar, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from offchain.core.errors import ApogeeError, InvalidInput, NotFound, Rejected, Unavailable

_ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")
_PANIC_SELECTOR: Final = bytes.fromhex("4e487b71")
_PANICS: Final = {
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x32: "out-of-bounds access of an array or bytesN",
}


class RpcFault(ApogeeError):
    """A failure with a JSON-RPC code."""

    rpc_code: ClassVar[int] = -32_603

    def as_rpc(self) -> dict[str, object]:
        """The `error` member of the answer."""
        return {"code": self.rpc_code, "message": self.message}


class NotJson(RpcFault, InvalidInput):
    """parse error: the body is not JSON"""

    code = "devnet.rpc.not_json"
    rpc_code = -32_700


class BadRequest(RpcFault, InvalidInput):
    """invalid request"""

    code = "devnet.rpc.bad_request"
    rpc_code = -32_600


class UnknownMethod(RpcFault, NotFound):
    """the method does not exist or is not available"""

    code = "devnet.rpc.unknown_method"
    rpc_code = -32_601


class BadParameters(RpcFault, InvalidInput):
    """invalid argument"""

    code = "devnet.rpc.bad_parameters"
    rpc_code = -32_602


class LimitExceeded(RpcFault, InvalidInput):
    """limit exceeded"""

    code = "devnet.rpc.limit_exceeded"
    rpc_code = -32_005
    next_step = "Ask for less at once: a shorter range, a smaller batch, fewer filters."


class Refused(RpcFault, Rejected):
    """The chain refuses this transaction or question."""

    code = "devnet.rpc.refused"
    rpc_code = -32_000


class BackendGone(RpcFault, Unavailable):
    """the node behind this address does not answer"""

    code = "devnet.rpc.backend_gone"


class ExecutionReverted(RpcFault, Rejected):
    """execution reverted"""

    code = "devnet.rpc.reverted"
    rpc_code = 3

    def __init__(self, payload: bytes) -> None:
        reason = revert_reason(payload)
        super().__init__(f"execution reverted: {reason}" if reason else "execution reverted")
        self.payload = payload

    def as_rpc(self) -> dict[str, object]:
        return {**super().as_rpc(), "data": "0x" + self.payload.hex()}


def revert_reason(payload: bytes) -> str | None:
    """The text of an `Error(string)` or `Panic(uint256)` payload; None for anything else."""
    try:
        if payload[:4] == _ERROR_SELECTOR:
            return str(decode(["string"], payload[4:])[0])
        if payload[:4] == _PANIC_SELECTOR:
            number = int(decode(["uint256"], payload[4:])[0])
            return _PANICS.get(number, f"panic code {number:#x}")
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None
    return None
