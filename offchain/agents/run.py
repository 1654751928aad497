"""One run of an agent: acts under an intent, each decided, written down, done once, and logged.

Before every act the chain is asked whether the run may go on; money is held before anything is
signed; a request is written down before it is sent. So a process that is killed anywhere is
followed by one that finds for each act: done (its value is in the journal), perhaps done (the same
request, or the same call under the same act, is repeated and has its effect once), or not begun.
Source: docs/protocol/agents.md#runtime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from offchain.agents.intent import Intent
from offchain.agents.manifest import Manifest
from offchain.agents.memory import Memory
from offchain.agents.purse import Purse
from offchain.agents.run_journal import Kind, RunJournal
from offchain.agents.run_log import RunLog, Step
from offchain.agents.runtime_errors import (
    AgentStopped,
    CounterpartyForbidden,
    OverBudget,
    RunIsAnother,
    ToolForbidden,
)
from offchain.agents.skills import Value, joined
from offchain.agents.standing import Guard, Stop
from offchain.agents.think import Message, Mind, Ordered, Thought
from offchain.agents.tools import ToolBox, arguments_hash
from offchain.compute.errors import ProviderRefused, UnverifiedAnswer
from offchain.core.ecdsa import DigestSigner
from offchain.core.hashing import keccak

THINK, TOOL = "think", "tool"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which agent, and which run of it. `payer`: whose money thoughts are paid from."""

    run: bytes
    chain_id: int
    collection: bytes
    token: int
    epoch: int
    account: bytes
    payer: bytes


