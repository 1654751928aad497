"""Settles x402 payments: the gateway's account sends the payer's authorisation to the token.

  transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)

The key of the effect is the payment, so a repeat finds the transaction that was sent before.
Source: EIP-3009.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from offchain.chain.due import execute_due
from offchain.chain.errors import CallReverted, ContractReverted
from offchain.chain.model import Address, TypedCall
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.gateway.x402 import Asset, Authorization, PaymentInvalid
from offchain.node.leased_sender import Sends

TRANSFER: Final = keccak(
    b"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,"
    b"bytes32)"
)[:4]


class ChainFacilitator:
    """A `Facilitator`; `opening` gives the gateway's sender for as long as it is needed."""

    def __init__(self, asset: Asset, opening: Callable[[], AbstractContextManager[Sends]]) -> None:
        self._asset = asset
        self._opening = opening

    def settle(self, paid: Authorization) -> bytes:
        call = transfer_call(self._asset, paid)
        key = f"x402:{paid.origin(self._asset).hex()}"
        try:
            with self._opening() as sender:
                receipt = execute_due(sender, call, key=key)
        except (CallReverted, ContractReverted) as error:
            raise PaymentInvalid(reason="invalid_transaction_state") from error
        return bytes(receipt.transaction_hash)


def transfer_call(asset: Asset, paid: Authorization) -> TypedCall:
    """The call that moves the money."""
    signature = paid.signature
    arguments = words(
        paid.payer,
        paid.to,
        paid.value,
        paid.valid_after,
        paid.valid_before,
        paid.nonce,
        signature[64],
        signature[:32],
        signature[32:64],
    )
    return TypedCall(
        to=Address(asset.token),
        data=TRANSFER + arguments,
        value_wei=0,
        contract="EIP-3009 token",
        function="transferWithAuthorization",
    )
