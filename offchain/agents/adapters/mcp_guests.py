"""Guests of an agent's MCP server: who owns or rents it signs each request, and pays as he asks.

  X-Apogee-Envelope   JSON of a signed envelope whose `bodyHash` is of the very HTTP body
  _meta of tools/call {"urn:apogee:ask:1": {"run", "goal", "budget", "deadline"}}: with the tool's
                      name and arguments an ask
  _meta of its result {"urn:apogee:ask:1": {"envelope", "body"}}: the answer, signed by the agent

An envelope is taken as every other: by the same mailbox, at this block, once and in order.
Source: docs/protocol/agents.md#serving.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import from_json

from offchain.agents.ask import VERSION, Answer, Ask, State
from offchain.agents.envelope import NO_VOUCHER, Envelope, Mailbox, Replies, SignedEnvelope
from offchain.agents.host import Host
from offchain.agents.runtime_errors import AskMalformed, EnvelopeRefused
from offchain.agents.standing import Stop

HEADER: Final = "X-Apogee-Envelope"
TERMS: Final = "urn:apogee:ask:1"
MAX_HEADER: Final = 4_096
_NEXT: Final = {
    State.PAY: "Let the key named here sign vouchers of yours for the budget, and call again.",
    State.WORKING: "It is being worked on: call the same again.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A tool's answer: `text` for a model, `told` for who checks it."""

    text: str = field(repr=False)
    is_error: bool
    told: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class McpGuests:
    """The host, as signed requests meet it."""

    host: Host
    mailbox: Mailbox
    replies: Replies
    clock: Callable[[], int]

    async def take(self, header: str, body: bytes) -> Envelope:
        """Who asks. Raises: EnvelopeRefused, NotAllowedToRun, AgentStopped."""
        try:
            signed = SignedEnvelope.from_json(from_json(header) if len(header) <= MAX_HEADER else 0)
        except ValueError as error:
            raise EnvelopeRefused(reason="form") from error
        if signed.envelope.voucher != NO_VOUCHER:
            raise EnvelopeRefused(reason="voucher")
        await self.host.admit(signed.envelope.sender)
        return await self.mailbox.take(signed, body)

    async def call(self, one: Envelope, skill: str, call: Mapping[str, object]) -> Said:
        """`call`: `terms` and `inputs`, as they came. Raises: AskMalformed, as `Host.answer`."""
        answer = await self.host.answer(one.sender, _ask_of(skill, call).to_bytes())
        body = answer.to_bytes()
        signed = self.replies.to(one).say(body, self.clock())
        told = {TERMS: {"envelope": signed.as_json(), "body": body.decode()}}
        text = answer.report if answer.state is State.ENDED else _NEXT[answer.state]
        return Said(text or answer.reason, not _is_done(answer), told)


def _ask_of(skill: str, call: Mapping[str, object]) -> Ask:
    terms = call.get("terms")
    if not isinstance(terms, dict):
        raise AskMalformed(field=TERMS)
    body = {"goal": f"Use the skill {skill}.", **terms, "inputs": call["inputs"]}
    return Ask.from_bytes(json.dumps({**body, "version": VERSION, "skill": skill}).encode())


def _is_done(answer: Answer) -> bool:
    return answer.state is State.ENDED and answer.reason == Stop.GOAL.value
