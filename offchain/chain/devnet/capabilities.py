"""What a chain can do, asked of the chain itself: `apogee doctor` shows it, nothing is assumed.

An absent precompile answers success with no bytes, so each is asked a question with a known
answer. Sources: EIP-2537, EIP-4844, EIP-7951 with RFC 6979 appendix A.2.5, EIP-2935.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from offchain.core.errors import ApogeeError

Rpc = Callable[[str, list[Any]], Any]
"""Sends one method with its parameters and returns the result; raises ApogeeError on an error."""

_INFINITY: Final = b"\xc0" + bytes(47)
# The zero polynomial opens to zero everywhere.
_KZG_INPUT: Final = (
    b"\x01" + hashlib.sha256(_INFINITY).digest()[1:] + bytes(64) + _INFINITY + _INFINITY
)
_PAIRING_INPUT: Final = bytes(384)
_P256_INPUT: Final = hashlib.sha256(b"sample").digest() + bytes.fromhex(
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
_HISTORY_CONTRACT: Final = "0x0000f90827f1c53a10cb7a02335b175320002935"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Answers of one chain at its head."""

    client: str
    chain_id: int
    has_bls: bool
    """EIP-2537; without it no signer can register and no certificate be checked."""
    has_kzg: bool
    """EIP-4844's 0x0a; without it no opening can be checked on chain."""
    has_p256: bool
    """EIP-7951's 0x100; without it contracts fall back to 535,757 gas a signature."""
    has_history: bool
    """EIP-2935; without it contracts see 256 blocks back only."""

    def missing(self) -> tuple[str, ...]:
        """What is absent, in words for a person."""
        named = {
            "BLS12-381 precompiles (EIP-2537)": self.has_bls,
            "KZG precompile (EIP-4844)": self.has_kzg,
            "P-256 precompile at 0x100 (EIP-7951)": self.has_p256,
            "block hash history (EIP-2935)": self.has_history,
        }
        return tuple(name for name, is_there in named.items() if not is_there)


def capabilities(rpc: Rpc) -> Capabilities:
    """Ask a chain. Raises: whatever `rpc` raises when the chain does not answer at all."""
    one = (1).to_bytes(32, "big")
    return Capabilities(
        client=str(rpc("web3_clientVersion", [])),
        chain_id=int(rpc("eth_chainId", []), 16),
        has_bls=_ask(rpc, 0x0F, _PAIRING_INPUT) == one,
        has_kzg=len(_ask(rpc, 0x0A, _KZG_INPUT)) == 64,
        has_p256=_ask(rpc, 0x100, _P256_INPUT) == one,
        has_history=len(str(rpc("eth_getCode", [_HISTORY_CONTRACT, "latest"]))) > 2,
    )


def _ask(rpc: Rpc, number: int, data: bytes) -> bytes:
    call = {"to": f"0x{number:040x}", "data": "0x" + data.hex()}
    try:
        return bytes.fromhex(str(rpc("eth_call", [call, "latest"]))[2:])
    except ApogeeError:
        return b""  # a precompile that refuses a right input is as good as none
