"""What an attack came to: how it ended, who paid how much for it, and who received that."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from offchain.apps.amounts import show_amount
from offchain.core.errors import Corrupt

COLUMNS = ("attack", "how it ended", "who paid", "coins", "who received them")


class AttackSucceeded(Corrupt):
    """An attack did what it must never do."""

    code = "attack.succeeded"
    next_step = "Run again with --keep DIR and read the logs there: a defence has a bug."


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack that failed; amounts in wei, gas left out unless the attack is about gas."""

    attack: str
    ending: str
    payer: str = "nobody"
    paid_wei: int = 0
    received_wei: Mapping[str, int] = field(default_factory=dict)
    transaction: bytes = b""

    def __post_init__(self) -> None:
        require(self.paid_wei == sum(self.received_wei.values()), self.attack, "money is missing")

    def as_json(self) -> dict[str, object]:
        return {
            "attack": self.attack,
            "ending": self.ending,
            "payer": self.payer,
            "paid_wei": self.paid_wei,
            "received_wei": dict(self.received_wei),
            "transaction": "0x" + self.transaction.hex() if self.transaction else None,
        }

    def cells(self) -> tuple[str, ...]:
        received = ", ".join(
            f"{who} {show_amount(wei)}" for who, wei in self.received_wei.items() if wei
        )
        paid = show_amount(self.paid_wei) if self.paid_wei else ""
        return (self.attack, self.ending, self.payer, paid, received)


def require(holds: bool, attack: str, what: str) -> None:
    """Raises: AttackSucceeded."""
    if not holds:
        raise AttackSucceeded(attack=attack, what=what)
