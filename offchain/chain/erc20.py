"""An ERC-20 as somebody meets it who pays with it: what he has, what others may take of it.

Nothing is believed of a stranger's token but the form of its answers: whether a call of it has done
anything is read afterwards, so that one which answers nothing (USDT) is as good as one which does.
Amounts are base units. Source: https://eips.ethereum.org/EIPS/eip-20 (CC0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, BlockRef, Call, TypedCall, show_address
from offchain.chain.ports import ChainReader
from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak
from offchain.core.typed_data import words

BALANCE_OF: Final = keccak(b"balanceOf(address)")[:4]
ALLOWANCE: Final = keccak(b"allowance(address,address)")[:4]
APPROVE: Final = keccak(b"approve(address,uint256)")[:4]
WORD: Final = 32


class NotAToken(InvalidInput):
    """No ERC-20 answers at the address."""

    code = "chain.token.none"
    next_step = "Check the address of the currency: it has to be an ERC-20 of this chain."


@dataclass(frozen=True, slots=True)
class Erc20:
    """One token of one chain."""

    address: Address
    reader: ChainReader

    def standing(self, owner: bytes, spender: bytes, *, at: BlockRef) -> tuple[int, int]:
        """What an owner has, and what a spender may still take of it. Raises: NotAToken."""
        asked = (BALANCE_OF + words(owner), ALLOWANCE + words(owner, spender))
        calls = [Call(self.address, data) for data in asked]
        has, may_take = self._numbers(calls, at)
        return has, may_take

    def approve(self, spender: bytes, amount: int) -> TypedCall:
        """Let a spender take so much in all, instead of what he may take now."""
        data = APPROVE + words(spender, amount)
        return TypedCall(self.address, data, 0, "ERC20", "approve")

    def _numbers(self, calls: Sequence[Call], at: BlockRef) -> list[int]:
        try:
            answers = self.reader.calls(calls, at=at)
        except CallReverted as error:
            raise NotAToken(address=show_address(self.address)) from error
        if any(len(one) != WORD for one in answers):
            raise NotAToken(address=show_address(self.address))
        return [int.from_bytes(one, "big") for one in answers]
