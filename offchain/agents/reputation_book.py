"""What words about one agent weigh: the model that AgentReputation is held against.

Quarters of 90 days are counted from 1970. Source: docs/protocol/agents.md#registries.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

QUARTER: Final = 90 * 86_400
UNIT: Final = 10**9  # wei: weights in a mean


@dataclass(slots=True)
class Weight:
    """A sum of weight, of the quarter in which it was last added to."""

    amount: int = 0
    quarter: int = 0

    def now(self, time: int) -> int:
        return self.amount >> max(0, time // QUARTER - self.quarter)

    def add(self, amount: int, *, time: int) -> None:
        self.amount = self.now(time) + amount
        self.quarter = time // QUARTER


@dataclass(slots=True)
class Spoken:
    """One word."""

    score: int
    decimals: int
    is_revoked: bool = False
    weight: Weight = field(default_factory=Weight)


@dataclass(slots=True)
class ReputationBook:
    """Words by client; `cap` is wei of stake."""

    cap: int
    words: dict[bytes, list[Spoken]] = field(default_factory=dict)
    clients: dict[bytes, Weight] = field(default_factory=dict)

    def say(self, client: bytes, score: int, decimals: int) -> None:
        self.words.setdefault(client, []).append(Spoken(score, decimals))

    def revoke(self, client: bytes, index: int) -> None:
        self.words[client][index - 1].is_revoked = True

    def gain(self, client: bytes, *, fee: int, settled_at: int, time: int) -> int:
        """What an item on which the protocol earned `fee` adds; 0: nothing."""
        of_client = self.clients.setdefault(client, Weight())
        aged = fee >> (time // QUARTER - settled_at // QUARTER)
        return min(aged, self.cap - of_client.now(time))

    def prove(self, client: bytes, index: int, amount: int, *, time: int) -> None:
        self.words[client][index - 1].weight.add(amount, time=time)
        self.clients[client].add(amount, time=time)

    def weight_of(self, client: bytes, index: int, *, time: int) -> int:
        word = self.words[client][index - 1]
        return 0 if word.is_revoked else word.weight.now(time)

    def summary(self, *, time: int) -> tuple[int, int]:
        """Weight of all words, and their mean by weight with 18 decimals."""
        weight, units, total = 0, 0, 0
        for words in self.words.values():
            for word in words:
                own = 0 if word.is_revoked else word.weight.now(time)
                weight += own
                units += own // UNIT
                total += word.score * 10 ** (18 - word.decimals) * (own // UNIT)
        if not units:
            return weight, 0
        mean = Fraction(total, units)
        return weight, int(mean)  # towards zero, as the EVM divides
