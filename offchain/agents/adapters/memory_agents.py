"""Agents without a chain: an `AgentLedger` that says what it was told; for tests and trials."""

from dataclasses import dataclass, field, replace

from offchain.agents.runtime_errors import NotAllowedToRun
from offchain.agents.standing import Standing


@dataclass
class MemoryAgents:
    """Standings by token; `ended`: sessions that are over."""

    now: int
    found: dict[int, Standing] = field(default_factory=dict)
    ended: set[bytes] = field(default_factory=set)
    asked: int = 0

    def add(self, token: int, owner: bytes, *, account: bytes, epoch: int = 0) -> None:
        nobody: frozenset[bytes] = frozenset()
        self.found[token] = Standing(
            1, self.now, owner, nobody, epoch, is_locked=False, account=account
        )

    def change(self, token: int, **fields: object) -> None:
        """What a transaction would have changed."""
        self.found[token] = replace(self.found[token], **fields)  # type: ignore[arg-type]  # the fields are Standing's own

    def standing(self, token: int, session: bytes | None = None) -> Standing:
        """Raises: NotAllowedToRun for a token that does not exist."""
        self.asked += 1
        if token not in self.found:
            raise NotAllowedToRun(token=token)
        is_live = session is None or session not in self.ended
        return replace(self.found[token], now=self.now, is_session_live=is_live)
