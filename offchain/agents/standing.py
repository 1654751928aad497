"""Whose an agent is right now, and whether a run may go on: asked before every step.

The chain answers, at its newest block: owner, authorised users, epoch, lock, pause, and whether the
run's session still lives. A bundle is opened, and a step is done, only while all of it holds.
Source: docs/protocol/agents.md#runtime.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from offchain.agents.runtime_errors import AgentStopped, NotAllowedToRun


class Stop(StrEnum):
    """Why a run ended or waits."""

    GOAL = "goal"
    BUDGET = "budget"
    DEADLINE = "deadline"
    FORBIDDEN = "forbidden"
    OUT_OF_FORM = "out of form"  # the model does not keep to JSON
    TURNS = "turns"  # it did not come to an end
    EPOCH = "epoch changed"
    REVOKED = "revoked"
    KILLED = "killed"
    LOCKED = "locked"
    PAUSED = "paused"

    @property
    def is_final(self) -> bool:
        """Whether the run is over; paused and locked ones go on later."""
        return self not in (Stop.LOCKED, Stop.PAUSED)


class Control(StrEnum):
    """What the host was told about a run."""

    GO = "go"
    PAUSE = "pause"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent at one block. `is_session_live`: of the key that was asked about."""

    block: int
    now: int
    owner: bytes
    users: frozenset[bytes]
    epoch: int
    is_locked: bool
    account: bytes
    is_paused: bool = False
    is_session_live: bool = True

    def lets(self, who: bytes) -> bool:
        """Whether somebody may have the bundle opened."""
        return who == self.owner or who in self.users


class AgentLedger(Protocol):
    """What the chain says of agents; blocking. Raises: Unavailable when no node answers."""

    def standing(self, token: int, session: bytes | None = None) -> Standing:
        """At the newest block. `session`: a key whose session is asked about; None: no session."""
        ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who runs an agent: an account, and the session key that signs for it, if there is one."""

    token: int
    who: bytes
    session: bytes | None = None


async def admit(ledger: AgentLedger, visitor: Visitor) -> Standing:
    """Before a bundle is opened. Raises: NotAllowedToRun."""
    found = await asyncio.to_thread(ledger.standing, visitor.token)
    if not found.lets(visitor.who):
        raise NotAllowedToRun(token=visitor.token, who="0x" + visitor.who.hex(), block=found.block)
    return found


class Guard:
    """Asked before every step of one run."""

    def __init__(
        self,
        ledger: AgentLedger,
        visitor: Visitor,
        *,
        epoch: int,
        deadline: int,
        control: Callable[[], Control] = lambda: Control.GO,
    ) -> None:
        self._ledger = ledger
        self._visitor = visitor
        self._epoch = epoch
        self._deadline = deadline
        self._control = control

    async def check(self) -> Standing:
        """Raises: AgentStopped with the reason."""
        told = await asyncio.to_thread(self._control)
        if told is not Control.GO:
            self._stop(Stop.KILLED if told is Control.KILL else Stop.PAUSED)
        visitor = self._visitor
        found = await asyncio.to_thread(self._ledger.standing, visitor.token, visitor.session)
        for reason, holds in (
            (Stop.EPOCH, found.epoch == self._epoch),
            (Stop.REVOKED, found.lets(visitor.who)),
            (Stop.DEADLINE, found.now <= self._deadline),
            (Stop.LOCKED, not found.is_locked),
            (Stop.PAUSED, not found.is_paused),
            (Stop.REVOKED, found.is_session_live),
        ):
            if not holds:
                self._stop(reason)
        return found

    def _stop(self, reason: Stop) -> None:
        raise AgentStopped(reason=reason.value, token=self._visitor.token)
