"""The intent's money: what may still be promised, checked before anything is signed; pure.

held + spent <= budget at every moment, whatever a model, a tool or another agent asks for
(INV-AGT-18). A name is held once: the same act asked again holds what it held.
"""

from dataclasses import dataclass, field

from offchain.agents.intent import Limits
from offchain.agents.runtime_errors import CounterpartyForbidden, OverBudget


@dataclass(slots=True)
class Purse:
    """Limits, and what acts hold or have spent, by the act's name."""

    limits: Limits
    held: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)

    @property
    def spent(self) -> int:
        return sum(self.charged.values())

    @property
    def left(self) -> int:
        """What a new act may cost at most."""
        return self.limits.budget - self.spent - sum(self.held.values())

    def hold(self, act: str, amount: int, *, to: bytes, currency: bytes) -> None:
        """Set money aside. Raises: OverBudget, CounterpartyForbidden."""
        if to not in self.limits.counterparties or currency != self.limits.currency:
            raise CounterpartyForbidden(to="0x" + to.hex(), currency="0x" + currency.hex())
        if act in self.held or act in self.charged:
            return
        if amount < 0 or amount > self.left:
            raise OverBudget(asked=amount, left=self.left, budget=self.limits.budget)
        self.held[act] = amount

    def charge(self, act: str, amount: int) -> None:
        """An act cost so much, at most what it held. Raises: OverBudget."""
        if act in self.charged:
            return
        if not 0 <= amount <= self.held.get(act, 0):
            raise OverBudget(asked=amount, held=self.held.get(act, 0))
        del self.held[act]
        self.charged[act] = amount

    def release(self, act: str) -> None:
        """Nothing was sold for an act."""
        self.held.pop(act, None)