@dataclass(frozen=True, slots=True)
class RunParts:
    """What a run works with; `signer`: its session key."""

    manifest: Manifest
    mind: Mind
    tools: ToolBox
    memory: Memory
    guard: Guard
    journal: RunJournal
    purse: Purse
    signer: DigestSigner = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. `unsettled`: names whose entries are promised and not in the log yet."""

    reason: Stop
    text: str = field(repr=False)
    log: RunLog
    unsettled: tuple[str, ...] = ()


class Run:
    """Acts of one intent; use `think` and `use`, then `finish`."""

    def __init__(self, identity: Identity, intent: Intent, parts: RunParts) -> None:
        self.identity = identity
        self.intent = intent
        self.parts = parts
        self.purse = parts.purse
        self._remembered: dict[str, bytes] = {}
        self._salt = keccak(parts.manifest.memory_keys[0].key, identity.run)

    async def begin(self) -> None:
        """Once, before the first act. Raises: RunIsAnother, AgentStopped."""
        past = self.parts.journal.past
        said = {"intent": self.intent.to_bytes().decode(), "epoch": self.identity.epoch}
        if past.begun is None:
            await self.parts.guard.check()
            await self.parts.journal.write(Kind.BEGUN, said)
        elif dict(past.begun) != said:
            raise RunIsAnother(run=self.identity.run.hex()[:16])
        self.purse.charged |= {step.act: step.spend for step in past.steps}

    @property
    def ended(self) -> Report | None:
        """How it ended earlier."""
        found = self.parts.journal.past.ended
        if found is None:
            return None
        log = RunLog.from_bytes(str(found["log"]).encode())
        return Report(Stop(log.reason), str(found["text"]), log)

    async def think(self, act: str, messages: Sequence[Message], max_tokens: int) -> str:
        """One verified inference. Raises: AgentStopped, OverBudget, CounterpartyForbidden."""
        done = self.parts.journal.past.done.get(act)
        if done is not None:
            return str(done["value"])
        await self.parts.guard.check()
        was_ordered = act in self.parts.journal.past.orders
        ordered = await self._ordered(act, messages, max_tokens)
        try:
            thought = await self.parts.mind.send(ordered)
        except (ProviderRefused, UnverifiedAnswer) as error:
            await self.parts.journal.write(Kind.VOID, {"act": act})
            self.purse.release(act)
            if was_ordered and isinstance(error, ProviderRefused):
                return await self.think(act, messages, max_tokens)  # it was cut off, and not sold
            raise
        self.purse.charge(act, thought.price)
        await self._done(act, thought.text, self._thought_step(act, ordered, thought))
        return thought.text

    async def use(self, act: str, tool: str, arguments: Mapping[str, object]) -> Value:
        """One call of a tool. Raises: AgentStopped, ToolForbidden, ToolArgumentsWrong .."""
        done = self.parts.journal.past.done.get(act)
        if tool == "memory.remember":
            self._note_memory(act, arguments)
        if done is not None:
            value = done["value"]
            return [str(one) for one in value] if isinstance(value, list) else str(value)
        await self.parts.guard.check()
        found = await self.parts.tools.call(self.act_name(act), tool, arguments)
        asked, said = arguments_hash(tool, arguments), joined(found).encode()
        spend = self.purse.charged.get(self.act_name(act), 0)
        step = Step(act, TOOL, tool, self._hidden(asked), self._hidden(said), spend)
        await self._done(act, found, step)
        return found

    async def finish(self, reason: Stop, text: str) -> Report:
        """Wait for the memory, sign the log, write it down."""
        earlier = self.ended
        if earlier is not None:
            return earlier
        written = [] if reason is Stop.EPOCH else sorted(self._remembered.items())
        unsettled = await self.parts.memory.settle(written)
        log = self._log(reason).signed(self.parts.signer)
        shown = {"log": log.to_bytes().decode(), "text": text}
        await self.parts.journal.write(Kind.ENDED, shown)
        return Report(reason, text, log, tuple(unsettled))

    def act_name(self, act: str) -> str:
        """What an effect outside is keyed by: the same act of the same run, for ever."""
        return f"{self.identity.run.hex()}/{act}"

    def _note_memory(self, act: str, arguments: Mapping[str, object]) -> None:
        name, text = arguments.get("name"), arguments.get("text")
        if isinstance(name, str) and isinstance(text, str):
            sealed = self.parts.memory.sealed(name, text, self.act_name(act).encode())
            self._remembered[name] = sealed

    async def _ordered(self, act: str, messages: Sequence[Message], max_tokens: int) -> Ordered:
        """The act's order: as it was written down, or a new one that the purse covers."""
        mind, known = self.parts.mind, self.parts.journal.past.orders.get(act)
        limit = min(max_tokens, self.parts.manifest.model.max_output)
        if known is not None:
            ordered = await mind.restore(known)
            said = ordered.order.voucher.voucher
            self.purse.hold(act, ordered.hold, to=said.provider, currency=said.token)
            return ordered
        price = await mind.price(messages, limit)
        self.purse.hold(act, price.hold, to=price.provider, currency=price.currency)
        ordered = await mind.order(messages, limit)
        if ordered.hold > price.hold or ordered.order.voucher.voucher.provider != price.provider:
            raise OverBudget(asked=ordered.hold, held=price.hold)
        await self.parts.journal.write(
            Kind.ORDERED, {"act": act, "order": ordered.to_bytes().hex()}
        )
        return ordered

    async def _done(self, act: str, value: Value, step: Step) -> None:
        number = len(self.parts.journal.past.done)
        shown = {"act": act, "value": value, "step": step.as_json(number)}
        await self.parts.journal.write(Kind.DONE, shown)

    def _thought_step(self, act: str, ordered: Ordered, thought: Thought) -> Step:
        service = "0x" + ordered.order.voucher.voucher.service.hex()
        return Step(
            act=act,
            kind=THINK,
            name=service,
            asked=self._hidden(ordered.order.body),
            said=self._hidden(thought.text.encode()),
            spend=thought.price,
            receipt=thought.signed,
        )

    def _log(self, reason: Stop) -> RunLog:
        one, intent = self.identity, self.intent
        return RunLog(
            run=one.run,
            chain_id=one.chain_id,
            collection=one.collection,
            token=one.token,
            epoch=one.epoch,
            account=one.account,
            payer=one.payer,
            key=self.parts.signer.address,
            goal_hash=intent.goal_hash,
            limits=intent.limits,
            skill=intent.skill,
            reason=reason.value,
            steps=self.parts.journal.past.steps,
        )

    def _hidden(self, raw: bytes) -> bytes:
        """A digest that tells nothing to who has no key of this run."""
        return keccak(self._salt, keccak(raw))


def stop_of(error: Exception) -> Stop | None:
    """What an error of an act means for the run; None: nothing, it is the caller's."""
    if isinstance(error, AgentStopped):
        return Stop(str(error.fields["reason"]))
    if isinstance(error, OverBudget):
        return Stop.BUDGET
    if isinstance(error, CounterpartyForbidden | ToolForbidden):
        return Stop.FORBIDDEN
    return None
