"""What a host does for those who ask: real runs of the agent, at the cost of who may be charged.

A guest's run begins once its key is let: `delegate` in ComputeEscrow by the guest, for the run's
service and budget. The owner's own work (MCP, sold requests) is counted against what he allowed.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from offchain.agents.ask import Answer, Ask, Payee, State
from offchain.agents.host import Caller, Guest, Host, Work, name_of
from offchain.agents.intent import NATIVE, Limits
from offchain.agents.manifest import Manifest
from offchain.agents.purse import Purse
from offchain.agents.run import Report
from offchain.agents.run_log import RunLog
from offchain.agents.runtime_errors import AskMalformed, RunUnknown, ToolFailed
from offchain.agents.skills import parse_skill
from offchain.agents.standing import Stop
from offchain.apps.agent_acting import (
    LOG_FILE,
    Asking,
    Begun,
    Opened,
    begin,
    follow_through,
    runs_of,
)
from offchain.apps.agent_intent import IntentFlags
from offchain.apps.stake import Actor
from offchain.compute.model import NATIVE_COIN
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.node.folder_lock import FolderLock

QUESTION: Final = "question"  # the input of skills that take words


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """What the agent may spend of its own account, for one request and for all of this host's."""

    budget: int
    total: int
    seconds: int = 600
    service: str | None = None


@dataclass(frozen=True, slots=True)
class HostedAgent:
    """`Works` over a chain. `service`: where it thinks; a guest cannot choose, for whoever serves
    the model reads the prompt.
    """

    one: Actor
    opened: Opened
    service: str | None = None

    async def start(self, guest: Guest) -> Answer | Work:
        """Raises: RunIsAnother, IntentInvalid, ToolForbidden, ServiceUnknown."""
        ask, standing = guest.ask, guest.standing
        name = name_of(guest.caller, ask.run)
        flags = IntentFlags(
            goal=ask.goal,
            budget=f"{ask.budget}wei",
            deadline=f"{max(1, ask.deadline - standing.now)}s",
            skill=ask.skill,
            inputs=tuple(f"{one}={value}" for one, value in ask.inputs.items()),
            service=self.service,
            run=name,
        )
        folder = _folder(guest.who, name)
        asking = Asking(guest.who, flags, guest.caller.refused, folder)
        begun = await begin(self.one, asking, self.opened, standing)
        if not begun.is_owners and not await asyncio.to_thread(self._is_let, begun):
            service = begun.service
            payee = Payee(begun.signer.address, service.provider, service.id)
            return Answer(State.PAY, payee)
        return partial(self._work, begun)

    async def recall(self, who: bytes, name: str) -> Answer:
        """Raises: RunUnknown."""
        path = runs_of(self.one, self.opened.token) / _folder(who, name) / LOG_FILE
        try:
            log = RunLog.from_bytes(await asyncio.to_thread(path.read_bytes))
        except FileNotFoundError as error:
            raise RunUnknown(run=name) from error
        return Answer(State.ENDED, None, log.reason, "", log.to_bytes())

    async def _work(self, begun: Begun) -> Report:
        """The owner's runs stay out of the way of his `apogee agent run`."""
        token = self.opened.token
        lock = FolderLock(runs_of(self.one, token)) if begun.is_owners else None
        try:
            return await follow_through(self.one, token, begun)
        finally:
            if lock is not None:
                lock.close()

    def _is_let(self, begun: Begun) -> bool:
        """Whether the guest's delegation is there; a run that began may have spent its bucket."""
        if begun.journal.past.ended is not None:
            return True
        escrow, service = self.one.network.escrow, begun.service
        at = self.one.network.node.block().hash
        found = escrow.delegate(begun.payer, begun.signer.address, at=at)
        if found is None or found.is_revoked or found.service != service.id:
            return False
        bucket = escrow.bucket(begun.payer, service.provider, NATIVE_COIN, at=at)
        return begun.journal.past.begun is not None or bucket.available > 0


def _folder(who: bytes, name: str) -> str:
    """Where a run lies, whatever its asker called it."""
    return keccak(name.encode(), who).hex()[:24]


@dataclass
class OwnWork:
    """What the agent does at its own cost; at most `limits.total` in this host's life."""

    host: Host
    limits: WorkLimits
    manifest: Manifest = field(repr=False)
    purse: Purse = field(init=False)

    def __post_init__(self) -> None:
        terms = Limits(self.limits.total, 1, NATIVE, counterparties=frozenset({NATIVE}))
        self.purse = Purse(terms)

    async def called(self, skill: str, inputs: Mapping[str, str]) -> str:
        """An MCP client's call. Raises: OverBudget, ToolFailed, and what a run raises."""
        ask = await self._ask(secrets.token_hex(8), f"Use the skill {skill}.", skill, inputs)
        return await self._done(ask, Caller.OWNER)

    async def sold(self, request: str, run: str) -> str:
        """A request to the agent's service: {"skill", "inputs"}, or words. Raises: as `called`."""
        goal, skill, inputs = self._wanted(request)
        return await self._done(await self._ask(run, goal, skill, inputs), Caller.PAYER)

    def _wanted(self, request: str) -> tuple[str, str, Mapping[str, str]]:
        try:
            found = json.loads(request)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and set(found) <= {"skill", "inputs"}:
            skill, inputs = found.get("skill", ""), found.get("inputs", {})
            if isinstance(skill, str) and isinstance(inputs, dict):
                return f"Use the skill {skill}.", skill, inputs
        for name, raw in self.manifest.skills.items():
            if parse_skill(name, raw).inputs == (QUESTION,):
                return request, name, {QUESTION: request}
        return request, "", {}

    async def _ask(self, run: str, goal: str, skill: str, inputs: Mapping[str, str]) -> Ask:
        now = (await self.host.check()).now
        try:
            return Ask(run, goal, self.limits.budget, now + self.limits.seconds, skill, inputs)
        except (TypeError, AttributeError) as error:
            raise AskMalformed(field="inputs") from error

    async def _done(self, ask: Ask, caller: Caller) -> str:
        name = name_of(caller, ask.run)
        self.purse.hold(name, ask.budget, to=NATIVE, currency=NATIVE)
        try:
            answer = await self.host.own(ask, caller)
        except ApogeeError:
            self.purse.release(name)
            raise
        self.purse.charge(name, RunLog.from_bytes(answer.log).spent)
        if answer.reason != Stop.GOAL.value:
            raise ToolFailed("The agent did not come to an end.", reason=answer.reason)
        return answer.report
