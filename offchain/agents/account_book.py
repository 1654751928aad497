"""What an agent's account lets happen: the model that AgentAccount is held against.

`refusal` words are the contract's. Source: docs/protocol/agents.md#account.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.agents.sessions import NATIVE, Grant

DAY: Final = 86_400


@dataclass(slots=True)
class Spending:
    """What is spent under one cap; `day` is the day of UTC that `today` is of."""

    total: int = 0
    day: int = -1
    today: int = 0


@dataclass(slots=True)
class Granted:
    """One session of a key."""

    grant: Grant
    epoch: int
    generation: int
    calls_left: int
    spent: dict[bytes, Spending] = field(default_factory=dict)

    def is_live(self, *, now: int, epoch: int, generation: int) -> bool:
        same = self.epoch == epoch and self.generation == generation
        return same and self.grant.valid_from <= now <= self.grant.valid_until

    def allows(self, target: bytes, selector: bytes) -> bool:
        return any(one.target == target and selector in one.selectors for one in self.grant.targets)

    def refusal(self, token: bytes, amount: int, *, now: int) -> str:
        """Why so much is not spent; empty when it is."""
        if not amount:
            return ""
        cap = next((cap for cap in self.grant.caps if cap.token == token), None)
        if cap is None:
            return "sessions: no cap"
        spent = self.spent.get(token, Spending())
        today = spent.today if spent.day == now // DAY else 0
        if today + amount > cap.day:
            return "sessions: over the day's cap"
        if spent.total + amount > cap.total:
            return "sessions: over the cap"
        return ""

    def spend(self, token: bytes, amount: int, *, now: int) -> None:
        if not amount:
            return
        spent = self.spent.setdefault(token, Spending())
        today = spent.today if spent.day == now // DAY else 0
        spent.total += amount
        spent.day, spent.today = now // DAY, today + amount


@dataclass(slots=True)
class AccountBook:
    """One account; `owner` and `epoch` are the token's, `locked_until` its lock's last second."""

    owner: bytes
    epoch: int = 0
    generation: int = 0
    acts: int = 0
    locked_until: int = -1
    is_paused: bool = False
    granted: dict[bytes, Granted] = field(default_factory=dict)

    def is_locked(self, now: int) -> bool:
        return now <= self.locked_until

    def move(self, to: bytes) -> None:
        """The token changes hands: no session is left alive."""
        self.owner = to
        self.epoch += 1
        self.locked_until = -1

    def refusal_of_owner(self, by: bytes, *, now: int) -> str:
        if by != self.owner:
            return "agent_account: not the owner"
        return "agent_account: token is locked" if self.is_locked(now) else ""

    def grant(self, key: bytes, grant: Grant) -> None:
        self.acts += 1
        self.granted[key] = Granted(grant, self.epoch, self.generation, grant.calls)

    def revoke(self, key: bytes) -> None:
        self.acts += 1
        del self.granted[key]

    def end_sessions(self) -> None:
        self.acts += 1
        self.generation += 1

    def set_paused(self, is_paused: bool) -> None:
        self.acts += 1
        self.is_paused = is_paused

    def is_live(self, key: bytes, *, now: int) -> bool:
        one = self.granted.get(key)
        return one is not None and one.is_live(
            now=now, epoch=self.epoch, generation=self.generation
        )

    def may_act(self, now: int) -> bool:
        return not self.is_paused and not self.is_locked(now)

    def execute(
        self,
        by: bytes,
        target: bytes,
        selector: bytes,
        *,
        value: int,
        losses: dict[bytes, int],
        now: int,
    ) -> str:
        """Count a call with what it costs of each token; why it is refused, or nothing."""
        if self.is_paused:
            return "agent_account: paused"
        if self.is_locked(now):
            return "agent_account: token is locked"
        if by != self.owner:
            refusal = self._use(by, target, selector, {NATIVE: value, **losses}, now)
            if refusal:
                return refusal
        self.acts += 1
        return ""

    def _use(
        self, key: bytes, target: bytes, selector: bytes, spends: dict[bytes, int], now: int
    ) -> str:
        if not self.is_live(key, now=now):
            return "sessions: not live"
        one = self.granted[key]
        if not one.calls_left:
            return "sessions: no calls left"
        if not one.allows(target, selector):
            return "sessions: not allowed"
        for token, amount in spends.items():
            refusal = one.refusal(token, amount, now=now)
            if refusal:
                return refusal
        for token, amount in spends.items():
            one.spend(token, amount, now=now)
        one.calls_left -= 1
        return ""
