"""What a contract takes out of a wallet's credit is put in first, where it is missing.

  coin    deposit of what is missing, which is sent with it
  token   approve 0 ─► approve what is missing, no more ─► deposit of it
          (0 only where the token changes no allowance that stands, as USDT)

Before each step the chain is asked what is missing, and a step is named by what was found: killed
anywhere, the same command goes on, and no step is sent twice.
Source: docs/protocol/agents.md#trading.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final, Protocol

from offchain.agents.orders import NOBODY
from offchain.agents.trade_errors import AllowanceStuck, FundsShort
from offchain.chain.due import is_accepted
from offchain.chain.erc20 import Erc20
from offchain.chain.model import Address, Block, BlockRef, Receipt, TypedCall
from offchain.chain.ports import ChainReader
from offchain.core.errors import Rejected

Send = Callable[[TypedCall, str], Receipt]
NOTHING: Final = 0


class Till(Protocol):
    """A contract that keeps credits by account and currency, in base units."""

    @property
    def address(self) -> Address: ...

    def credit_of(self, account: bytes, currency: bytes, *, at: BlockRef) -> int: ...

    def deposit(self, account: bytes, currency: bytes, amount: int) -> TypedCall: ...


class StepKind(StrEnum):
    """What is sent, in this order."""

    CLEAR = "clear"  # the allowance becomes nothing
    ALLOW = "allow"
    DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class Step:
    """One call, and what it is for."""

    kind: StepKind
    call: TypedCall


@dataclass(frozen=True, slots=True)
class PayIn:
    """What is missing of an amount at a block. `allowance`: of the token, 0 of the coin."""

    missing: int
    credit: int
    allowance: int
    steps: tuple[Step, ...]
    block: Block


@dataclass(frozen=True, slots=True)
class Payer:
    """One wallet that pays into contracts."""

    node: ChainReader
    account: Address
    send: Send

    def look(self, till: Till, currency: bytes, needed: int) -> PayIn:
        """What has to be sent before the contract can take so much. Raises: NotAToken, FundsShort.

        FundsShort is told of tokens alone: of the coin, sending tells it.
        """
        block = self.node.block()
        credit = till.credit_of(self.account, currency, at=block.hash)
        return self._plan(till, currency, max(0, needed - credit), credit, block)

    def look_more(self, till: Till, currency: bytes, amount: int) -> PayIn:
        """What has to be sent to put so much in, whatever is there. Raises: as `look`."""
        block = self.node.block()
        credit = till.credit_of(self.account, currency, at=block.hash)
        return self._plan(till, currency, amount, credit, block)

    def pay_in(self, till: Till, currency: bytes, needed: int, *, name: str) -> None:
        """Send what is missing, step by step; `name` of what it is for.

        An allowance that the contract does not use, because it refuses how the token moves, is
        taken back. Raises: as `look`; AllowanceStuck; what the contract refuses.
        """
        name = f"{name}:{currency.hex()}"
        found = self._allowed(lambda: self.look(till, currency, needed), name)
        if found.steps:
            [step] = found.steps
            self._deposit(till, currency, found, lambda: self._send_once(step, found, name), name)

    def put(self, till: Till, currency: bytes, amount: int, *, name: str) -> None:
        """Put so much in, once under this name. Raises: as `pay_in`."""
        found = self._allowed(lambda: self.look_more(till, currency, amount), name)
        [step] = found.steps
        self._deposit(till, currency, found, lambda: self.send(step.call, name), name)

    def _plan(self, till: Till, currency: bytes, missing: int, credit: int, block: Block) -> PayIn:
        if not missing:
            return PayIn(0, credit, 0, (), block)
        deposit = Step(StepKind.DEPOSIT, till.deposit(self.account, currency, missing))
        if currency == NOBODY:
            return PayIn(missing, credit, 0, (deposit,), block)
        token = Erc20(Address(currency), self.node)
        balance, allowance = token.standing(self.account, till.address, at=block.hash)
        if balance < missing:
            raise FundsShort(currency="0x" + currency.hex(), balance=balance, missing=missing)
        allow = self._allow(token, till, missing, allowance, block)
        return PayIn(missing, credit, allowance, (*allow, deposit), block)

    def _allow(
        self, token: Erc20, till: Till, missing: int, allowance: int, block: Block
    ) -> tuple[Step, ...]:
        """What lets the contract take what is missing, and no more than before or than that."""
        if allowance >= missing:
            return ()
        allow = Step(StepKind.ALLOW, token.approve(till.address, missing))
        if not allowance or is_accepted(self.node, allow.call, self.account, block.hash):
            return (allow,)
        return Step(StepKind.CLEAR, token.approve(till.address, NOTHING)), allow

    def _allowed(self, look: Callable[[], PayIn], name: str) -> PayIn:
        """Send what comes before a deposit, and look after each. Raises: AllowanceStuck."""
        done: set[StepKind] = set()
        while len((found := look()).steps) > 1:
            step = found.steps[0]
            if step.kind in done:
                raise AllowanceStuck(allowance=found.allowance, missing=found.missing)
            self._send_once(step, found, name)
            done.add(step.kind)
        return found

    def _deposit(
        self, till: Till, currency: bytes, found: PayIn, send: Callable[[], object], name: str
    ) -> None:
        """Deposit; refused, the allowance that was made for it is taken back."""
        try:
            send()
        except Rejected:
            if currency != NOBODY and found.allowance == found.missing:
                clear = Erc20(Address(currency), self.node).approve(till.address, NOTHING)
                self._send_once(Step(StepKind.CLEAR, clear), found, name)
            raise

    def _send_once(self, step: Step, found: PayIn, name: str) -> None:
        """Send a step that the chain did not have at `found.block`; what began before goes on.

        Raises: what a contract refuses.
        """
        state = f"{found.credit}:{found.allowance}:{found.missing}"
        for turn in count():
            receipt = self.send(step.call, f"{name}:{step.kind}:{state}:{turn}")
            if receipt.block_number > found.block.number:
                return  # else it is of an earlier time, and was undone since
