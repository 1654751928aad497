"""Insurance of victims whose slash fell short, without a chain.

Claims join the open round; it closes in a later epoch than that of its first claim, with a tenth
of what is free, and pays pro rata. What a pot cannot pay joins the open round again.
Source: docs/protocol/staking.md#court.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.core.errors import Conflict

POT_DIVISOR: Final = 10


class WrongState(Conflict):
    """The case or claim is not in a state that allows this, or its time has not come."""

    code = "staking.court.wrong_state"


@dataclass(slots=True)
class InsuranceRound:
    """Claims that share one pot."""

    first_epoch: int = 0
    claims: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    pot: int | None = None


@dataclass(slots=True)
class Insurance:
    """Pays victims whose slash fell short: a tenth of what is free, per epoch, pro rata."""

    free: int = 0
    rounds: list[InsuranceRound] = field(default_factory=lambda: [InsuranceRound()])

    @property
    def held(self) -> int:
        return self.free + sum(entry.pot or 0 for entry in self.rounds)

    def register(self, number: bytes, victim: str, amount: int, epoch: int) -> None:
        latest = self.rounds[-1]
        if not latest.claims:
            latest.first_epoch = epoch
        latest.claims[number] = (victim, amount)

    def close_round(self, epoch: int) -> int:
        """Raises: WrongState without claims, in the round's first epoch, or with nothing free."""
        latest = self.rounds[-1]
        wanted = sum(amount for _, amount in latest.claims.values())
        pot = min(wanted, self.free // POT_DIVISOR)
        if not wanted or epoch <= latest.first_epoch or not pot:
            raise WrongState(epoch=epoch)
        latest.pot = pot
        self.free -= pot
        self.rounds.append(InsuranceRound())
        return pot

    def collect(self, number: bytes, epoch: int) -> tuple[str, int]:
        """Raises: WrongState without a claim in a closed round."""
        entry = next((item for item in self.rounds if number in item.claims), None)
        if entry is None or entry.pot is None:
            raise WrongState(epoch=epoch)
        victim, amount = entry.claims[number]
        paid = entry.pot * amount // sum(claim for _, claim in entry.claims.values())
        entry.pot -= paid
        del entry.claims[number]
        if amount > paid:
            self.register(number, victim, amount - paid, epoch)
        return victim, paid
